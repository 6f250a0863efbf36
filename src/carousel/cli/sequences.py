"""Scores of models of sequences: of a run's own test part, or of other data, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from carousel.errors import CarouselError

if TYPE_CHECKING:
    from carousel.models import SequenceModel


def is_of_sequences(path: Path) -> bool:
    """Whether this is the folder or the weights of a run that learned from sequences."""
    from carousel.models.tensors import is_saved

    return is_saved(path / "weights.safetensors" if path.is_dir() else path, "sequence model")


def evaluated(run: Path, paths: Sequence[str]) -> Iterator[str]:
    """The lines that say how good the model is on a CSV file, or on the run's own test part."""
    from carousel.models import SequenceModel
    from carousel.training import evaluate

    if len(paths) > 1:
        raise CarouselError(f"a model of sequences is scored on one CSV file; got {len(paths)}. Give one.")
    model = SequenceModel.load(run)
    score = evaluate(model, paths[0]) if paths else _own(model, run)
    yield from score.lines(model)


def _own(model: SequenceModel, run: Path) -> Any:
    """The score of the test part."""
    from carousel.training.run.folder import RunFolder
    from carousel.training.sequences.task import SequenceTask

    if not run.is_dir():
        raise CarouselError("weights alone have no test part; give a CSV file, or the run's folder.")
    task = SequenceTask.of_run(RunFolder.open(run))
    return task.objective.score(model, task.parts.test)
