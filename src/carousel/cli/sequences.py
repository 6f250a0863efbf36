"""Scores of models of sequences: of a run's own test part, or of other data, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from carousel.errors import CarouselError

if TYPE_CHECKING:
    from carousel.models import SequenceModel
    from carousel.training import ForecastScore, LabelScore


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
    yield from _words(model, evaluate(model, paths[0]) if paths else _own(model, run))


def _own(model: SequenceModel, run: Path) -> Any:
    """The score of the test part."""
    from carousel.training import RunFolder
    from carousel.training.checkpoint import describe_checkpoint
    from carousel.training.sequences.config import SequenceConfig
    from carousel.training.sequences.task import SequenceTask

    if not run.is_dir():
        raise CarouselError("weights alone have no test part; give a CSV file, or the run's folder.")
    folder = RunFolder.open(run)
    task = SequenceTask.read(SequenceConfig.load(folder.config))
    if describe_checkpoint(folder.checkpoint).get("text") != task.fingerprint:
        raise CarouselError(
            f"the data of {run} are no longer those that it learned from. Put them back, or give a CSV file to score."
        )
    return task.aim.score(model, task.parts.test)


def _words(model: SequenceModel, score: LabelScore | ForecastScore) -> Iterator[str]:
    from carousel.training import LabelScore

    if isinstance(score, LabelScore):
        yield (
            f"{100 * score.accuracy:.1f} % of {score.count:,} labels right, {100 * score.balanced:.1f} % in the mean "
            f"over labels, {score.value:.4f} nats per label; always the most frequent one: "
            f"{100 * score.most_frequent:.1f} %"
        )
        return
    yield (
        f"{score.error:.3f} of the seasonal-naive forecast's error, {100 * score.coverage:.1f} % of {score.count:,} "
        f"values within the {100 * model.forecast.interval:g} % interval"
    )
    figures = zip(score.names, score.mean_absolute, score.root_mean_square, score.mean_naive, strict=True)
    for name, absolute, square, naive in figures:
        yield (
            f"  {name}: mean absolute error {absolute:.4g}, seasonal-naive {naive:.4g}; root mean square {square:.4g}"
        )
