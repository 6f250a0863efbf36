"""The time of a run from some of its steps, on a generated text."""

import numpy as np

from bench import zipf
from bench.epoch import time_steps
from carousel.data import fit_vocabulary, load_corpus
from carousel.training import LanguageConfig


def test_the_generated_text_has_the_size_that_it_says(tmp_path, monkeypatch):
    """So many tokens with the ends of sentences, every word of the vocabulary, the same text every time."""
    monkeypatch.setattr(zipf, "TOKENS", {"train": 40_000, "valid": 2_000, "test": 2_000})
    monkeypatch.setattr(zipf, "WORDS", 1_000)
    for name in ("a", "b"):
        zipf.write(tmp_path / name)
    split = load_corpus(tmp_path / "a")
    assert split == load_corpus(tmp_path / "b")
    vocabulary = fit_vocabulary("token", split.train)
    assert vocabulary.size == 1_000
    ids = vocabulary.encode(split.train[0].text)
    assert len(ids) == 40_000
    counts = np.bincount(ids)
    assert counts[0] / len(ids) * zipf.SENTENCE == np.clip(counts[0] / len(ids) * zipf.SENTENCE, 0.8, 1.2)
    words = np.sort(counts[1:])[::-1]
    assert 5 < words[0] / words[9] < 20  # the tenth word is a tenth as frequent as the first, about


def test_steps_are_timed_and_reckoned_to_a_run(tmp_path, monkeypatch):
    """As many as asked for; an epoch has those that its text fills."""
    monkeypatch.setattr(zipf, "TOKENS", {"train": 9_000, "valid": 500, "test": 500})
    monkeypatch.setattr(zipf, "WORDS", 100)
    zipf.write(tmp_path)
    config = LanguageConfig.preset(
        "zaremba-small", paths=[str(tmp_path)], hidden_size=8, embedding=8, threads=1
    )
    timed = time_steps(config, 3, lambda text: None)
    assert len(timed.seconds) == 3
    assert timed.steps_per_epoch == 9_000 // 20 // 20
    assert timed.tokens_per_step == 400
    assert "13 epochs" in timed.lines()[-1]
