"""Gradients by autograd, where some ends of a computation have none and some sources need none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor


def gradients_of(
    ends: Iterable[tuple[Tensor, Tensor | None]],
    sources: Sequence[Tensor | None],
    create_graph: bool = True,
    retain_graph: bool | None = None,
) -> list[Tensor | None]:
    """The gradient of each source that requires one, None of the others; `ends` are vectors with their gradients."""
    known = [(end, gradient) for end, gradient in ends if gradient is not None and end.requires_grad]
    wanted = [source for source in sources if source is not None and source.requires_grad]
    found = iter(
        torch.autograd.grad(
            [end for end, _ in known],
            wanted,
            [gradient for _, gradient in known],
            retain_graph=retain_graph,
            create_graph=create_graph,
            allow_unused=True,
        )
    )
    return [next(found) if source is not None and source.requires_grad else None for source in sources]
