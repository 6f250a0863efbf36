"""Which words of a crowded picture can be written without touching another."""

from __future__ import annotations

from collections.abc import Sequence

_CELL = 40.0  # of the grid in which neighbours are looked for; about the height of two lines


def uncrowded(x: Sequence[float], y: Sequence[float], widths: Sequence[float], height: float) -> list[bool]:
    """For boxes with the left middle at (x, y): whether each is free of those chosen before it.

    The first come first: give the most important ones first.

    >>> uncrowded([0, 5, 100], [0, 0, 0], [50, 50, 50], 12)
    [True, False, True]
    """
    taken: dict[tuple[int, int], list[tuple[float, float, float]]] = {}
    chosen = []
    for left, middle, width in zip(x, y, widths, strict=True):
        cells = [
            (column, row)
            for column in range(int(left // _CELL), int((left + width) // _CELL) + 1)
            for row in range(int((middle - height) // _CELL), int((middle + height) // _CELL) + 1)
        ]
        free = not any(
            left < other + size and other < left + width and abs(middle - line) < height
            for cell in cells
            for other, line, size in taken.get(cell, ())
        )
        if free:
            for cell in cells:
                taken.setdefault(cell, []).append((left, middle, width))
        chosen.append(free)
    return chosen
