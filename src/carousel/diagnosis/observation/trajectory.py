"""Run a user's model on a batch and see, for every recurrent layer and direction, its inputs, states and gradients."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from carousel.diagnosis.brief import Brief
from carousel.diagnosis.observation.backpropagation import back_through
from carousel.diagnosis.observation.layers import RecurrentLayer, layers_of, recurrent_layers
from carousel.diagnosis.observation.log_scaled import LogScaled
from carousel.diagnosis.observation.loss import Loss, loss_of, loss_words, shapes
from carousel.diagnosis.observation.module_run import ModuleRun, module_runs
from carousel.diagnosis.observation.recording import Batch, call_model, recording, send_back
from carousel.diagnosis.observation.replay import replay
from carousel.diagnosis.observation.resets import split_at_resets
from carousel.diagnosis.observation.side_effects import without_side_effects
from carousel.errors import CarouselError

LARGE = 512


@dataclass(frozen=True, eq=False, repr=False)
class Trajectory(Brief):
    """One layer on a batch, in its own order of time: a reverse layer's step 0 reads the end of the sequence.

    Attributes:
        layer: the layer.
        inputs: (T, B, I), what the layer read; zeros after a sequence's end.
        states: (T + 1, B, n): the full state before the first step, then after each; after a sequence's end it stays.
        lengths: (B,), steps of each sequence.
        gradient: dL/ds at each of these T + 1 points, (T + 1, B, n) with logarithms: all that the state does to
            the loss, by its output and by the states that follow; None if no loss was asked for.
        onward: the same without what the layer above in the same module reads at the same step.

    >>> import torch
    >>> from carousel.diagnosis import observe
    >>> [trajectory] = observe(torch.nn.GRU(3, 5), torch.randn(7, 4, 3)).trajectories
    >>> x, s = trajectory.points(limit=10)
    >>> x.shape, s.shape, trajectory.steps, trajectory.instances
    (torch.Size([10, 3]), torch.Size([10, 5]), 7, 4)
    """

    layer: RecurrentLayer
    inputs: Tensor = field(repr=False)
    states: Tensor = field(repr=False)
    lengths: Tensor
    gradient: LogScaled | None = field(default=None, repr=False)
    onward: LogScaled | None = field(default=None, repr=False)

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


@dataclass(frozen=True, eq=False, repr=False)
class Observation(Brief):
    """A model run once on a batch.

    Attributes:
        trajectories: one for each recurrent layer and direction that the batch reached.
        loss: its value, or None; loss_words: what it was, in words.
        unused: names of recurrent layers that the batch did not reach.
        calls: path of a recurrent module -> how often it was called, where it was more than once.
        runs: path of a recurrent module -> how many runs of calls it had that do not follow each other, where more
            than one; only the longest, the first of equals, was looked at.
        reads_itself: paths of modules whose input depends on what they put out before.
        cut: whether there were resets: each stretch between two is then a sequence of its own, the longest first.
    """

    trajectories: list[Trajectory]
    loss: float | None
    loss_words: str
    unused: list[str] = field(default_factory=list)
    calls: dict[str, int] = field(default_factory=dict)
    cut: bool = False
    runs: dict[str, int] = field(default_factory=dict)
    reads_itself: list[str] = field(default_factory=list)

    def __getitem__(self, name: str) -> Trajectory:
        """The trajectory of the layer of that name."""
        by_name = {each.layer.name: each for each in self.trajectories}
        if name not in by_name:
            raise CarouselError(f"There is no layer {name!r}; there are {', '.join(by_name)}.")
        return by_name[name]

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
    the module put out, so that nothing is diagnosed that the model does not do. Gradients at the states are found by
    backpropagation through time (Werbos 1990), with a logarithm beside each, so that none is too small to hold.

    Args:
        model: any module that holds recurrent ones, torch's or ours.
        batch: a tuple is model(*batch), a dict model(**batch), anything else model(batch). Padded, packed or with
            lengths=, with resets=, batch first or not, unbatched, in one call or step by step.
        loss: a function of the model's output that returns one number (or one for each sequence, (B,), which are added
            up); None: the squared norm of the last valid output. An attribute `words` of it is what reports call it.
        instances: how many sequences of the batch to keep, the first ones; None: all.
        gradients: whether to compute the gradient of the loss at all, (T + 1, B, n) for each layer.
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
            "A model must hold a recurrent layer, torch.nn.RNN, LSTM, GRU or one of Carousel's; "
            f"{type(model).__name__} holds no recurrent layer. For other networks there is "
            "carousel.diagnosis.gradient_by_layer."
        )
    with (
        torch.inference_mode(False),
        without_side_effects(model) as twin,
        torch.set_grad_enabled(gradients),
        recording(twin) as calls,
    ):
        output = _output(twin, batch)
        if not calls:
            raise CarouselError("The batch reached no recurrent layer: the model's forward did not call one.")
        value = None
        if gradients:
            total = loss_of(loss, output, calls)
            value = float(total.detach())
            send_back(total, calls)
    found = [run.most(instances) for run in module_runs(calls, dtype, gradients)]
    reached = [split_at_resets(run) for run in found]
    trajectories = [each for run in reached for each in _trajectories(run, gradients, dtype)]
    names = {each.layer.name for each in trajectories}
    counts = Counter(call.path for call in calls)
    return Observation(
        trajectories=trajectories,
        loss=value,
        loss_words="none" if not gradients else loss_words(loss),
        unused=[layer.name for layer in known if layer.name not in names],
        calls={path: count for path, count in counts.items() if count > 1},
        cut=any(run.resets is not None for run in found),
        reads_itself=list(dict.fromkeys(call.path for call in calls if call.reads_itself)),
        runs={run.path: run.runs for run in found if run.runs > 1},
    )


def _dtype(model: nn.Module, layers: Sequence[RecurrentLayer]) -> torch.dtype:
    is_large = max((layer.size for layer in layers), default=0) > LARGE
    is_double = any(parameter.dtype == torch.float64 for parameter in model.parameters())
    return torch.float32 if is_large and not is_double else torch.float64


def _output(model: nn.Module, batch: Batch) -> Any:
    try:
        return call_model(model, batch)
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        if isinstance(error, CarouselError):
            raise
        raise CarouselError(
            f"{type(model).__name__} failed on this batch, {shapes(batch)}: {error}. A tuple is model(*batch), a dict "
            "model(**batch), anything else model(batch)."
        ) from error


def _trajectories(run: ModuleRun, gradients: bool, dtype: torch.dtype) -> list[Trajectory]:
    layers = layers_of(run.module, run.path, dtype)
    replayed = replay(layers, run)
    plain = [
        Trajectory(layer, each.inputs, each.states, run.lengths)
        for layer, each in zip(layers, replayed, strict=True)
    ]
    if not gradients:
        return plain
    found = back_through(layers, replayed, run)
    return [
        replace(trajectory, gradient=each.whole, onward=each.onward)
        for trajectory, each in zip(plain, found, strict=True)
    ]
