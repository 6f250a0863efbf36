"""Windows of a stream of symbols: mini-batches of truncated backpropagation, with the state carried between them."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from carousel.data.vocabularies.base import BOUNDARY
from carousel.errors import CarouselError

IGNORED = -100  # the target of padding: `ignore_index` of torch.nn.functional.cross_entropy


class Windows(Sequence[tuple[Tensor, Tensor]]):
    """A stream of symbols cut into B parallel lanes, and the lanes into windows of T steps (Williams & Peng 1990).

    Lane b is the b-th of B contiguous parts of the stream. Window k holds the steps kT ... kT + T - 1 of all lanes, so
    the state after window k is the state before window k + 1. Targets are the inputs one symbol later.

    The last window is shorter than T if the length of the lanes is not a multiple of T. Without `pad`, the fewer than B
    symbols at the end that fill no whole step are left out: right for training. With `pad`, every symbol after the
    first is a target exactly once, the last lane is filled up with targets of -100, and a stream may be shorter than a
    window: right for held-out text.

    Args:
        ids: (N,) the stream, as `stream` returns it.
        batch: B, the number of lanes.
        length: T, the steps of a window.
        pad: fill up the last lane.
        name: what errors call the text.

    Raises CarouselError for a batch or length below 1, and for a stream that is too short.

    >>> windows = Windows(np.arange(9), batch=2, length=3)
    >>> inputs, targets = windows[0]  # (T, B), (T, B) int64
    >>> inputs.T.tolist(), targets.T.tolist(), len(windows)
    ([[0, 1, 2], [4, 5, 6]], [[1, 2, 3], [5, 6, 7]], 2)
    """

    def __init__(
        self, ids: np.ndarray, batch: int, length: int, *, pad: bool = False, name: str = "text"
    ) -> None:
        for option, value in (("batch", batch), ("length", length)):
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
                raise CarouselError(
                    f"{option} must be a whole number of at least 1; got {value!r}. Pass a larger one."
                )
        ids = np.asarray(ids)
        if ids.ndim != 1 or ids.dtype.kind not in "iu":
            raise CarouselError(f"ids must be integers of shape (N,); got {ids.dtype} of shape {ids.shape}.")
        needed = 2 if pad else batch * length + 1
        if len(ids) < needed:
            lanes = "" if pad else f" for {batch} lanes of {length} steps"
            raise CarouselError(
                f"the {name} must have at least {needed:,} symbols{lanes}; it has {len(ids):,}. Give more text"
                + ("." if pad else ", or lower batch or length (bptt).")
            )
        self.batch, self.length = int(batch), int(length)
        self.predicted = len(ids) - 1 if pad else (len(ids) - 1) // batch * batch
        """The number of targets that count, in all windows together."""
        self._inputs, self._targets = _lanes(ids, self.batch, pad)

    @property
    def number(self) -> int:
        """The number of windows."""
        return -(-self._inputs.shape[1] // self.length)

    def __len__(self) -> int:
        return self.number

    def __getitem__(self, k: int) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        if not -self.number <= k < self.number:
            raise IndexError(f"there are {self.number} windows: no window {k}")
        start = k % self.number * self.length
        part = slice(start, start + self.length)
        return _steps_first(self._inputs[:, part]), _steps_first(self._targets[:, part])

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return (self[k] for k in range(self.number))


def _lanes(ids: np.ndarray, batch: int, pad: bool) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets, (B, steps) each; views of the stream unless it has to be padded."""
    steps = (len(ids) - 1) // batch
    if pad and steps * batch < len(ids) - 1:
        steps += 1
        missing = steps * batch + 1 - len(ids)
        inputs = np.concatenate([ids[:-1], np.full(missing, BOUNDARY, ids.dtype)])
        targets = np.concatenate([ids[1:].astype(np.int64), np.full(missing, IGNORED)])
    else:
        inputs, targets = ids[: steps * batch], ids[1 : steps * batch + 1]
    return inputs.reshape(batch, steps), targets.reshape(batch, steps)


def _steps_first(window: np.ndarray) -> Tensor:
    """(B, T) of any integers -> (T, B) int64, contiguous."""
    return torch.from_numpy(np.ascontiguousarray(window.T, dtype=np.int64))
