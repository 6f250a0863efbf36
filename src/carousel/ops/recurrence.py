"""Run a cell over a sequence: by its compiled kernel where there is one, else by its equations on torch tensors."""

from collections.abc import Mapping

from torch import Tensor

from carousel.emit import reference
from carousel.equations import Equations


def recurrence(
    equations: Equations,
    x: Tensor,
    initial: list[Tensor],
    parameters: Mapping[str, Tensor],
    reverse: bool = False,
    batch_sizes: Tensor | None = None,
) -> tuple[Tensor, list[Tensor]]:
    """One layer in one direction.

    x: (T, B, I) of any strides, or packed (N, I) with `batch_sizes` (T,), as in torch's PackedSequence.
    initial: one (B, H) per state. parameters: by the names of `equations.layout` (biases may be absent).
    Returns the output, (T, B, H) or (N, H), and the final states, (B, H) each.
    """
    sizes = None if batch_sizes is None else batch_sizes.tolist()
    return reference.run(equations, x, initial, parameters, reverse, sizes)
