"""Training states changed by meaning, with right checksums: each field is refused with a message, or does no harm."""

import copy
import json
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from carousel import CarouselError, Embedding, Vectors, embed
from carousel.embeddings.checkpoint import Position
from carousel.embeddings.formats import safetensors
from carousel.embeddings.progress import Saved

TEXT = [["a", "b", "c", "d"], ["b", "a", "d"], ["a", "b"]] * 12
OPTIONS = {
    "dimension": 4,
    "epochs": 2,
    "min_count": 1,
    "threads": 1,
    "patience": 3,
    "held_out": 0.2,
    "sample": 0,
}
VALUES = [
    None, True, False, -1, 0, 1, 2, 3, 1.5, 1e308, -1e308, float("nan"), float("inf"), 2**31, 2**63 - 1, 2**63, 10**30,
    "", "x", "1", "9" * 5000, [], [[]], [1], [[1, 2, 3]], [["a", "b"]], [[1, -1]], {}, {"a": 1}, [[0, 0]] * 9,
]  # fmt: skip
MEMORY = 32 << 20


class Stop(Exception):
    """What ends a training."""


@pytest.fixture(scope="module")
def stopped(tmp_path_factory) -> Path:
    """The state of a training that was stopped in its middle, with the best weights so far."""
    path = tmp_path_factory.mktemp("state") / "state.safetensors"

    def stop(event: object) -> None:
        if isinstance(event, Saved):
            raise Stop

    with pytest.raises(Stop):
        embed(TEXT, **OPTIONS, checkpoint=str(path), checkpoint_seconds=1e-9, on_progress=stop)
    assert Embedding.load(path).position.reason is None
    assert Embedding.load(path).position.best is not None
    return path


