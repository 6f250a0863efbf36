"""An array of word ids that grows: in memory, and beyond a limit in a temporary file that is mapped."""

import tempfile
from typing import Any

import numpy as np

IN_MEMORY = 1 << 27  # ids: half a gigabyte


class IdStore:
    """An array of int32 that grows at its end; the file, if any, disappears when its last map does."""

    def __init__(self, limit: int = IN_MEMORY) -> None:
        self._limit = limit
        self._ids = np.empty(1 << 16, dtype=np.int32)
        self._length = 0
        self._file: Any = None

    def __len__(self) -> int:
        return self._length

    def append(self, ids: np.ndarray) -> None:
        """Add ids at the end."""
        end = self._length + len(ids)
        if self._file is None and end > self._limit:
            self._file = tempfile.TemporaryFile(prefix="carousel-")  # noqa: SIM115 - lives as long as the map
            self._ids[: self._length].tofile(self._file)
            self._ids = np.empty(0, dtype=np.int32)
        if self._file is not None:
            ids.tofile(self._file)
        else:
            if end > len(self._ids):  # grows where it lies if it can; pages not yet used take no memory
                self._ids.resize(max(end, len(self._ids) * 3 // 2), refcheck=False)
            self._ids[self._length : end] = ids
        self._length = end

    def whole(self) -> np.ndarray:
        """(N,) all ids, which may be changed; no more ids can be added."""
        if self._file is None:
            return self._ids[: self._length]
        with self._file as file:  # the map holds on to it
            file.flush()
            return np.memmap(file, dtype=np.int32, mode="r+", shape=(self._length,))
