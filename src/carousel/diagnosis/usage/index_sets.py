"""On which indices of each axis a number depends, from the squares of its gradient: sets, and how they move."""

from __future__ import annotations

from torch import Tensor

MOSTLY = 0.1  # of the largest squared gradient: an index above it is one on which a number mostly depends
Sets = tuple[frozenset[int], ...]  # for each axis of the data, the indices on which an output depends


def supports(energy: Tensor, share: float = 0.0) -> Sets:
    """For each axis, the indices that have more than a share of the largest energy of an index."""
    axes = range(energy.dim())
    sums = [energy.sum([k for k in axes if k != axis]) if energy.dim() > 1 else energy for axis in axes]
    return tuple(frozenset((each > share * each.max()).nonzero().flatten().tolist()) for each in sums)


def moving_axes(samples: list[Sets]) -> set[int]:
    """The axes along which the samples depend on different indices."""
    return {axis for axis in range(len(samples[0])) if len({each[axis] for each in samples}) > 1}


def without_gaps(samples: list[Sets]) -> set[int]:
    """The axes that move, without those along which all samples overlap: of a feature a gradient may be zero."""
    moved = moving_axes(samples)
    apart = {axis for axis in moved if any(not a[axis] & b[axis] for a in samples for b in samples)}
    return apart or moved


def moved_by(known: dict[tuple[int, ...], Sets], axis: int) -> set[int]:
    """The axes of the data that move when the index of one axis of the output changes, and no other does."""
    moved: set[int] = set()
    for one, sets in known.items():
        for other, others in known.items():
            if all((a != b) == (k == axis) for k, (a, b) in enumerate(zip(one, other, strict=True))):
                moved |= moving_axes([sets, others])
    return moved
