"""The objective of labels: one at each step, or one for a whole sequence."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from carousel.data.sequences import Example, Sequences, Span, labels_of
from carousel.data.windows import IGNORED
from carousel.errors import CarouselError
from carousel.losses import cross_entropy
from carousel.models.sequences.heads import Head
from carousel.models.sequences.model import SequenceModel, padded
from carousel.training.sequences.objective import Objective
from carousel.training.sequences.score import LabelScore
from carousel.training.sequences.windows import Window


class LabelObjective(Objective):
    """Cross-entropy with the labels of sequences over the steps that have a label, weighted by w_t."""

    def _prepare(self, sequences: Sequences, train: list[Span]) -> None:
        labels = self.labels
        if len(labels) < 2:
            raise CarouselError(
                f"there must be at least two labels to tell apart; {sequences.source} has "
                + (f"{labels[0]!r} alone." if labels else "none.")
            )
        place = {label: k for k, label in enumerate(labels)}
        for item in sequences.items:
            known = [label for label in labels_of(item) if label is not None]
            if not known:
                raise CarouselError(
                    f"the sequence {item.name!r} of {sequences.source} has no label. Give targets, or leave it out."
                )
            for label in known:
                if label not in place:
                    raise CarouselError(
                        f"the sequence {item.name!r} of {sequences.source} has the label {label!r}, which the model "
                        f"has not learned; it knows {', '.join(map(repr, labels[:10]))}. Leave it out."
                    )
        self._targets = [
            np.array([IGNORED if label is None else place[label] for label in labels_of(item)])
            for item in sequences.items
        ]
        self._weights = [self._weight(item) for item in sequences.items]

    def batch(self, windows: list[Window]) -> tuple[Tensor, ...]:
        """x (T, B, I), lengths (B,), targets and weights: (T, B), or (B,) of whole sequences."""
        x, lengths = padded([self._encoded[p.sequence][p.start : p.stop] for p in windows])
        if not self.head.each_step:
            targets = torch.tensor([self._targets[p.sequence][0] for p in windows])
            weights = torch.tensor([self._weights[p.sequence][0] for p in windows], dtype=torch.float32)
            return x, lengths, targets, weights
        targets = torch.full(x.shape[:2], IGNORED)
        weights = torch.zeros(x.shape[:2])
        for k, p in enumerate(windows):
            at = slice(p.first - p.start, p.stop - p.start)
            targets[at, k] = torch.from_numpy(self._targets[p.sequence][p.first : p.stop])
            weights[at, k] = torch.from_numpy(self._weights[p.sequence][p.first : p.stop])
        return x, lengths, targets, weights

    def loss(self, model: Any, window: tuple[Tensor, ...], state: Any) -> tuple[Tensor, Any]:
        x, lengths, targets, weights = window
        return cross_entropy(model(x, lengths.cpu()), targets, weights=weights), None

    def score(self, model: SequenceModel, spans: list[Span]) -> LabelScore:
        """The confusion of labels in these spans; the model also reads the sequence before a span."""
        size = len(self.labels)
        confusion = np.zeros((size, size), dtype=np.int64)
        nats = 0.0
        outputs = model.outputs([self._encoded[span.sequence][: span.stop] for span in spans])
        for span, logits in zip(spans, outputs, strict=True):
            rows = logits[span.first :] if self.head.each_step else logits[None]
            own = self._targets[span.sequence]
            targets = torch.from_numpy(own[span.first : span.stop] if self.head.each_step else own)
            nats += float(cross_entropy(torch.from_numpy(rows).double(), targets, reduction="sum"))
            known = targets.numpy() != IGNORED
            np.add.at(confusion, (targets.numpy()[known], rows.argmax(axis=-1)[known]), 1)
        return LabelScore(nats, tuple(self.labels), tuple(map(tuple, confusion.tolist())))

    def check(self, spans: list[Span], part: str) -> None:
        if not len(self._known_targets(spans)):
            raise CarouselError(
                f"{part} has no label, and so nothing to be judged by. Give some, or larger shares."
            )

    def is_guess(self, score: LabelScore) -> bool:
        """Whether all labels equally likely would do as well."""
        return score.value >= float(np.log(len(self.labels)))

    def baseline(self, train: list[Span], spans: list[Span]) -> tuple[str, float]:
        """The error on `spans` of always predicting the label that is most frequent in `train`, by its name."""
        counts = np.bincount(self._known_targets(train), minlength=len(self.labels))
        found = self._known_targets(spans)
        return "the most frequent label", 1 - float((found == counts.argmax()).mean())

    @staticmethod
    def final_words(head: Head) -> str:
        of = "the last step of each sequence" if head.each_step else "each sequence"
        return f"the cross-entropy, in nats, of the label of {of}"

    @staticmethod
    def final_loss(output: Tensor, targets: Tensor) -> Tensor:
        return cross_entropy(output, targets, reduction="sum")

    @staticmethod
    def final_target(model: SequenceModel, item: Example, stop: int) -> tuple[int, Tensor]:
        """The step of the last known label, and the number of that label."""
        place: dict[Any, int] = {label: k for k, label in enumerate(model.labels)}
        if not model.head.each_step or item.label is None:
            return stop, torch.tensor(IGNORED if item.label is None else place.get(item.label, IGNORED))
        own = [place.get(label, IGNORED) for label in item.label[:stop]]
        end = next((k for k in range(stop, 1, -1) if own[k - 1] != IGNORED), stop)
        return end, torch.tensor(own[end - 1])

    @staticmethod
    def known(targets: Tensor) -> Tensor:
        return targets != IGNORED

    def _known_targets(self, spans: list[Span]) -> np.ndarray:
        parts = [
            self._targets[s.sequence][s.first : s.stop] if self.head.each_step else self._targets[s.sequence]
            for s in spans
        ]
        found = np.concatenate(parts)
        return found[found != IGNORED]

    def _weight(self, item: Example) -> np.ndarray:
        number = len(item) if self.head.each_step else 1
        if item.weights is None:
            return np.ones(number, dtype=np.float32)
        return np.asarray(item.weights, dtype=np.float32).reshape(number)
