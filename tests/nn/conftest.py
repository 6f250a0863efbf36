"""Every test of the modules runs on poisoned memory."""

from collections.abc import Iterator
from importlib import import_module

import pytest
import torch


@pytest.fixture(autouse=True)
def poison(poisoned_memory: None) -> None:
    """Unwritten outputs are NaN."""


@pytest.fixture
def fresh_compiler() -> Iterator[None]:
    """torch.compile as in a new process: it counts the graphs of a function over all modules, and stops at eight."""
    torch.compiler.reset()
    yield
    torch.compiler.reset()


@pytest.fixture(params=["kernel", "equations"])
def road(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the test by the compiled kernels, and by the equations on torch tensors."""
    if request.param == "equations":
        monkeypatch.setattr(import_module("carousel.ops.dispatch"), "takes_kernel", lambda *_: False)
