"""Train by one call, and resume a run from any moment."""

from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from carousel import atomic
from carousel.data.files import Paths
from carousel.errors import CarouselError, shown
from carousel.ops import torch_threads
from carousel.plain import typed
from carousel.progress import Note, Observer, clock, silent
from carousel.shown import Shown, Table
from carousel.training.configs import AnyConfig, kind_of
from carousel.training.language.warm_start import warm_start_config
from carousel.training.loop.devices import check_device
from carousel.training.run.checkpoint import describe_checkpoint, verify_checkpoint
from carousel.training.run.folder import RunFolder
from carousel.training.run.position import Position
from carousel.training.run.progress import Finished
from carousel.training.run.session import Session
from carousel.training.run.task import Task
from carousel.training.tasks import open_task


@dataclass(frozen=True)
class _Scores:
    """The scores of the best weights, as the checkpoint of a finished run holds them."""

    reason: str
    valid: dict[str, Any]
    test: dict[str, Any]


@dataclass(frozen=True)
class Run(Shown):
    """A finished run, and the scores of its best weights on the whole valid and test parts."""

    path: Path  # the run folder
    config: Any  # a LanguageConfig or SequenceConfig
    step: int  # the number of steps taken
    best_step: int  # the step of the best weights
    reason: str  # why the run ended: "steps" (all taken) or "patience" (no better evaluation for long)
    seconds: float  # trained, evaluations included
    valid: Any  # a Score, LabelScore or ForecastScore
    test: Any  # a score of the same class

    @property
    def report(self) -> Path:
        """The report, as `carousel.train` writes it."""
        return RunFolder(self.path).report

    def table(self) -> Table:
        """Where the run lies, how long it took and how good its best weights are."""
        return Table(
            ("run", str(self.path)),
            [
                ("steps", f"{self.step:,}, best after {self.best_step:,}"),
                ("time", clock(self.seconds)),
                ("valid", str(self.valid)),
                ("test", str(self.test)),
                ("report", str(self.report)),
            ],
        )

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """The finished run in the folder `path`; raises CarouselError if there is none, or if it has not finished.

        >>> Run.open("runs/none")
        Traceback (most recent call last):
        carousel.errors.CarouselError: runs/none is not a folder. Give the folder of a run, such as runs/001.
        """
        folder = RunFolder.open(path)
        about = describe_checkpoint(folder.checkpoint) if folder.checkpoint.exists() else {}
        if about.get("scores") is None:
            raise CarouselError(f"the run {path} has not finished. Finish it: carousel train --resume {path}")
        config = folder.load_config()
        try:
            position = Position.from_dict(about.get("position"))
            scores = typed(_Scores, about["scores"], "scores")
            valid, test = (typed(config.score_class, each, "score") for each in (scores.valid, scores.test))
        except CarouselError as error:
            raise CarouselError(
                f"{folder.checkpoint} does not hold what a finished run does: {error}"
            ) from None
        return cls(
            path=folder.path,
            config=config,
            step=position.step,
            best_step=position.best_step,
            reason=scores.reason,
            seconds=position.seconds,
            valid=valid,
            test=test,
        )


def train(
    paths: Paths = (), *, config: AnyConfig | None = None, on_progress: Observer = silent, **options: Any
) -> Run:
    """Train a model on the text in `paths`. `carousel.train` also shows progress and writes a report.

    Args:
        paths: a file, folder or glob, or several. None: those of `config`, or else Python's own standard library.
        config: a `LanguageConfig` or `SequenceConfig`. None: the defaults, those of sequences if `task` is given.
        on_progress: called with the events of `carousel.training.run.progress`.
        options: fields of the configuration, which replace those of `config`. With `from_`, the path of a run, and no
            `config`, all other options and the first weights are those of that run.

    Raises CarouselError for bad options, text or folder (before anything is written), for a loss that is not finite,
    and for a full disk. Raises Interrupted on Ctrl-C. Whatever was saved before stays whole.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "text.txt").write_text("to be or not to be\\n" * 500)
    >>> options = {"level": "char", "hidden_size": 4, "batch": 2, "bptt": 8, "steps": 2}
    >>> run = train(folder / "text.txt", out=str(folder / "run"), **options)
    >>> run.step, run.test.characters > 100, resume(run.path) == run
    (2, True, True)
    """
    config = configured(paths, config, **options).absolute()
    RunFolder.check_free(config.out)
    check_device(config.device)
    return begin(config, open_task(config, on_progress=on_progress), on_progress)


def configured(paths: Paths = (), config: AnyConfig | None = None, **options: Any) -> AnyConfig:
    """The configuration of a call of `train` with these arguments; raises CarouselError for bad options.

    >>> configured("book.txt", hidden_size=128).paths
    ['book.txt']
    """
    if given := _listed(paths):
        options["paths"] = given
    begun = None if config is not None else options.pop("from_", None)
    return (
        warm_start_config(begun, **options) if begun else (config or kind_of(options)()).override(**options)
    )


def _listed(paths: Paths) -> list[str]:
    """One path or several as texts."""
    several = [paths] if isinstance(paths, str | Path) else paths
    if not isinstance(several, Iterable) or not all(isinstance(each, str | Path) for each in several):
        raise CarouselError(
            f"paths must be a path or a list of paths; got {shown(paths)}. Pass a configuration as config=..."
        )
    return [str(each) for each in several]


def begin(config: AnyConfig, task: Task, on_progress: Observer = silent) -> Run:
    """Train in a new run folder; see `train`."""
    folder = RunFolder.create(config.out)
    with folder.begun(config):
        return _go_on(folder, task, on_progress)


def resume(path: str | Path, on_progress: Observer = silent) -> Run:
    """Continue the run in the folder `path`; it ends with the same weights, bit for bit, as if it had never stopped.

    A finished run is returned as it is. `on_progress` is called as by `train`.

    Raises CarouselError for a folder that is no run, for a damaged checkpoint, and if the configuration or the text has
    changed since the run began.

    >>> resume("runs/none")
    Traceback (most recent call last):
    carousel.errors.CarouselError: runs/none is not a folder. Give the folder of a run, such as runs/001.
    """
    folder = RunFolder.open(path)
    if folder.checkpoint.exists() and describe_checkpoint(folder.checkpoint).get("scores") is not None:
        run = Run.open(path)
        on_progress(Note(f"{path} is already finished: nothing is left to train"))
        verify_checkpoint(folder.checkpoint)
        return run
    config = folder.load_config()
    check_device(config.device)
    return go_on(folder, open_task(config, folder, on_progress), on_progress)


def go_on(folder: RunFolder, task: Task, on_progress: Observer = silent) -> Run:
    """Continue a run in its folder to the end; see `resume`."""
    with folder.locked():
        return _go_on(folder, task, on_progress)


def _go_on(folder: RunFolder, task: Task, on_progress: Observer) -> Run:
    """`go_on`, in a locked folder."""
    with torch_threads(folder.load_config().threads):
        try:
            atomic.remove_leftovers(folder.path)
            with closing(Session(folder, task, on_progress)) as session:
                session.train()
                session.finish()
        except atomic.StorageError as error:
            raise CarouselError(f"{error} Then go on with: carousel train --resume {folder.path}") from error
    run = Run.open(folder.path)
    on_progress(Finished(run.path, run.step, run.best_step, run.reason, run.valid, run.test, run.seconds))
    return run
