"""Streams and windows."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from carousel import CarouselError
from carousel.data import Document, Windows, fit_vocabulary, stream
from carousel.data.documents import count_characters
from carousel.data.vocabularies import BOUNDARY
from carousel.data.windows import IGNORED


def test_a_stream_has_a_boundary_before_between_and_after() -> None:
    """Every character and every end is predicted once, the first character from a boundary."""
    documents = [Document("1", "ab"), Document("2", ""), Document("3", "c")]
    vocabulary = fit_vocabulary("char", documents)
    ids = stream(documents, vocabulary)
    assert ids.dtype == np.int32
    assert vocabulary.decode(ids, boundary="|") == "|ab||c|"
    assert len(ids) - 1 == count_characters(documents)


def test_windows_read_as_a_table() -> None:
    """14 symbols, 2 lanes: they continue from window to window, the last is shorter, the rest left out."""
    windows = Windows(np.arange(14), batch=2, length=4)
    inputs, targets = windows[0]
    assert inputs.tolist() == [[0, 6], [1, 7], [2, 8], [3, 9]]
    assert targets.tolist() == [[1, 7], [2, 8], [3, 9], [4, 10]]
    inputs, targets = windows[1]
    assert inputs.tolist() == [[4, 10], [5, 11]]
    assert targets.tolist() == [[5, 11], [6, 12]]
    assert windows.number == len(windows) == 2
    assert windows.predicted == 12


@settings(deadline=None)
@given(st.integers(2, 200), st.integers(1, 9), st.integers(1, 30), st.booleans())
def test_lanes_joined_over_the_windows_are_the_stream(n: int, batch: int, length: int, pad: bool) -> None:
    """For every size: lane after lane the inputs give the stream back, and targets are inputs one later."""
    if not pad and n < batch * length + 1:
        with pytest.raises(CarouselError):
            Windows(np.arange(n), batch, length)
        return
    windows = Windows(np.arange(n), batch, length, pad=pad)
    inputs, targets = (torch.cat(parts).T.flatten() for parts in zip(*windows, strict=True))
    predicted = n - 1 if pad else (n - 1) // batch * batch
    assert windows.predicted == predicted == (targets != IGNORED).sum()
    assert inputs[:predicted].tolist() == list(range(predicted))
    assert targets[:predicted].tolist() == list(range(1, predicted + 1))
    assert set(inputs[predicted:].tolist()) <= {BOUNDARY}
    assert len(windows) == windows.number == len(list(windows))
    assert all(len(one) == length for one, _ in list(windows)[:-1])


def test_windows_are_contiguous_int64_tensors() -> None:
    """What embedding and cross-entropy want, whatever the integers of the stream."""
    for tensor in Windows(np.arange(100, dtype=np.uint16), batch=3, length=5)[2]:
        assert tensor.dtype == torch.int64
        assert tensor.shape == (5, 3)
        assert tensor.is_contiguous()


def test_windows_end_like_any_sequence() -> None:
    """An index beyond the end is an IndexError, a negative one counts from the end."""
    windows = Windows(np.arange(14), batch=2, length=4)
    assert windows[-1][0].tolist() == windows[1][0].tolist()
    with pytest.raises(IndexError):
        windows[2]


def test_text_shorter_than_a_window_is_refused_with_both_numbers() -> None:
    """The message holds what is there, what is needed, and what to change."""
    with pytest.raises(CarouselError, match=r"valid text .*3,201 symbols.* has 3,200.*batch or length"):
        Windows(np.zeros(3200, dtype=np.int32), batch=32, length=100, name="valid text")
    Windows(np.zeros(3201, dtype=np.int32), batch=32, length=100)
    with pytest.raises(CarouselError, match="at least 2 symbols"):
        Windows(np.zeros(1, dtype=np.int32), batch=32, length=100, pad=True)


@pytest.mark.parametrize(("batch", "length"), [(0, 5), (5, 0), (-1, 5), (2.5, 5), (True, 5)])
def test_batch_and_length_are_whole_numbers_from_one(batch: int, length: int) -> None:
    """Anything else is named in the message."""
    with pytest.raises(CarouselError, match="whole number of at least 1"):
        Windows(np.arange(100), batch, length)


@pytest.mark.parametrize("ids", [np.zeros((20, 2), dtype=np.int64), np.zeros(20)])
def test_a_stream_is_one_row_of_integers(ids: np.ndarray) -> None:
    """Shape and dtype are named in the message."""
    with pytest.raises(CarouselError, match="integers of shape"):
        Windows(ids, 2, 2)
