"""From a finished run on sequences to the numbers of its report: baselines, forecasts over the test part, diagnosis."""

from __future__ import annotations

from carousel.diagnosis import Diagnosis, diagnose
from carousel.models.sequences.heads import MLP_CELL
from carousel.models.sequences.model import SequenceModel, padded
from carousel.progress import Observer, Stage, silent
from carousel.report.run_facts import Comparison, has_recurrence, run_facts
from carousel.report.sequences.numbers import SequenceReport
from carousel.training.api import Run
from carousel.training.run.folder import RunFolder
from carousel.training.run.metrics import read_metrics
from carousel.training.sequences.baselines import mlp_baseline
from carousel.training.sequences.config import SequenceConfig
from carousel.training.sequences.objective import Track
from carousel.training.sequences.row import SequenceRow
from carousel.training.sequences.task import SequenceTask

EXAMINED, STEPS = 8, 100  # sequences and steps of each that the diagnosis reads
SHOWN = 240  # steps of a series that are drawn


def gather_sequences(
    run: Run, config: SequenceConfig, task: SequenceTask, on_progress: Observer = silent
) -> SequenceReport:
    """All numbers of a run's report."""
    folder = RunFolder(run.path)
    model = SequenceModel.load(folder.weights)
    comparisons = _comparisons(run, config, task, on_progress)
    on_progress(Stage("examining the network"))
    return SequenceReport(
        **run_facts(run, model),
        task=config.task,
        contents=task.contents,
        valid=run.valid,
        test=run.test,
        interval=config.interval,
        comparisons=comparisons,
        curves=read_metrics(folder.metrics, SequenceRow),
        tracks=_tracks(model, task),
        diagnosis=examined(model, task),
    )


def examined(model: SequenceModel, task: SequenceTask) -> Diagnosis | None:
    """The diagnosis on held-out sequences; None of a model without recurrent layers."""
    return diagnose(model, held_out(task), on_progress=silent) if has_recurrence(model) else None


def held_out(task: SequenceTask, steps: int = STEPS) -> tuple[object, object]:
    """Some sequences of the test part as the model is called with them: x (T, B, I) and lengths (B,)."""
    spans = task.parts.test[:EXAMINED]
    return padded([task.encoded[span.sequence][: span.stop][-steps:] for span in spans])


def _comparisons(
    run: Run, config: SequenceConfig, task: SequenceTask, on_progress: Observer
) -> list[Comparison]:
    """The figures of simple models on the test part."""
    found = [Comparison(*task.objective.baseline(task.parts.train, task.parts.test))]
    if config.cell != MLP_CELL:
        on_progress(Stage("training a network without recurrence to compare with"))
        found.append(Comparison("a network without recurrence", mlp_baseline(task, config, run.step).error))
    return found


def _tracks(model: SequenceModel, task: SequenceTask) -> list[Track]:
    """The forecasts of the first series over the end of its test part."""
    span = task.parts.test[0]
    return task.objective.tracks(model, span._replace(first=max(span.first, span.stop - SHOWN)))
