"""Ids as they come, in memory or, beyond a limit, in a temporary file that is mapped."""

import tempfile
from typing import Any

import numpy as np

IN_MEMORY = 1 << 27  # ids: half a gigabyte
_PIECE = 1 << 22  # ids renumbered at a time


class IdStore:
    """An array of int32 that grows by pieces; the file, if any, is gone when nobody maps it any more."""

    DROPPED = -2

    def __init__(self, limit: int = IN_MEMORY) -> None:
        self._limit = limit
        self._pieces: list[np.ndarray] = []
        self._length = 0
        self._file: Any = None

    def __len__(self) -> int:
        return self._length

    def append(self, ids: np.ndarray) -> None:
        """Add ids at the end."""
        if not len(ids):
            return
        self._pieces.append(ids)
        self._length += len(ids)
        if self._file is None and self._length > self._limit:
            self._file = tempfile.TemporaryFile(prefix="carousel-")  # noqa: SIM115 - lives as long as the map
        if self._file is not None:
            self._spill()

    def renumbered(self, numbers: np.ndarray) -> np.ndarray:
        """All ids, each replaced by numbers[id], without those that are DROPPED; negative ids stay."""
        if self._file is None:
            pieces = [_renumbered(piece, numbers) for piece in self._drain()]
            return np.concatenate(pieces) if pieces else np.empty(0, dtype=np.int32)
        ids = self._mapped(self._length)
        end = 0
        for begin in range(0, self._length, _PIECE):
            piece = _renumbered(ids[begin : begin + _PIECE], numbers)
            ids[end : end + len(piece)] = piece
            end += len(piece)
        return self._mapped(end)

    def _spill(self) -> None:
        for piece in self._drain():
            piece.tofile(self._file)
        self._file.flush()

    def _drain(self) -> list[np.ndarray]:
        pieces, self._pieces = self._pieces, []
        return pieces

    def _mapped(self, length: int) -> np.ndarray:
        return (
            np.memmap(self._file, dtype=np.int32, mode="r+", shape=(length,))
            if length
            else np.empty(0, np.int32)
        )


def _renumbered(ids: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """A sentence of which nothing is left stays as two ends in a row, which training passes over."""
    fresh = np.where(ids >= 0, numbers[np.maximum(ids, 0)], ids)
    return np.ascontiguousarray(fresh[fresh != IdStore.DROPPED], dtype=np.int32)
