"""Training by one call, and its resumption from any moment."""

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
    """What the checkpoint of a finished run says of its best weights."""

    reason: str
    valid: dict[str, Any]
    test: dict[str, Any]


@dataclass(frozen=True)
class Run(Shown):
    """A finished run: where it lies, and the score of its best weights on the whole valid and test parts."""

    path: Path
    config: Any  # a LanguageConfig or SequenceConfig
    step: int
    best_step: int
    reason: str  # why it ended: "steps" (all taken) or "patience" (no better evaluation for long)
    seconds: float
    valid: Any  # a Score, LabelScore or ForecastScore
    test: Any

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
        """The finished run in a folder; raises CarouselError if there is none, or if it has not finished."""
        folder = RunFolder.open(path)
        about = describe_checkpoint(folder.checkpoint) if folder.checkpoint.exists() else {}
        if about.get("scores") is None:
            raise CarouselError(f"the run {path} has not finished. Finish it: carousel train --resume {path}")
        config = folder.load_config()
        try:
            position = Position.from_dict(about.get("position"))
            scores = typed(_Scores, about["scores"], "scores")
            valid, test = config.score(scores.valid), config.score(scores.test)
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
    """Train a model on the text in `paths`, in silence and without a report: what `carousel.train` is built on.

    Args:
        paths: a file, folder or glob, or several; none: those of `config`, or else Python's own standard library.
        config: a `LanguageConfig` or `SequenceConfig`; None: the defaults, of sequences if `task` is given.
        on_progress: called with what happens; see `carousel.progress`.
        options: fields of the configuration, which go before those of `config`. With `from_`, the path of a run,
            and no `config` the options are that run's, and so are the first weights.

    Raises CarouselError for bad options, text or folder (before anything is written), for a loss that is no
    longer finite, and for a full disk; Interrupted on Ctrl-C. Whatever was saved before stays whole.

        run = train("book.txt", hidden_size=128, minutes=1)
        run = train("table.csv", task="classify", target="label", epochs=20)
    """
    config = configured(paths, config, **options).absolute()
    RunFolder.check_free(config.out)
    check_device(config.device)
    return begin(config, open_task(config, on_progress=on_progress), on_progress)


def configured(paths: Paths = (), config: AnyConfig | None = None, **options: Any) -> AnyConfig:
    """The whole configuration of such a call of `train`; raises CarouselError for bad options.

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
    """Go on with the run in the folder `path`, to the same weights, bit for bit, as if it had never stopped.

    A finished run is returned as it is. Raises CarouselError for a folder that is no run, for a damaged
    checkpoint, and if its configuration or text is no longer what the run began with.
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
    """Train in a run folder from where it stands to the end; see `resume`."""
    with folder.locked():
        return _go_on(folder, task, on_progress)


def _go_on(folder: RunFolder, task: Task, on_progress: Observer) -> Run:
    """`go_on`, in a folder that is locked already."""
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
