"""Initial values of parameters: `affine("f", x, h, recurrent=init.orthogonal(), bias=init.chrono(200))`.

These are descriptions, so that the equations need no torch; `carousel.nn` draws the numbers. A matrix is initialised
block by block: each product has its own block, (H, I) or (H, H).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any, TypeAlias

from carousel.errors import CarouselError


@dataclass(frozen=True)
class Initialiser:
    """A distribution by its name and numbers. Some distributions are for matrices alone."""

    name: str
    numbers: tuple[float, ...] = ()
    of_matrices: bool = False

    def __repr__(self) -> str:
        return f"init.{self.name}({', '.join(f'{number:g}' for number in self.numbers)})"


Init: TypeAlias = float | Initialiser | Callable[[Any], Any]


def constant(value: float) -> Initialiser:
    """The same number everywhere. A cell may also pass the number itself."""
    return Initialiser("constant", (_finite("constant", value),))


def zeros() -> Initialiser:
    return constant(0)


def ones() -> Initialiser:
    return constant(1)


def uniform(low: float, high: float) -> Initialiser:
    """Uniform in [low, high)."""
    if not _finite("uniform", low) < _finite("uniform", high):
        raise CarouselError(f"init.uniform(low, high) needs low < high; it got {low} and {high}.")
    return Initialiser("uniform", (low, high))


def normal(deviation: float = 1.0, mean: float = 0.0) -> Initialiser:
    """Normally distributed, with this standard deviation and mean."""
    if _finite("normal", deviation) < 0:
        raise CarouselError(f"init.normal needs a deviation of at least 0; it got {deviation}.")
    return Initialiser("normal", (_finite("normal", mean), deviation))


def identity(gain: float = 1.0) -> Initialiser:
    """The identity matrix times a gain (Le et al. 2015, for relu)."""
    return Initialiser("identity", (_finite("identity", gain),), of_matrices=True)


def orthogonal(gain: float = 1.0) -> Initialiser:
    """A random orthogonal matrix times a gain (Saxe et al. 2014)."""
    return Initialiser("orthogonal", (_finite("orthogonal", gain),), of_matrices=True)


def glorot(gain: float = 1.0) -> Initialiser:
    """Uniform with variance 2 / (rows + columns), times a gain (Glorot & Bengio 2010)."""
    return Initialiser("glorot", (_finite("glorot", gain),), of_matrices=True)


def chrono(longest: float) -> Initialiser:
    """log(u) with u uniform in [1, longest - 1]: the bias of a forget gate for memories of up to `longest` steps.

    Tallec & Ollivier 2018, "Can recurrent neural networks warp time?".
    """
    if not _finite("chrono", longest) > 2:
        raise CarouselError(f"init.chrono(longest) needs more than 2 steps; it got {longest}.")
    return Initialiser("chrono", (longest,))


def checked(given: Any, where: str, is_matrix: bool) -> Initialiser | Callable[[Any], Any] | None:
    """An initial value as a cell passes it: a number becomes a constant."""
    if given is None:
        return None
    if isinstance(given, Real) and not isinstance(given, bool):
        return constant(float(given))
    if isinstance(given, Initialiser):
        if given.of_matrices and not is_matrix:
            raise CarouselError(
                f"{where} must be an initialiser of a vector; {given} is for matrices. Use a number or init.uniform."
            )
        return given
    if callable(given) and not isinstance(given, type):
        return given
    raise CarouselError(
        f"{where} must be a number, one of carousel.equations.init, or a function that fills a tensor; "
        f"it is {given!r}."
    )


def _finite(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise CarouselError(f"init.{name} takes finite numbers; it got {value!r}.")
    return float(value)
