"""`carousel diagnose RUN_OR_FILE`: what a trained network remembers, what is wrong with it and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from carousel.cli.loading import check_files, loaded
from carousel.errors import CarouselError

if TYPE_CHECKING:
    from torch import Tensor

SEQUENCES = 8  # of the batch
STEPS = 128  # of each
ARRAYS = (".csv", ".tsv", ".npy")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(diagnose)


def diagnose(
    path: Annotated[
        Path,
        typer.Argument(
            help="A run folder, a state_dict in .safetensors, or a torch checkpoint.", show_default=False
        ),
    ],
    data: Annotated[
        Path | None,
        typer.Option(
            help="What it reads: text for a run, or a CSV file if it was one of --task; a CSV or .npy of numbers "
            "(steps by inputs) for other weights.",
            show_default="the run's own test part; noise",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where the page goes.", show_default="diagnosis.html")
    ] = None,
    steps: Annotated[int, typer.Option(help="Length of each sequence.", min=2)] = STEPS,
) -> None:
    """Say whether a network is stable, how far it remembers, where its gradient dies, and what to do about it.

    Checkpoints are read without executing anything in them.
    """
    from carousel.terminal import Terminal, plain

    check_files(path, data)
    from carousel.diagnosis import diagnose as examine

    read = _sequences if _is_of_sequences(path) else _run if _is_run(path) else _file
    model, batch, text, loss, words = read(path, data, steps)
    loaded()
    console = Terminal()
    console.print(words, soft_wrap=True)
    with console.status("measuring") as status:
        report = examine(
            model,
            batch,
            loss,
            text=text,
            on_progress=lambda event: status.update(plain(f"{event} {event.share:.0%}")),
        )
    page = report.save(out or (path / "diagnosis.html" if path.is_dir() else Path("diagnosis.html")))
    console.print(str(report), soft_wrap=True)
    console.print(f"\nreport {page}", soft_wrap=True)


def _is_run(path: Path) -> bool:
    """A run folder, or the weights that a run has saved."""
    from carousel.models.tensors import is_saved

    return path.is_dir() or is_saved(path, "language model")


def _is_of_sequences(path: Path) -> bool:
    """The folder or the weights of a run that learned from sequences."""
    from carousel.models.tensors import is_saved

    return is_saved(path / "weights.safetensors" if path.is_dir() else path, "sequence model")


def _sequences(path: Path, data: Path | None, steps: int) -> tuple[Any, Any, None, Any, str]:
    """The model of a run, held-out sequences, of each the last steps, and the loss that the run has lowered."""
    from carousel.models import SequenceModel
    from carousel.training.run.folder import RunFolder
    from carousel.training.sequences.final_step_loss import final_step_loss
    from carousel.training.sequences.task import SequenceTask

    model = SequenceModel.load(path)
    if data is not None:
        given = [(item, len(item)) for item in model.read(data).items]
        words = f"{path}: it reads {data}"
    elif path.is_dir():
        task = SequenceTask.of_run(RunFolder.open(path))
        given = [(task.sequences.items[span.sequence], span.stop) for span in task.parts.test]
        words = f"{path}: it reads the test part"
    else:
        raise CarouselError(
            "Weights alone have no test part: give a CSV file with --data, or the run's folder."
        )
    chosen = given[:SEQUENCES]
    batch, loss = final_step_loss(model, chosen, steps)
    return model, batch, None, loss, f"{words}, {len(chosen)} sequences of at most {steps} steps"


def _run(path: Path, data: Path | None, steps: int) -> tuple[Any, Any, list[str], Any, str]:
    """The model of a run, held-out text cut into sequences, and the loss of the symbol that follows each."""
    import torch

    from carousel.data import read
    from carousel.diagnosis import NextSymbol
    from carousel.training import load
    from carousel.training.language.corpus import of_run
    from carousel.training.run.folder import RunFolder

    model = load(path)
    if data is None and not path.is_dir():
        raise CarouselError("Weights alone have no test files: give text with --data, or the run's folder.")
    documents = read([str(data)]) if data else of_run(RunFolder.open(path)).split.test
    text = "\n".join(document.text for document in documents)
    ids = torch.as_tensor(model.vocabulary.encode(text[: 40 * steps * SEQUENCES]))
    *read_on, following = _cut(ids[:, None], steps + 1)[..., 0].long()
    batch = torch.stack(read_on)
    pieces = [model.vocabulary.decode([number]) for number in batch[:, 0].tolist()]
    return (
        model,
        batch,
        pieces,
        NextSymbol(following),
        f"{path}: on {batch.shape[1]} sequences of {len(batch)} symbols of held-out text",
    )


def _file(path: Path, data: Path | None, steps: int) -> tuple[Any, Any, None, None, str]:
    """The recurrent layers of a file of weights, on numbers or noise."""
    import torch

    from carousel.diagnosis.checkpoints import read_layers

    model = read_layers(path)
    assumed = "; ".join(f"{guess.path or 'recurrent'}: {guess.assumed}" for guess in model.guesses)
    if data is None:
        random = torch.Generator().manual_seed(0)
        batch = torch.randn(steps, SEQUENCES, model.input_size, generator=random)
        return (
            model,
            batch,
            None,
            None,
            f"{assumed}. No data was given: it reads noise of mean 0 and deviation 1.",
        )
    numbers = _numbers(data)
    if numbers.shape[1] != model.input_size:
        raise CarouselError(
            f"{path} reads {model.input_size} numbers at each step, but {data} has {numbers.shape[1]} columns."
        )
    return model, _cut(numbers, steps), None, None, f"{assumed}. It reads {data}, {len(numbers)} steps."


def _numbers(path: Path) -> Tensor:
    """(T, I) out of a file of numbers."""
    import numpy as np
    import torch

    if path.suffix not in ARRAYS:
        raise CarouselError(
            f"{path} is none of {', '.join(ARRAYS)}; weights without a vocabulary read numbers. For text give the "
            "folder of a run."
        )
    try:
        if path.suffix == ".npy":
            values = np.load(path, allow_pickle=False)
        else:
            separator = "\t" if path.suffix == ".tsv" else ","
            head = path.read_text(encoding="utf-8").partition("\n")[0].split(separator)
            values = np.loadtxt(path, delimiter=separator, skiprows=int(not _are_numbers(head)), ndmin=2)
        values = np.asarray(values, dtype=np.float32)
    except (OSError, ValueError, TypeError, EOFError) as error:
        raise CarouselError(f"{path} could not be read as numbers: {error}") from None
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim != 2 or len(values) < 2 or not np.isfinite(values).all():
        raise CarouselError(
            f"{path} must hold finite numbers, steps by inputs, at least 2 steps; its shape is {values.shape}."
        )
    return torch.from_numpy(values)


def _are_numbers(cells: list[str]) -> bool:
    try:
        [float(cell) for cell in cells]
    except ValueError:
        return False
    return True


def _cut(rows: Tensor, steps: int) -> Tensor:
    """(N, I) as (T, B, I): as many whole sequences as there are, at most SEQUENCES, spread over the whole."""
    import torch

    if len(rows) < 2:
        raise CarouselError(f"A diagnosis needs data of at least 2 steps; there are {len(rows)}.")
    length = min(steps, len(rows))
    number = min(SEQUENCES, len(rows) // length)
    starts = torch.linspace(0, len(rows) - length, number).long()
    return rows[starts + torch.arange(length)[:, None]]
