"""Carousel works with its base dependencies alone; what needs an extra names the extra."""

import subprocess
import sys
from pathlib import Path

import pytest

from carousel import CarouselError
from carousel.extras import require

BLOCKED = """
import sys
for name in ("matplotlib", "sklearn", "tensorboard", "lightning", "pytorch_lightning", "IPython", "pandas", "scipy"):
    sys.modules[name] = None
import numpy as np
import torch
import carousel
from carousel import CarouselError
from carousel.embeddings import word_map
"""
WORK = """
run = carousel.train("book.txt", level="char", hidden_size=4, batch=2, bptt=8, steps=2, monitor=1, threads=1, out="run")
assert run.report.exists() and not list(run.path.glob("events*"))
assert (run.path / "monitor.csv").exists()
assert len(carousel.load(run.path).generate("line", length=5)) > 0
model = carousel.SequenceModel("gru", "classify", hidden_size=4)
carousel.fit(model, [[[float(k % 2)]] * 3 for k in range(20)], [k % 2 for k in range(20)], steps=2)
found = carousel.diagnose(torch.nn.LSTM(2, 3), torch.randn(20, 2, 2))
found.save("diagnosis.html")
embedding = carousel.embed(["the cat sat on the mat"] * 80, dimension=4, epochs=1, min_count=1)
embedding.vectors.nearest("cat")
"""
MISSING = """
from carousel.report.embeddings.still import write_word_map_still
vectors = carousel.Vectors(list("abcdef"), np.random.default_rng(1).normal(size=(6, 4)))
words = word_map.WordMap(["a", "b"], np.zeros(2), np.zeros(2), [[], []], [True] * 2, None, "tsne", None, 2, 4)
for extra, work in (
    ("sklearn", lambda: word_map.word_map(vectors)),
    ("sklearn", lambda: word_map.word_map(vectors, method="tsne")),
    ("plots", lambda: write_word_map_still(words, "a map", "map.png")),
    ("lightning", lambda: __import__("carousel.diagnosis.lightning")),
    ("lab", lambda: __import__("carousel.lab.depth.measure").lab.depth.measure.digits()),
):
    try:
        work()
    except CarouselError as error:
        assert f"carousel-rnn[{extra}]" in str(error), error
    else:
        raise AssertionError(extra)
"""


@pytest.mark.parametrize("work", [WORK, MISSING])
def test_without_extras(work: str, tmp_path: Path) -> None:
    """Import, training with its report, diagnosis and word vectors need no extra; maps, pictures, Lightning and
    the lab's digits name theirs."""
    (tmp_path / "book.txt").write_text("".join(f"line {k} of {k % 7}\n" for k in range(200)))
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED + work], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """What needs it, the package and the command that installs it."""
    for name in ("matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(CarouselError, match=r"^A picture needs matplotlib\. .*carousel-rnn\[plots\]"):
        require("matplotlib.figure", "A picture", "plots")
