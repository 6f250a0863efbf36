"""Vectors that are drawn, not learned: enough for everything that is asked of vectors."""

import numpy as np
import pytest

from carousel.embeddings import Vectors


@pytest.fixture
def drawn() -> Vectors:
    """300 words w0, w1, ... in 20 dimensions, the first seen most often."""
    rng = np.random.default_rng(0)
    counts = np.arange(300, 0, -1) ** 2
    return Vectors([f"w{k}" for k in range(300)], rng.standard_normal((300, 20)), counts)
