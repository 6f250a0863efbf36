"""From the text to windows: subsampling, window sizes and noise against what theory says they must be."""

import math

import numpy as np
import pytest
from embeddings.jobs import END, job, text, vocabulary, windows

from carousel import _core

core = _core.embedding


def chi_square(observed: np.ndarray, share: np.ndarray) -> float:
    """In standard deviations from its mean, by the cube root of Wilson and Hilferty (1931), which is nearly normal."""
    expected = share / share.sum() * observed.sum()
    assert expected.min() > 5, "too few draws for the test to mean anything"
    value, free = ((observed - expected) ** 2 / expected).sum(), len(observed) - 1
    return float(((value / free) ** (1 / 3) - (1 - 2 / (9 * free))) / math.sqrt(2 / (9 * free)))


LIKELY = 4.0  # standard deviations; the seeds are fixed


@pytest.mark.parametrize("exponent", [0.75, 0.0, 1.0])
def test_noise_follows_the_counts_to_a_power(exponent):
    """Noise words come by count ** exponent, whatever the middle word, which itself is never noise."""
    counts = [500, 300, 100, 40, 20, 10, 5, 5]
    ids = np.tile(np.array([0, 7], dtype=np.int32), 20_000)
    made, *_ = job(ids, counts, window=1, exponent=exponent)
    drawn = {0: np.zeros(8), 7: np.zeros(8)}
    for window in windows(made):
        np.add.at(drawn[window["middle"]], window["output"][1:], window["output_weight"][1:])
        assert window["output"][0] == window["middle"]
        assert window["middle"] not in window["output"][1:]
        assert len(set(window["output"])) == len(window["output"])
    for middle, observed in drawn.items():
        others = [k for k in range(8) if k != middle]
        share = np.array(counts, dtype=float)[others] ** exponent
        assert abs(chi_square(observed[others], share)) < LIKELY


def test_the_number_of_noise_words():
    """Each window draws as many as asked for; those that hit the middle word are lost, as in word2vec."""
    counts = [60, 30, 10]
    ids = np.tile(np.array([0, 1], dtype=np.int32), 10_000)
    made, *_ = job(ids, counts, window=1, negatives=7)
    kept = np.array([window["output_weight"][1:].sum() for window in windows(made) if window["middle"] == 0])
    share = np.array(counts) ** 0.75 / (np.array(counts) ** 0.75).sum()
    assert kept.max() == 7
    deviation = math.sqrt(7 * share[0] * (1 - share[0]) / len(kept))
    assert abs(kept.mean() - 7 * (1 - share[0])) < LIKELY * deviation


