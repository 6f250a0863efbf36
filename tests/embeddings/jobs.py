"""Small jobs for the compiled core, and the same training in float64, window by window, from the formulas."""

from typing import Any

import numpy as np

from carousel import _core
from carousel.embeddings.weights import aligned_zeros
from carousel.embeddings.word_counts import WordCounts

core = _core.embedding
END = core.SENTENCE_END
EVERYTHING = 2**32 - 1


def vocabulary(counts: list[int] | np.ndarray) -> WordCounts:
    return WordCounts([f"w{k}" for k in range(len(counts))], np.array(counts, dtype=np.int64))


def text(words: int, tokens: int, sentence: int, seed: int = 0) -> np.ndarray:
    """Random ids, rare ones less often, in sentences of about so many."""
    random = np.random.default_rng(seed)
    ids = np.minimum(random.geometric(3 / words, tokens) - 1, words - 1).astype(np.int32)
    ids[random.random(tokens) < 1 / sentence] = END
    return ids


def job(ids: np.ndarray, counts: Any, dimension: int = 8, block: int | None = None, **options: Any) -> Any:
    """(the core's job, its input and output matrices) with random weights; `hierarchical` chooses the tree."""
    known = vocabulary(counts)
    hierarchical = options.pop("hierarchical", False)
    begin, path = known.paths() if hierarchical else (None, None)
    sample = options.pop("sample", 0.0)
    exponent = options.pop("exponent", 0.75)
    rows = len(counts) - hierarchical
    random = np.random.default_rng(3)
    matrices = []
    for size in (len(counts), rows):
        matrix = aligned_zeros(size, dimension)
        matrix[:, :dimension] = random.normal(0, 0.3, (size, dimension))
        matrices.append(matrix)
    settings = {
        "cbow": False,
        "mean": True,
        "shared": True,
        "window": 5,
        "negatives": 5,
        "lr": 0.025,
        "total": len(ids),
        "held_out_seed": 7,
        "held_out": 0,
        **options,
    }
    made = core.Job(
        ids=ids,
        blocks=core.cut_blocks(ids, block or len(ids)),
        keep=known.keep(sample),
        noise=None if hierarchical else known.noise(exponent),
        path_begin=begin,
        path=path,
        input=matrices[0],
        output=matrices[1],
        **settings,
    )
    return made, *matrices


def windows(job: Any, block: int = 0, seed: int = 5) -> list[dict[str, Any]]:
    """The windows of a block as dictionaries: token, middle, input, input_weight, output, output_weight."""
    lists = core.windows(job, block, seed=seed)
    found, i, o = [], 0, 0
    for token, middle, m, n in zip(
        lists["token"], lists["middle"], lists["inputs"], lists["outputs"], strict=True
    ):
        found.append(
            {
                "token": int(token),
                "middle": int(middle),
                "input": lists["input"][i : i + m],
                "input_weight": lists["input_weight"][i : i + m].astype(np.float64),
                "output": lists["output"][o : o + n],
                "output_weight": lists["output_weight"][o : o + n].astype(np.float64),
            }
        )
        i, o = i + m, o + n
    return found


def labels(window: dict[str, Any], paths: tuple[np.ndarray, np.ndarray] | None) -> np.ndarray:
    """1 where the prediction should be yes: the middle word itself, or the right turns of its path."""
    if paths is None:
        return (window["output"] == window["middle"]).astype(np.float64)
    begin, path = paths
    own = path[begin[window["middle"]] : begin[window["middle"] + 1]]
    np.testing.assert_array_equal(own >> 1, window["output"])
    return (own & 1).astype(np.float64)


def loss_and_gradient(
    x: np.ndarray, y: np.ndarray, label: np.ndarray, c: np.ndarray, w: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """-sum_ik c_i w_k log p(label_k | x_i . y_k), and its gradients by x (m, d) and y (n, d)."""
    score = x @ y.T
    weight = np.outer(c, w)
    p = 1 / (1 + np.exp(-score))
    loss = -(weight * np.log(np.where(label > 0, p, 1 - p))).sum()
    error = weight * (p - label)
    return float(loss), error @ y, error.T @ x
