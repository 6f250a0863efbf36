"""A hand-written cell, a function that steps, seen as a layer: its tangent maps come from autograd."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from carousel.diagnosis.observation.log_scaled import LogScaled
from carousel.diagnosis.observation.loss import Loss, loss_words, total_of
from carousel.diagnosis.observation.recording import as_tuple, map_tensors
from carousel.diagnosis.observation.side_effects import without_side_effects
from carousel.diagnosis.observation.trajectory import Observation, Trajectory
from carousel.errors import CarouselError, shown

Step = Callable[[Tensor, Any], Any]

FUNCTION = "function"  # the kind of such a layer
NAMES = {1: ("h",), 2: ("h", "c")}
ALIKE = 1e-4  # how far a sequence may differ alone and in its batch, against the size of the states


class StepFunction:
    """A function (x_t, state) -> (output, state) or state, as a recurrence on the full state s, (N, n).

    It has what measures ask of a `RecurrentLayer`, but no equations: nothing is known of gates and activations.
    """

    layer, direction, path, kind, projection = 0, "forward", "", FUNCTION, None

    def __init__(self, function: Step, x: Tensor, state: Any) -> None:
        self.function = function
        name = getattr(function, "__name__", type(function).__name__)
        self.name = "step" if name == "<lambda>" else name
        self.is_single = isinstance(state, Tensor)
        self.like, self.batch = as_tuple(state), x.shape[1]
        if not all(isinstance(part, Tensor) for part in self.like):
            raise CarouselError(
                f"The state before the first step is a tensor (B, n) or a tuple of tensors; got {shown(state)}."
            )
        self.dims = [
            next((d for d in (0, 1) if d < p.dim() and p.shape[d] == self.batch), -1) for p in self.like
        ]
        if x.dim() < 3 or not x.is_floating_point() or -1 in self.dims:
            raise CarouselError(
                "A step function is measured on a batch of numbers (T, B, ...), with a state whose first or second "
                f"dimension is B; got a batch {tuple(x.shape)} of {x.dtype} and a state "
                f"{[tuple(part.shape) for part in self.like]}. Embed tokens first."
            )
        self.shape, self.dtype = x.shape[2:], x.dtype
        self.input_size = math.prod(self.shape)
        self.states = NAMES.get(len(self.like), tuple(f"state {k}" for k in range(len(self.like))))
        self.sizes = {name: p.numel() // self.batch for name, p in zip(self.states, self.like, strict=True)}
        self.size, self.hidden = sum(self.sizes.values()), next(iter(self.sizes.values()))
        self.parameters = {"state": self.flat(state)}  # of which measures take the dtype

    def flat(self, state: Any) -> Tensor:
        """A state as the full state, (N, n)."""
        parts = [
            part.movedim(dim, 0).flatten(1) for part, dim in zip(as_tuple(state), self.dims, strict=True)
        ]
        return torch.cat(parts, dim=-1)

    def state(self, s: Tensor) -> Any:
        """(N, n) as the function takes it."""
        parts = []
        for part, like, dim in zip(
            s.split(list(self.sizes.values()), dim=-1), self.like, self.dims, strict=True
        ):
            shape = like.movedim(dim, 0).shape[1:]
            part = part.to(like.dtype)
            parts.append(part.unflatten(1, shape).movedim(0, dim) if shape else part[:, 0])
        return parts[0] if self.is_single else tuple(parts)

    def call(self, x: Tensor, s: Tensor) -> tuple[Any, Any]:
        """The output and the new state of one step, as the function returns them. x: (N, I), s: (N, n)."""
        result = self.function(x.to(self.dtype).reshape(len(x), *self.shape), self.state(s))
        if not self._is_state(result) and isinstance(result, tuple) and len(result) == 2:
            output, result = result
        else:
            output = as_tuple(result)[0]
        if not self._is_state(result):
            raise CarouselError(
                f"{self.name} must return (output, state) or the state, with parts of the shapes "
                f"{[tuple(part.shape) for part in self.like]}; it returned something else."
            )
        return output, result

    def _is_state(self, value: Any) -> bool:
        parts = as_tuple(value) if isinstance(value, (Tensor, tuple, list)) else ()
        return (isinstance(value, Tensor) or not self.is_single) and len(parts) == len(self.like) and all(
            isinstance(part, Tensor) and part.dim() == like.dim() for part, like in zip(parts, self.like, strict=True)
        )  # fmt: skip

    def step(self, x: Tensor, s: Tensor) -> Tensor:
        """The state after one step. x: (N, I) or (I,), s: (N, n) or (n,)."""
        with torch.no_grad():
            new = self.call(torch.atleast_2d(x), torch.atleast_2d(s))[1]
            return self.flat(new).to(s.dtype).reshape(s.shape)

    def part(self, s: Tensor, state: str) -> Tensor:
        return s.split(list(self.sizes.values()), dim=-1)[self.states.index(state)]

    def output(self, s: Tensor) -> Tensor:
        """What is compared after an impulse: the first part of the state."""
        return s[..., : self.hidden]

    def double(self) -> StepFunction:
        """Itself: what a function computes in is its own affair."""
        return self

    def linearise(self, x: Tensor, s: Tensor, steepest: bool = False) -> FunctionLinearisation:
        return FunctionLinearisation(self, x, s)

    def jacobian(self, x: Tensor, s: Tensor) -> Tensor:
        return self.linearise(x, s).matrix()


class FunctionLinearisation:
    """The tangent map of a step function at N points, by autograd. Its matrix is found when it is first needed."""

    def __init__(self, layer: StepFunction, x: Tensor, s: Tensor) -> None:
        self.layer, self.x, self.s, self.points = layer, x, s, len(s)

    def at(self, points: slice) -> FunctionLinearisation:
        return FunctionLinearisation(self.layer, self.x[points], self.s[points])

    @cached_property
    def new_state(self) -> Tensor:
        return self.layer.step(self.x, self.s)

    def vjp(self, u: Tensor) -> Tensor:
        """u^T J for rows u of (N, k, n) or (N, n)."""
        if u.dim() == 2:
            return self.vjp(u.unsqueeze(1)).squeeze(1)
        k = u.shape[1]
        with torch.enable_grad():
            s = self.s.repeat_interleave(k, dim=0).detach().requires_grad_()
            new = self.layer.flat(self.layer.call(self.x.repeat_interleave(k, dim=0), s)[1]).to(s.dtype)
            if not new.requires_grad:
                return torch.zeros_like(u)
            [found] = torch.autograd.grad(new, s, u.reshape_as(new), allow_unused=True)
        return torch.zeros_like(u) if found is None else found.reshape_as(u)

    def jvp(self, v: Tensor) -> Tensor:
        """J v for rows v of (N, k, n) or (N, n)."""
        rows = v if v.dim() == 3 else v.unsqueeze(1)
        return (rows @ self.matrix().mT).reshape_as(v)

    @cached_property
    def _matrix(self) -> Tensor:
        return self.vjp(torch.eye(self.layer.size, dtype=self.s.dtype).expand(self.points, -1, -1))

    def matrix(self) -> Tensor:
        """J, (N, n, n)."""
        return self._matrix


def observe_function(
    function: Step, batch: Tensor, state: Any, loss: Loss | None = None, *, gradients: bool = True
) -> Observation:
    """Step a function over a batch (T, B, ...) from a state, and see its states and the gradient of the loss there.

    Raises CarouselError if batch, state and what the function returns do not fit, or sequences are not independent.
    """
    if isinstance(function, nn.Module):
        with without_side_effects(function) as twin:
            return _observed(twin, batch, state, loss, gradients)
    return _observed(function, batch, state, loss, gradients)


def _observed(function: Step, batch: Tensor, state: Any, loss: Loss | None, gradients: bool) -> Observation:
    if not isinstance(batch, Tensor) or batch.dim() < 2 or not len(batch):
        raise CarouselError(f"A step function reads a tensor (T, B, ...); got {type(batch).__name__}.")
    layer = StepFunction(function, batch, state)
    inputs = batch.detach().flatten(2).cpu()
    states, outputs = [map_tensors(lambda part: part.detach().cpu().requires_grad_(gradients), state)], []
    value, sent = None, None
    with torch.set_grad_enabled(gradients):
        for x in inputs:
            output, new = layer.call(x, layer.flat(states[-1]))
            states.append(
                map_tensors(lambda s: s if s.requires_grad or not gradients else s.requires_grad_(), new)
            )
            outputs.append(output)
        if gradients:
            total = outputs[-1].square().sum()
            if loss is not None:
                total = total_of(loss, torch.stack(outputs), len(outputs[0]))
            value, sent = float(total.detach()), _sent(layer, total, states)
    whole = torch.stack([layer.flat(s).detach() for s in states])
    _check(layer, inputs, whole)
    lengths = torch.full((whole.shape[1],), len(inputs))
    trajectory = Trajectory(layer, inputs, whole, lengths, sent, sent)  # type: ignore[arg-type]
    return Observation([trajectory], value, loss_words(loss) if gradients else "none")


def _sent(layer: StepFunction, total: Tensor, states: Sequence[Any]) -> LogScaled:
    """dL/ds at each state, by what the output reads of it and by what follows."""
    parts = [as_tuple(state) for state in states]
    found = iter(_gradients([total], [part for each in parts for part in each], None))
    sent = []
    for each in parts:
        whole = [next(found) for _ in each]
        own = whole
        for _ in each[
            1:
        ]:  # h of an LSTM is made from c of the same step, which the gradient of c must leave out
            through = []
            for k, part in enumerate(each):
                others, theirs = ([v for j, v in enumerate(values) if j != k] for values in (each, own))
                through += _gradients(others, [part], theirs)
            own = [g - more for g, more in zip(whole, through, strict=True)]
        sent.append(layer.flat(tuple(own)))
    return LogScaled.of(torch.stack(sent))


def _gradients(of: Sequence[Tensor], by: Sequence[Tensor], given: Sequence[Tensor] | None) -> list[Tensor]:
    """Zeros where nothing depends on a tensor."""
    if not any(each.requires_grad for each in of):
        return [torch.zeros_like(each) for each in by]
    found = torch.autograd.grad(of, by, given, retain_graph=True, allow_unused=True)
    return [torch.zeros_like(each) if g is None else g for each, g in zip(by, found, strict=True)]


def _check(layer: StepFunction, inputs: Tensor, states: Tensor) -> None:
    """The states are finite, and each sequence goes its own way."""
    if not bool(torch.isfinite(states).all()):
        raise CarouselError(f"States must stay finite; those of {layer.name} do not on this batch.")
    alone = torch.cat(
        [layer.step(inputs[0, b : b + 1], states[0, b : b + 1]) for b in range(min(2, states.shape[1]))]
    )
    off = float((alone - states[1, : len(alone)]).abs().max())
    if not off <= ALIKE * (1 + float(states[1].abs().max())):
        raise CarouselError(
            f"The sequences of a batch must be independent; a step of {layer.name} differs by {off:.3g} if a sequence "
            "is alone. Leave out batch normalisation and dropout, or measure a module in eval mode."
        )
