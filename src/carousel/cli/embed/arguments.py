"""The arguments that several commands on vectors share, and what they open."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from carousel.cli.output import give

if TYPE_CHECKING:
    from carousel.embeddings import Neighbour, Vectors

MAPPED = (".safetensors", ".npy")  # opened without being read through

File = Annotated[
    Path,
    typer.Argument(
        help="A file of word vectors: word2vec, GloVe, fastText's .vec (also .gz, .bz2, .xz), .safetensors, .npz, .npy."
    ),
]
Top = Annotated[int, typer.Option("--top", "-n", min=1, help="How many words to show.")]
Restrict = Annotated[
    int | None,
    typer.Option(
        min=1, help="Look only through the first so many words, the most frequent.", show_default="all"
    ),
]
Method = Annotated[
    Literal["3cosadd", "3cosmul"],
    typer.Option(help="How several words make one question: a sum of directions, or a product of cosines."),
]
Odd = Annotated[
    Literal["strict", "backslashreplace", "replace", "ignore"],
    typer.Option(
        "--odd-bytes", help="What to do with words that are not UTF-8: refuse the file, or escape them."
    ),
]
Duplicates = Annotated[
    Literal["error", "first"],
    typer.Option(help="What to do with a word that comes again: refuse the file, or keep the first."),
]
Among = Annotated[
    list[str] | None,
    typer.Option(
        help="Answer with these words only, separated by blanks; may be given again.",
        show_default="all words",
    ),
]


def open_vectors(path: Path, odd: str = "strict", duplicates: str = "error") -> Vectors:
    """Read a file, or map it where its format allows."""
    from carousel.embeddings import Vectors

    return Vectors.load(path, mmap=path.suffix in MAPPED, errors=odd, duplicates=duplicates)


def listed(among: list[str] | None) -> list[str] | None:
    """The words of --among."""
    return [word for words in among for word in words.split()] if among else None


def show(found: list[Neighbour]) -> None:
    """A line for each word: how near, and which."""
    for word, similarity in found:
        give(f"{similarity:7.4f}  {word}\n")
