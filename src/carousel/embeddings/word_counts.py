"""Which words get a vector, and the tables that training draws from."""

from dataclasses import dataclass

import numpy as np

from carousel import _core
from carousel.embeddings.config import EmbeddingConfig
from carousel.errors import CarouselError


@dataclass(frozen=True)
class WordCounts:
    """Words, the most frequent first, and how often each occurs in the text."""

    words: list[str]
    counts: np.ndarray  # (V,) int64, not rising

    def __len__(self) -> int:
        return len(self.words)

    def keep(self, sample: float) -> np.ndarray:
        """(V,) the probability that a word stays in the text, times 2^32.

        Frequent words are left out at random (Mikolov et al. 2013, "Distributed Representations of Words and Phrases
        and their Compositionality"). The formula is that of their program word2vec: with f the share of the text that
        is this word, the probability is sqrt(sample / f) + sample / f, at most 1.
        """
        return _core.embedding.keep_table(self.counts, sample)

    def noise(self, exponent: float) -> np.ndarray:
        """(V, 2) the alias table that draws words by count ** exponent."""
        return _core.embedding.alias_table(self.counts.astype(np.float64) ** exponent).reshape(-1, 2)

    def paths(self) -> tuple[np.ndarray, np.ndarray]:
        """The Huffman tree: (V + 1) where each word's path begins, and the paths, 2 * inner node + yes or no."""
        return _core.embedding.huffman_paths(self.counts)


def choose(counts: np.ndarray, config: EmbeddingConfig) -> np.ndarray:
    """The numbers of the words that get a vector, the most frequent first; equal counts by first occurrence.

    Raises CarouselError if fewer than two words are left.
    """
    order = np.argsort(-counts, kind="stable")
    kept = order[counts[order] >= config.least][: config.max_vocabulary]
    if len(kept) < 2:
        most = int(counts.max()) if len(counts) else 0
        raise CarouselError(
            f"at least two words must occur {config.least} times or more; of {len(counts):,} different words, "
            f"{len(kept)} do (the most frequent occurs {most:,} times). Give more text, or a smaller min_count."
        )
    return kept
