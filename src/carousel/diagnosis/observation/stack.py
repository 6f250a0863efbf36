"""All layers of a forward module as one recurrence: what a gradient meets on its way through the whole stack."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass

import torch
from torch import Tensor

from carousel.diagnosis.observation.layers import RecurrentLayer
from carousel.diagnosis.observation.linearisation import Linearisation
from carousel.diagnosis.observation.log_scaled import side_by_side
from carousel.diagnosis.observation.trajectory import Trajectory
from carousel.errors import CarouselError


@dataclass(frozen=True, eq=False)
class LayerStack:
    """The layers of one module, each reading the output of the one below at the same step.

    The state is that of all layers side by side, lowest first: n is the sum of their sizes. `step` and `linearise`
    are those of a `RecurrentLayer`.
    """

    layers: tuple[RecurrentLayer, ...]

    @property
    def name(self) -> str:
        return f"{self.layers[0].path or self.layers[0].kind} ({len(self.layers)} layers)"

    @property
    def size(self) -> int:
        return sum(layer.size for layer in self.layers)

    @property
    def sizes(self) -> dict[str, int]:
        """Layer -> its part of n."""
        return {layer.name: layer.size for layer in self.layers}

    @property
    def input_size(self) -> int:
        return self.layers[0].input_size

    def parts(self, s: Tensor) -> tuple[Tensor, ...]:
        """(..., n) -> the full state of each layer."""
        return s.split([layer.size for layer in self.layers], dim=-1)

    def step(self, x: Tensor, s: Tensor) -> Tensor:
        new = []
        for layer, part in zip(self.layers, self.parts(s), strict=True):
            new.append(layer.step(x, part))
            x = layer.output(new[-1])
        return torch.cat(new, dim=-1)

    def linearise(self, x: Tensor, s: Tensor, steepest: bool = False) -> StackLinearisation:
        return StackLinearisation(self, x, s, steepest)


class StackLinearisation:
    """The tangent map of a stack: block lower triangular, since a layer reads those below it."""

    def __init__(self, stack: LayerStack, x: Tensor, s: Tensor, steepest: bool = False) -> None:
        self.stack, self.points = stack, s.shape[0]
        self.at_layers: list[Linearisation] = []
        for layer, part in zip(stack.layers, stack.parts(s), strict=True):
            self.at_layers.append(layer.linearise(x, part, steepest))
            x = layer.output(self.at_layers[-1].new_state)

    def at(self, points: slice) -> StackLinearisation:
        """The maps at some of the points; nothing is computed again."""
        part = copy(self)
        part.at_layers = [each.at(points) for each in self.at_layers]
        part.points = len(part.at_layers[0].new_state)
        return part

    @property
    def new_state(self) -> Tensor:
        return torch.cat([each.new_state for each in self.at_layers], dim=-1)

    def jvp(self, v: Tensor, dx: Tensor | None = None) -> Tensor:
        """J v for each row v of (N, k, n) or (N, n)."""
        new = []
        for each, part in zip(self.at_layers, self.stack.parts(v), strict=True):
            new.append(each.jvp(part, dx))
            dx = each.layer.output(new[-1])
        return torch.cat(new, dim=-1)

    def vjp(self, u: Tensor) -> Tensor:
        """u^T J for each row u of (N, k, n) or (N, n)."""
        sent: list[Tensor] = []
        above: Tensor | None = None
        for each, part in zip(reversed(self.at_layers), reversed(self.stack.parts(u)), strict=True):
            if above is not None:
                part = part + each.layer.from_output(above)
            ds, above = each.pull_back(part)
            sent.append(ds)
        return torch.cat(sent[::-1], dim=-1)

    def matrix(self) -> Tensor:
        """J, (N, n, n)."""
        unit = torch.eye(self.stack.size, dtype=self.at_layers[0].new_state.dtype)
        return self.vjp(unit.expand(self.points, -1, -1))


def stacked(trajectories: Sequence[Trajectory]) -> Trajectory:
    """The layers of one module as one trajectory of their common state.

    A gradient then goes through the whole stack, up and back in time, as in Pascanu, Mikolov and Bengio (2013).

    Args:
        trajectories: those of one module that runs forwards only, lowest layer first: `observation.modules[path]`.

    Raises:
        CarouselError: a layer runs in reverse (what it knows at a step comes from the future, so that the stack has no
            state from step to step), or the layers belong to different modules.

    >>> import torch
    >>> from carousel.diagnosis import observe, stacked
    >>> seen = observe(torch.nn.LSTM(3, 5, num_layers=2), torch.randn(7, 4, 3))
    >>> stacked(seen.trajectories).layer.size
    20
    """
    layers = tuple(each.layer for each in trajectories)
    if not layers or len({layer.path for layer in layers}) > 1:
        raise CarouselError(
            f"A stack is made of the layers of one module, lowest first; got {[layer.name for layer in layers]}. Pass "
            "`observation.modules[path]`."
        )
    backwards = [layer.name for layer in layers if layer.direction != "forward"]
    if backwards:
        raise CarouselError(
            f"Layers of a stack must run forwards; {backwards[0]} runs in reverse, so that the stack has no state that "
            "goes from step to step. Measure each layer and direction on its own."
        )
    onward = [each.onward for each in trajectories if each.onward is not None]
    return Trajectory(
        LayerStack(layers),  # type: ignore[arg-type]
        trajectories[0].inputs,
        torch.cat([each.states for each in trajectories], dim=-1),
        trajectories[0].lengths,
        side_by_side(onward) if len(onward) == len(layers) else None,
    )


def single_layer(trajectory: Trajectory) -> RecurrentLayer:
    """The trajectory's layer. Raises CarouselError if it is a stack of several."""
    if isinstance(trajectory.layer, LayerStack):
        raise CarouselError(
            f"This measure takes one layer; {trajectory.layer.name} is a stack. Pass its layers one by one."
        )
    return trajectory.layer
