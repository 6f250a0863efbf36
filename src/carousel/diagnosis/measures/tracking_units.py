"""Units that follow something with a name, such as the column of a text or whether a quotation is open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from carousel.diagnosis.brief import Brief
from carousel.diagnosis.measures.text_properties import Property
from carousel.errors import CarouselError
from carousel.nn.trace import Trace

Array = NDArray[np.float64]

STATES = ("h", "c")  # what is carried from step to step
SHORTEST = 8  # steps: a half of fewer has no correlation worth its name


@dataclass(frozen=True)
class Unit:
    """A unit and the property that it follows most closely.

    Attributes:
        layer, index: the unit's layer in the module, and its number in the layer.
        state: "h" or "c", whichever follows more closely.
        property, meaning, binary: name, meaning and kind of the `Property`.
        correlation: Pearson's, measured on the half of the sequence that did not choose the unit.
        inside, outside: the unit's mean value where a binary property holds, and where it does not.
    """

    layer: int
    index: int
    state: str
    property: str
    meaning: str
    binary: bool
    correlation: float
    inside: float
    outside: float


@dataclass(frozen=True, repr=False)
class UnitStrip(Brief):
    """A unit's gates and states over a snippet: `values[name]` has one number for each step."""

    unit: Unit
    values: dict[str, NDArray[np.float32]]


def tracking_units(traces: Sequence[Trace], properties: Sequence[Property], number: int = 6) -> list[Unit]:
    """Rank units by how well they follow named properties of one sequence.

    Each property takes the unit that follows it best, then the next best. The first half of the sequence chooses, and
    the second half gives the correlation: the best of hundreds of units on one and the same text would flatter itself.
    After Karpathy, Johnson and Li (2015), "Visualizing and understanding recurrent networks".

    Args:
        traces: forward traces of one sequence, with values (T, H) or (T, 1, H), as `module.trace(x)` or
            `gates_over_time(trajectory).trace()` returns them.
        properties: each with T values, of a text by `text_properties`. Those that do not vary in both halves are left
            out.
        number: how many units at most.

    Raises:
        CarouselError: traces and properties differ in length, or are shorter than 8 steps.

    >>> import torch
    >>> from carousel.diagnosis import gates_over_time, observe, text_properties, tracking_units
    >>> text = "f(a, g(b)) + h(c, (d))  " * 4
    >>> codes = torch.tensor([ord(each) for each in text]).unsqueeze(1)
    >>> model = torch.nn.Sequential(torch.nn.Embedding(128, 4), torch.nn.GRU(4, 8))
    >>> [trajectory] = observe(model, codes).trajectories
    >>> units = tracking_units([gates_over_time(trajectory).trace()], text_properties(text), number=3)
    >>> len(units), units[0].state
    (3, 'h')
    """
    length = next(iter(traces[0].values.values())).shape[0]
    wrong = [each.name for each in properties if len(each.values) != length]
    if wrong or length < SHORTEST:
        raise CarouselError(
            f"Traces and properties must have the same T >= {SHORTEST} values. The traces have {length}; "
            f"properties of another length: {', '.join(wrong) or 'none'}. Pass the properties of what was traced."
        )
    half = length // 2
    halves = slice(0, half), slice(half, length)
    usable = [p for p in properties if all(p.at(np.arange(length)[part]).varies() for part in halves)]
    if not usable:
        return []
    memories = [(trace, name) for trace in traces for name in STATES if name in trace.values]
    states = np.concatenate([flat(trace.values[name]) for trace, name in memories], axis=1)  # (T, sum of H)
    homes = [
        (trace.layer, index, name)
        for trace, name in memories
        for index in range(trace.values[name].shape[-1])
    ]
    targets = np.stack([each.values for each in usable], axis=1)
    chosen, measured = (_correlations(states[part], targets[part]) for part in halves)  # (units, properties)
    found = []
    for k, j in _take(np.abs(chosen), [home[:2] for home in homes], number):
        target, values = usable[j], states[halves[1], k]
        holds = target.values[halves[1]] > 0
        inside, outside = (float(values[w].mean()) if w.any() else float("nan") for w in (holds, ~holds))
        found.append(
            Unit(
                *homes[k], target.name, target.meaning, target.binary, float(measured[k, j]), inside, outside
            )
        )
    return found


def unit_strips(traces: Sequence[Trace], units: Sequence[Unit], window: slice) -> list[UnitStrip]:
    """The gates and states of some units over a window of the traced sequence."""
    by_layer = {trace.layer: trace.values for trace in traces}
    return [
        UnitStrip(
            unit,
            {
                name: flat(value[window])[:, unit.index].astype(np.float32)
                for name, value in by_layer[unit.layer].items()
            },
        )
        for unit in units
    ]


def varied_window(properties: Sequence[Property], starts: Sequence[int], length: int) -> slice:
    """The window, among those that begin at `starts`, in which most of the properties vary most."""
    size = len(properties[0].values)
    fitting = [start for start in starts if start + length <= size] or [max(0, size - length)]
    scaled = [each.values / each.values.std() for each in properties if each.values.std() > 0]
    best = max(
        fitting, key=lambda start: sum(min(float(v[start : start + length].std()), 1.5) for v in scaled)
    )
    return slice(best, min(best + length, size))


def flat(value: Tensor) -> Array:
    """(T, H) or (T, 1, H) as (T, H); several sequences are joined along time."""
    return value.detach().reshape(-1, value.shape[-1]).numpy(force=True).astype(np.float64)


def _correlations(states: Array, targets: Array) -> Array:
    """Pearson's correlation of each unit with each property; 0 for a unit that never moves."""
    return _standard(states).T @ _standard(targets) / len(states)


def _standard(values: Array) -> Array:
    centred = values - values.mean(axis=0)
    scale = centred.std(axis=0)
    return np.divide(centred, scale, out=np.zeros_like(centred), where=scale > 1e-12)


def _take(scores: Array, units: Sequence[tuple[int, int]], number: int) -> list[tuple[int, int]]:
    """(row, property) pairs: in rounds, each property takes its best unit still free, best pair first."""
    left, pairs = scores.copy(), list[tuple[int, int]]()
    rows = {unit: [k for k, other in enumerate(units) if other == unit] for unit in set(units)}
    while len(pairs) < number and len(pairs) < len(rows):
        for j in np.argsort(-left.max(axis=0)).tolist():
            k = int(left[:, j].argmax())
            if left[k, j] < 0 or len(pairs) == number:
                break
            pairs.append((k, j))
            left[rows[units[k]]] = -1.0  # c and h of one unit go together
    return pairs
