"""Where training stands, and what it has seen of the held-out loss."""

from dataclasses import dataclass, field
from typing import Any, Self

from carousel.embeddings.weights import Weights


@dataclass
class Position:
    """So many whole epochs and so many blocks of the next are done.

    history: (epochs, held-out loss) at each estimate; best: the weights of the lowest, kept for early stopping.
    """

    epoch: int = 0
    block: int = 0
    seconds: float = 0.0
    reason: str | None = None  # why training ended, once it has
    history: list[tuple[float, float]] = field(default_factory=list)
    best: Weights | None = None

    @property
    def waited(self) -> int:
        """Estimates since the lowest loss."""
        losses = [loss for _, loss in self.history]
        return len(losses) - 1 - losses.index(min(losses)) if losses else 0

    def to_dict(self) -> dict[str, Any]:
        """Plain values; the weights are stored elsewhere."""
        return {
            "epoch": self.epoch,
            "block": self.block,
            "seconds": self.seconds,
            "reason": self.reason,
            "history": self.history,
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """What `to_dict` gave."""
        if int(values["epoch"]) < 0 or int(values["block"]) < 0:
            raise ValueError("training cannot stand before its beginning")
        history = [(float(epoch), float(loss)) for epoch, loss in values["history"]]
        return cls(
            int(values["epoch"]), int(values["block"]), float(values["seconds"]), values["reason"], history
        )
