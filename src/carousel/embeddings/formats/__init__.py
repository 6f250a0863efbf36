"""Files of word vectors: one file per format, and the table of all."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from carousel.embeddings.formats import binary, numpy, safetensors, text
from carousel.embeddings.formats.content import Content, Reading, Source
from carousel.embeddings.formats.opening import detect, vector_file
from carousel.errors import CarouselError, shown

__all__ = ["FORMATS", "Content", "format_of", "load", "save"]


@dataclass(frozen=True)
class Format:
    """How a format is written and read, and the endings of its files."""

    save: Callable[[str | Path, Content], None]
    load: Callable[[Source, Reading], Content]
    endings: tuple[str, ...]


FORMATS = {
    "text": Format(text.save, text.load, (".txt", ".vec")),
    "glove": Format(partial(text.save, header=False), text.load_glove, ()),
    "binary": Format(binary.save, binary.load, (".bin",)),
    "safetensors": Format(safetensors.save, safetensors.load, (".safetensors",)),
    "npz": Format(numpy.save_npz, numpy.load_npz, (".npz",)),
    "npy": Format(numpy.save_npy, numpy.load_npy, (".npy",)),
}
_MAPPED = ("safetensors", "npy")
_STREAMED = ("text", "glove", "binary")  # read from beginning to end, so they may be compressed


def save(
    path: str | Path, words: list[str], matrix: np.ndarray, counts: np.ndarray | None, format: str | None
) -> None:
    """Write a file in the format `format`, or in that of its ending."""
    name = format_of(path, format)
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError:
            raise CarouselError(f"words must be valid Unicode to be stored; got {shown(word)}.") from None
    FORMATS[name].save(path, Content(words, matrix, counts))


def load(
    path: str | Path, *, format: str | None, limit: int | None, mmap: bool, errors: str, duplicates: str
) -> Content:
    """Read a file in the format `format`, or in that which its content shows."""
    if limit is not None and limit < 1:
        raise CarouselError(f"limit must be at least 1 word; got {shown(limit)}. Pass a larger one.")
    if errors not in ("strict", "backslashreplace", "replace", "ignore"):
        raise CarouselError(
            f"errors must be strict, backslashreplace, replace or ignore, as in bytes.decode; got {shown(errors)}."
        )
    if duplicates not in ("error", "first"):
        raise CarouselError(f"duplicates must be error or first; got {shown(duplicates)}.")
    with vector_file(Path(path)) as (head, source):
        name = detect(head, source.path) if format is None else format_of(path, format)
        unpacked = source.size is None
        if mmap and (unpacked or name not in _MAPPED):
            raise CarouselError(
                f"only .safetensors and .npy can be mapped into memory; {path} "
                f"{'is compressed' if unpacked else f'has the format {name}'}. Convert it once: carousel embed convert "
                f"{path} {Path(path).with_suffix('.safetensors')}"
            )
        if unpacked and name not in _STREAMED:
            raise CarouselError(
                f"only text and binary files may be compressed; {path} is compressed {name}. Unpack it first."
            )
        return FORMATS[name].load(source, Reading(limit, mmap, errors, duplicates))


def format_of(path: str | Path, format: str | None = None) -> str:
    """The format in which `save` would write this file; raises CarouselError for an unknown format or ending."""
    if format in FORMATS:
        return format
    if format is not None:
        raise CarouselError(
            f"format must be one of {', '.join(FORMATS)}; got {shown(format)}. Pass one of them."
        )
    for name, each in FORMATS.items():
        if Path(path).suffix.lower() in each.endings:
            return name
    endings = ", ".join(ending for each in FORMATS.values() for ending in each.endings)
    raise CarouselError(
        f"the ending of a file must be one of {endings}; got {shown(Path(Path(path).name))}. Change it, or name a "
        f"format: {', '.join(FORMATS)}."
    )
