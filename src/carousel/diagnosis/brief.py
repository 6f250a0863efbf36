"""A short `repr` for results that hold many numbers: arrays by their shapes, long texts and lists cut."""

from __future__ import annotations

import reprlib
from dataclasses import fields
from typing import Any


class _Shapes(reprlib.Repr):
    def repr_ndarray(self, array: Any, level: int) -> str:
        return f"array{tuple(array.shape)}"

    repr_Tensor = repr_ndarray


_SHORT = _Shapes()
_SHORT.maxother = _SHORT.maxstring = 60


class Brief:
    """For dataclasses with `repr=False`: what they hold, on a line or two.

    >>> from dataclasses import dataclass
    >>> import numpy as np
    >>> @dataclass(repr=False)
    ... class Curve(Brief):
    ...     layer: str
    ...     values: np.ndarray
    >>> Curve("LSTM.l0", np.zeros((200, 4)))
    Curve(layer='LSTM.l0', values=array(200, 4))
    """

    def __repr__(self) -> str:
        held = [f"{each.name}={_SHORT.repr(getattr(self, each.name))}" for each in fields(self) if each.repr]  # type: ignore[arg-type]
        return f"{type(self).__name__}({', '.join(held)})"
