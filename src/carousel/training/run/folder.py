"""A run folder: its files, and the lock that lets one process write there."""

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from carousel import atomic
from carousel.errors import CarouselError
from carousel.locks import locked
from carousel.training.configs import AnyConfig, read_config

RUNS = Path("runs")


class RunFolder:
    """The layout of a run folder.

    config.yaml             every option; trains the same again with --config
    vocabulary.json         the symbols of a language model
    text.txt                the text of a language model, if it came by standard input
    data.safetensors        the sequences that `fit` was given in memory
    weights.safetensors     the best model so far with options and vocabulary: all that loading needs
    checkpoint.safetensors  all that resuming needs: model, optimizer, carried state, random state, position
    metrics.csv             one row per so many steps
    monitor.csv             the figures of the monitor: gradient by lag, horizon, saturation
    events.out.tfevents.*   the rows of both for TensorBoard
    samples.txt             texts drawn from the best weights of a language model
    report.html             the report
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config = self.path / "config.yaml"
        self.vocabulary = self.path / "vocabulary.json"
        self.text = self.path / "text.txt"
        self.data = self.path / "data.safetensors"
        self.weights = self.path / "weights.safetensors"
        self.checkpoint = self.path / "checkpoint.safetensors"
        self.metrics = self.path / "metrics.csv"
        self.monitor = self.path / "monitor.csv"
        self.samples = self.path / "samples.txt"
        self.report = self.path / "report.html"

    @staticmethod
    def set_aside(path: Path) -> Path:
        """Rename what stands at `path` to the next free name, which is returned."""
        names = (path.with_name(f"{path.name}.damaged-{k}") for k in itertools.count(1))
        aside = next(name for name in names if not os.path.lexists(name))
        path.rename(aside)
        return aside

    @property
    def events(self) -> list[Path]:
        """The TensorBoard files: one, or none before training began."""
        return sorted(self.path.glob("events.out.tfevents.*"))

    @staticmethod
    def check_free(out: str | Path | None) -> None:
        """Raise CarouselError if `out` exists and is more than an empty folder."""
        path = Path(out or RUNS)
        if out is None or not path.exists():
            return
        if not path.is_dir() or not all(atomic.is_leftover(inside) for inside in path.iterdir()):
            raise CarouselError(
                f"{path} exists already, and a run is never overwritten. Choose another folder, "
                f"leave it out for a new numbered one, or go on with that run by --resume {path}."
            )

    @classmethod
    def create(cls, out: str | Path | None) -> "RunFolder":
        """Make the folder `out`, or the next number under runs/ if None; a folder in use is never touched.

        Raises CarouselError if `out` exists and is not empty.
        """
        if out is None:
            return cls(_next_numbered(RUNS))
        path = Path(out)
        cls.check_free(path)
        with atomic.storage_errors(path):
            path.mkdir(parents=True, exist_ok=True)
        return cls(path)

    @classmethod
    def open(cls, path: str | Path) -> "RunFolder":
        """The run that lies at `path`; raises CarouselError if there is none."""
        folder = cls(path)
        if not folder.path.is_dir():
            raise CarouselError(f"{path} is not a folder. Give the folder of a run, such as runs/001.")
        if not folder.config.is_file():
            raise CarouselError(f"{path} is not a run: it has no config.yaml. Give a folder `train` made.")
        return folder

    def load_config(self) -> AnyConfig:
        """The run's configuration, with `out` being this folder."""
        return read_config(self.config).override(out=str(self.path))

    def save_config(self, config: AnyConfig) -> None:
        """Write the configuration, without `out`: it must run again, elsewhere."""
        config.override(out=None).save(self.config)

    def with_stored_text(self, config: Any) -> Any:
        """A configuration that reads the text stored here instead of standard input."""
        if not self.text.exists():
            return config
        text = {name: [str(self.text)] if name == "paths" else str(self.text) for name in config.piped}
        return config.override(**text)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep others from training here; the lock dies with its process. Raises CarouselError if another trains."""
        with locked(self.path, "trains"):
            yield

    @contextmanager
    def begun(self, config: AnyConfig) -> Iterator[None]:
        """`locked`, in a folder that is still empty, with the configuration written into it.

        Raises CarouselError if another run has begun there in the meantime.
        """
        with self.locked():
            self.check_free(self.path)
            self.save_config(config)
            yield


def weights_of(path: str | Path) -> Path:
    """The weights of a run, by its folder or by their own path; raises CarouselError if there are none."""
    path = Path(path)
    if not path.exists():
        raise CarouselError(f"there is no run and no file of weights at {path}; check its spelling.")
    if not path.is_dir():
        return path
    weights = RunFolder.open(path).weights
    if not weights.exists():
        raise CarouselError(f"the run {path} has no weights yet: carousel train --resume {path}")
    return weights


def _next_numbered(runs: Path) -> Path:
    """Make runs/001, runs/002, ...: one above the highest; mkdir settles it between two at once."""
    with atomic.storage_errors(runs):
        runs.mkdir(parents=True, exist_ok=True)
        number = 1 + max((int(path.name) for path in runs.iterdir() if path.name.isdecimal()), default=0)
        while True:
            path = runs / f"{number:03d}"
            try:
                path.mkdir()
                return path
            except FileExistsError:
                number += 1
