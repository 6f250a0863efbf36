"""Words as points in a plane: the two widest directions (PCA), or neighbourhoods kept together (t-SNE)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from carousel.embeddings.neighbours import Neighbour, unit
from carousel.embeddings.vectors import Vectors
from carousel.errors import CarouselError, shown
from carousel.extras import require
from carousel.options import check_seed
from carousel.shown import Shown

METHODS = ("pca", "tsne")
MOST = 5000  # points that a picture can show and t-SNE can place in a minute
_PERPLEXITY = 30.0


@dataclass(frozen=True)
class WordMap(Shown):
    """n words as points in a plane, with their neighbours."""

    words: list[str]
    x: np.ndarray  # (n,)
    y: np.ndarray  # (n,)
    near: Sequence[
        Sequence[Neighbour]
    ]  # the nearest words of the whole vocabulary, with cosines in all d dimensions
    asked: list[bool]  # whether a word was asked for, or was added as a neighbour of such a word
    counts: np.ndarray | None
    method: str
    explained: tuple[float, float] | None  # the shares of the variance that x and y hold, of PCA alone
    vocabulary: int  # number of words of the vectors
    dimension: int


def word_map(
    vectors: Vectors,
    words: Sequence[str] = (),
    *,
    top: int = 300,
    skip: int = 0,
    around: int = 0,
    method: str = "pca",
    seed: int = 1,
) -> WordMap:
    """Place words in a plane by the directions of their vectors.

    Args:
        words: the words to place; none: the `top` most frequent ones, after the first `skip`.
        around: how many nearest words of each of `words` to add.
        method: "pca", the two directions of greatest variance (Pearson 1901), or "tsne", which keeps
            neighbours together and says nothing about what is far apart (van der Maaten & Hinton 2008).
        seed: of t-SNE; PCA draws nothing.

    Raises CarouselError for unknown words, an unknown method, and too few or too many words.

    >>> vectors = Vectors(["a", "b", "c"], np.array([[1, 0, 0], [0.9, 0.1, 0], [0, 0, 1]]))
    >>> placed = word_map(vectors)
    >>> abs(placed.x[0] - placed.x[1]) < abs(placed.x[0] - placed.x[2])
    np.True_
    """
    if method not in METHODS:
        raise CarouselError(f"method must be {' or '.join(METHODS)}; got {shown(method)}. Pass one of them.")
    seed = check_seed(seed)
    asked = list(dict.fromkeys(words)) or vectors.words[skip : skip + top]
    drawn = asked
    if around and words:
        near = vectors.nearest_each(asked, around)
        drawn = list(dict.fromkeys([*asked, *(each.word for found in near for each in found)]))
    least = 4 if method == "tsne" else 2
    if not least <= len(drawn) <= MOST:
        raise CarouselError(
            f"a map by {method} must have {least} to {MOST:,} words; got {len(drawn):,}. Name more or fewer words."
        )
    if vectors.dimension < 2:
        raise CarouselError(
            "vectors must have at least 2 dimensions for a map; these have 1. Use larger ones."
        )
    units = unit(np.asarray(vectors[drawn], np.float32))
    points, explained = _pca(units) if method == "pca" else (_tsne(units, seed), None)
    rows = [vectors.index(word) for word in drawn]
    return WordMap(
        words=drawn,
        x=points[:, 0],
        y=points[:, 1],
        near=vectors.nearest_each(drawn, 6),
        asked=[k < len(asked) for k in range(len(drawn))],
        counts=None if vectors.counts is None else vectors.counts[rows],
        method=method,
        explained=explained,
        vocabulary=len(vectors),
        dimension=vectors.dimension,
    )


def _pca(units: np.ndarray) -> tuple[np.ndarray, tuple[float, float]]:
    decomposition = require("sklearn.decomposition", "A map of words by PCA", "sklearn")
    if np.ptp(units, axis=0).max() == 0:
        raise CarouselError(
            "the words of a map must differ in direction; these have the same one. Name others."
        )
    model = decomposition.PCA(2, svd_solver="full")
    points = model.fit_transform(units.astype(np.float64))
    x, y = model.explained_variance_ratio_
    return points, (float(x), float(y))


def _tsne(units: np.ndarray, seed: int) -> np.ndarray:
    manifold = require("sklearn.manifold", "A map of words by t-SNE", "sklearn")
    # a neighbourhood of a third of few words, so that there still is an outside
    perplexity = min(_PERPLEXITY, (len(units) - 1) / 3)
    model = manifold.TSNE(2, perplexity=perplexity, metric="cosine", init="random", random_state=seed % 2**32)
    return np.asarray(model.fit_transform(units), np.float64)
