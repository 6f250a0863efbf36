"""The arithmetic of training, against the formulas in float64: every window of a text, every weight."""

import numpy as np
import pytest
import torch
from embeddings.jobs import END, job, labels, loss_and_gradient, text, vocabulary, windows
from tolerances import assert_close

from carousel import _core

core = _core.embedding
COUNTS = [40, 30, 20, 12, 8, 5, 3, 2, 1]
KINDS = [
    pytest.param({}, id="skipgram"),
    pytest.param({"shared": False}, id="skipgram, noise for each pair"),
    pytest.param({"negatives": 13}, id="skipgram, three blocks of outputs"),
    pytest.param({"hierarchical": True}, id="skipgram, tree"),
    pytest.param({"cbow": True}, id="cbow mean"),
    pytest.param({"cbow": True, "mean": False}, id="cbow sum"),
    pytest.param({"cbow": True, "hierarchical": True}, id="cbow mean, tree"),
    pytest.param({"cbow": True, "mean": False, "hierarchical": True, "window": 1}, id="cbow sum, tree"),
]


def expected(made, matrices, ids, dimension, options, lr):
    """Both matrices after training, in float64, step by step from the formulas."""
    x, y = (matrix[:, :dimension].astype(np.float64) for matrix in matrices)
    paths = vocabulary(COUNTS).paths() if options.get("hierarchical") else None
    for window in windows(made):
        label = labels(window, paths)
        i, o = window["input"], window["output"]
        c, w = window["input_weight"], window["output_weight"]
        begin = window["token"]
        while begin and ids[begin - 1] != END:
            begin -= 1
        now = lr * max(1 - begin / len(ids), 1e-4)
        if options.get("cbow"):
            count = c.sum() if options.get("mean", True) else 1
            middle = (c @ x[i]) / count
            _, dmiddle, dy = loss_and_gradient(middle[None], y[o], label, np.ones(1), w)
            x[i] -= now * np.outer(c, dmiddle[0])  # for the mean, as word2vec: not divided by the count again
        else:
            _, dx, dy = loss_and_gradient(x[i], y[o], label, c, w)
            x[i] -= now * dx
        y[o] -= now * dy
    return x, y


@pytest.mark.parametrize("options", KINDS)
@pytest.mark.parametrize("dimension", [1, 5, 16, 37])
def test_training_follows_the_formulas(isa, options, dimension):
    """After a text of many windows both matrices are what the gradients say, and padding is still zero."""
    ids = text(len(COUNTS), 120, 9)
    lr = 0.1
    made, *matrices = job(ids, COUNTS, dimension, lr=lr, **options)
    truth = expected(made, matrices, ids, dimension, options, lr)
    core.train(made, 0, 1, position=0, seed=5, threads=1)
    for name, matrix, true in zip(("input", "output"), matrices, truth, strict=True):
        learned = torch.from_numpy(np.ascontiguousarray(matrix[:, :dimension]))
        assert_close(learned, torch.from_numpy(true), torch.float32, name)
        assert not matrix[:, dimension:].any(), f"{isa} wrote into the padding of {name}"


@pytest.mark.parametrize("options", KINDS)
def test_the_held_out_loss_is_the_formula_s(isa, options):
    """The loss of held-out sentences is the mean of -log p over all predictions of their windows."""
    ids = text(len(COUNTS), 400, 9, seed=1)
    made, x, y = job(ids, COUNTS, 5, held_out=2**31, **options)
    sentences = core.held_out_sentences(made, 10**6)
    assert len(sentences) > 5
    total, count = core.held_out_loss(made, sentences, threads=1)
    sums = [_loss_of_sentence(ids, begin, options, (x, y)) for begin in sentences]
    assert count == sum(n for _, n in sums)
    assert total == pytest.approx(sum(s for s, _ in sums), rel=1e-5)


def _loss_of_sentence(ids, begin, options, matrices):
    """One sentence alone as a text, walked with the seed that the core gives to held-out sentences."""
    end = begin + int(np.argmax(np.append(ids[begin:], END) == END))
    made, *_ = job(ids[begin:end], COUNTS, 5, **options)
    paths = vocabulary(COUNTS).paths() if options.get("hierarchical") else None
    loss, count = 0.0, 0.0
    for window in windows(made, seed=7 ^ begin):
        x, y = (matrix[:, :5].astype(np.float64) for matrix in matrices)
        c, label = window["input_weight"], labels(window, paths)
        if options.get("cbow"):
            middle = c @ x[window["input"]] / (c.sum() if options.get("mean", True) else 1)
            part, *_ = loss_and_gradient(
                middle[None], y[window["output"]], label, np.ones(1), window["output_weight"]
            )
            count += 1
        else:
            part, *_ = loss_and_gradient(
                x[window["input"]], y[window["output"]], label, c, window["output_weight"]
            )
            count += c.sum()
        loss += part
    return loss, count


def test_the_sum_of_the_loss_is_exact_over_many(isa):
    """Sums are taken in double: ten thousand equal sentences have ten thousand times the loss of one."""
    ids = np.tile(np.array([0, 1, 2, END], dtype=np.int32), 10_000)
    made, *_ = job(ids, COUNTS, 4, hierarchical=True, held_out=2**32 - 1, window=1)
    sentences = core.held_out_sentences(made, 10**9)
    assert len(sentences) > 9_990
    once, count_once = core.held_out_loss(made, sentences[:1], threads=1)
    total, count = core.held_out_loss(made, sentences, threads=2)
    assert count == count_once * len(sentences)
    assert total == pytest.approx(once * len(sentences), rel=1e-12)


def test_saturated_scores_stay_finite(isa):
    """Weights far too large give a large loss and finite weights, not NaN."""
    ids = text(len(COUNTS), 60, 9)
    made, x, y = job(ids, COUNTS, 6, held_out=2**31)
    x *= 1e4
    y *= 1e4
    total, count = core.held_out_loss(made, core.held_out_sentences(made, 100), threads=1)
    assert np.isfinite(total)
    assert total / count > 1e3
    core.train(made, 0, 1, position=0, seed=5, threads=1)
    assert np.isfinite(x).all()
    assert np.isfinite(y).all()


def test_many_threads_train_on_every_block():
    """A team trains on the same blocks: nearly the same weights as one thread, though updates may meet."""
    counts = np.arange(400, 0, -1)
    ids = text(400, 40_000, 12)
    results = []
    for threads in (1, 3):
        made, x, y = job(ids, counts, 8, block=2_000, lr=0.01, window=2)
        before = x.copy()
        blocks = len(core.cut_blocks(ids, 2_000)) - 1
        core.train(made, 0, blocks, position=0, seed=5, threads=threads)
        results.append((x - before, y.copy()))
    for alone, together in zip(*results, strict=True):
        assert np.linalg.norm(alone - together) < 0.2 * np.linalg.norm(alone)