def taken_apart(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """(all tensors, the description) of a state."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    description = json.loads(header.pop("__metadata__")[safetensors.KEY])
    arrays = {}
    for name, entry in header.items():
        begin, end = (8 + length + each for each in entry["data_offsets"])
        array = np.frombuffer(data[begin:end], safetensors._DTYPES[entry["dtype"]])
        arrays[name] = array.reshape(entry["shape"])
    return arrays, description


TYPES = {"f4": "F32", "i8": "I64", "u1": "U8", "f8": "F64", "f2": "F16", "i4": "I32"}


def write(path: Path, arrays: dict[str, np.ndarray], description: dict[str, Any]) -> None:
    """A file of any tensors and any description, with the checksums that belong to them."""
    own = {name: array for name, array in arrays.items() if name in safetensors._TYPES}
    if "checksum" in description:
        description = {**description, "checksum": safetensors._checksum(own)}
    if isinstance(description.get("more"), dict) and "checksum" in description["more"]:
        description["more"] = {**description["more"], "checksum": safetensors._checksum(arrays)}
    header: dict[str, Any] = {"__metadata__": {safetensors.KEY: json.dumps(description)}}
    start = 0
    for name, array in arrays.items():
        dtype = TYPES[array.dtype.str[1:]]
        header[name] = {
            "dtype": dtype,
            "shape": list(array.shape),
            "data_offsets": [start, start + array.nbytes],
        }
        start += array.nbytes
    text = json.dumps(header).encode()
    path.write_bytes(
        len(text).to_bytes(8, "little") + text + b"".join(each.tobytes() for each in arrays.values())
    )


def refusal(run: Callable[[], object]) -> str:
    """What a CarouselError says, in short and in little memory; nothing where there is none."""
    tracemalloc.start()
    message = ""
    try:
        run()
    except CarouselError as error:
        message = str(error)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < MEMORY
    assert len(message) < 1000
    return message


def outcome(path: Path) -> str:
    """What comes of a state: refused when it is loaded, when it is used, or used; anything else fails the test."""
    if refusal(lambda: Embedding.load(path)):
        return "refused"

    def use() -> None:
        Embedding.load(path).train_more(TEXT, epochs=1, threads=1)
        embed(TEXT, **OPTIONS, checkpoint=str(path), checkpoint_seconds=1e9)

    return "refused later" if refusal(use) else "used"


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each field of a description, however deep."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in inside:
        yield (*path, key)
        yield from places(inner, (*path, key))


def changed(description: dict[str, Any], place: tuple[Any, ...], change: Any) -> dict[str, Any]:
    """A copy in which `change(owner, key)` was done at a place."""
    fresh = copy.deepcopy(description)
    owner = fresh
    for key in place[:-1]:
        owner = owner[key]
    change(owner, place[-1])
    return fresh


def test_the_state_itself_is_used(stopped, tmp_path):
    """What the other tests change is sound: taken apart and written again, it is gone on with."""
    write(tmp_path / "s.safetensors", *taken_apart(stopped))
    assert outcome(tmp_path / "s.safetensors") == "used"


def test_every_field_of_the_description(stopped, tmp_path):
    """Each field with each strange value, without it, and with one more: an error with a message, or no harm."""
    arrays, description = taken_apart(stopped)
    found = {}
    for place in places(description):
        if place[-1] == "checksum":
            continue
        for value in VALUES:
            write(
                tmp_path / "s", arrays, changed(description, place, lambda o, k, v=value: o.__setitem__(k, v))
            )
            found[place, repr(value)[:20]] = outcome(tmp_path / "s")
        write(tmp_path / "s", arrays, changed(description, place, lambda o, k: o.pop(k)))
        found[place, "missing"] = outcome(tmp_path / "s")
    about = ("more", "about")
    for place in ((*about, "config"), (*about, "position"), (*about, "text"), ("version",), ("kind",)):
        for value in ("None", "[]", "-1", "nan", "missing"):
            assert found[place, value] == "refused", (place, value)
    for name in ("epoch", "block"):
        for value in ("-1", "1.5", "nan", "9223372036854775808", "'1'", "True"):
            assert found[(*about, "position", name), value] == "refused", (name, value)
    for value in ("2", "3", "2147483648"):  # at and behind the last epoch
        assert found[(*about, "position", "epoch"), value] == "refused", value


def tensor_changes(name: str, array: np.ndarray) -> Iterator[np.ndarray]:
    """Other shapes, types and numbers for a tensor."""
    yield array.reshape(-1)
    yield array.reshape(1, -1)
    yield array[:-1]
    yield array[:0]
    yield np.concatenate([array, array])
    yield array.reshape(*array.shape, 1)
    yield np.array(array.reshape(-1)[0])
    for dtype in ("f8", "f2", "i4", "i8", "u1", "f4"):
        yield array.astype(dtype)
    strange: list[float] = (
        [0, -1, 2**62, 2**63 - 1, 1] if array.dtype.kind == "i" else [np.nan, np.inf, -np.inf, 255]
    )
    for value in strange:
        if array.dtype != np.uint8 or value == 255:
            yield np.full_like(array, value)
            first = array.copy()
            first.reshape(-1)[0] = value
            yield first
    if array.ndim == 2:
        yield np.ascontiguousarray(array.T)
        yield np.ones((array.shape[0], 0), array.dtype)


def test_every_tensor(stopped, tmp_path):
    """Each tensor of another shape or type, with numbers out of range, missing, or under another name."""
    arrays, description = taken_apart(stopped)
    for name, array in arrays.items():
        for other in tensor_changes(name, array):
            same = other.shape == array.shape and other.dtype == array.dtype
            write(tmp_path / "s", {**arrays, name: other}, description)
            result = outcome(tmp_path / "s")
            assert same or result == "refused", (name, other.shape, other.dtype)
            if other.dtype.kind == "f" and not np.isfinite(other).all():
                assert result == "refused", (name, other)
        without = {each: value for each, value in arrays.items() if each != name}
        write(tmp_path / "s", without, description)
        assert outcome(tmp_path / "s") == "refused", name
        write(tmp_path / "s", {**without, "strange": array}, description)
        assert outcome(tmp_path / "s") == "refused", name
    write(tmp_path / "s", {**arrays, "more": np.ones(3, np.float32)}, description)
    assert outcome(tmp_path / "s") == "refused"


def test_words_of_another_text_with_its_checksum(stopped, tmp_path):
    """A state whose words are fewer than the text has is not gone on with, whatever its checksum says."""
    other = embed([["a", "b"]] * 40, **OPTIONS)
    state = Embedding.load(stopped)
    Embedding(state.config, other.vocabulary, other.weights, Position(), state.text).save(tmp_path / "s")
    with pytest.raises(CarouselError, match="was made from another one"):
        embed(TEXT, **OPTIONS, checkpoint=str(tmp_path / "s"))


def test_every_field_of_a_header(tmp_path):
    """Types, shapes and places of tensors in the header of a file of vectors."""
    path = tmp_path / "v.safetensors"
    Vectors(["a", "bb", "ccc"], np.arange(6.0).reshape(3, 2), [3, 2, 1]).save(path)
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    for place in places(header):
        for value in [*VALUES, 10**18, "F64", "U8", [2**61, 0], [0], [3, 2, 1], [6], [0, 24]]:
            text = json.dumps(changed(header, place, lambda o, k, v=value: o.__setitem__(k, v))).encode()
            path.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + length :])
            for mmap in (False, True):
                found: list[Vectors] = []
                refused = refusal(lambda m=mmap, f=found: f.append(Vectors.load(path, mmap=m)))  # type: ignore[misc]
                assert refused or found[0].words == ["a", "bb", "ccc"]
                assert refused or np.array_equal(found[0].matrix, np.arange(6).reshape(3, 2))
