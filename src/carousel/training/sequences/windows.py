"""The train part in batches of windows: whole sequences, or stretches of long ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from torch import Tensor

from carousel.data.sequences import Span


class Window(NamedTuple):
    """Steps `start` to `stop` of a sequence are read, those from `first` on are learned from."""

    sequence: int
    start: int
    first: int
    stop: int


Collate = Callable[[list[Window]], tuple[Tensor, ...]]


class SequenceWindows:
    """Batches of windows, shuffled anew for each epoch; the batch of a step does not depend on earlier batches.

    A span of at most `length` steps is one window. A longer span is cut into windows of that length, at other places in
    every epoch. Each window begins with the zero state and reads `lead` steps before those that count. So the first
    `lead` steps of a sequence never count.
    """

    def __init__(
        self, spans: Sequence[Span], collate: Collate, *, batch: int, length: int | None, lead: int, seed: int
    ) -> None:
        """`length` None: spans are never cut."""
        self._spans = [span._replace(first=max(span.first, lead)) for span in spans]
        self._collate = collate
        self._batch, self._length, self._lead, self._seed = batch, length, lead, seed
        self._windows = [1 if length is None else -(-(s.stop - s.first) // length) for s in self._spans]
        self._epoch, self._order = -1, self._cut(0)
        self.number = -(-len(self._order) // batch)
        read = sum(min(length or span.stop, span.stop - span.first) * count
                   for span, count in zip(self._spans, self._windows, strict=True))  # fmt: skip
        self.tokens = max(1, round(read / self.number))  # steps of a batch, in the mean

    def window(self, step: int) -> tuple[Tensor, ...]:
        """The batch of step 0, 1, ..., as the objective takes it."""
        epoch, k = divmod(step, self.number)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self._cut(epoch)
        return self._collate(self._order[k * self._batch : (k + 1) * self._batch])

    def resets_state(self, step: int) -> bool:
        """No state is carried from one batch to the next."""
        return True

    def _cut(self, epoch: int) -> list[Window]:
        random = np.random.default_rng((self._seed, epoch))
        found = []
        for span, windows in zip(self._spans, self._windows, strict=True):
            length = min(self._length or span.stop, span.stop - span.first)
            free = span.stop - span.first - length
            places = np.linspace(0, free, windows) + (
                random.uniform(-0.5, 0.5, windows) * length if free else 0
            )
            for place in np.clip(places.round(), 0, free).astype(int):
                first = span.first + int(place)
                found.append(Window(span.sequence, max(0, first - self._lead), first, first + length))
        return [found[k] for k in random.permutation(len(found))]
