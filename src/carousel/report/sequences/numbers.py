"""The report of a run on sequences: all its numbers in, one HTML file out that opens without a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from carousel.diagnosis.result import Diagnosis
from carousel.report.sequences.page import SequencePage
from carousel.report.template import render_template
from carousel.training.sequences.row import SequenceRow
from carousel.training.sequences.score import ForecastScore, LabelScore


@dataclass(frozen=True)
class Beside:
    """The test figure of what a model is compared with: the share of wrong labels, or the mean absolute error."""

    name: str
    figure: float


@dataclass(frozen=True, eq=False)
class Track:
    """A held-out stretch of a series, and what was forecast of it `ahead` steps before; each (T,)."""

    name: str
    ahead: int
    came: np.ndarray
    middle: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class SequenceReport:
    """Everything that the page says, as numbers and words; nothing here is drawn yet."""

    run: str
    task: str
    cell: str
    hidden: int
    layers: int
    parameters: int
    contents: str
    seconds: float
    best_step: int
    valid: LabelScore | ForecastScore
    test: LabelScore | ForecastScore
    interval: float
    beside: Sequence[Beside]
    curves: Sequence[SequenceRow]
    tracks: Sequence[Track] = ()
    diagnosis: Diagnosis | None = None
    stopped: str = ""
    config: dict[str, object] = field(default_factory=dict)
    environment: dict[str, object] = field(default_factory=dict)


def sequence_report(report: SequenceReport) -> str:
    """The page as HTML text: style and pictures are all inside it."""
    return render_template("sequence.html.j2", page=SequencePage(report), report=report)


def write_sequence_report(report: SequenceReport, path: str | Path) -> Path:
    """Write the page; a file half written never takes the place of a good one."""
    from carousel.atomic import write_atomic

    target = Path(path)
    write_atomic(target, sequence_report(report))
    return target
