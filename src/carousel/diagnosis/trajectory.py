"""Run a user's model on a batch and see, for every recurrent layer and direction, its inputs, states and gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from carousel.diagnosis.backpropagation import back_through
from carousel.diagnosis.calls import Passage, passages
from carousel.diagnosis.layers import RecurrentLayer, layers_of, recurrent_layers
from carousel.diagnosis.recording import Batch, Call, recording, run, send_back
from carousel.diagnosis.replay import replay
from carousel.diagnosis.scaled import Scaled
from carousel.diagnosis.segments import apart
from carousel.diagnosis.untouched import untouched
from carousel.errors import CarouselError

Loss = Callable[[Any], Tensor]
LARGE = 512
DEFAULT_LOSS = "the squared norm of the last valid output"


@dataclass(frozen=True, eq=False)
class Trajectory:
    """One layer on a batch, in its own order of time: a reverse layer's step 0 reads the end of the sequence.

    Attributes:
        layer: the layer.
        inputs: (T, B, I), what the layer read; zeros after a sequence's end.
        states: (T + 1, B, n): the full state before the first step, then after each; after a sequence's end it stays.
        lengths: (B,), steps of each sequence.
        gradient: dL/ds at each of these T + 1 points, (T + 1, B, n) with logarithms: all that the state does to
            the loss, by its output and by the states that follow; None if no loss was asked for.
        onward: the same without what the layer above in the same module reads at the same step.
    """

    layer: RecurrentLayer
    inputs: Tensor = field(repr=False)
    states: Tensor = field(repr=False)
    lengths: Tensor
    gradient: Scaled | None = field(default=None, repr=False)
    onward: Scaled | None = field(default=None, repr=False)

    def double(self) -> Trajectory:
        """The same in float64, without gradients, for what needs more digits than float32 has."""
        return Trajectory(self.layer.double(), self.inputs.double(), self.states.double(), self.lengths)

    @property
    def steps(self) -> int:
        """T, of the longest sequence."""
        return self.inputs.shape[0]

    @property
    def instances(self) -> int:
        """B."""
        return self.inputs.shape[1]

    @property
    def valid(self) -> Tensor:
        """bool (T, B): which steps belong to a sequence."""
        return torch.arange(self.steps)[:, None] < self.lengths

    def points(self, limit: int | None = None) -> tuple[Tensor, Tensor]:
        """(x, s before the step) of valid steps as rows, (N, I) and (N, n): all, or `limit` spread evenly."""
        where = self.valid.nonzero()
        if limit is not None and len(where) > limit:
            where = where[torch.linspace(0, len(where) - 1, limit).round().long()]
        t, b = where.unbind(dim=1)
        return self.inputs[t, b], self.states[t, b]


@dataclass(frozen=True, eq=False)
class Observation:
    """A model run once on a batch.

    Attributes:
        trajectories: one for each recurrent layer and direction that the batch reached.
        loss: its value, or None; loss_words: what it was, in words.
        unused: names of recurrent layers that the batch did not reach.
        calls: path of a recurrent module -> how often it was called, where it was more than once.
        runs: path of a recurrent module -> how many runs of calls it had that do not follow each other, where more
            than one; only the longest, the first of equals, was looked at.
        cut: whether there were resets: each stretch between two is then a sequence of its own, the longest first.
    """

    trajectories: list[Trajectory]
    loss: float | None
    loss_words: str
    unused: list[str] = field(default_factory=list)
    calls: dict[str, int] = field(default_factory=dict)
    cut: bool = False
    runs: dict[str, int] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Trajectory:
        """The trajectory of the layer of that name."""
        for trajectory in self.trajectories:
            if trajectory.layer.name == name:
                return trajectory
        names = ", ".join(each.layer.name for each in self.trajectories)
        raise CarouselError(f"There is no layer {name!r}; there are {names}.")

    @property
    def modules(self) -> dict[str, list[Trajectory]]:
        """Path of a recurrent module -> the trajectories of its layers and directions."""
        found: dict[str, list[Trajectory]] = {}
        for each in self.trajectories:
            found.setdefault(each.layer.path, []).append(each)
        return found


def observe(
    model: nn.Module,
    batch: Batch,
    loss: Loss | None = None,
    *,
    instances: int | None = 8,
    gradients: bool = True,
    dtype: torch.dtype | None = None,
) -> Observation:
    """Run a model on a batch, in eval mode, and see what every recurrent layer in it did.

    The model stays as it was: parameters, requires_grad, .grad, modes, buffers, hooks, attributes and random numbers.
    States are computed anew from the layer's equations in `dtype`, from what the model fed it, and compared with what
    the module gave out, so that nothing is diagnosed that the model does not do.

    Args:
        model: any module that holds recurrent ones, torch's or ours.
        batch: a tuple is model(*batch), a dict model(**batch), anything else model(batch). Padded, packed or with
            lengths=, with resets=, batch first or not, unbatched, in one call or step by step.
        loss: a function of the model's output that returns one number (or one for each sequence, (B,), which are added
            up); None: the squared norm of the last valid output. An attribute `words` of it is what reports call it.
        instances: how many sequences of the batch to keep, the first ones; None: all.
        gradients: whether to send the loss back at all.
        dtype: in which to compute; None: float64, but float32 for a float32 model with states of more than 512 numbers,
            which takes half the time.

    Raises:
        CarouselError: the model holds no recurrent layer, the batch is empty, of the wrong width or not finite, a
            weight is not finite, or the loss cannot be differentiated.

    >>> import torch
    >>> from carousel.diagnosis import observe
    >>> seen = observe(torch.nn.LSTM(3, 5, num_layers=2), torch.randn(7, 4, 3))
    >>> [(each.layer.name, tuple(each.states.shape)) for each in seen.trajectories]
    [('LSTM.l0', (8, 4, 10)), ('LSTM.l1', (8, 4, 10))]
    """
    known = recurrent_layers(model, dtype or torch.float32)
    dtype = dtype or _dtype(model, known)
    if not known:
        raise CarouselError(
            f"{type(model).__name__} holds no recurrent layer: neither torch.nn.RNN, LSTM or GRU nor one of "
            "Carousel's. For the gradient by layer of any network there is carousel.diagnosis.gradient_by_layer."
        )
    with (
        torch.inference_mode(False),
        untouched(model) as twin,
        torch.set_grad_enabled(gradients),
        recording(twin) as calls,
    ):
        output = _output(twin, batch)
        if not calls:
            raise CarouselError("The batch reached no recurrent layer: the model's forward did not call one.")
        value = None
        if gradients:
            total = _loss(loss, output, calls)
            value = float(total.detach())
            send_back(total, calls)
    found = [passage.most(instances) for passage in passages(calls, dtype, gradients)]
    reached = [apart(passage) for passage in found]
    trajectories = [each for passage in reached for each in _trajectories(passage, gradients, dtype)]
    names = {each.layer.name for each in trajectories}
    counts = {path: sum(call.path == path for call in calls) for path in {call.path for call in calls}}
    return Observation(
        trajectories,
        value,
        "none" if not gradients else _loss_words(loss),
        [layer.name for layer in known if layer.name not in names],
        {path: count for path, count in counts.items() if count > 1},
        any(passage.resets is not None for passage in found),
        {passage.path: passage.runs for passage in found if passage.runs > 1},
    )


def _dtype(model: nn.Module, layers: Sequence[RecurrentLayer]) -> torch.dtype:
    is_large = max((layer.size for layer in layers), default=0) > LARGE
    is_double = any(parameter.dtype == torch.float64 for parameter in model.parameters())
    return torch.float32 if is_large and not is_double else torch.float64


def _output(model: nn.Module, batch: Batch) -> Any:
    try:
        return run(model, batch)
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        if isinstance(error, CarouselError):
            raise
        raise CarouselError(
            f"{type(model).__name__} failed on this batch, {_shapes(batch)}: {error}. A tuple is model(*batch), a dict "
            "model(**batch), anything else model(batch)."
        ) from error


def _shapes(batch: Batch) -> str:
    if isinstance(batch, PackedSequence):
        return f"a PackedSequence of {tuple(batch.data.shape)}"
    if isinstance(batch, Tensor):
        return f"a tensor {tuple(batch.shape)}"
    if isinstance(batch, (tuple, list)):
        return f"({', '.join(_shapes(each) for each in batch)})"
    if isinstance(batch, dict):
        return f"{{{', '.join(f'{key}: {_shapes(each)}' for key, each in batch.items())}}}"
    return f"a {type(batch).__name__}"


def _loss(loss: Loss | None, output: Any, calls: Sequence[Call]) -> Tensor:
    if loss is None:
        return last_valid_output(output, calls).square().sum()
    try:
        total = loss(output)
    except (AttributeError, TypeError) as error:
        if isinstance(output, Tensor):
            raise
        raise CarouselError(
            f"The loss failed on the model's output, {_shapes(output)}: {error}. It takes what the model returns, all "
            "of it: of an LSTM that is (output, (h, c))."
        ) from error
    if not isinstance(total, Tensor) or not total.is_floating_point():
        raise CarouselError(
            f"A loss takes the model's output and returns one number as a tensor; it returned a {type(total).__name__}."
        )
    sequences = int(Passage.of(calls[-1:], torch.float64).lengths.numel())
    if total.numel() != 1 and tuple(total.shape) != (sequences,):
        raise CarouselError(
            f"A loss returns one number; it returned {total.numel()}, in shape {tuple(total.shape)}. Sum or average "
            "them in the loss, as in loss=lambda output: output[0].square().mean()."
        )
    total = total.sum()
    if not bool(torch.isfinite(total)):
        raise CarouselError(
            f"The loss on this batch is {total.item()}. A gradient cannot be taken of it; look at the data and "
            "the weights."
        )
    return total


def _loss_words(loss: Loss | None) -> str:
    """A loss may bring its own, as `words`."""
    return DEFAULT_LOSS if loss is None else str(getattr(loss, "words", "the loss that was given"))


def last_valid_output(output: Any, calls: Sequence[Call]) -> Tensor:
    """The model's output at the last step of each sequence, (B, ...); the whole output if it has no time."""
    if isinstance(output, PackedSequence):
        padded, lengths = nn.utils.rnn.pad_packed_sequence(output)
        return padded[lengths - 1, torch.arange(len(lengths))]
    if isinstance(output, dict):
        output = next((each for each in output.values() if _is_output(each)), output)
    if isinstance(output, (tuple, list)):
        output = next((each for each in output if _is_output(each)), output)
        if isinstance(output, PackedSequence):
            return last_valid_output(output, calls)
    if not isinstance(output, Tensor) or not output.is_floating_point():
        raise CarouselError(
            f"The model's output is a {type(output).__name__} without a tensor of numbers to take a loss of; "
            "give a loss of its output."
        )
    last = Passage.of(calls[-1:], torch.float64)
    steps, batch = last.inputs.shape[:2]
    t, b = last.lengths - 1, torch.arange(batch)
    if not last.stepwise and output.dim() >= 2:
        if last.unbatched and output.shape[0] == steps:
            return output[-1:]
        if last.batch_first and output.shape[:2] == (batch, steps):
            return output[b, t]
        if not last.unbatched and output.shape[:2] == (steps, batch):
            return output[t, b]
        if not last.unbatched and output.shape[:2] == (batch, steps):
            return output[b, t]
    return output


def _is_output(value: Any) -> bool:
    return isinstance(value, PackedSequence) or (isinstance(value, Tensor) and value.is_floating_point())


def _trajectories(passage: Passage, gradients: bool, dtype: torch.dtype) -> list[Trajectory]:
    layers = layers_of(passage.module, passage.path, dtype)
    played = replay(layers, passage)
    plain = [
        Trajectory(layer, each.inputs, each.states, passage.lengths)
        for layer, each in zip(layers, played, strict=True)
    ]
    if not gradients:
        return plain
    found = back_through(layers, played, passage)
    return [
        replace(trajectory, gradient=each.whole, onward=each.onward)
        for trajectory, each in zip(plain, found, strict=True)
    ]
