"""Sequences out of arrays in memory: a list of (T_i, I), one padded (N, T, I) with lengths, or one series."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from carousel.data.sequences.examples import Example, Sequences
from carousel.errors import CarouselError


def from_arrays(
    task: str, data: Any, targets: Any = None, *, weights: Any = None, lengths: Any = None
) -> Sequences:
    """Sequences of task "tag", "classify" or "forecast" out of arrays or tensors; NaN is a missing value.

    Args:
        data: a list of (T_i, I) or (T_i,), or (N, T, I) with `lengths`; of a forecast also one series, (T,) or (T, K).
            A list of str is one of sequences of characters.
        targets: tag: for each sequence its T_i labels, None where one is not known; classify: one label each.
            A forecast has none: it is of every column.
        weights: w_t: (T_i,) for each sequence; classify: one number each.
        lengths: (N,), steps of each sequence that count, where data are padded.

    Raises CarouselError for shapes that do not fit, and for values that are infinite.

    >>> sequences = from_arrays("classify", [[[0.5], [1.0]], [[0.0]]], ["up", "down"])
    >>> [len(item) for item in sequences.items], sequences.labels
    ([2, 1], ['down', 'up'])
    """
    if isinstance(data, list | tuple) and data and all(isinstance(value, str) for value in data):
        return _spelled(task, data, targets, weights, lengths)
    values = _each(task, data, lengths)
    width = values[0].shape[1]
    for k, value in enumerate(values):
        if value.shape[1] != width or not len(value) or np.isinf(value).any():
            what = "holds an infinite value" if np.isinf(value).any() else f"has the shape {value.shape}"
            raise CarouselError(
                f"every sequence must be (T, {width}) of finite numbers, T at least 1, NaN where one is missing; "
                f"number {k} {what}."
            )
    labels = _labels(task, values, targets)
    held = _weights(task, values, weights)
    items = [
        Example(value, np.empty((len(value), 0), dtype=object), label, weight, str(k))
        for k, (value, label, weight) in enumerate(zip(values, labels, held, strict=True))
    ]
    names = tuple(f"x{k}" for k in range(width))
    return Sequences(items, names, targets=width if task == "forecast" else 0)


def _spelled(task: str, texts: Iterable[str], targets: Any, weights: Any, lengths: Any) -> Sequences:
    """Each text a sequence of its characters."""
    symbols = [np.array(list(text), dtype=object)[:, None] for text in texts]
    if task == "forecast" or lengths is not None or not all(map(len, symbols)):
        raise CarouselError(
            "a list of texts is read as sequences of characters, for task tag or classify, each at least one long and "
            "without lengths; to forecast, give numbers."
        )
    labels = _labels(task, symbols, targets)
    held = _weights(task, symbols, weights)
    items = [
        Example(np.empty((len(own), 0)), own, label, weight, str(k))
        for k, (own, label, weight) in enumerate(zip(symbols, labels, held, strict=True))
    ]
    return Sequences(items, (), ("character",))


def _each(task: str, data: Any, lengths: Any) -> list[np.ndarray]:
    """(T_i, I) float64 of each sequence."""
    if isinstance(data, (list, tuple)) and lengths is None:
        one = task == "forecast" and all(np.ndim(value) == 0 for value in data)
        whole = [_numbers(data)] if one else [_numbers(value) for value in data]
    else:
        whole = _cut(task, _numbers(data), lengths)
    if not whole:
        raise CarouselError("there must be at least one sequence; got none.")
    for k, value in enumerate(whole):
        if value.ndim not in (1, 2):
            raise CarouselError(f"a sequence must be (T, I) or (T,); number {k} has the shape {value.shape}.")
    return [value[:, None] if value.ndim == 1 else value for value in whole]


def _cut(task: str, values: np.ndarray, lengths: Any) -> list[np.ndarray]:
    if task == "forecast" and values.ndim <= 2:
        return [values]
    if values.ndim != 3:
        raise CarouselError(
            f"data must be a list of (T, I), or one array (N, T, I); its shape is {values.shape}. "
            "Of numbers alone, one at a step, make (N, T, 1)."
        )
    if lengths is None:
        return list(values)
    counts = np.asarray(lengths)
    if counts.shape != (len(values),) or counts.dtype.kind not in "iu":
        raise CarouselError(
            f"lengths must hold a whole number for each of the {len(values)} sequences; got {counts.dtype} of shape "
            f"{counts.shape}."
        )
    if counts.min() < 1 or counts.max() > values.shape[1]:
        raise CarouselError(
            f"lengths must be from 1 to the {values.shape[1]} steps there are; they are from {counts.min()} to "
            f"{counts.max()}."
        )
    return [value[:count] for value, count in zip(values, counts, strict=True)]


def _numbers(value: Any) -> np.ndarray:
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise CarouselError(
            f"a sequence must be numbers, (T, I), or one str of characters; this cannot be read as such: {error}. "
            "Sequences of unequal length go in a list; words and other symbols in a column of categories of a table."
        ) from None


def _labels(task: str, values: list[np.ndarray], targets: Any) -> list[Any]:
    if targets is None or task == "forecast":
        if targets is not None:
            raise CarouselError(
                "a forecast learns from what comes next in the data itself; leave targets out."
            )
        return [None] * len(values)
    given = _listed("targets", targets, len(values))
    if task == "classify":
        return [_label(label) for label in given]
    rows = [[_label(label) for label in _listed(f"targets[{k}]", row, len(values[k]), "step")]
            for k, row in enumerate(given)]  # fmt: skip
    return rows


def _weights(task: str, values: list[np.ndarray], weights: Any) -> list[Any]:
    if weights is None:
        return [None] * len(values)
    given = _listed("weights", weights, len(values))
    held = (
        [float(weight) for weight in given]
        if task == "classify"
        else [np.asarray(_listed(f"weights[{k}]", row, len(values[k]), "step"), dtype=np.float64)
              for k, row in enumerate(given)]
    )  # fmt: skip
    if not all(np.isfinite(row).all() and np.min(row) >= 0 for row in held):
        raise CarouselError("weights must be finite numbers of at least 0; one is not.")
    return held


def _listed(name: str, values: Any, number: int, of: str = "sequence") -> list[Any]:
    """One plain value for each sequence or step; steps of padding, behind a sequence's end, may have one too."""
    listed = values.tolist() if hasattr(values, "tolist") else values
    if not isinstance(listed, Iterable) or isinstance(listed, str):
        raise CarouselError(f"{name} must have one value for each {of}; got a {type(listed).__name__}.")
    found = list(listed)
    if len(found) < number or (of == "sequence" and len(found) != number):
        raise CarouselError(f"{name} must have one value for each {of}, {number} in all; got {len(found)}.")
    return found[:number]


def _label(value: Any) -> Any:
    """A plain text or number, as it will come back in predictions; what is missing is None or NaN."""
    value = value.item() if hasattr(value, "item") else value  # of NumPy and torch
    if value is None or value != value:
        return None
    if not isinstance(value, str | int | float):
        raise CarouselError(f"labels must be text or numbers; got a {type(value).__name__}: {value!r}.")
    return value
