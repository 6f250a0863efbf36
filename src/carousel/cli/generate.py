"""`carousel generate RUN`: text from a trained model, printed as it comes."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Annotated, Any

import typer

from carousel.cli.early_interrupt import loaded
from carousel.cli.options import flag
from carousel.cli.output import give
from carousel.errors import CarouselError

TEMPERATURE = 0.8


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(generate)


def generate(
    run: Annotated[
        Path, typer.Argument(help="A run folder, or its weights.safetensors.", show_default=False)
    ],
    prompt: Annotated[
        str,
        typer.Option(help=r"Text to go on from (\n is a line end, \t a tab).", show_default="a new document"),
    ] = "",
    length: Annotated[
        int, typer.Option(help="Symbols to write at most; the model may end the document earlier.")
    ] = 500,
    temperature: Annotated[
        float | None,
        typer.Option(help="Below 1 more likely text, above 1 bolder; 0 the likeliest.", show_default="0.8"),
    ] = None,
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
        float | None,
        typer.Option(
            help="With --beams: above 0 long texts are not at a disadvantage; 1 is usual.", show_default="0"
        ),
    ] = None,
) -> None:
    """Write text with a trained model, symbol by symbol."""
    from carousel.training.run.folder import weights_of

    options = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed}
    _check(beams, {**options, "samples": samples if samples > 1 else None, "stop": stop}, length_penalty)
    weights_of(run)  # told before torch is loaded, which takes seconds
    from carousel.models.architectures import load_model

    loaded()
    model = load_model(run)
    stops, prompt = [_unescaped(text) for text in stop or []], _unescaped(prompt)
    drawing: dict[str, Any] = {
        **options, "temperature": TEMPERATURE if temperature is None else temperature, "stop": stops
    }  # fmt: skip
    if beams:
        for text, nats in model.beam_search(
            prompt, length, beams=beams, length_penalty=length_penalty or 0.0
        ):
            give(f"--- {nats / math.log(2):.2f} bits\n")
            give(prompt, bold=True)
            give(f"{text}\n")
    elif samples > 1:
        for k, text in enumerate(model.generate(prompt, length, samples=samples, **drawing), 1):
            give(f"--- {k}\n")
            give(prompt, bold=True)
            give(f"{text}\n")
    else:
        pieces = model.stream(prompt, length, **drawing)
        give(prompt, bold=True)
        for piece in pieces:
            give(piece)
        give("\n")


def _unescaped(text: str) -> str:
    r"""What a shell cannot write with ease: \n is a line end, \t a tab, and two backslashes are one."""
    return re.sub(r"\\([nt\\])", lambda match: {"n": "\n", "t": "\t"}.get(match[1], "\\"), text)


def _check(beams: int | None, drawing: dict[str, Any], length_penalty: float | None) -> None:
    """Raise CarouselError for options of drawing beside those of a search, and the other way round."""
    given = [flag(name) for name, value in drawing.items() if value not in (None, [])]
    if beams and given:
        raise CarouselError(
            f"--beams searches for the likeliest text, nothing is drawn; leave {given[0]} out."
        )
    if not beams and length_penalty is not None:
        raise CarouselError("--length-penalty ranks what --beams finds; give --beams, or leave it out.")
