"""Words in a plane: planted groups lie apart, and what is asked is what is placed."""

import doctest
import sys

import numpy as np
import pytest

from carousel import CarouselError
from carousel.embeddings import Vectors
from carousel.embeddings.word_map import METHODS, word_map


@pytest.fixture
def groups() -> Vectors:
    """Three groups of 20 words, each around a direction of its own, mixed in order."""
    rng = np.random.default_rng(0)
    centres = np.eye(3, 15) * 4
    matrix = np.stack([centres[k % 3] + 0.4 * rng.standard_normal(15) for k in range(60)])
    return Vectors([f"{'abc'[k % 3]}{k}" for k in range(60)], matrix, np.arange(60, 0, -1))


def test_examples():
    """The examples in the docstrings run."""
    assert doctest.testmod(sys.modules[word_map.__module__]).failed == 0


@pytest.mark.parametrize("method", METHODS)
def test_groups_are_seen(groups, method):
    """In the plane every word's nearest point is of its own group."""
    placed = word_map(groups, method=method)
    points = np.stack([placed.x, placed.y], 1)
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    assert all(placed.words[k][0] == placed.words[apart[k].argmin()][0] for k in range(60))


def test_the_plane_of_pca_is_that_of_the_singular_vectors(groups):
    """Spread along x and y is that of the two largest singular values of centred directions, largest first."""
    placed = word_map(groups)
    units = groups.matrix / np.linalg.norm(groups.matrix, axis=1, keepdims=True)
    values = np.linalg.svd(units - units.mean(0), compute_uv=False)
    shares = values**2 / (values**2).sum()
    assert placed.explained == pytest.approx(tuple(shares[:2]), rel=1e-5)
    assert [np.sum(placed.x**2), np.sum(placed.y**2)] == pytest.approx(list(values[:2] ** 2), rel=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_equal_seeds_give_equal_maps(groups, method):
    """The same bits again; for t-SNE another seed gives another map."""
    one, two = word_map(groups, method=method, seed=3), word_map(groups, method=method, seed=3)
    assert np.array_equal(one.x, two.x)
    assert np.array_equal(one.y, two.y)
    if method == "tsne":
        assert not np.array_equal(one.x, word_map(groups, method=method, seed=4).x)


def test_the_most_frequent_words(groups):
    """Without words, the first ones; `skip` leaves the very first out; neighbours are of all words."""
    placed = word_map(groups, top=10, skip=5)
    assert placed.words == groups.words[5:15]
    assert placed.counts.tolist() == list(range(55, 45, -1))
    assert [near.word for near in placed.near[0]] == [
        near.word for near in groups.nearest(placed.words[0], top=6)
    ]
    assert (placed.vocabulary, placed.dimension, all(placed.asked)) == (60, 15, True)


def test_words_with_their_neighbours(groups):
    """Words asked for come first and are marked, each once; their neighbours follow."""
    placed = word_map(groups, ["a0", "b1", "a0"], around=4)
    near = [word for word, _ in groups.nearest("a0", top=4)]
    assert placed.words[:6] == ["a0", "b1", *near]
    assert len(placed.words) == len(set(placed.words)) == 10
    assert placed.asked == [True] * 2 + [False] * 8


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"words": ["a0"]}, "by pca must have 2 to 5,000 words; got 1"),
        ({"words": ["a0", "b1", "c2"], "method": "tsne"}, "by tsne must have 4 to"),
        ({"words": ["a0", "nowhere"]}, "'nowhere' is not among the 60 words"),
        ({"method": "umap"}, "pca or tsne; got 'umap'"),
        ({"skip": 60}, "got 0"),
    ],
)
def test_what_cannot_be_placed(groups, options, rule):
    """Each rule, with what came."""
    with pytest.raises(CarouselError, match=rule):
        word_map(groups, **options)


def test_nothing_to_see():
    """One dimension, and words of one direction, make no word_map."""
    with pytest.raises(CarouselError, match="at least 2 dimensions"):
        word_map(Vectors(["a", "b"], np.ones((2, 1))))
    with pytest.raises(CarouselError, match="must differ in direction"):
        word_map(Vectors(["a", "b"], np.array([[1, 1], [2, 2]])))
