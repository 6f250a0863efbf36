"""What one impulse in the input does to the output afterwards, of any cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from carousel.diagnosis.brief import Brief
from carousel.diagnosis.observation.layers import RecurrentLayer
from carousel.diagnosis.observation.log_scaled import LogScaled
from carousel.diagnosis.observation.trajectory import Trajectory
from carousel.errors import CarouselError

Array = NDArray[np.float64]

LEFT = 0.05  # of the largest response: below it for good, the impulse has died away
CHANNELS, STEPS = 8, 64  # of a diagnosis: inputs that are struck, and how long one listens
LOST = 1e6  # times the size of its start: beside so large a state an impulse is lost in rounding
SETTLE = 100  # steps under the mean input before it is struck


@dataclass(frozen=True, repr=False)
class ImpulseResponse(Brief):
    """What one impulse in the input does to the output afterwards.

    Attributes:
        layer: its name.
        inputs: (I',), which inputs had the impulse; size: of the impulse.
        values: (K + 1, I', H): the change of output unit j, k steps after an impulse in an input, divided by its size.
        norms: (K + 1, I'), over the units.
        states: name of each state ("h", "c") -> (K + 1, I'), the same of that state, before any projection.

    >>> import torch
    >>> from carousel.diagnosis import impulse_response, recurrent_layers
    >>> found = impulse_response(recurrent_layers(torch.nn.LSTM(3, 5))[0], steps=100)
    >>> bool(found.relative_of("c").max() == 1), found.steps_of("c") < 100
    (True, True)
    """

    layer: str
    inputs: tuple[int, ...]
    size: float
    values: Array
    norms: Array
    states: dict[str, Array]

    @property
    def relative(self) -> Array:
        """(K + 1,): the mean response over the inputs, against its largest value."""
        return _relative(self.norms)

    def relative_of(self, state: str) -> Array:
        """The same of one `state`."""
        return _relative(self.states[state])

    @property
    def steps(self) -> int | None:
        """After how many steps less than 5 % of the largest response is left for good; None if that is not seen."""
        return _died(self.relative)

    def steps_of(self, state: str) -> int | None:
        """The same of one `state`: c of an LSTM may hold for long what its output does not show."""
        return _died(self.relative_of(state))


def _relative(norms: Array) -> Array:
    mean = norms.mean(axis=1)
    return np.asarray(mean / mean.max() if mean.max() > 0 else mean)


def _died(relative: Array) -> int | None:
    above = np.flatnonzero(relative >= LEFT)
    last = int(above[-1]) + 1 if above.size else 0
    return last if last < len(relative) else None


def impulse_response(
    of: RecurrentLayer | Trajectory,
    *,
    steps: int | None = None,
    size: float | None = None,
    x: Tensor | None = None,
    s: Tensor | None = None,
    inputs: Sequence[int] | None = None,
) -> ImpulseResponse:
    """The change of the output after an impulse in each input, of any cell.

    Two runs on a constant input x from state s are compared, of which one has `size` added to one input at step 0. For
    a linear recurrence this is W^k W_x, the impulse response of linear systems (Kailath 1980). A nonlinear one first
    runs until it has settled, up to 1000 steps, and its response depends on the size.

    Args:
        of: a layer; or a trajectory, which sets what is not given: the mean input, one deviation as the size, the 8
            inputs that vary most, up to 64 steps, and the state that follows its last one after 100 steps of the mean
            input. A chaotic layer never settles; one whose states grow without end is disturbed after its first step.
        steps: K; None: 50. size: of the impulse; None: 1.
        x: (I,); None: zeros. s: (n,), the state before the impulse; None: where the layer settles.
        inputs: which of the I inputs have the impulse; None: each.

    Raises:
        CarouselError: `inputs` names an input that the layer does not have.

    >>> import torch
    >>> from carousel.diagnosis import impulse_response, recurrent_layers
    >>> [layer] = recurrent_layers(torch.nn.LSTM(3, 5))
    >>> impulse_response(layer, steps=20).norms.shape
    (21, 3)
    """
    layer = of.layer if isinstance(of, Trajectory) else of
    like = next(iter(layer.parameters.values()))
    if isinstance(of, Trajectory):
        seen = of.points()[0]
        mean, deviation = seen.mean(dim=0), seen.std(dim=0, correction=0)
        most = deviation.argsort(descending=True, stable=True)[:CHANNELS].sort().values
        inputs = most.tolist() if inputs is None else inputs
        steps = min(STEPS, max(1, of.steps - 1)) if steps is None else steps
        size = float(deviation[most].mean()) or 1.0 if size is None else size
        x = mean if x is None else x
        s = _settled(of, x) if s is None else s
    steps, size = 50 if steps is None else steps, 1.0 if size is None else size
    chosen = list(range(layer.input_size)) if inputs is None else list(inputs)
    if not chosen or not all(0 <= each < layer.input_size for each in chosen):
        raise CarouselError(
            f"`inputs` must name some of the inputs 0 to {layer.input_size - 1} of {layer.name}; got {chosen}."
        )
    x = like.new_zeros(layer.input_size) if x is None else x.to(like)
    if s is None:
        s = like.new_zeros(layer.size)
        for _ in range(1000):
            s, before = layer.step(x, s), s
            if torch.equal(s, before) or not torch.isfinite(s).all():
                break
    quiet = s.to(like).unsqueeze(0)
    struck = quiet.expand(len(chosen), -1)
    x_struck = x + size * torch.eye(layer.input_size, dtype=like.dtype)[chosen]
    values: list[Tensor] = []
    moved: dict[str, list[Tensor]] = {state: [] for state in layer.states}
    for _ in range(steps + 1):
        struck, quiet = layer.step(x_struck, struck), layer.step(x.unsqueeze(0), quiet)
        x_struck = x.expand(len(chosen), -1)
        values.append(((layer.output(struck) - layer.output(quiet)) / size).double())
        for state, each in moved.items():
            each.append(((layer.part(struck, state) - layer.part(quiet, state)) / size).double())
    return ImpulseResponse(
        layer=layer.name,
        inputs=tuple(chosen),
        size=size,
        values=torch.stack(values).numpy(),
        norms=_norms(values),
        states={state: _norms(each) for state, each in moved.items()},
    )


def _norms(rows: list[Tensor]) -> Array:
    return LogScaled.of(torch.stack(rows)).log.exp().numpy()


def _settled(trajectory: Trajectory, x: Tensor) -> Tensor:
    """The state that follows the last one under a constant input; the first one, where it grows beyond all use."""
    s = trajectory.states[trajectory.lengths[0], 0]
    for _ in range(SETTLE):
        s = trajectory.layer.step(x, s)
    early = trajectory.states[1, 0]
    return s if s.abs().max() < LOST * (1 + early.abs().max()) else early
