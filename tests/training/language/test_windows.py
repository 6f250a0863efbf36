"""The train stream, read again and again."""

import numpy as np
import pytest
import torch

from carousel import CarouselError
from carousel.data import Windows
from carousel.training.language.windows import TextWindows

IDS = np.concatenate([[0], *([*range(10 * d + 1, 10 * d + 1 + 4 + d), 0] for d in range(9))]).astype(np.int32)


ENDS = np.flatnonzero(IDS == 0)[1:]


def documents(ids):
    return [tuple(part.tolist()) for part in np.split(ids, np.flatnonzero(ids == 0) + 1)[1:-1]]


def test_an_epoch_has_every_document_whole_in_another_order():
    """Shuffling keeps the symbols of each document together and in order, and loses none."""
    epochs = TextWindows(IDS, batch=1, length=1, seed=1, ends=ENDS)
    mixed = epochs.read(0, len(IDS))
    assert documents(mixed) != documents(IDS)
    assert sorted(documents(mixed)) == sorted(documents(IDS))
    assert mixed[0] == 0


def test_any_stretch_is_that_of_the_whole():
    """Wherever a stretch begins and ends, in one document or across several."""
    epochs = TextWindows(IDS, batch=1, length=1, seed=1, ends=ENDS)
    whole = epochs.read(0, len(IDS))
    for start in range(len(IDS)):
        for stop in range(start + 1, len(IDS) + 1):
            assert np.array_equal(epochs.read(start, stop), whole[start:stop])


def test_windows_continue_each_other():
    """Within an epoch the targets of a window are its inputs one later, and the next window goes on from
    there.
    """
    epochs = TextWindows(IDS, batch=3, length=4, seed=1, ends=ENDS)
    for step in range(epochs.number - 1):
        inputs, targets = epochs.window(step)
        following, _ = epochs.window(step + 1)
        assert inputs.shape == (4, 3)
        assert torch.equal(inputs[1:], targets[:-1])
        assert torch.equal(targets[-1], following[0])
    assert [epochs.resets_state(step) for step in (0, 1, epochs.number)] == [True, False, True]


def test_any_step_can_be_read_without_those_before():
    """A fresh reader that starts late sees what one that read everything sees; epochs and seeds differ."""
    reader = TextWindows(IDS, batch=3, length=4, seed=1, ends=ENDS)
    windows = [reader.window(step) for step in range(3 * reader.number)]
    for step in (2 * reader.number + 1, 1, reader.number):
        for a, b in zip(TextWindows(IDS, 3, 4, seed=1, ends=ENDS).window(step), windows[step], strict=True):
            assert torch.equal(a, b)
    assert not torch.equal(windows[0][0], windows[reader.number][0])
    assert not torch.equal(windows[0][0], TextWindows(IDS, 3, 4, seed=2, ends=ENDS).window(0)[0])


def test_a_single_document_stays_as_it_is():
    """With one document there is nothing to shuffle, and windows are those of the stream itself."""
    for ends in (None, np.array([len(IDS) - 1])):
        epochs = TextWindows(IDS, batch=2, length=3, seed=1, ends=ends)
        plain = Windows(IDS, 2, 3)
        for step in range(epochs.number):
            for a, b in zip(epochs.window(step), plain[step], strict=True):
                assert torch.equal(a, b)


def test_a_text_shorter_than_one_window_is_refused():
    """The error names the part, how much is needed, and what there is."""
    with pytest.raises(CarouselError, match=r"train part must have at least 641 symbols.*; it has 5.*bptt"):
        TextWindows(np.arange(5), batch=32, length=20, seed=1)