def test_window_sizes_are_even():
    """The reach to each side is drawn evenly from 1 to the window, independently for each position."""
    ids = np.arange(20_000, dtype=np.int32) % 50
    made, *_ = job(ids, np.full(50, 400), window=5)
    inner = [w for w in windows(made) if 5 <= w["token"] % 10_000 < 9_995]
    reach = np.array([int(w["input_weight"].sum()) // 2 for w in inner])
    assert all(len(w["input"]) == 2 * r for w, r in zip(inner, reach, strict=True))
    assert abs(chi_square(np.bincount(reach, minlength=6)[1:], np.ones(5))) < LIKELY
    pairs = np.bincount((reach[:-1] - 1) * 5 + reach[1:] - 1, minlength=25)
    assert abs(chi_square(pairs, np.ones(25))) < LIKELY


def test_a_window_holds_the_words_around():
    """The inputs are the words within reach, on both sides, each with how often it stands there."""
    ids = text(12, 3_000, 15)
    made, *_ = job(ids, np.arange(12, 0, -1), window=4)
    for window in windows(made):
        token, reach = window["token"], None
        assert ids[token] == window["middle"]
        sentence = _sentence(ids, token)
        for reach in range(1, 5):
            around = [ids[k] for k in range(token - reach, token + reach + 1) if k in sentence and k != token]
            if len(around) == window["input_weight"].sum():
                break
        assert sorted(np.repeat(window["input"], window["input_weight"].astype(int))) == sorted(around)


def _sentence(ids: np.ndarray, token: int) -> range:
    """The positions of the sentence around a token."""
    begin, end = token, token
    while begin and ids[begin - 1] != END:
        begin -= 1
    while end < len(ids) and ids[end] != END:
        end += 1
    return range(begin, end)


def test_every_position_with_a_neighbour_is_visited_once():
    """Without subsampling each token is the middle of one window, but for sentences of one word."""
    ids = text(12, 5_000, 4)
    made, *_ = job(ids, np.arange(12, 0, -1), block=500)
    blocks = len(core.cut_blocks(ids, 500)) - 1
    tokens = sorted(window["token"] for block in range(blocks) for window in windows(made, block))
    expected = [k for k, word in enumerate(ids) if word != END and len(_sentence(ids, k)) > 1]
    assert blocks > 5
    assert tokens == expected


def test_subsampling_keeps_words_by_the_formula():
    """A word of share f stays with probability sqrt(t / f) + t / f, and windows close over what was left out."""
    counts = np.array([8_000, 1_500, 400, 100])
    random = np.random.default_rng(0)
    ids = random.permutation(np.repeat(np.arange(4), counts)).astype(np.int32)
    sample = 0.02
    made, *_ = job(ids, counts, sample=sample, window=1)
    kept = np.zeros(4)
    rounds = 20
    for seed in range(rounds):
        np.add.at(kept, [window["middle"] for window in windows(made, seed=seed)], 1)
    share = counts / counts.sum()
    chance = np.minimum(np.sqrt(sample / share) + sample / share, 1)
    draws = rounds * counts
    deviations = (kept - draws * chance) / np.sqrt(np.maximum(draws * chance * (1 - chance), 1))
    assert chance[0] < 0.2
    assert (np.abs(deviations) < LIKELY).all(), deviations
    np.testing.assert_allclose(vocabulary(counts).keep(sample) / 2**32, chance, atol=2**-31)


def test_subsampling_joins_what_was_apart():
    """Words between which others were left out become neighbours: windows are over the words that stay."""
    ids = np.tile(np.array([1, 0, 0, 0, 0, 0, 0, 2], dtype=np.int32), 200)
    made, *_ = job(ids, [1_200, 200, 200], window=1, sample=1e-9)
    keep = vocabulary([1_200, 200, 200]).keep(1e-9)
    assert keep[0] < 2**20
    made, *_ = job(ids, [10**9, 1, 1], window=1, sample=1e-6)
    met = {(window["middle"], int(word)) for window in windows(made) for word in window["input"]}
    assert (1, 2) in met


def test_held_out_sentences_are_never_trained_on():
    """No window of training has its middle in a held-out sentence; their share is what was asked for."""
    ids = text(12, 60_000, 12)
    made, *_ = job(ids, np.arange(12, 0, -1), held_out=int(0.1 * 2**32))
    held_out = set(core.held_out_sentences(made, 10**9))
    trained = {_sentence(ids, window["token"]).start for window in windows(made)[::7]}
    assert trained
    assert not held_out & trained
    sentences = 1 + (ids == END).sum()
    assert 0.07 < len(held_out) / sentences < 0.13


def test_the_same_seed_gives_the_same_windows():
    """Windows follow from seed and block alone; another seed gives others."""
    ids = text(12, 2_000, 12)
    made, *_ = job(ids, np.arange(12, 0, -1))
    one, again, other = (core.windows(made, 0, seed=seed) for seed in (5, 5, 6))
    assert all(np.array_equal(one[name], again[name]) for name in one)
    assert not np.array_equal(one["input"][:500], other["input"][:500])


def test_long_sentences_are_cut():
    """A text without line ends is cut into sentences of at most 10,000 words, and into blocks."""
    ids = np.zeros(45_000, dtype=np.int32)
    ids[1::2] = 1
    cuts = core.cut_blocks(ids, 4_096)
    assert cuts[0] == 0
    assert cuts[-1] == len(ids)
    assert (np.diff(cuts) <= 4_096 + core.LONGEST_SENTENCE).all()
    made, *_ = job(ids, [2, 1], window=1)
    assert len(windows(made)) == len(ids)
