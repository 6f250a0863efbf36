"""A file that another process replaces while it is read gives one version of it, or says that it has two."""

import os
import threading

import numpy as np
import pytest

from carousel import CarouselError, Embedding, Vectors, embed
from carousel.embeddings import checkpoint, formats

OLD = Vectors(["a", "b", "c"], np.full((3, 4), 1.0), [3, 2, 1])
NEW = Vectors(["x", "y", "z"], np.full((3, 4), 2.0), [3, 2, 1])
WAYS = [(name, False) for name in ("text", "glove", "binary", "safetensors", "npz")] + [("safetensors", True)]


def replacing(monkeypatch, where, swap):
    """Call `swap` when a file has been opened, before more than its beginning is read."""
    detect = where.detect

    def swapped(head, path):
        swap()
        return detect(head, path)

    monkeypatch.setattr(where, "detect", swapped)


@pytest.mark.parametrize(("format", "mmap"), WAYS)
def test_all_is_of_the_version_that_was_opened(tmp_path, monkeypatch, format, mmap):
    """Words, numbers and counts are those of the file as it was opened."""
    path = tmp_path / "v"
    OLD.save(path, format=format)
    NEW.save(tmp_path / "new", format=format)
    replacing(monkeypatch, formats, lambda: os.replace(tmp_path / "new", path))
    found = Vectors.load(path, mmap=mmap)
    assert found.words == OLD.words
    assert np.array_equal(found.matrix, OLD.matrix)
    monkeypatch.undo()
    assert Vectors.load(path).words == NEW.words


@pytest.mark.parametrize("mmap", [False, True])
def test_words_beside_a_matrix_are_held_against_it(tmp_path, monkeypatch, mmap):
    """A .npy knows its words: those of another version are refused, and told as that."""
    path = tmp_path / "v.npy"
    OLD.save(path)
    replacing(monkeypatch, formats, lambda: NEW.save(path))
    with pytest.raises(
        CarouselError, match=r"must be of one version; one of them was replaced.*Read them again"
    ):
        Vectors.load(path, mmap=mmap)
    monkeypatch.undo()
    assert Vectors.load(path, mmap=mmap).words == NEW.words


def test_numpy_opens_a_matrix_that_knows_its_words(tmp_path):
    """The checksum behind the matrix is a second array, which NumPy leaves unread; and NumPy's own files open here."""
    OLD.save(tmp_path / "v.npy")
    assert np.array_equal(np.load(tmp_path / "v.npy"), OLD.matrix)
    assert np.array_equal(np.load(tmp_path / "v.npy", mmap_mode="r"), OLD.matrix)
    np.save(tmp_path / "v.npy", NEW.matrix)
    assert np.array_equal(Vectors.load(tmp_path / "v.npy").matrix, NEW.matrix)
    with (tmp_path / "v.npy").open("ab") as file:
        np.save(file, np.ones(3))
    with pytest.raises(CarouselError, match="goes on after its matrix"):
        Vectors.load(tmp_path / "v.npy")


def test_a_training_state_is_of_one_version(tmp_path, monkeypatch):
    """Vectors, weights, words and options of a state are those of the file as it was opened."""
    options = {"dimension": 8, "min_count": 1, "threads": 1, "epochs": 1, "held_out": 0}
    old, new = embed([["a", "b"]] * 20, **options), embed([["x", "y"]] * 20, **options, window=3)
    path = tmp_path / "e.safetensors"
    old.save(path)
    replacing(monkeypatch, checkpoint, lambda: new.save(path))
    found = Embedding.load(path)
    assert found.vocabulary.words == old.vocabulary.words
    assert found.config == old.config
    assert np.array_equal(found.weights.output, old.weights.output)
    monkeypatch.undo()
    assert Embedding.load(path).vocabulary.words == new.vocabulary.words


@pytest.mark.parametrize("name", ["v.safetensors", "v.vec"])
def test_many_readers_beside_a_writer(tmp_path, name):
    """While one thread replaces a file again and again, each load is wholly one version."""
    path = tmp_path / name
    versions = {"abc": OLD, "xyz": NEW}
    OLD.save(path)
    done = threading.Event()

    def write():
        for _ in range(60):
            NEW.save(path)
            OLD.save(path)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = set()
    while not done.is_set():
        found = Vectors.load(path)
        words = "".join(found.words)
        assert np.array_equal(found.matrix, versions[words].matrix)
        seen.add(words)
    writer.join()
    assert seen
