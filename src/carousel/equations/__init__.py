"""The mathematics: the language of cells, the derivation, and one file for each family. It needs only Python."""

from carousel.equations import init
from carousel.equations.cell import Cell, Equations, trace
from carousel.equations.language import (
    above,
    affine,
    elu,
    exp,
    identity,
    layer_norm,
    log,
    maximum,
    mean,
    minimum,
    param,
    relu,
    scale,
    sigmoid,
    sqrt,
    step,
    sum,
    tanh,
)

__all__ = [
    "Cell", "Equations", "above", "affine", "elu", "exp", "identity", "init", "layer_norm", "log", "maximum", "mean",
    "minimum", "param", "relu", "scale", "sigmoid", "sqrt", "step", "sum", "tanh", "trace",
]  # fmt: skip
