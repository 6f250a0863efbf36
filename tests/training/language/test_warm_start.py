"""Runs that begin with another's weights, with piped text, and with parts that are told."""

import dataclasses
import io
import sys

import pytest
import torch

from carousel import CarouselError, load, training
from carousel.progress import Note
from carousel.report import report_run
from carousel.training import LanguageConfig
from carousel.training.language import corpus
from carousel.training.language.warm_start import warm_start_config
from carousel.training.run import progress
from carousel.training.run.folder import RunFolder, weights_of

OTHER = "".join(f"def sub_{k % 11}(y):\n    return y - {k % 5} # Ω\n\n" for k in range(150))


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A finished run, and its text."""
    folder = tmp_path_factory.mktemp("first")
    text = folder / "text.py"
    text.write_text("".join(f"def add_{k % 13}(x):\n    return x + {k % 7}\n\n\n" for k in range(150)))
    small = {"level": "char", "hidden_size": 12, "batch": 4, "bptt": 16, "lr": 0.02, "threads": 1}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("carousel.training.language.samples.LENGTH", 20)
        return training.train(paths=[text], epochs=0.2, out=folder / "run", **small)


def weights(path):
    return load(path).state_dict()


def test_a_run_begins_with_the_weights_and_symbols_of_another(first, tmp_path):
    """With a learning rate too small to move them, the weights of the new run are the old ones, and so is the score."""
    run = training.train(from_=first.path, lr=1e-30, steps=2, out=tmp_path / "again")
    old, new = weights(first.path), weights(run.path)
    assert all(torch.equal(old[name], new[name]) for name in old)
    assert run.test.bits == pytest.approx(first.test.bits)
    assert (run.config.hidden_size, run.config.from_) == (12, str(first.path))
    assert load(run.path).vocabulary == load(first.path).vocabulary


def test_other_text_is_learned_in_the_old_symbols(first, tmp_path):
    """New files replace the old ones; what has no symbol is told, and the new text is learned better."""
    other = tmp_path / "other.py"
    other.write_text(OTHER)
    notes = []
    run = training.train(
        from_=first.path,
        paths=[other],
        epochs=3,
        out=tmp_path / "run",
        on_progress=lambda event: notes.append(event.message) if isinstance(event, Note) else None,
    )
    unknown = [note for note in notes if "count as <unk>" in note]
    assert [note.split(":")[0] for note in unknown] == ["train", "valid", "test"]
    assert "count as <unk>, such as 's', 'b', 'y', '-', '#' and 1 more" in unknown[0]
    [document] = corpus.of_run(RunFolder(run.path)).split.test
    score = training.evaluate(load(first.path), [document])
    assert run.test.bits < score.bits


def test_weights_that_only_get_worse_are_not_kept(first, tmp_path):
    """The first evaluation is held against the weights that the run began with, also after a resume."""
    run = training.train(from_=first.path, optimizer="sgd", lr=50.0, steps=4, out=tmp_path / "run")
    old, new = weights(first.path), weights(run.path)
    assert all(torch.equal(old[name], new[name]) for name in old)


def test_the_length_of_the_other_run_counts_again(first):
    """Epochs are counted on the new text; a length that is given replaces them."""
    assert (warm_start_config(first.path).epochs, warm_start_config(first.path).steps) == (0.2, None)
    longer = warm_start_config(first.path, steps=7)
    assert (longer.epochs, longer.steps, longer.evaluate_every, longer.out) == (None, 7, None, None)


def test_another_model_cannot_begin_with_these_weights(first, tmp_path):
    """What differs is named, with both values, whether options are given by name or in a configuration."""
    with pytest.raises(CarouselError, match=r"hidden_size is 12 in .*; got 24"):
        warm_start_config(first.path, hidden_size=24)
    mine = dataclasses.replace(
        LanguageConfig(level="char", steps=1), from_=str(first.path), out=str(tmp_path / "run")
    )
    with pytest.raises(CarouselError, match=r"hidden_size is 12 in .*; got 384"):
        training.train(config=mine)
    with pytest.raises(CarouselError, match="no run and no file of weights"):
        weights_of(tmp_path / "none")


def test_a_run_that_began_with_another_resumes_without_it(first, tmp_path, monkeypatch):
    """Its checkpoint has all; the other run may be gone by then, and the end is the same to the bit."""
    options = {"from_": first.path, "steps": 6, "evaluate_every": 2}
    whole = training.train(**options, out=tmp_path / "whole")

    def stop(event):
        if isinstance(event, progress.Saved) and event.step == 4:
            raise RuntimeError

    with pytest.raises(RuntimeError):
        training.train(**options, out=tmp_path / "cut", on_progress=stop)
    monkeypatch.setattr("carousel.training.tasks.weights_of", None)
    cut = training.resume(tmp_path / "cut")
    assert all(
        torch.equal(a, b)
        for a, b in zip(weights(cut.path).values(), weights(whole.path).values(), strict=True)
    )


def test_piped_text_is_kept_with_the_run(config, monkeypatch):
    """Standard input can be read once: the report, a resume and the test part come from the copy in the folder."""
    text = "".join(f"line {k} é\r\n" for k in range(400))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    run = training.train(config=config, paths=["-"])
    assert (run.path / "text.txt").read_bytes().decode() == text
    assert (
        corpus.of_run(RunFolder(run.path)).split.test[0].text == text[-len(text) // 20 :].partition("\n")[2]
    )
    assert report_run(run.path).exists()
    assert warm_start_config(run.path).paths == [str(run.path / "text.txt")]


def test_the_parts_are_told_before_training_and_in_the_report(config):
    """A note for each: where it comes from, how large it is and how it was cut."""
    notes = []
    run = training.train(
        config=config,
        on_progress=lambda event: notes.append(event.message) if isinstance(event, Note) else None,
    )
    parts = [note for note in notes if note.startswith(("train:", "valid:", "test:"))]
    assert len(parts) == 3
    assert parts[0].endswith("1 file (text.py), what is left")
    assert parts[2].endswith("1 file (text.py), the last 5 % of each")
    page = report_run(run.path).read_text()
    for note in parts:
        assert note.partition(": ")[2] in page


@pytest.mark.parametrize("blank", ["\n", " \n\t\n"])
def test_a_text_of_one_symbol_is_refused(config, text, blank):
    """Empty lines hold no word: at the level of tokens there is nothing to predict, before training and on resume."""
    text.write_text(blank * 200)
    with pytest.raises(CarouselError, match="at least 2 symbols apart; the train part has <eos> alone"):
        training.train(config=config.override(level="token"))
    assert not RunFolder(config.out).path.exists()


@pytest.mark.parametrize(("level", "written"), [("char", "a" * 3000), ("token", "a\n" * 400)])
def test_monotonous_texts_are_trained_and_reported(config, text, level, written):
    """One letter or one word again and again: the page says how good an n-gram is, which hardly errs there."""
    text.write_text(written)
    run = training.train(config=config.override(level=level, steps=2, hidden_size=4))
    assert "bits per character" in report_run(run.path).read_text()
