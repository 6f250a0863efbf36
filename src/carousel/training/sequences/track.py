"""A held-out stretch of a series beside its forecasts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Track:
    """What came of a series, and what was forecast of it `ahead` steps before; each (T,)."""

    name: str
    ahead: int
    came: np.ndarray
    middle: np.ndarray
    low: np.ndarray
    high: np.ndarray
