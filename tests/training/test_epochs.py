"""The train stream, read again and again."""

import numpy as np
import pytest
import torch

from carousel import CarouselError
from carousel.training.epochs import Epochs, shuffled

IDS = np.concatenate([[0], *([*range(10 * d + 1, 10 * d + 1 + 4 + d), 0] for d in range(9))]).astype(np.int32)


def documents(ids):
    return [tuple(part.tolist()) for part in np.split(ids, np.flatnonzero(ids == 0) + 1)[1:-1]]


def test_an_epoch_has_every_document_whole_in_another_order():
    """Shuffling keeps the symbols of each document together and in order, and loses none."""
    mixed = shuffled(IDS, np.random.default_rng(1))
    assert documents(mixed) != documents(IDS)
    assert sorted(documents(mixed)) == sorted(documents(IDS))
    assert mixed[0] == 0


def test_windows_continue_each_other():
    """Within an epoch the targets of a window are its inputs one later, and the next window goes on from
    there.
    """
    epochs = Epochs(IDS, batch=3, length=4, seed=1)
    for step in range(epochs.number - 1):
        inputs, targets = epochs.window(step)
        following, _ = epochs.window(step + 1)
        assert inputs.shape == (4, 3)
        assert torch.equal(inputs[1:], targets[:-1])
        assert torch.equal(targets[-1], following[0])
    assert [epochs.begins(step) for step in (0, 1, epochs.number)] == [True, False, True]


def test_any_step_can_be_read_without_those_before():
    """A fresh reader that starts late sees what one that read everything sees; epochs and seeds differ."""
    reader = Epochs(IDS, batch=3, length=4, seed=1)
    windows = [reader.window(step) for step in range(3 * reader.number)]
    for step in (2 * reader.number + 1, 1, reader.number):
        for a, b in zip(Epochs(IDS, 3, 4, seed=1).window(step), windows[step], strict=True):
            assert torch.equal(a, b)
    assert not torch.equal(windows[0][0], windows[reader.number][0])
    assert not torch.equal(windows[0][0], Epochs(IDS, 3, 4, seed=2).window(0)[0])


def test_a_single_document_stays_as_it_is():
    """With one document there is nothing to shuffle."""
    ids = np.array([0, 5, 6, 7, 0])
    assert shuffled(ids, np.random.default_rng(1)) is ids


def test_a_text_shorter_than_one_window_is_refused():
    """The error names the part, how much is needed, and what there is."""
    with pytest.raises(CarouselError, match=r"train part must hold at least 641 symbols: it holds 5.*bptt"):
        Epochs(np.arange(5), batch=32, length=20, seed=1)
