"""The diagnosis of anything that was saved: a run, its weights, or the weights of other code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from carousel.data import read
from carousel.diagnosis.checkpoints import read_layers
from carousel.diagnosis.diagnose import diagnose
from carousel.diagnosis.observation.loss import Loss, NextSymbol
from carousel.diagnosis.result import Diagnosis
from carousel.errors import CarouselError
from carousel.models.predictor import Predictor
from carousel.models.sequences.model import SequenceModel
from carousel.models.tensors import is_saved
from carousel.progress import Observer, silent
from carousel.training.language.corpus import of_run
from carousel.training.loading import load
from carousel.training.run.folder import RunFolder
from carousel.training.sequences.final_step_loss import final_step_loss
from carousel.training.sequences.task import SequenceTask

SEQUENCES = 8  # of the batch
STEPS = 128  # of each
SEPARATORS = {".csv": ",", ".tsv": "\t"}


def diagnose_file(
    path: str | Path,
    data: str | Path | None = None,
    *,
    steps: int = STEPS,
    on_progress: Observer = silent,
) -> Diagnosis:
    """The diagnosis of a run, of its weights, or of a file of weights; nothing in a file is executed.

    Args:
        path: a run folder, a state_dict in .safetensors, or a torch checkpoint.
        data: what the model reads: text for a language model, a CSV file for a run of sequences, a CSV or .npy file
            of numbers (T, I) for other weights. None is the test part of the run; other weights then read noise.
        steps: the length of each sequence, at least 2.
        on_progress: as of `carousel.diagnose`.

    Returns:
        A Diagnosis whose `source` says what the model read.

    Raises:
        CarouselError: a file is missing, damaged or holds no recurrent layer; the data do not fit the model; weights
            alone of a run were given without data.

    Source: the measures, as `carousel.diagnose` lists them.

    >>> import pathlib, tempfile, torch
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "weights.pt"
    >>> torch.save(torch.nn.LSTM(3, 16).state_dict(), path)
    >>> report = diagnose_file(path, steps=20)
    >>> report.source
    'recurrent: an LSTM, peephole none. No data was given: it reads noise of mean 0 and deviation 1.'
    """
    path, data = Path(path), None if data is None else Path(data)
    seen = _open(path)(path, data, steps)
    report = diagnose(seen.model, seen.batch, seen.loss, text=seen.text, on_progress=on_progress)
    return replace(report, source=seen.source)


@dataclass(frozen=True, eq=False)
class _Reading:
    """A model, what it reads, and in words where both come from."""

    model: nn.Module
    batch: Any
    source: str
    loss: Loss | None = None
    text: list[str] | None = None


def _open(path: Path) -> Callable[[Path, Path | None, int], _Reading]:
    if is_saved(path / "weights.safetensors" if path.is_dir() else path, "sequence model"):
        return _sequences
    return _language if path.is_dir() or is_saved(path, "language model") else _weights


def _check_data(path: Path, data: Path | None) -> None:
    if data is None and not path.is_dir():
        raise CarouselError(
            f"{path} holds weights alone, without a test part. Pass `data` (--data) or the run's folder."
        )


def _sequences(path: Path, data: Path | None, steps: int) -> _Reading:
    """A run on sequences: the last steps of a few held-out ones, and the loss that the run has lowered."""
    _check_data(path, data)
    model = SequenceModel.load(path)
    if data is not None:
        given = [(item, len(item)) for item in model.read(data).items]
    else:
        task = SequenceTask.of_run(RunFolder.open(path))
        given = [(task.sequences.items[span.sequence], span.stop) for span in task.parts.test]
    batch, loss = final_step_loss(model, given[:SEQUENCES], steps)
    number = len(given[:SEQUENCES])
    return _Reading(
        model, batch, f"{path}: {data or 'test part'}, {number} sequences of at most {steps} steps", loss
    )


def _language(path: Path, data: Path | None, steps: int) -> _Reading:
    """A language model: held-out text cut into sequences, and the loss of the symbol that follows each."""
    _check_data(path, data)
    model: Predictor = load(path)
    documents = read([str(data)]) if data else of_run(RunFolder.open(path)).split.test
    text = "\n".join(document.text for document in documents)
    ids = torch.as_tensor(model.vocabulary.encode(text[: 40 * steps * SEQUENCES]))
    *read_on, following = _cut(ids[:, None], steps + 1)[..., 0].long()
    batch = torch.stack(read_on)
    pieces = [model.vocabulary.decode([number]) for number in batch[:, 0].tolist()]
    source = f"{path}: on {batch.shape[1]} sequences of {len(batch)} symbols of held-out text"
    return _Reading(model, batch, source, NextSymbol(following), pieces)


def _weights(path: Path, data: Path | None, steps: int) -> _Reading:
    """The recurrent layers of a file of weights, on numbers or noise."""
    model = read_layers(path)
    assumed = "; ".join(f"{guess.path or 'recurrent'}: {guess.assumed}" for guess in model.guesses)
    if data is None:
        noise = torch.randn(steps, SEQUENCES, model.input_size, generator=torch.Generator().manual_seed(0))
        source = f"{assumed}. No data was given: it reads noise of mean 0 and deviation 1."
        return _Reading(model, noise, source)
    numbers = _numbers(data)
    if numbers.shape[1] != model.input_size:
        raise CarouselError(
            f"{path} reads {model.input_size} numbers at each step, but {data} has {numbers.shape[1]} columns."
        )
    return _Reading(model, _cut(numbers, steps), f"{assumed}. It reads {data}, {len(numbers)} steps.")


def _numbers(path: Path) -> Tensor:
    """(T, I) out of a file of numbers; the first line of a table may hold names."""
    if path.suffix not in (*SEPARATORS, ".npy"):
        raise CarouselError(
            f"Weights without a vocabulary read numbers, from .csv, .tsv or .npy; got {path}. For text give the "
            "folder of a run."
        )
    try:
        values = np.load(path, allow_pickle=False) if path.suffix == ".npy" else _table(path)
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


def _table(path: Path) -> Any:
    try:
        return np.loadtxt(path, delimiter=SEPARATORS[path.suffix], ndmin=2)
    except ValueError:
        return np.loadtxt(path, delimiter=SEPARATORS[path.suffix], ndmin=2, skiprows=1)


def _cut(rows: Tensor, steps: int) -> Tensor:
    """(N, I) as (T, B, I): as many whole sequences as there are, at most SEQUENCES, spread over the whole."""
    if len(rows) < 2:
        raise CarouselError(
            f"A diagnosis needs data of at least 2 steps; got {len(rows)}. Pass a longer file."
        )
    length = min(steps, len(rows))
    number = min(SEQUENCES, len(rows) // length)
    starts = torch.linspace(0, len(rows) - length, number).long()
    return rows[starts + torch.arange(length)[:, None]]
