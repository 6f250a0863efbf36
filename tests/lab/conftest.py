"""Each experiment is run once, with its quick budget, and its numbers are looked at by many tests."""

from collections.abc import Callable
from functools import cache

import pytest
import torch

from carousel.lab import EXPERIMENTS, Budget, gallery
from carousel.lab.gallery import SEED
from carousel.lab.words import measure as words
from carousel.progress import silent
from carousel.report.lab import Findings


@cache
def _findings(name: str) -> Findings:
    torch.manual_seed(SEED)
    return gallery.measured(EXPERIMENTS[name], Budget.QUICK, silent)


@pytest.fixture(scope="session")
def findings() -> Callable[[str], Findings]:
    """The findings of the experiment of this name."""
    return _findings


@cache
def _words_findings() -> Findings:
    learn = words.learn
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(words, "learn", lambda model, text, steps: learn(model, text, 5))
        return _findings("words")


@pytest.fixture(scope="session")
def words_findings() -> Callable[[], Findings]:
    """The findings about words, of language models that took five steps; the word vectors are trained as they are."""
    return _words_findings
