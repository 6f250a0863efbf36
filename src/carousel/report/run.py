"""The report of a finished run of any kind, read from its folder."""

from __future__ import annotations

from pathlib import Path

from carousel.models.predictor import Predictor
from carousel.progress import Observer, Stage, silent
from carousel.report.sequences.gather import gather_sequences
from carousel.report.sequences.page import write_sequence_report
from carousel.report.training.gather import gather
from carousel.report.training.page import write_training_report
from carousel.training.api import Run
from carousel.training.language import corpus as corpora
from carousel.training.run.folder import RunFolder
from carousel.training.sequences.config import SequenceConfig
from carousel.training.sequences.task import SequenceTask


def report_run(path: str | Path, on_progress: Observer = silent) -> Path:
    """Write the report of a finished run into its folder; returns the file.

    Raises CarouselError if the folder holds no finished run, or its data are gone.

        run = carousel.train(minutes=1)
        carousel.report.report_run(run.path)
    """
    run = Run.open(path)
    folder = RunFolder.open(path)
    if isinstance(run.config, SequenceConfig):
        on_progress(Stage("reading the data for the report"))
        task = SequenceTask.read(run.config)
        return write_sequence_report(gather_sequences(run, run.config, task, on_progress), folder.report)
    on_progress(Stage("reading the text for the report"))
    corpus = corpora.of_run(folder)
    model = Predictor.load(folder.weights)
    return write_training_report(gather(run, corpus, model, on_progress), folder.report)
