"""How far back a whole model sees: from its output to the inputs of each recurrent module, through all between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from carousel.diagnosis.brief import Brief
from carousel.diagnosis.observation.log_scaled import LogScaled
from carousel.diagnosis.observation.loss import valid_output
from carousel.diagnosis.observation.module_run import ModuleRun
from carousel.diagnosis.observation.recording import Batch, Call, call_model, map_tensors, recording
from carousel.diagnosis.observation.side_effects import without_side_effects
from carousel.errors import CarouselError
from carousel.options import check_seed

Array = NDArray[np.float64]

LEFT = np.log(0.05)  # of the strongest: what counts as seen


@dataclass(frozen=True, repr=False)
class EndToEnd(Brief):
    """The root mean square gradient of random directions of one output at the inputs of each recurrent module.

    Attributes:
        output: which output, "the last step" or "the middle step".
        log_norms: path of a module -> natural logarithms, (T, B), by the step of the module's input; NaN after the end
            of a sequence, -inf where the output does not depend on the input.
        directions: how many random directions were sent back.

    >>> import numpy as np
    >>> from carousel.diagnosis import EndToEnd
    >>> found = EndToEnd("the last step", {"rnn": np.log([[1e-9], [0.1], [1.0]])}, directions=8)
    >>> found.seen("rnn")
    array([False,  True,  True])
    """

    output: str
    log_norms: dict[str, Array]
    directions: int

    def seen(self, path: str) -> Array:
        """(T,): whether at least half of the sequences see the input of the module `path` at a step: 5 % or more."""
        logs = self.log_norms[path]
        with np.errstate(invalid="ignore"):
            return np.nanmean(logs >= np.nanmax(logs, axis=0) + LEFT, axis=1) >= 0.5

    @property
    def words(self) -> str:
        """From which step to which step the output sees the input of each module."""
        parts = []
        for path in self.log_norms:
            there = np.flatnonzero(self.seen(path) & (np.nanmax(self.log_norms[path], axis=1) > -np.inf))
            steps = len(self.log_norms[path])
            span = f"steps {there[0] + 1} to {there[-1] + 1} of {steps}" if there.size else "no step"
            parts.append(f"{span} of the input of {path or 'the module'}")
        return f"From end to end, the output at {self.output} sees (5 % or more of the strongest) {'; '.join(parts)}."


def end_to_end(model: nn.Module, batch: Batch, *, directions: int = 8, seed: int = 0) -> EndToEnd:
    """Follow one output back through the whole model: several modules in sequence, or layers of both directions.

    Random directions of the output are sent back by autograd to the inputs of every recurrent module. It is the output
    at the last step of each sequence, or at the middle one if a layer runs in reverse and the output has a step for
    each input. After Pascanu, Mikolov and Bengio (2013), for whole models.

    Args:
        model, batch: as of `observe`; inputs (T, B, I) and all other forms.
        directions: how many random directions of the output.
        seed: of the directions.

    Raises:
        CarouselError: the batch reaches no recurrent module, or the output does not depend on one.

    >>> import torch
    >>> from carousel.diagnosis import end_to_end
    >>> found = end_to_end(torch.nn.LSTM(3, 5, num_layers=2, bidirectional=True), torch.randn(9, 4, 3))
    >>> found.output, found.log_norms[""].shape, found.seen("").shape
    ('the middle step', (9, 4), (9,))
    """
    generator = torch.Generator().manual_seed(check_seed(seed))
    with (
        torch.inference_mode(False),
        without_side_effects(model) as twin,
        torch.enable_grad(),
        recording(twin, inputs=True) as calls,
    ):
        whole = call_model(twin, batch)
        if not calls:
            raise CarouselError(
                "The batch must reach a recurrent layer; the model's forward did not call one."
            )
        both_ways = any(getattr(call.module, "bidirectional", False) for call in calls)
        output = valid_output(whole, calls, lambda lengths: lengths // 2 if both_ways else lengths - 1)
        if not output.requires_grad:
            raise CarouselError(
                "The output must depend on a recurrent layer in a way that can be differentiated. Let the model's "
                "forward run without torch.no_grad, detach or argmax."
            )
        probes = [call.input_probe for call in calls if call.input_probe is not None]
        sent = []
        for _ in range(directions):
            u = torch.randn(output.shape[1:], generator=generator).to(output)
            total = (output * u / torch.linalg.vector_norm(u)).sum()
            sent.append(torch.autograd.grad(total, probes, allow_unused=True, retain_graph=True))
    by_path: dict[str, list[Array]] = {}
    for k, call in enumerate(calls):
        by_path.setdefault(call.path, []).append(_log_norms(call, [each[k] for each in sent]))
    has_time = output.shape[0] != whole.shape[0] if isinstance(whole, Tensor) else True
    position = "the middle step" if both_ways and has_time else "the last step"
    return EndToEnd(position, {path: np.concatenate(each) for path, each in by_path.items()}, directions)


def _log_norms(call: Call, sent: Sequence[Tensor | None]) -> Array:
    """ln of the root mean square over directions, (T, B), of one call; NaN after the end of a sequence."""
    logs = []
    for gradient in sent:

        def as_input(data: Tensor, gradient: Tensor | None = gradient) -> Tensor:
            return torch.zeros_like(data) if gradient is None else gradient

        run = ModuleRun.of([replace(call, input=map_tensors(as_input, call.input))], torch.float64)
        logs.append(2 * LogScaled.of(run.inputs).log)
    mean = torch.logsumexp(torch.stack(logs), dim=0) / 2 - np.log(len(logs)) / 2
    outside = torch.arange(len(mean))[:, None] >= run.lengths
    return mean.masked_fill(outside, torch.nan).numpy()
