"""The numbers of a language model's run that its page shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from carousel.diagnosis.measures.gates import GateStatistics
from carousel.diagnosis.measures.state_gradient_norms import StateGradientNorms
from carousel.diagnosis.measures.tracking_units import UnitStrip
from carousel.diagnosis.result import Diagnosis


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
    """Text that the model wrote, and how it was asked."""

    text: str
    prompt: str
    temperature: float
    seed: int | None = None


@dataclass(frozen=True)
class Comparison:
    """Bits per character of the test files under one model or compressor."""

    name: str
    bits: float
    kind: str  # "model", "ngram" (of characters), "token-ngram" or "compressor"


@dataclass(frozen=True)
class Snippet:
    """Held-out text with the units that were chosen to be drawn on it.

    `pieces` are the tokens' texts; `measured` says on how many tokens the correlations were measured.
    """

    pieces: Sequence[str]
    strips: Sequence[UnitStrip]
    document: str
    measured: int


@dataclass(frozen=True)
class TrainingReport:
    """Everything that the page says, as numbers and words; nothing here is drawn yet."""

    run: str
    cell: str
    level: str
    hidden_size: int
    num_layers: int
    parameters: int
    seconds: float
    tokens_per_second: float
    characters: float
    curves: Sequence[CurvePoint]
    best_step: int
    best_valid: float
    test: float
    test_characters: int
    characters_per_token: float = 1.0
    comparisons: Sequence[Comparison] = ()
    samples: Sequence[Sample] = ()
    snippet: Snippet | None = None
    gates: Sequence[GateStatistics] = ()
    gradient: StateGradientNorms | None = None
    diagnosis: Diagnosis | None = None
    bptt: int = 0
    clip: float | None = None
    stopped: str = ""
    config: dict[str, object] = field(default_factory=dict)
    environment: dict[str, object] = field(default_factory=dict)
