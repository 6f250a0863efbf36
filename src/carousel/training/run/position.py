"""The position of a run: all of its state that is no tensor."""

import math
from dataclasses import asdict, dataclass
from typing import Any, Self

from carousel.errors import CarouselError
from carousel.plain import typed


@dataclass
class Position:
    """Counters and sums of the loop, as plain numbers that JSON stores exactly."""

    step: int = 0
    best_step: int = 0
    best_value: float | None = None  # of the score of the weights kept; None before the first evaluation
    since_best: int = 0  # evaluations since the best one
    seconds: float = 0.0  # trained, all sessions together
    # sums since the last row of metrics
    steps: int = 0
    nats: float = 0.0
    norm: float = 0.0
    stepping: float = 0.0  # seconds in steps alone, without evaluations and saving

    def count(self, nats: float, norm: float, seconds: float) -> None:
        """One more step is done."""
        self.step += 1
        self.steps += 1
        self.nats += nats
        self.norm += norm
        self.stepping += seconds
        self.seconds += seconds

    def clear(self) -> None:
        """Set the sums to 0, after a row was written."""
        self.steps, self.nats, self.norm, self.stepping = 0, 0.0, 0.0, 0.0

    def judge(self, value: float, bound: float = math.inf) -> bool:
        """Record an evaluation; returns whether it is the best so far.

        The first one must be below `bound`, the score of the weights that the run began with.
        """
        if value >= (bound if self.best_value is None else self.best_value):
            self.since_best += 1
            return False
        self.best_value, self.best_step, self.since_best = value, self.step, 0
        return True

    def to_dict(self) -> dict[str, Any]:
        """The numbers, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, numbers: Any) -> Self:
        """The position that `to_dict` wrote; raises CarouselError for counters that no loop could reach."""
        position = typed(cls, numbers, "position")
        counters = (
            position.steps,
            position.best_step,
            position.since_best,
            position.seconds,
            position.stepping,
        )
        if min(counters) < 0 or max(position.steps, position.best_step) > position.step:
            raise CarouselError(f"position: no run can stand at {position}")
        return position
