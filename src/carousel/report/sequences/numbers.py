"""The numbers of a run on sequences that its page shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from carousel.diagnosis.result import Diagnosis
from carousel.training.sequences.objective import Track
from carousel.training.sequences.row import SequenceRow
from carousel.training.sequences.score import ForecastScore, LabelScore


@dataclass(frozen=True)
class Beside:
    """The test figure of what a model is compared with: the share of wrong labels, or the mean absolute error."""

    name: str
    figure: float


@dataclass(frozen=True)
class SequenceReport:
    """Everything that the page says, as numbers and words; nothing here is drawn yet."""

    run: str
    task: str
    cell: str
    hidden_size: int
    num_layers: int
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
