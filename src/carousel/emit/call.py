"""The arguments of one run of a cell over a sequence, in one direction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

from carousel.equations import Equations


class Call(NamedTuple):
    """One layer in one direction.

    x: (T, B, I) of any strides, or packed (N, I) with `batch_sizes` (T,), as in torch's PackedSequence.
    initial: one (B, H) per state. parameters: by the names of `equations.layout`, in that order; biases may be absent.
    resets: bool (T, B) or (N,), true at the steps before which the state becomes zero.
    bfloat16: round the factors of products to bfloat16. Tensors, sums and states stay in float32. The equations on
        torch tensors do not round.
    probe: (states, T, B, H) or (states, N, H), added to every state after every step. Kernels assume that it is zero.
        Its gradient is that of the loss with respect to each of these states.
    """

    equations: Equations
    x: Tensor
    initial: list[Tensor]
    parameters: Mapping[str, Tensor]
    reverse: bool = False
    batch_sizes: Tensor | None = None
    resets: Tensor | None = None
    bfloat16: bool = False
    probe: Tensor | None = None

    @property
    def tensors(self) -> list[Tensor]:
        """x, the initial states and the parameters, which may need gradients."""
        return [self.x, *self.initial, *self.parameters.values()]

    def on(self, x: Tensor, *rest: Tensor) -> Call:
        """The same call on other tensors, in the order of `tensors`."""
        states = len(self.initial)
        named = dict(zip(self.parameters, rest[states:], strict=True))
        return self._replace(x=x, initial=list(rest[:states]), parameters=named)

    def by_step(self, rows: Tensor) -> tuple[Tensor, ...]:
        """(T, B, ...) or (N, ...) -> the rows of each step."""
        return rows.unbind(0) if self.batch_sizes is None else rows.split(self.batch_sizes.tolist())
