"""Windows of a stream of symbols: mini-batches of truncated backpropagation, with the state carried between them."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from carousel.data.vocabularies.base import BOUNDARY
from carousel.errors import CarouselError

IGNORED = -100  # the target of padding: `ignore_index` of torch.nn.functional.cross_entropy


class Windows(Sequence[tuple[Tensor, Tensor]]):
    """A stream cut into B parallel lanes, the lanes into windows of T symbols: truncated backpropagation.

    Lane b is the b-th of B contiguous pieces of the stream. Window k holds steps kT ... kT + T - 1 of all
    lanes, so the state after window k is the state before window k + 1 (Williams & Peng 1990). Targets are
    the inputs one symbol later.

        windows = Windows(ids, batch=32, length=100)
        inputs, targets = windows[k]       # (T, B), (T, B) int64; k = 0 ... windows.number - 1

    The last window is kept, shorter than T where the lanes are not a multiple of T. Without `pad`, the end of
    the stream that fills no whole step of all lanes (fewer than B symbols) is left out, and a stream shorter
    than one window is an error: right for training. With `pad`, every symbol after the first is a target
    exactly once, the last lane is filled up with targets IGNORED, and short streams are welcome: right for
    held-out text.

    Raises CarouselError for a batch or length below 1 and for a stream shorter than one window.
    """

    def __init__(
        self, ids: np.ndarray, batch: int, length: int, *, pad: bool = False, name: str = "text"
    ) -> None:
        for option, value in (("batch", batch), ("length", length)):
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
                raise CarouselError(f"{option} must be a whole number of at least 1: got {value!r}")
        ids = np.asarray(ids)
        if ids.ndim != 1 or ids.dtype.kind not in "iu":
            raise CarouselError(f"ids must be one row of integers: got shape {ids.shape}, dtype {ids.dtype}")
        needed = 2 if pad else batch * length + 1
        if len(ids) < needed:
            advice = f" for {batch} lanes of {length} steps; give more text, or lower batch or length (bptt)"
            advice = "" if pad else advice
            raise CarouselError(
                f"the {name} must hold at least {needed:,} symbols: it holds {len(ids):,}{advice}"
            )
        self.batch, self.length = int(batch), int(length)
        self.predicted = len(ids) - 1 if pad else (len(ids) - 1) // batch * batch
        """How many targets count, in all windows together."""
        self._inputs, self._targets = _lanes(ids, self.batch, pad)

    @property
    def number(self) -> int:
        """How many windows there are."""
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
