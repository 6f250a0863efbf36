"""Training that shows how far it is and ends with a report, and the report of a finished run of any kind."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from carousel.atomic import write_atomic
from carousel.data.files import Paths
from carousel.display import display
from carousel.models.architectures import load_model
from carousel.progress import Observer, Stage, silent
from carousel.report.sequences.gather import gather_sequences
from carousel.report.sequences.page import sequence_report
from carousel.report.training.gather import gather
from carousel.report.training.page import training_report
from carousel.terminal import Terminal
from carousel.training import api
from carousel.training.api import Run
from carousel.training.configs import AnyConfig
from carousel.training.language import corpus as corpora
from carousel.training.run.folder import RunFolder
from carousel.training.run.session import Interrupted
from carousel.training.sequences.config import SequenceConfig
from carousel.training.sequences.task import SequenceTask


def train(
    paths: Paths = (),
    *,
    config: AnyConfig | None = None,
    progress: bool = True,
    on_progress: Observer | None = None,
    **options: Any,
) -> Run:
    """Train a model on the text in `paths`, show the progress, and write the report into the run folder.

    Args:
        paths: a file, folder or glob of text, or several; none: the source of Python's own standard library. With
            `task`, one of "tag", "classify" and "forecast", a CSV file.
        config: a `LanguageConfig` or `SequenceConfig` to begin with; None: the defaults.
        progress: show the progress: in one line on a terminal or in a notebook, else in plain lines now and then.
        on_progress: called with the events of `carousel.progress` instead.
        options: fields of `LanguageConfig`, with `task` of `SequenceConfig`; they go before those of `config`. With
            `from_`, the path of a run, the others are that run's, and so are the first weights.

    Data in memory are trained on by `carousel.fit`.

    Raises CarouselError for bad options, text or folder (before anything is written), for a loss that is no
    longer finite, and for a full disk; Interrupted on Ctrl-C. Whatever was saved before stays whole.

    >>> _ = Path("book.txt").write_text("the cat sat on the mat and the dog sat on the cat\\n" * 40)
    >>> run = train("book.txt", level="char", hidden_size=8, batch=2, bptt=16, steps=5, progress=False)
    >>> run.report.exists(), run.test.bits_per_character < 6
    (True, True)
    """
    settled = api.configured(paths, config, **options)
    with _observer(progress, on_progress) as observer:
        return _reported(api.train(config=settled, on_progress=observer), observer)


def resume(path: str | Path, *, progress: bool = True, on_progress: Observer | None = None) -> Run:
    """Go on with the run in the folder `path`, to the same weights, bit for bit, as if it had never stopped.

    Of a finished run nothing is trained, and its report is written if the report is missing.

    Args:
        path: the run folder.
        progress, on_progress: as in `train`.

    Raises CarouselError for a folder that is no run, for a damaged checkpoint, and if its configuration or text is no
    longer what the run began with; Interrupted on Ctrl-C.

    >>> run = train(steps=1, hidden_size=8, progress=False)  # doctest: +SKIP
    >>> resume(run.path, progress=False) == run  # doctest: +SKIP
    True
    """
    with _observer(progress, on_progress) as observer:
        return _reported(api.resume(path, observer), observer)


def _observer(progress: bool, on_progress: Observer | None) -> AbstractContextManager[Observer]:
    if on_progress is not None or not progress:
        return nullcontext(on_progress or silent)
    return display(Terminal(stderr=True))


def _reported(run: Run, observer: Observer) -> Run:
    """The run, with its report: the last thing written, so that one that is there says all there is to say."""
    if not run.report.exists():
        try:
            report_run(run.path, observer)
        except KeyboardInterrupt:
            raise Interrupted(run.path, run.step) from None
    return run


def report_run(path: str | Path, on_progress: Observer = silent) -> Path:
    """Write the report of a finished run into its folder; returns the file.

    Args:
        path: the run folder.
        on_progress: called with the events of `carousel.progress`.

    Raises CarouselError if the folder holds no finished run, or its data are gone.

    >>> run = carousel.training.train(minutes=1)  # doctest: +SKIP
    >>> report_run(run.path).name  # doctest: +SKIP
    'report.html'
    """
    run = Run.open(path)
    folder = RunFolder.open(path)
    if isinstance(run.config, SequenceConfig):
        on_progress(Stage("reading the data for the report"))
        task = SequenceTask.read(run.config)
        page = sequence_report(gather_sequences(run, run.config, task, on_progress))
    else:
        on_progress(Stage("reading the text for the report"))
        corpus = corpora.of_run(folder)
        page = training_report(gather(run, corpus, load_model(folder.weights), on_progress))
    write_atomic(folder.report, page)
    return folder.report
