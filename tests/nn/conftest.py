"""Every test of the modules runs on poisoned memory."""

import pytest


@pytest.fixture(autouse=True)
def poison(poisoned_memory: None) -> None:
    """Unwritten outputs are NaN."""
