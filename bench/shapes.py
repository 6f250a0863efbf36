"""The problems that are timed: (T, B, H) with I = H, and how many operations each takes."""

from __future__ import annotations

from typing import NamedTuple


class Shape(NamedTuple):
    """T steps, B sequences, H units; the input is as wide as the hidden state."""

    time: int
    batch: int
    hidden: int

    def __str__(self) -> str:
        return f"({self.time}, {self.batch}, {self.hidden})"


# long and thin; one sequence; a small, a middling and a large batch; e is that of Zaremba et al. 2014
SHAPES = {
    "a": Shape(1000, 1, 64),
    "b": Shape(100, 1, 256),
    "c": Shape(100, 16, 128),
    "d": Shape(100, 32, 256),
    "e": Shape(35, 20, 650),
    "f": Shape(100, 64, 512),
}


def parse_shape(text: str) -> Shape:
    """A letter of `SHAPES`, or T,B,H.

    Raises:
        ValueError: neither of these.

    >>> parse_shape("c"), parse_shape("10,2,32")
    (Shape(time=100, batch=16, hidden=128), Shape(time=10, batch=2, hidden=32))
    """
    if text in SHAPES:
        return SHAPES[text]
    numbers = text.strip("()").split(",")
    if len(numbers) != 3 or not all(n.strip().isdigit() and int(n) > 0 for n in numbers):
        raise ValueError(
            f"A shape is one of {', '.join(SHAPES)} or T,B,H in whole numbers from 1; got {text!r}. "
            "Write for example --shapes c or --shapes 100,16,128."
        )
    return Shape(*map(int, numbers))


def flops(shape: Shape, gates: int, backward: bool) -> int:
    """Operations of the products alone: 2 T B G H (I + H) forward, and twice that again for the gradients.

    Backward has two products for each of forward's: for the gradient of the weights, and for that of x and h.
    What is done unit by unit is not counted.
    """
    time, batch, hidden = shape
    products = 2 * time * batch * gates * hidden * (hidden + hidden)
    return 3 * products if backward else products
