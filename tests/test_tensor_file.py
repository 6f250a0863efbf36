"""The one reader of safetensors, against the library's writer and against headers that lie."""

import json
import os

import numpy as np
import pytest
from safetensors.numpy import save_file

from carousel.errors import CarouselError
from carousel.tensor_file import open_tensors

ARRAYS = {
    "a": np.arange(6, dtype=np.float32).reshape(2, 3),
    "b": np.array(7, dtype=np.int64),
    "none": np.empty((0, 4)),
}


def read(file, name, dtype):
    found = np.empty(file.entries[name].shape, dtype)
    file.read_into(name, found.reshape(-1).view(np.uint8))
    return found


def test_what_the_library_wrote_is_read(tmp_path):
    """Shapes, types, metadata, bytes and mapped arrays are those that were saved."""
    save_file(ARRAYS, tmp_path / "f", metadata={"x": "y"})
    with open_tensors(tmp_path / "f", "a file") as file:
        assert file.metadata == {"x": "y"}
        assert file.entries["a"].shape == (2, 3)
        assert file.entries["a"].dtype == "F32"
        np.testing.assert_array_equal(read(file, "a", np.float32), ARRAYS["a"])
        mapped = file.map("a", np.dtype("<f4"))
        assert file.map("none", np.dtype("<f8")).shape == (0, 4)
        assert read(file, "b", np.int64) == 7
    np.testing.assert_array_equal(mapped, ARRAYS["a"])


def test_a_file_that_is_replaced_meanwhile_stays_the_old_one(tmp_path):
    """Header, bytes and mapping come from one opening: never the names of one file with the numbers of another."""
    save_file({"a": np.zeros(3, np.float32)}, tmp_path / "f")
    save_file({"other": np.ones(9, np.float32)}, tmp_path / "new")
    with open_tensors(tmp_path / "f", "a file") as file:
        os.replace(tmp_path / "new", tmp_path / "f")
        assert read(file, "a", np.float32).tolist() == [0, 0, 0]
        assert file.map("a", np.dtype("<f4")).tolist() == [0, 0, 0]


def test_a_file_that_is_cut_meanwhile_is_told(tmp_path):
    """No memory that nobody wrote is taken for numbers."""
    save_file({"a": np.zeros(300_000, np.float32)}, tmp_path / "f")
    with open_tensors(tmp_path / "f", "a file") as file:
        os.truncate(tmp_path / "f", 9_000)
        with pytest.raises(CarouselError, match="cut while it was read"):
            read(file, "a", np.float32)


def entry(dtype="F32", shape=(2,), offsets=(0, 8)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ([], "lists no tensors"),
        ({"a": entry("F31")}, "unknown type 'F31'"),
        ({"a": entry(shape=[3])}, "does not fit its place"),
        ({"a": entry(shape=[2**40, 2**40, 0], offsets=(0, 0))}, "which no tensor can have"),
        ({"a": entry(shape=[0, 2**60, 2], offsets=(0, 0))}, "which no tensor can have"),
        ({"a": entry(shape=[0] * 65, offsets=(0, 0))}, r"the shape \(0, 0, 0, 0, 0, 0, \.\.\.\), which no"),
        ({"a": entry(shape=[-2])}, "does not fit its place"),
        ({"a": entry(offsets=(4, 12))}, "does not fit its place"),
        ({"a": entry(offsets=(0, 8)), "b": entry(offsets=(0, 8))}, "does not fit its place"),
        ({"a": entry(shape=[1], offsets=(0, 4))}, "take 4 bytes, but it has 8"),
        ({"a": entry(shape=[2.0])}, "must be a whole number"),
        ({"a": entry(offsets=(0,))}, "must be a list of 2"),
        ({"a": {"dtype": "F32"}}, "shape is missing"),
        ({"a": None}, "must be names with values"),
        ({"a": entry(), "__metadata__": {"carousel": 1}}, "must be text"),
        ({"a": entry(), "__metadata__": None}, "must be"),
    ],
)
def test_headers_that_lie(tmp_path, header, message):
    """Each size is held against the length of the file before memory is asked for."""
    text = json.dumps(header).encode()
    (tmp_path / "f").write_bytes(len(text).to_bytes(8, "little") + text + bytes(8))
    with pytest.raises(CarouselError, match=message), open_tensors(tmp_path / "f", "a file"):
        pass


@pytest.mark.parametrize(
    "data", [b"", b"1234567", (2**62).to_bytes(8, "little") + b"{}", bytes(8), b"\xff" * 100]
)
def test_lengths_that_lie(tmp_path, data):
    """A header cannot be longer than the file."""
    (tmp_path / "f").write_bytes(data)
    with (
        pytest.raises(CarouselError, match=r"its header has .* bytes"),
        open_tensors(tmp_path / "f", "a file"),
    ):
        pass


def test_deep_nesting_is_told(tmp_path):
    """A header of 100,000 brackets is an error, not the end of the stack."""
    text = b"[" * 100_000
    (tmp_path / "f").write_bytes(len(text).to_bytes(8, "little") + text)
    with pytest.raises(CarouselError, match="no valid JSON"), open_tensors(tmp_path / "f", "a file"):
        pass
