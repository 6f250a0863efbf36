"""The train stream, read again and again: any step of a run gives its window, whatever was read before."""

from itertools import pairwise

import numpy as np
from torch import Tensor

from carousel.data import BOUNDARY, Windows


class Epochs:
    """Windows (T, B) of the train files, shuffled anew for each epoch.

    The documents are put in an order that follows from the seed and the number of the epoch alone, so that
    a resumed run reads on where it stopped without keeping the order. Every window has the full length T:
    the end of the lanes that fills no window is left out (another one in each epoch).

    Raises CarouselError if `ids` is shorter than one window.
    """

    def __init__(self, ids: np.ndarray, batch: int, length: int, seed: int) -> None:
        self._ids, self._batch, self._length, self._seed = ids, batch, length, seed
        self._epoch, self._windows = 0, self._read(0)
        self.number = (len(ids) - 1) // batch // length
        self.tokens = batch * length  # per window

    def window(self, step: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets, (T, B) each, of step 0, 1, ...; the state is carried from one to the next."""
        epoch, k = divmod(step, self.number)
        if epoch != self._epoch:
            self._epoch, self._windows = epoch, self._read(epoch)
        return self._windows[k]

    def begins(self, step: int) -> bool:
        """Whether an epoch begins with this step, so that no state is carried into it."""
        return step % self.number == 0

    def _read(self, epoch: int) -> Windows:
        ids = shuffled(self._ids, np.random.default_rng((self._seed, epoch)))
        return Windows(ids, self._batch, self._length, name="train part")


def shuffled(ids: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A stream (a boundary, then each document and its boundary) with its documents in another order."""
    ends = np.flatnonzero(ids == BOUNDARY) + 1
    documents = [ids[start:end] for start, end in pairwise(ends)]
    if len(documents) < 2 or ends[-1] != len(ids):
        return ids
    return np.concatenate([ids[:1], *(documents[k] for k in random.permutation(len(documents)))])
