"""Words, counts, and the tables that training draws from."""

import heapq
import itertools

import numpy as np
import pytest
from embeddings.jobs import vocabulary

from carousel import CarouselError
from carousel.embeddings import EmbeddingConfig
from carousel.embeddings.word_counts import choose


@pytest.mark.parametrize(
    "counts", [[1, 1], [5, 3, 2, 1, 1, 1], list(range(500, 0, -1)), [10**9, 1], [7] * 33]
)
@pytest.mark.parametrize("exponent", [0.75, 0.0, 1.0, -0.5])
def test_the_alias_table_is_exact(counts, exponent):
    """The cells of the table together give each word exactly its share."""
    table = vocabulary(counts).noise(exponent)
    own = table[:, 0] / 2**32
    own[table[:, 1] == np.arange(len(counts))] = 1
    shares = own / len(counts)
    np.add.at(shares, table[:, 1], (1 - own) / len(counts))
    weights = np.array(counts, dtype=float) ** exponent
    np.testing.assert_allclose(shares, weights / weights.sum(), atol=2**-30)


@pytest.mark.parametrize("counts", [[1, 1], [9, 4, 1], [8, 8, 4, 2, 1, 1], list(range(300, 0, -1)), [3] * 17])
def test_the_tree_is_huffman_s(counts):
    """Its weighted length is the least there is (by a heap), and no word's path begins another's."""
    begin, path = vocabulary(counts).paths()
    length = int((np.diff(begin) * np.array(counts)).sum())
    heap, least = sorted(counts), 0
    while len(heap) > 1:
        both = heapq.heappop(heap) + heapq.heappop(heap)
        least += both
        heapq.heappush(heap, both)
    assert length == least
    codes = ["".join(str(p & 1) for p in path[a:b]) for a, b in itertools.pairwise(begin)]
    assert sum(2.0 ** -len(code) for code in codes) == 1  # full (Kraft)
    assert len(set(codes)) == len(codes)
    assert not any(a != b and b.startswith(a) for a in codes[:40] for b in codes)
    assert set(path >> 1) == set(range(len(counts) - 1))
    roots = {int(path[a] >> 1) for a in begin[:-1]}
    assert roots == {len(counts) - 2}, "every path begins at the root"


def test_no_subsampling_keeps_everything():
    """sample 0 leaves every word in the text, always."""
    assert (vocabulary([5, 1]).keep(0) == 2**32 - 1).all()


def test_the_most_frequent_words_stay():
    """min_count and max_vocabulary cut the rare; equal counts stay in the order of their coming."""
    counts = np.array([3, 9, 3, 1, 5])
    assert choose(counts, EmbeddingConfig(min_count=3)).tolist() == [1, 4, 0, 2]
    assert choose(counts, EmbeddingConfig(min_count=1, max_vocabulary=3)).tolist() == [1, 4, 0]


def test_nothing_left_is_told():
    """Too high a min_count names the counts there are, and what to do."""
    with pytest.raises(
        CarouselError,
        match=r"occur 5 times or more; of 3 different words, 0 do.*occurs 4 times.*smaller min_count",
    ):
        choose(np.array([4, 2, 1]), EmbeddingConfig())
