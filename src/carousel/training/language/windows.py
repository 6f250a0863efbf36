"""Windows of the train stream; the window of a step does not depend on what was read before."""

import numpy as np
import torch
from torch import Tensor

from carousel.data import Windows


class TextWindows:
    """Windows (T, B) of the train files, shuffled anew for each epoch.

    `ends` are the ends of the documents (None: one document). Their order follows from the seed and the number of the
    epoch alone, so a resumed run needs no stored order. Every window has the full length T; the end of the lanes that
    fills no window is left out (a different end in each epoch). Of a mapped file only the windows are read.

    Raises CarouselError if `ids` is shorter than one window.
    """

    def __init__(
        self, ids: np.ndarray, batch: int, length: int, seed: int, ends: np.ndarray | None = None
    ) -> None:
        Windows(ids, batch, length, name="train part")
        self._ids, self._batch, self._length, self._seed = ids, batch, length, seed
        # the first boundary is context of whatever comes first
        self._starts = np.array([0]) if ends is None or len(ends) < 2 else np.concatenate([[0], ends[:-1]])
        self._stops = np.array([len(ids) - 1]) if ends is None or len(ends) < 2 else ends
        self._epoch, self._order = 0, self._shuffled(0)
        self._lane = (len(ids) - 1) // batch  # steps of each lane
        self.number = self._lane // length
        self.tokens = batch * length  # per window

    def window(self, step: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets, (T, B) each, of step 0, 1, ...; the state is carried from one to the next."""
        epoch, k = divmod(step, self.number)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self._shuffled(epoch)
        starts = [lane * self._lane + k * self._length for lane in range(self._batch)]
        lanes = np.stack([self.read(start, start + self._length + 1) for start in starts], axis=1)
        tokens = torch.from_numpy(lanes.astype(np.int64))
        return tokens[:-1], tokens[1:]

    def resets_state(self, step: int) -> bool:
        """Whether an epoch begins with this step, so that no state is carried into it."""
        return step % self.number == 0

    def read(self, start: int, stop: int) -> np.ndarray:
        """Symbols `start` to `stop` of the stream in the order of this epoch."""
        if len(self._starts) == 1:
            return self._ids[start:stop]
        parts = [self._ids[:1]] if start == 0 else []
        at = max(start, 1)
        document = int(np.searchsorted(self._order_ends, at))  # whose last symbol is not before `at`
        while at < stop:
            number = self._order[document]
            from_end = int(self._order_ends[document]) - at  # symbols behind the one at `at` in this document
            first = int(self._stops[number]) - from_end
            part = self._ids[first : min(int(self._stops[number]) + 1, first + stop - at)]
            parts.append(part)
            at, document = at + len(part), document + 1
        return np.concatenate(parts)

    def _shuffled(self, epoch: int) -> np.ndarray:
        """The documents' numbers in the order of an epoch; notes where each then ends."""
        order = np.random.default_rng((self._seed, epoch)).permutation(len(self._starts))
        self._order_ends = np.cumsum((self._stops - self._starts)[order])
        return order
