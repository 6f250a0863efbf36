"""From a run folder to the numbers of its report, at every level and for cells with other gates."""

from pathlib import Path

import numpy as np
import pytest
import torch

from carousel import training
from carousel.diagnosis import state_gradient_norms
from carousel.models.language_model import LanguageModel
from carousel.report import gather
from carousel.report.training.gather import LANES, examined, follow_gradient
from carousel.training.api import Run
from carousel.training.language import corpus as corpora
from carousel.training.run.folder import RunFolder

TEXT = "".join(f"def f{k}(a, b):\n    return [a + {k}, 'b{k % 7}']  # {k}\n\n" for k in range(300))


def _run(folder: Path, **options) -> Run:
    folder.mkdir(exist_ok=True)
    path = folder / "text.py"
    path.write_text(TEXT, encoding="utf-8")
    small = {
        "level": "char",
        "hidden_size": 10,
        "batch": 4,
        "bptt": 20,
        "steps": 4,
        "threads": 1,
        "out": folder / "run",
    }
    return training.train(paths=[path], **(small | options))


def _gather(run: Run):
    folder = RunFolder.open(run.path)
    return gather(run, corpora.load(run.config, folder), LanguageModel.load(folder.weights))


def test_the_bar_of_characters_is_the_same_for_every_level(tmp_path):
    """Characters and byte pairs are held against the same n-grams of characters; byte pairs against their own too."""
    characters = _gather(_run(tmp_path / "c")).comparisons
    pieces = _gather(_run(tmp_path / "p", level="bpe", vocabulary_size=280)).comparisons
    assert list(characters[:5]) == list(pieces[:5])
    assert pieces[5].name == "the interpolated 1-gram of byte pairs"


@pytest.mark.parametrize(
    ("level", "cell", "gates"),
    [("char", "lstm", "ifo"), ("bpe", "gru-before", "rz"), ("word", "rnn-relu", "")],
)
def test_the_numbers_are_those_of_the_run(tmp_path, level, cell, gates):
    """Scores, curves, yardsticks per character, traced units and gates, and the gradient of every state."""
    run = _run(
        tmp_path, level=level, cell=cell, num_layers=2, vocabulary_size=300 if level == "bpe" else None
    )
    report = _gather(run)
    assert report.test == run.test.bits_per_character
    assert [point.step for point in report.curves][-1] == run.step
    kinds = {"char": ["ngram"] * 5, "bpe": ["ngram"] * 5 + ["token-ngram"] * 5, "word": ["token-ngram"] * 5}
    assert [each.kind for each in report.comparisons] == [*kinds[level], "compressor"]
    # So regular a text rewards a higher order; bits are per character at every level.
    bits = [each.bits for each in report.comparisons]
    assert 0 < bits[4] < bits[0] < 6
    assert {(each.layer, each.name) for each in report.gates} == {
        (layer, name) for layer in (0, 1) for name in gates
    }
    assert set(report.gradient.norms) == ({"h", "c"} if cell == "lstm" else {"h"})
    assert report.gradient.norms["h"].shape[1] == 2
    snippet = report.snippet
    assert all(
        len(values) == len(snippet.pieces) for strip in snippet.strips for values in strip.values.values()
    )
    assert "".join(snippet.pieces).count("\n") <= 18
    if level != "word":
        assert "".join(snippet.pieces) in TEXT


def test_the_strips_are_the_models_own_trace(tmp_path):
    """What is drawn at a token is what the model holds there, run over the text from the boundary on."""
    run = _run(tmp_path)
    report = _gather(run)
    model = training.load(run.path)
    text = corpora.load(run.config).split.test[0].text
    start = text.index("".join(report.snippet.pieces))
    ids = torch.tensor([0, *model.vocabulary.encode(text).tolist()])
    with torch.no_grad():
        [trace] = model.recurrent.trace(model.embed(ids[:, None]))
    for strip in report.snippet.strips:
        for name, values in strip.values.items():
            here = trace.values[name][start + 1 : start + 1 + len(values), 0, strip.unit.index]
            torch.testing.assert_close(torch.from_numpy(values), here, rtol=1e-4, atol=1e-5)


def test_a_text_too_short_has_no_gradient():
    """Where there is no room to look back, there is no figure rather than an error."""
    assert follow_gradient(LanguageModel(5, hidden_size=4), torch.zeros(6, dtype=torch.int64).numpy()) is None


def test_logits_of_many_steps_never_exist(monkeypatch):
    """The gradient's stages need those of one step at each place, whatever the number of words."""
    model = LanguageModel(5_000, hidden_size=12, num_layers=2)
    ids = torch.arange(1_000).numpy() % 5_000
    sizes = []
    run = torch.nn.functional.linear

    def linear(x, weight, *bias):
        sizes.append(x.shape[:-1].numel() * len(weight))
        return run(x, weight, *bias)

    monkeypatch.setattr(torch.nn.functional, "linear", linear)
    assert examined(model, ids) is not None
    assert max(sizes) == LANES * 5_000
    sizes.clear()
    flow = follow_gradient(model, ids)
    assert flow.norms["h"].shape == (200, 2, 32)
    assert max(sizes, default=0) < 5_000


def test_the_gradient_is_that_of_the_whole_model():
    """Without logits on the way, the norms are those of the model run step by step in float64."""
    model = LanguageModel(50, cell="gru", hidden_size=12, tie=True)
    ids = torch.arange(600).numpy() * 7 % 50
    flow = follow_gradient(model, ids)
    places = np.linspace(0, len(ids) - 250 - 1, 32).astype(np.int64)
    tokens = torch.from_numpy(np.stack([ids[k : k + 251] for k in places], axis=1))
    expected = state_gradient_norms(model.double(), tokens[:-1], tokens[-1], lags=150)
    np.testing.assert_allclose(flow.norms["h"], expected.norms["h"], rtol=1e-5)
