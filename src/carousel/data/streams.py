"""Documents as one array of symbols: in memory, or in a mapped file of the cache folder where a text is too large.

The file is made once for each text and vocabulary. Its name is a hash of the documents and the vocabulary, so a change
of either makes a new file. The symbols are written first and their description last, so that a process that dies in
between leaves nothing that looks whole.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np

from carousel.atomic import is_leftover, replacing, storage_errors, write_atomic
from carousel.cache import cache_folder, made_cache_folder
from carousel.data.documents import Document
from carousel.data.large import LargeDocument
from carousel.data.vocabularies import BOUNDARY, Vocabulary
from carousel.locks import in_turn

Progress = Callable[[int, int], None]  # is given the characters encoded, and all of them


def stream(documents: Sequence[Document], vocabulary: Vocabulary) -> np.ndarray:
    """Encode documents as one array of symbols, (N,) int32, with a boundary before, between and after them.

    The first boundary is only context: with it, the first character is predicted as the first of a document. At the
    level of characters, N - 1 is therefore `count_characters(documents)`. If the boundary of the `vocabulary` is the
    end of a line, a document that ends in a line end gets no second boundary.

    Raises CarouselError for text that is not valid Unicode or that the vocabulary cannot encode.

    >>> from carousel.data import fit_vocabulary
    >>> documents = [Document("a", "ba"), Document("b", "b")]
    >>> stream(documents, fit_vocabulary("char", documents)).tolist()  # 0 <eod>, 1 <unk>, 2 a, 3 b
    [0, 3, 2, 0, 3, 0]
    """
    return streams(documents, vocabulary)[0]


def streams(
    documents: Sequence[Document], vocabulary: Vocabulary, on_progress: Progress | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """`stream`, and the place in it of the boundary that closes each document.

    Symbols of documents that are too large for memory lie in a mapped file of the cache folder.

    Raises CarouselError as `stream` does, and StorageError if the disk refuses.
    """
    ends: list[int] = []
    if not any(isinstance(document, LargeDocument) for document in documents):
        ids = np.concatenate(list(_encoded(documents, vocabulary, ends)))
        return ids, np.array(ends, dtype=np.int64)
    path = cache_folder("texts") / f"{_key(documents, vocabulary)}.i4"
    about = path.with_suffix(".json")
    known = _described(path, about)
    if known is None:
        with storage_errors(path), in_turn(made_cache_folder("texts")):
            known = _described(path, about)  # another process may have written it while this one waited
            if known is None:
                _write(path, _encoded(documents, vocabulary, ends, on_progress))
                write_atomic(about, json.dumps({"symbols": ends[-1] + 1, "ends": ends}))
                known = np.array(ends, dtype=np.int64)
    return np.memmap(path, dtype="<i4", mode="r"), known


def _encoded(
    documents: Sequence[Document],
    vocabulary: Vocabulary,
    ends: list[int],
    on_progress: Progress | None = None,
) -> Iterator[np.ndarray]:
    """The symbols chunk by chunk; `ends` is filled with the places of the boundaries that close documents."""
    boundary = np.array([BOUNDARY], dtype="<i4")
    total = sum(document.characters for document in documents)
    length, done = 1, 0
    yield boundary
    for document in documents:
        last = -1
        for chunk in document.chunks():
            ids = vocabulary.encode(chunk).astype("<i4", copy=False)
            yield ids
            length, done = length + len(ids), done + len(chunk)
            last = int(ids[-1]) if len(ids) else last
            if on_progress is not None:
                on_progress(done, total)
        if not (vocabulary.boundary_text and last == BOUNDARY):
            yield boundary
            length += 1
        ends.append(length - 1)


def _described(path: Path, about: Path) -> np.ndarray | None:
    """Where the documents end, if the file is there and as long as its description says."""
    try:
        description = json.loads(about.read_bytes())
        if path.stat().st_size != 4 * description["symbols"]:
            return None
        return np.array(description["ends"], dtype=np.int64)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(path: Path, encoded: Iterator[np.ndarray]) -> None:
    """Write the symbols chunk by chunk, and put the file in its place in one move."""
    for old in path.parent.iterdir():  # what a killed process left
        if is_leftover(old) and old.name.startswith(f".{path.name}."):
            old.unlink(missing_ok=True)
    with replacing(path) as file:
        for ids in encoded:
            ids.tofile(file)


def _key(documents: Sequence[Document], vocabulary: Vocabulary) -> str:
    digest = blake2b(json.dumps(vocabulary.to_json(), sort_keys=True).encode(), digest_size=16)
    for document in documents:
        content = document.digest if isinstance(document, LargeDocument) else _hash(document.text)
        digest.update(f"\0{content}".encode())
    return digest.hexdigest()


def _hash(text: str) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
