"""The numbers of a language model's run that its page shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from carousel.diagnosis.measures.gates import GateStatistics
from carousel.diagnosis.measures.state_gradient_norms import StateGradientNorms
from carousel.diagnosis.measures.tracking_units import UnitStrip
from carousel.report.run_facts import RunReport


@dataclass(frozen=True)
class CurvePoint:
    """One row of the metrics; losses in bits per character, None where nothing was measured."""

    step: int
    characters: float
    seconds: float
    train: float | None
    valid: float | None = None
    gradient_norm: float | None = None
    learning_rate: float | None = None


@dataclass(frozen=True)
class Sample:
    """Text that the model wrote from the start of a document."""

    text: str
    temperature: float
    seed: int


@dataclass(frozen=True)
class Snippet:
    """Held-out text with the units that were chosen to be drawn on it.

    `pieces` are the tokens' texts; `measured` says on how many tokens the correlations were measured.
    """

    pieces: Sequence[str]
    strips: Sequence[UnitStrip]
    document: str
    measured: int


@dataclass(frozen=True, kw_only=True)
class TrainingReport(RunReport):
    """All that the page says, as numbers and words. Comparisons are in bits per character of the test files."""

    level: str
    tokens_per_second: float
    characters: float
    curves: Sequence[CurvePoint]
    best_valid: float
    test: float
    test_characters: int
    characters_per_token: float = 1.0
    samples: Sequence[Sample] = ()
    snippet: Snippet | None = None
    gates: Sequence[GateStatistics] = ()
    gradient: StateGradientNorms | None = None
    bptt: int = 0
    clip: float | None = None
