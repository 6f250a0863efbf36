"""Sequences from arrays in memory: a list of (T_i, I), one padded (N, T, I) with lengths, or one series."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from carousel.data.sequences.examples import Example, Sequences
from carousel.errors import CarouselError


def from_arrays(
    task: str, data: Any, targets: Any = None, *, weights: Any = None, lengths: Any = None
) -> Sequences:
    """Sequences from arrays or tensors, for the task "tag", "classify" or "forecast"; NaN is a missing value.

    Args:
        data: a list of (T_i, I) or (T_i,), or (N, T, I) with `lengths`; of a forecast also one series, (T,) or (T, K).
            In a list of str, each is a sequence of characters.
        targets: tag: T_i labels for each sequence, None for one that is not known; classify: one label for each
            sequence. A forecast has no targets.
        weights: w_t, (T_i,) for each sequence; classify: one number for each sequence.
        lengths: (N,) steps of each sequence, if `data` are padded.

    Raises CarouselError for shapes that do not fit, and for infinite values.

    >>> sequences = from_arrays("classify", [[[0.5], [1.0]], [[0.0]]], ["up", "down"])
    >>> [len(item) for item in sequences.items], sequences.labels
    ([2, 1], ['down', 'up'])
    """
    spelled = isinstance(data, list | tuple) and data and all(isinstance(value, str) for value in data)
    if spelled:
        symbols = [np.array(list(text), dtype=object)[:, None] for text in data]
        if task == "forecast" or lengths is not None or not all(map(len, symbols)):
            raise CarouselError(
                "a list of texts must be for task tag or classify, without lengths, and no text may be empty, as each "
                "text is a sequence of characters. To forecast, pass numbers."
            )
        values = [np.empty((len(each), 0)) for each in symbols]
    else:
        values = _each(task, data, lengths)
        symbols = [np.empty((len(each), 0), dtype=object) for each in values]
    width = values[0].shape[1]
    for k, value in enumerate(values):
        if value.shape[1] != width or not len(value) or np.isinf(value).any():
            what = "holds an infinite value" if np.isinf(value).any() else f"has the shape {value.shape}"
            raise CarouselError(
                f"every sequence must be (T, {width}) of finite numbers, T at least 1, NaN for a missing one; "
                f"number {k} {what}. Correct it or leave it out."
            )
    told = zip(values, symbols, _labels(task, values, targets), _weights(task, values, weights), strict=True)
    items = [Example(value, own, label, weight, str(k)) for k, (value, own, label, weight) in enumerate(told)]
    names = tuple(f"x{k}" for k in range(width))
    return Sequences(items, names, ("character",) if spelled else (), width if task == "forecast" else 0)


def _each(task: str, data: Any, lengths: Any) -> list[np.ndarray]:
    """(T_i, I) float64 of each sequence."""
    if isinstance(data, (list, tuple)) and lengths is None:
        one = task == "forecast" and all(np.ndim(value) == 0 for value in data)
        whole = [_numbers(data)] if one else [_numbers(value) for value in data]
    else:
        whole = _cut(task, _numbers(data), lengths)
    if not whole:
        raise CarouselError("there must be at least one sequence; got none. Pass some.")
    for k, value in enumerate(whole):
        if value.ndim not in (1, 2):
            raise CarouselError(
                f"a sequence must be (T, I) or (T,); number {k} is {value.shape}. Reshape it."
            )
    return [value[:, None] if value.ndim == 1 else value for value in whole]


def _cut(task: str, values: np.ndarray, lengths: Any) -> list[np.ndarray]:
    if task == "forecast" and values.ndim <= 2:
        return [values]
    if values.ndim != 3:
        raise CarouselError(
            f"data must be a list of (T, I), or one array (N, T, I); its shape is {values.shape}. "
            "For one number at each step, pass (N, T, 1)."
        )
    if lengths is None:
        return list(values)
    counts = np.asarray(lengths)
    if counts.shape != (len(values),) or counts.dtype.kind not in "iu":
        raise CarouselError(
            f"lengths must be {len(values)} whole numbers, one for each sequence; got {counts.dtype} of shape "
            f"{counts.shape}."
        )
    if counts.min() < 1 or counts.max() > values.shape[1]:
        raise CarouselError(
            f"lengths must be 1 to {values.shape[1]}, the number of steps; got {counts.min()} to {counts.max()}."
        )
    return [value[:count] for value, count in zip(values, counts, strict=True)]


def _numbers(value: Any) -> np.ndarray:
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise CarouselError(
            f"a sequence must be numbers, (T, I), or one str of characters; {error}. Pass sequences of unequal length "
            "in a list, and words or other symbols as a column of categories of a table."
        ) from None


def _labels(task: str, values: list[np.ndarray], targets: Any) -> list[Any]:
    if targets is None or task == "forecast":
        if targets is not None:
            raise CarouselError(
                "a forecast takes its targets from the data itself; got targets. Leave them out."
            )
        return [None] * len(values)
    given = _listed("targets", targets, len(values))
    if task == "classify":
        return [_label(label) for label in given]
    return [
        [_label(label) for label in _listed(f"targets[{k}]", row, len(values[k]), "step")]
        for k, row in enumerate(given)
    ]


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
        raise CarouselError("weights must be finite numbers of at least 0; one is not. Correct it.")
    return held


def _listed(name: str, values: Any, number: int, of: str = "sequence") -> list[Any]:
    """One plain value for each sequence or step; steps of padding may have one too, which is left out."""
    listed = values.tolist() if hasattr(values, "tolist") else values
    if not isinstance(listed, Iterable) or isinstance(listed, str):
        raise CarouselError(f"{name} must have one value for each {of}; got a {type(listed).__name__}.")
    found = list(listed)
    if len(found) < number or (of == "sequence" and len(found) != number):
        raise CarouselError(f"{name} must have one value for each {of}, {number} in all; got {len(found)}.")
    return found[:number]


def _label(value: Any) -> Any:
    """A plain text or number, as predictions return it; a missing label is None or NaN."""
    value = value.item() if hasattr(value, "item") else value  # of NumPy and torch
    if value is None or value != value:
        return None
    if not isinstance(value, str | int | float):
        raise CarouselError(f"labels must be text or numbers; got {value!r} of type {type(value).__name__}.")
    return value
