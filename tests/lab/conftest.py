"""Each experiment is run once, with its quick budget, and its numbers are looked at by many tests."""

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch

from carousel.lab import EXPERIMENTS, Budget, gallery
from carousel.lab.gallery import SEED
from carousel.lab.words import measure as words
from carousel.progress import silent
from carousel.report.lab import Findings


@cache
def _run(name: str) -> tuple[Any, Findings]:
    """Language models of words take five steps only; the word vectors are trained as they are."""
    learn = words.learn
    torch.manual_seed(SEED)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(words, "learn", lambda model, text, steps: learn(model, text, 5))
        return gallery.measured(EXPERIMENTS[name], Budget.QUICK, silent)


@pytest.fixture(scope="session")
def measured() -> Callable[[str], Any]:
    """The measurements of the experiment of this name."""
    return lambda name: _run(name)[0]


@pytest.fixture(scope="session")
def findings() -> Callable[[str], Findings]:
    """The findings of the experiment of this name."""
    return lambda name: _run(name)[1]
