"""The numbers of a run on sequences that its page shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from carousel.report.run_facts import RunReport
from carousel.training.sequences.objective import Track
from carousel.training.sequences.row import SequenceRow
from carousel.training.sequences.score import ForecastScore, LabelScore


@dataclass(frozen=True, kw_only=True)
class SequenceReport(RunReport):
    """All that the page says, as numbers and words. Comparisons are shares of wrong labels, or relative errors."""

    task: str
    contents: str
    valid: LabelScore | ForecastScore
    test: LabelScore | ForecastScore
    interval: float
    curves: Sequence[SequenceRow]
    tracks: Sequence[Track] = ()
