"""Vectors that are drawn, not learned, for all that is asked of vectors; every instruction set for what is learned."""

from collections.abc import Iterator

import numpy as np
import pytest

from carousel import _core
from carousel.embeddings import Vectors


@pytest.fixture
def drawn() -> Vectors:
    """300 words w0, w1, ... in 20 dimensions, the first seen most often."""
    rng = np.random.default_rng(0)
    counts = np.arange(300, 0, -1) ** 2
    return Vectors([f"w{k}" for k in range(300)], rng.standard_normal((300, 20)), counts)


HERE = [name for name, here in _core.built_isas() if here]


@pytest.fixture(params=HERE)
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run the test once for each instruction set that was built and that this machine has."""
    before = _core.isa()
    _core.choose_isa(request.param)
    yield request.param
    _core.choose_isa(before)
