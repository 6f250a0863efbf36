"""`carousel generate RUN`: text from a trained model, printed as it comes."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from carousel.cli.loading import loaded
from carousel.errors import CarouselError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(generate)


def generate(
    run: Annotated[
        Path, typer.Argument(help="A run folder, or its weights.safetensors.", show_default=False)
    ],
    prompt: Annotated[str, typer.Option(help="Text to go on from.", show_default="a new document")] = "",
    length: Annotated[
        int, typer.Option(help="Symbols to write at most; the model may end the document earlier.")
    ] = 500,
    temperature: Annotated[
        float, typer.Option(help="Below 1 more likely text, above 1 bolder; 0 the likeliest.")
    ] = 0.8,
    top_k: Annotated[
        int | None, typer.Option(help="Draw from the k likeliest symbols only.", show_default="all")
    ] = None,
    top_p: Annotated[
        float | None,
        typer.Option(
            help="Draw from the smallest set of symbols that holds this probability.", show_default="all"
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Equal seeds write equal text.", show_default="a new one each time")
    ] = None,
    stop: Annotated[
        list[str] | None,
        typer.Option(
            help=r"End before this text (\n is a line end); may be given again.", show_default=False
        ),
    ] = None,
    samples: Annotated[int, typer.Option(help="How many texts, drawn side by side.", min=1)] = 1,
    beams: Annotated[
        int | None,
        typer.Option(help="Search for the likeliest text with so many beams instead of drawing one.", min=1),
    ] = None,
    length_penalty: Annotated[
        float,
        typer.Option(help="With --beams: above 0 long texts are not at a disadvantage; 1 is usual."),
    ] = 0.0,
) -> None:
    """Write text with a trained model, symbol by symbol."""
    from carousel.models import generate_best, generate_many
    from carousel.training import load

    if beams and (samples > 1 or stop):
        raise CarouselError("--beams searches for the likeliest text; leave --samples and --stop out.")
    loaded()
    model, vocabulary = load(run)
    stops = [text.replace("\\n", "\n") for text in stop or []]
    drawing: dict[str, Any] = {
        "temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed, "stop": stops
    }  # fmt: skip
    shown = typer.style(prompt, bold=True) if sys.stdout.isatty() else prompt
    if beams:
        found = generate_best(model, vocabulary, prompt, length, beams=beams, length_penalty=length_penalty)
        for text, nats in found:
            _write(f"--- {nats / math.log(2):.2f} bits\n{shown}{text}\n")
    elif samples > 1:
        for k, text in enumerate(generate_many(model, vocabulary, prompt, length, samples, **drawing), 1):
            _write(f"--- {k}\n{shown}{text}\n")
    else:
        pieces = model.generate(vocabulary, prompt, length, **drawing)
        _write(shown)
        for piece in pieces:
            _write(piece)
        _write("\n")


def _write(text: str) -> None:
    """Straight to stdout, at once; a terminal that lacks a character gets a question mark, not an error."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
    sys.stdout.flush()
