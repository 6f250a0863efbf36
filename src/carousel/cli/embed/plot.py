"""`carousel embed plot FILE [WORD ...]`: words as points, in a picture and in a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from carousel.cli.early_interrupt import loaded
from carousel.cli.embed.arguments import Duplicates, File, Odd, open_vectors
from carousel.cli.output import say
from carousel.errors import CarouselError, shown

ENDINGS = (".png", ".html")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(plot)


def plot(
    file: File,
    words: Annotated[
        list[str] | None,
        typer.Argument(help="The words to draw.", show_default="the most frequent"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="A .png for the picture, an .html for the page, or a name without ending for both.",
            show_default="beside FILE, both",
        ),
    ] = None,
    method: Annotated[
        Literal["pca", "tsne"],
        typer.Option(help="The two widest directions, or neighbourhoods kept together (slower)."),
    ] = "pca",
    top: Annotated[
        int, typer.Option("--top", "-n", min=2, help="How many of the most frequent words.")
    ] = 300,
    skip: Annotated[int, typer.Option(min=0, help="Leave out so many of the most frequent first.")] = 0,
    around: Annotated[int, typer.Option(min=0, help="Add so many neighbours of each of WORDS.")] = 0,
    seed: Annotated[int, typer.Option(help="Seed of t-SNE.")] = 1,
    odd: Odd = "strict",
    duplicates: Duplicates = "error",
) -> None:
    """Draw words so that those with like vectors lie near each other.

    The page opens without a network: point at words, search, zoom.
    """
    if around and not words:
        raise CarouselError("--around adds neighbours of the words that are given; give WORDS too.")
    targets = [file.with_suffix(ending) for ending in ENDINGS] if out is None else _targets(out)
    from carousel.embeddings.word_map import word_map
    from carousel.report.embeddings.still import write_word_map_still
    from carousel.report.embeddings.word_map import write_word_map
    from carousel.terminal import Terminal

    vectors = open_vectors(file, odd, duplicates)
    loaded()
    with Terminal(stderr=True).status("Placing the words"):
        placed = word_map(vectors, words or (), top=top, skip=skip, around=around, method=method, seed=seed)
    for target in targets:
        write = write_word_map_still if target.suffix == ".png" else write_word_map
        say(write(placed, file.name, target))


def _targets(out: Path) -> list[Path]:
    if out.suffix in ENDINGS:
        return [out]
    if out.suffix:
        raise CarouselError(
            f"--out must end in .png or .html, or have no ending for both; got {shown(Path(out.name))}."
        )
    return [out.with_suffix(ending) for ending in ENDINGS]
