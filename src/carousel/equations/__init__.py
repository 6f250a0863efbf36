"""THE mathematics: the language, what is derived from it, and one short file per cell. Needs nothing but Python."""

from carousel.equations.cell import Cell, Equations, trace
from carousel.equations.language import (
    above,
    affine,
    elu,
    exp,
    identity,
    log,
    maximum,
    minimum,
    relu,
    scale,
    sigmoid,
    step,
    tanh,
)

__all__ = [
    "Cell", "Equations", "above", "affine", "elu", "exp", "identity", "log", "maximum", "minimum", "relu", "scale",
    "sigmoid", "step", "tanh", "trace",
]  # fmt: skip
