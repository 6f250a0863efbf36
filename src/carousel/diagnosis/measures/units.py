"""Gates and states as numbers: how often gates are open or shut, which units follow something with a name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from carousel.diagnosis.brief import Brief
from carousel.diagnosis.measures.text_properties import Property
from carousel.errors import CarouselError

GATES = frozenset({"i", "f", "o", "r", "z"})  # values in (0, 1), by the names of the equations
STATES = ("h", "c")  # what is carried from step to step
SHUT, OPEN = 0.1, 0.9  # a gate below counts as shut, above as open (Karpathy, Johnson and Li 2015)


class Trace(Protocol):
    """What `module.trace` gives for one layer and direction: values of shape (T, B, H) by name."""

    @property
    def layer(self) -> int: ...
    @property
    def direction(self) -> str: ...
    @property
    def values(self) -> Mapping[str, Tensor]: ...


@dataclass(frozen=True, repr=False)
class GateStatistics(Brief):
    """One gate of one layer over a text: per unit, the share of steps on which it was shut or open."""

    layer: int
    name: str
    mean: float
    shut: NDArray[np.float64]  # (H,)
    open: NDArray[np.float64]  # (H,)


@dataclass(frozen=True)
class Unit:
    """A unit and the property of the text that it follows most closely.

    `correlation` is Pearson's, measured on a part of the text that had no say in choosing the unit. For a
    binary property, `inside` and `outside` are the unit's mean values where it holds and where it does not.
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
    """A unit's gates and states over a snippet: `values[name]` has one number per token."""

    unit: Unit
    values: dict[str, NDArray[np.float32]]


def gate_statistics(traces: Sequence[Trace]) -> list[GateStatistics]:
    """How often each gate is shut (< 0.1) or open (> 0.9), per layer, gate and unit.

    Source: Karpathy, Johnson and Li, "Visualizing and understanding recurrent networks" (2015), figure 3.
    """
    statistics = []
    for trace in traces:
        for name in trace.values.keys() & GATES:
            value = _flat(trace.values[name])
            statistics.append(
                GateStatistics(
                    trace.layer,
                    name,
                    float(value.mean()),
                    (value < SHUT).mean(axis=0),
                    (value > OPEN).mean(axis=0),
                )
            )
    order = "ifgorzn"
    return sorted(statistics, key=lambda each: (each.layer, order.index(each.name)))


def informative_units(traces: Sequence[Trace], properties: Sequence[Property], number: int = 6) -> list[Unit]:
    """Units worth looking at: for each property the unit that follows it best, then the next best.

    Read from the states, h and, where there is one, c; a unit is named once, by the state that follows
    better. The first half of the text chooses, the second half gives the correlation: with hundreds of units,
    the best of them on one and the same text would flatter itself.

    Args:
        traces: forward traces of one sequence, values (T, 1, H) or (T, H).
        properties: T values each; those that do not vary in both halves are left out.
        number: how many units at most.

    Raises:
        CarouselError: traces and properties are of different length, or too short to correlate.
    """
    length = next(iter(traces[0].values.values())).shape[0]
    wrong = [each.name for each in properties if len(each.values) != length]
    if wrong or length < 8:
        raise CarouselError(
            f"Traces and properties must both have T >= 8 values; the traces have {length}, "
            f"different are: {', '.join(wrong) or 'none'}. Give those of the tokens that were traced."
        )
    half = length // 2
    halves = slice(0, half), slice(half, length)
    usable = [p for p in properties if all(p.at(np.arange(length)[part]).varies() for part in halves)]
    memories = [(trace, name) for trace in traces for name in STATES if name in trace.values]
    states = np.concatenate([_flat(trace.values[name]) for trace, name in memories], axis=1)  # (T, sum of H)
    homes = [
        (trace.layer, index, name)
        for trace, name in memories
        for index in range(trace.values[name].shape[-1])
    ]
    if not usable:
        return []
    targets = np.stack([each.values for each in usable], axis=1)
    chosen = _correlations(states[halves[0]], targets[halves[0]])  # (units, properties)
    measured = _correlations(states[halves[1]], targets[halves[1]])
    found = []
    for k, j in _take(np.abs(chosen), [home[:2] for home in homes], number):
        second = usable[j].at(np.arange(half, length))
        found.append(_describe(homes[k], states[halves[1], k], second, measured[k, j]))
    return found


def strips(traces: Sequence[Trace], units: Sequence[Unit], window: slice) -> list[UnitStrip]:
    """The gates and states of some units over a window of the traced sequence."""
    by_layer = {trace.layer: trace for trace in traces}
    return [
        UnitStrip(
            unit,
            {
                name: _flat(value[window])[:, unit.index].astype(np.float32)
                for name, value in by_layer[unit.layer].values.items()
            },
        )
        for unit in units
    ]


def varied_window(properties: Sequence[Property], starts: Sequence[int], length: int) -> slice:
    """The window, among those that begin at `starts`, in which most of the properties vary most."""
    size = len(properties[0].values)
    fitting = [start for start in starts if start + length <= size] or [max(0, size - length)]

    def variety(start: int) -> float:
        total = 0.0
        for each in properties:
            scale = each.values.std()
            if scale > 0:
                total += min(float(each.values[start : start + length].std() / scale), 1.5)
        return total

    best = max(fitting, key=variety)
    return slice(best, min(best + length, size))


def _flat(value: Tensor) -> NDArray[np.float64]:
    """(T, H) or (T, 1, H) as (T, H); several lanes are joined along time."""
    return value.detach().reshape(-1, value.shape[-1]).numpy(force=True).astype(np.float64)


def _correlations(states: NDArray[np.float64], targets: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pearson's correlation of each unit with each property; a unit that never moves has 0."""
    return _standard(states).T @ _standard(targets) / len(states)


def _standard(values: NDArray[np.float64]) -> NDArray[np.float64]:
    centred = values - values.mean(axis=0)
    scale = centred.std(axis=0)
    return np.divide(centred, scale, out=np.zeros_like(centred), where=scale > 1e-12)


def _take(
    scores: NDArray[np.float64], units: Sequence[tuple[int, int]], number: int
) -> list[tuple[int, int]]:
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


def _describe(
    home: tuple[int, int, str], values: NDArray[np.float64], target: Property, correlation: float
) -> Unit:
    holds = target.values > 0
    inside = float(values[holds].mean()) if holds.any() else float("nan")
    outside = float(values[~holds].mean()) if (~holds).any() else float("nan")
    layer, index, state = home
    return Unit(
        layer, index, state, target.name, target.meaning, target.binary, float(correlation), inside, outside
    )
