"""What a run on sequences has learned to lower, as a loss that a diagnosis follows back from the ends of sequences."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from carousel.data import IGNORED
from carousel.data.sequences import Sequence
from carousel.losses import cross_entropy
from carousel.models.sequences.heads import Classify, Forecast, Tag
from carousel.models.sequences.model import SequenceModel, padded
from carousel.training.sequences.forecast import density


@dataclass(frozen=True, eq=False)
class Asked:
    """The loss of one answer for each sequence: its label, the label of its last step, or the values that follow it.

    targets: (B,) labels by number, -100 where none is known; of a forecast (B, H, K), scaled, NaN where there is none.
    """

    head: Classify | Tag | Forecast
    targets: Tensor
    lengths: Tensor

    @property
    def words(self) -> str:
        """What reports call it."""
        if isinstance(self.head, Forecast):
            number = self.head.horizon
            what = "value that follows" if number == 1 else f"{number} values that follow"
            return f"minus the log density, in nats, that was given to the {what} each sequence"
        of = "each sequence" if isinstance(self.head, Classify) else "the last step of each sequence"
        return f"the cross-entropy, in nats, of the label of {of}"

    def __call__(self, output: Tensor) -> Tensor:
        said = output
        if not isinstance(self.head, Classify):
            said = output[self.lengths - 1, torch.arange(len(self.lengths))]
        if isinstance(self.head, Forecast):
            return density(said, self.targets.to(said.dtype), reduction="sum")
        return cross_entropy(said, self.targets, reduction="sum")


def asked(
    model: SequenceModel, given: Iterable[tuple[Sequence, int]], steps: int
) -> tuple[tuple[Tensor, Tensor], Asked | None]:
    """What the model reads of sequences, each up to its stop and at most `steps` long, and the loss of what it says.

    A sequence ends where there is something to be asked for: at its last label, or where all that is forecast follows.
    The loss is None where nothing is known of any.
    """
    pieces, targets = [], []
    for item, stop in given:
        end, target = _end(model, item, stop)
        pieces.append(model.known.encode(item)[max(0, end - steps) : end])
        targets.append(target)
    x, lengths = padded(pieces)
    whole = torch.stack(targets)
    known = ~whole.isnan() if isinstance(model.head, Forecast) else whole != IGNORED
    return (x, lengths), Asked(model.head, whole, lengths) if known.any() else None


def _end(model: SequenceModel, item: Sequence, stop: int) -> tuple[int, Tensor]:
    """Up to where a sequence is read, and what is asked for there."""
    if isinstance(model.head, Forecast):
        end = min(stop, max(stop - model.head.horizon, 2))
        ahead = torch.from_numpy(model.known.scaled(item)[end:stop, : model.targets])
        target = torch.full((model.head.horizon, model.targets), math.nan, dtype=torch.float64)
        target[: len(ahead)] = ahead
        return end, target
    place: dict[Any, int] = {label: k for k, label in enumerate(model.labels)}
    if isinstance(model.head, Classify) or item.label is None:
        return stop, torch.tensor(IGNORED if item.label is None else place.get(item.label, IGNORED))
    own = [place.get(label, IGNORED) for label in item.label[:stop]]
    end = next((k for k in range(stop, 1, -1) if own[k - 1] != IGNORED), stop)
    return end, torch.tensor(own[end - 1])
