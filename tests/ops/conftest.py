"""Random layers for the kernels, and every instruction set of this machine."""

from collections.abc import Iterator

import pytest

from carousel import _core

HERE = [name for name, here in _core.built_isas() if here]


@pytest.fixture(params=HERE)
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run the test once for each instruction set that was built and that this machine has."""
    before = _core.isa()
    _core.choose_isa(request.param)
    yield request.param
    _core.choose_isa(before)
