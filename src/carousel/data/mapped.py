"""Texts as numbers in a file that is mapped, not read: made once for each text and vocabulary, then kept.

The file's name is a hash of the documents and the vocabulary, so that a change of either makes a new one and
nothing old is ever taken for it. The numbers are written first and a description of them last: a death in between
leaves nothing that looks whole.
"""

import json
from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np

from carousel.atomic import is_leftover, replacing, storage_errors, write_atomic
from carousel.cache import cache_folder, made_cache_folder
from carousel.data.documents import Document
from carousel.data.large import LargeDocument
from carousel.data.vocabularies import BOUNDARY, Vocabulary
from carousel.locks import in_turn


def mapped_streams(
    documents: Sequence[Document],
    vocabulary: Vocabulary,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """`carousel.data.batches.streams` with the symbols in a mapped file of the cache folder.

    Raises StorageError if the disk refuses.
    """
    path = cache_folder("texts") / f"{_key(documents, vocabulary)}.i4"
    about = path.with_suffix(".json")
    ends = _described(path, about)
    if ends is None:
        with storage_errors(path), in_turn(made_cache_folder("texts")):
            ends = _described(path, about)  # another process may have made it while this one waited
            if ends is None:
                ends = _write(path, documents, vocabulary, on_progress)
                write_atomic(about, json.dumps({"symbols": int(ends[-1]) + 1, "ends": ends.tolist()}))
    return np.memmap(path, dtype="<i4", mode="r"), ends


def _described(path: Path, about: Path) -> np.ndarray | None:
    """Where the documents end, if the file is there and as long as its description says."""
    try:
        description = json.loads(about.read_bytes())
        if path.stat().st_size != 4 * description["symbols"]:
            return None
        return np.array(description["ends"], dtype=np.int64)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(
    path: Path,
    documents: Sequence[Document],
    vocabulary: Vocabulary,
    on_progress: Callable[[int, int], None] | None,
) -> np.ndarray:
    """Write the symbols piece by piece, and put the file in its place in one move."""
    for old in path.parent.iterdir():  # what a killed process left
        if is_leftover(old) and old.name.startswith(f".{path.name}."):
            old.unlink(missing_ok=True)
    total = sum(document.characters for document in documents)
    boundary = np.array([BOUNDARY], dtype="<i4")
    length, done, ends = 1, 0, []
    with replacing(path) as file:
        boundary.tofile(file)
        for document in documents:
            last = -1
            for piece in document.pieces():
                ids = vocabulary.encode(piece).astype("<i4", copy=False)
                ids.tofile(file)
                length, done = length + len(ids), done + len(piece)
                last = int(ids[-1]) if len(ids) else last
                if on_progress is not None:
                    on_progress(done, total)
            if not (vocabulary.boundary_text and last == BOUNDARY):
                boundary.tofile(file)
                length += 1
            ends.append(length - 1)
    return np.array(ends, dtype=np.int64)


def _key(documents: Sequence[Document], vocabulary: Vocabulary) -> str:
    digest = blake2b(json.dumps(vocabulary.to_json(), sort_keys=True).encode(), digest_size=16)
    for document in documents:
        content = document.digest if isinstance(document, LargeDocument) else _hash(document.text)
        digest.update(f"\0{content}".encode())
    return digest.hexdigest()


def _hash(text: str) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
