"""Where training stands, and what it has seen of the held-out loss."""

from dataclasses import dataclass, field
from typing import Any, Self

from carousel.embeddings.config import EmbeddingConfig
from carousel.embeddings.weights import Weights
from carousel.errors import CarouselError, shown


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
        """What `to_dict` gave; raises CarouselError for another type or a number that cannot be."""
        epoch, block = (_whole(name, values[name]) for name in ("epoch", "block"))
        history = [(_number("epochs", epochs), _number("loss", loss)) for epochs, loss in values["history"]]
        return cls(epoch, block, _number("seconds", values["seconds"]), values["reason"], history)

    def check(self, config: EmbeddingConfig) -> None:
        """Raise CarouselError for a position that no training of these options comes to."""
        if self.reason not in (None, "epochs", "patience"):
            raise CarouselError(f"reason must be epochs, patience or none; got {shown(self.reason)}.")
        if self.epoch > config.passes or (self.reason is None and self.epoch == config.passes):
            raise CarouselError(
                f"epoch must be one of the {config.passes:,} that are left to train; got {shown(self.epoch)}."
            )


def _whole(name: str, value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 62:
        raise CarouselError(f"{name} must be a whole number of at least 0; got {shown(value)}.")
    return value


def _number(name: str, value: Any) -> float:
    if type(value) not in (int, float) or not 0 <= value < 1e300:
        raise CarouselError(f"{name} must be a finite number of at least 0; got {shown(value)}.")
    return float(value)
