"""`carousel embed train [PATHS ...]`: word vectors from text."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from carousel.cli.loading import STOPPED, loaded
from carousel.cli.options import with_config_options
from carousel.cli.output import say
from carousel.errors import CarouselError

if TYPE_CHECKING:
    from carousel.cli.terminal import Terminal
    from carousel.embeddings import Embedding, EmbeddingConfig
    from carousel.embeddings.progress import Observer

DEFAULT = "vectors.safetensors"
# words whose neighbours are shown at the end, as shares of the vocabulary: frequent enough to be learned, rare
# enough to mean something
_RANKS = (0.002, 0.01, 0.03)


def register(app: typer.Typer) -> None:
    """Add the command with all options of the configuration of word vectors."""
    from carousel.embeddings.config import EmbeddingConfig

    app.command()(with_config_options(train, EmbeddingConfig))


def train(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            help="Files (also compressed), folders or globs of text.",
            show_default="the source of Python's own standard library",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="The file to write; its ending says the format: .safetensors (with all that training on more "
            "text needs), .vec, .txt, .bin, .npz, .npy.",
            show_default=f"{DEFAULT}, or the next free number",
        ),
    ] = None,
    more: Annotated[
        Path | None,
        typer.Option(
            "--more",
            help="Go on from this .safetensors file with new text and its new words; with its options, but for "
            "those given.",
            show_default=False,
        ),
    ] = None,
    **options: Any,
) -> None:
    """Train word vectors on text: skip-gram or cbow (Mikolov et al. 2013).

    The loss shown is of held-out sentences, in nats for each prediction: lower is better.
    """
    from carousel.embeddings.config import EmbeddingConfig

    given = {name: value for name, value in options.items() if value is not None}
    config = EmbeddingConfig().override(**given, paths=paths or [])
    if more is not None and not paths:
        raise CarouselError("--more goes on with new text: give PATHS too.")
    target = _target(out)
    from carousel.cli.embed.display import display
    from carousel.cli.terminal import Terminal

    loaded()
    console = Terminal()
    try:
        with display(console) as observer:
            embedding = _train(config, more, given, observer)
    except KeyboardInterrupt:
        raise _stopped(config.checkpoint) from None
    if target.suffix == ".safetensors":
        embedding.save(target)
    else:
        embedding.vectors.save(target)
    _close(console, embedding, target)


def _train(
    config: EmbeddingConfig, more: Path | None, given: dict[str, Any], observer: Observer
) -> Embedding:
    from carousel.embeddings import Embedding, embed

    if more is None:
        return embed(config=config, on_progress=observer)
    paths = [Path(path) for path in config.paths]
    return Embedding.load(more).train_more(paths, on_progress=observer, **given)


def _stopped(checkpoint: str | None) -> typer.Exit:
    """Ctrl-C is no mistake: say what is left of the work, and end as a stopped process does."""
    if checkpoint is not None and Path(checkpoint).exists():
        rest = f"the same command goes on from {checkpoint}"
    else:
        rest = "nothing was written; with --checkpoint FILE it could go on from there"
    say(f"carousel: interrupted; {rest}", err=True)
    return typer.Exit(STOPPED)


def _target(out: Path | None) -> Path:
    """Where the vectors will go, known to be possible before any time is spent."""
    from carousel.embeddings.formats import format_of

    path = out or _free(Path(DEFAULT))
    format_of(path)
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise CarouselError(f"--out must be a file in a folder that can be written to; got {path}.")
    return path


def _free(path: Path) -> Path:
    """`path`, or with the first number that leaves what is there untouched."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_stem(f"{path.stem}-{number}")
    return free


def _close(console: Terminal, embedding: Embedding, path: Path) -> None:
    """Say what was learned, by a few words and their neighbours, and what to do next."""
    vectors = embedding.vectors
    words = [vectors.words[int(rank * len(vectors))] for rank in _RANKS] if len(vectors) > 100 else []
    lines = ["", f"{len(vectors):,} words in {vectors.dimension} dimensions -> {path}"]
    if embedding.loss is not None:
        lines[-1] += f", held-out loss {embedding.loss:.4f}"
    lines += [""] * bool(words)
    for word, near in zip(words, vectors.nearest_each(words, 5) if words else [], strict=True):
        lines.append(f"  {word} is near {', '.join(each.word for each in near)}")
    asked, file = shlex.quote(words[0] if words else vectors.words[0]), shlex.quote(str(path))
    lines += [
        "",
        "What to do next:",
        f"  carousel embed nearest {file} {asked}",
        f"  carousel embed plot {file}",
    ]
    console.print("\n".join(lines), soft_wrap=True)
