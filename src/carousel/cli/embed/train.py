"""`carousel embed train [PATHS ...]`: word vectors from text."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from carousel.atomic import StorageError
from carousel.cli.early_interrupt import STOPPED, loaded
from carousel.cli.options import with_config_options
from carousel.cli.output import say
from carousel.errors import CarouselError, shown

if TYPE_CHECKING:
    from carousel.embeddings import Embedding, EmbeddingConfig
    from carousel.progress import Observer
    from carousel.terminal import Terminal

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
            help="Files (also .gz, .bz2, .xz), folders or globs of text; - for standard input.",
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
    start: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="A file of vectors that the words it knows begin with; the others are drawn. --dimension is theirs.",
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
    if more is not None and start is not None:
        raise CarouselError(
            "--more goes on with a training, --from begins one with given vectors: choose one."
        )
    from carousel.display import display
    from carousel.terminal import Terminal

    console = Terminal()
    try:
        with _target(out, config.checkpoint) as target:
            loaded()
            with display(console) as observer:
                embedding = _train(config, more, start, given, observer)
            if target.suffix == ".safetensors":
                embedding.save(target)
            else:
                embedding.vectors.save(target)
    except KeyboardInterrupt:
        raise _stopped(config.checkpoint) from None
    _close(console, embedding, target)


def _train(
    config: EmbeddingConfig, more: Path | None, start: Path | None, given: dict[str, Any], observer: Observer
) -> Embedding:
    from carousel.embeddings import Embedding, embed

    if more is None:
        return embed(paths=config.paths, init=start, on_progress=observer, **given)
    # a list of paths, or all of standard input
    return Embedding.load(more).train_more(
        [Path(path) for path in config.paths], on_progress=observer, **given
    )


def _stopped(checkpoint: str | None) -> typer.Exit:
    """Ctrl-C is no mistake: say what is left of the work, and end as a stopped process does."""
    if checkpoint is not None and Path(checkpoint).exists():
        rest = f"the same command goes on from {checkpoint}"
    else:
        rest = "nothing was written; with --checkpoint FILE it could go on from there"
    say(f"carousel: interrupted; {rest}", err=True)
    return typer.Exit(STOPPED)


@contextmanager
def _target(out: Path | None, checkpoint: str | None) -> Iterator[Path]:
    """Where the vectors will go, known to be possible before any time is spent, and kept from other processes."""
    from carousel.embeddings.checkpoint import alone, writable
    from carousel.embeddings.formats import format_of

    path = out or Path(DEFAULT)
    format_of(path)
    if not writable(path):
        raise CarouselError(f"--out must be a file in a folder that can be written to; got {shown(path)}.")
    if out is None:
        with _free(path) as path:
            yield path
    elif checkpoint is not None and os.path.realpath(checkpoint) == os.path.realpath(path):
        yield path  # training itself keeps it
    else:
        with alone(path):
            yield path


@contextmanager
def _free(path: Path) -> Iterator[Path]:
    """`path`, or with the first number at which no file is and no other process will write one."""
    from carousel.embeddings.checkpoint import alone

    for number in count(1):
        free = path if number == 1 else path.with_stem(f"{path.stem}-{number}")
        if free.exists():
            continue
        with ExitStack() as stack:
            try:
                stack.enter_context(alone(free))
            except StorageError:
                raise
            except CarouselError:
                continue
            if free.exists():  # its process has just ended
                continue
            yield free
            return


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
