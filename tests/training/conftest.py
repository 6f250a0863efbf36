"""A small text and a small configuration for runs that end within a second."""

from pathlib import Path

import pytest

from carousel.training import LanguageConfig
from tests.training.hostile import make_runs

TEXT = "".join(f"def add_{k % 13}(x):\n    return x + {k % 7}\n\n\n" for k in range(150))


@pytest.fixture
def text(tmp_path) -> Path:
    """A file of 6,000 characters that a tiny network learns quickly."""
    path = tmp_path / "text.py"
    path.write_text(TEXT)
    return path


@pytest.fixture
def config(text, tmp_path) -> LanguageConfig:
    """24 steps of a tiny LSTM with dropout, evaluated every 8."""
    return LanguageConfig(
        paths=[str(text)],
        level="char",
        hidden_size=12,
        dropout=0.2,
        batch=4,
        bptt=16,
        steps=24,
        evaluate_every=8,
        lr=0.02,
        threads=1,
        out=str(tmp_path / "run"),
    )


@pytest.fixture(autouse=True)
def _short_samples(monkeypatch):
    """Drawing samples would take most of the time of these runs."""
    monkeypatch.setattr("carousel.training.language.samples.LENGTH", 20)


@pytest.fixture(scope="session")
def runs(tmp_path_factory) -> Path:
    """A folder with a finished run, and the same one halfway, of each kind; they are copied, not changed."""
    root = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("carousel.training.language.samples.LENGTH", 5)
        make_runs(root)
    return root
