"""The two matrices that are trained; each row fills whole cache lines."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from carousel import _core

ROW = _core.embedding.ROW_FLOATS


@dataclass(frozen=True)
class Weights:
    """The input and output vectors of word2vec; beyond `dimension`, rows are zero."""

    input: np.ndarray  # (V, stride) the word vectors
    output: np.ndarray  # (V or inner nodes of the Huffman tree, stride)
    dimension: int

    @classmethod
    def initial(cls, words: int, outputs: int, dimension: int, seed: int, width: float = 0.5) -> Self:
        """Input drawn evenly from -width / d to width / d; output zero."""
        weights = cls(aligned_zeros(words, dimension), aligned_zeros(outputs, dimension), dimension)
        random = np.random.default_rng(seed)
        for begin in range(0, words, 4096):
            part = weights.input[begin : begin + 4096, :dimension]
            part[:] = (2 * random.random(part.shape, dtype=np.float32) - 1) * np.float32(width / dimension)
        return weights

    @classmethod
    def of(cls, input: np.ndarray, output: np.ndarray) -> Self:
        """Copies of the vectors (V, d) and of the output (V or inner nodes, d), with padded rows."""
        weights = cls(aligned_zeros(*input.shape), aligned_zeros(*output.shape), input.shape[1])
        weights.input[:, : weights.dimension] = input
        weights.output[:, : weights.dimension] = output
        return weights

    def copy_to(self, other: "Weights") -> None:
        """Copy the numbers to `other`, which has the same shape."""
        other.input[:] = self.input
        other.output[:] = self.output

    @property
    def vectors(self) -> np.ndarray:
        """(V, d) a copy of the word vectors."""
        return np.ascontiguousarray(self.input[:, : self.dimension])


def aligned_zeros(rows: int, dimension: int) -> np.ndarray:
    """(rows, stride) float32 zeros; each row begins on a cache line, and stride is a multiple of a line."""
    stride = -(-dimension // ROW) * ROW
    line = ROW * 4
    memory = np.zeros(rows * stride * 4 + line, dtype=np.uint8)
    begin = -memory.ctypes.data % line
    return memory[begin : begin + rows * stride * 4].view(np.float32).reshape(rows, stride)
