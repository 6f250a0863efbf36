"""A row of the metrics of a run on sequences."""

from dataclasses import dataclass
from typing import Any, Self

from carousel.training.run.metrics import CsvRow


@dataclass(frozen=True)
class SequenceRow(CsvRow):
    """Losses in nats per label or value; the figures of train are means over the steps since the last row."""

    train_loss: float
    gradient_norm: float  # before clipping
    steps_per_second: float  # of time
    valid_loss: float | None = None  # where the valid part was scored
    valid_error: float | None = (
        None  # the share of labels that were wrong; of the seasonal-naive forecast's error
    )

    @classmethod
    def of(cls, train: Any, valid: Any, *, gradient_norm: float, speed: float, **when: Any) -> Self:
        return cls(
            **when,
            train_loss=train.value,
            gradient_norm=gradient_norm,
            steps_per_second=speed,
            valid_loss=valid.value if valid else None,
            valid_error=valid.error if valid else None,
        )
