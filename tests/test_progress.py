"""One protocol for all work that takes long: events with words and a share that is done."""

import pytest
import torch

import carousel
from carousel.diagnosis import diagnose
from carousel.lab import Budget, gallery
from carousel.progress import Event, Note, Progress, Stage

SENTENCES = ["the cat sat on the mat", "a dog lay on the rug"] * 40


def test_messages_are_said_by_their_words():
    """What a display shows of any of them is `str(event)`; only Progress tells a share."""
    assert [str(event) for event in (Stage("a"), Note("b"), Progress("c", 0.5))] == ["a", "b", "c"]
    assert [event.share for event in (Stage("a"), Note("b"), Progress("c", 0.5))] == [None, None, 0.5]


def train(tmp_path, on_progress):
    (tmp_path / "text.txt").write_text("abcd" * 200)
    options = {
        "paths": [str(tmp_path / "text.txt")],
        "level": "char",
        "hidden_size": 4,
        "steps": 2,
        "batch": 2,
        "bptt": 4,
    }
    carousel.train(**options, out=tmp_path / "run", on_progress=on_progress)


def fit(tmp_path, on_progress):
    model = carousel.SequenceModel("gru", "classify", hidden_size=4)
    data = [[[float(k % 2)]] * 3 for k in range(20)]
    carousel.fit(model, data, [k % 2 for k in range(20)], steps=2, on_progress=on_progress)


def embed(tmp_path, on_progress):
    carousel.embed(SENTENCES, dimension=4, epochs=1, min_count=1, on_progress=on_progress)


def examine(tmp_path, on_progress):
    diagnose(torch.nn.GRU(2, 3), torch.zeros(6, 1, 2), on_progress=on_progress)


def lab(tmp_path, on_progress):
    gallery.run(["activations"], tmp_path, Budget.QUICK, on_progress)


@pytest.mark.parametrize("work", [train, fit, embed, examine, lab])
def test_all_tell_events(work, tmp_path):
    """`on_progress` hears events alone, with shares from 0 to 1 that never fall and end near the end."""
    events = []
    work(tmp_path, events.append)
    assert events
    assert all(isinstance(event, Event) for event in events)
    shares = [event.share for event in events if event.share is not None]
    assert shares == sorted(shares)
    assert 0 <= shares[0] <= shares[-1] <= 1
