"""Each experiment is run once, with its quick budget, and its numbers are looked at by many tests."""

from collections.abc import Callable
from functools import cache

import pytest
import torch

from carousel.lab import EXPERIMENTS, Budget
from carousel.lab.gallery import SEED
from carousel.report.lab import Findings


@cache
def _findings(name: str) -> Findings:
    torch.manual_seed(SEED)
    return EXPERIMENTS[name].run(Budget.QUICK, lambda share, words: None)


@pytest.fixture(scope="session")
def findings() -> Callable[[str], Findings]:
    """The findings of the experiment of this name."""
    return _findings
