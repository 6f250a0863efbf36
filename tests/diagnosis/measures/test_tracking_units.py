"""Gates and units as numbers, on traces where the answer is planted."""

import numpy as np
import pytest
import torch

from carousel.diagnosis import Property, text_properties, tracking_units
from carousel.diagnosis.measures.gates import gate_statistics
from carousel.diagnosis.measures.tracking_units import unit_strips, varied_window
from carousel.errors import CarouselError
from carousel.nn.trace import Trace

TEXT = "def f(a, b):\n    return g([a, b], 'x')\n\n" * 12


def _trace(values: dict[str, np.ndarray], layer: int = 0) -> Trace:
    return Trace(layer, "forward", {name: torch.tensor(value)[:, None] for name, value in values.items()})


def _property(name: str) -> np.ndarray:
    return {p.name: p.values for p in text_properties(TEXT)}[name]


def test_gate_statistics_count_open_and_shut():
    """Per unit, the shares of steps below 0.1 and above 0.9; states are no gates."""
    gate = np.array([[0.05, 0.95], [0.5, 0.95], [0.05, 0.5], [0.95, 0.95]])
    [each] = gate_statistics([_trace({"f": gate, "c": gate, "h": gate})])
    assert each.name == "f"
    assert each.shut.tolist() == [0.5, 0.0]
    assert each.open.tolist() == [0.25, 0.75]
    assert each.mean == pytest.approx(gate.mean())


def test_planted_units_are_found():
    """A unit that counts brackets in c and one that knows strings in h are named for what they follow."""
    rng = np.random.default_rng(0)
    c, h = rng.normal(size=(2, len(TEXT), 6))
    c[:, 4] = -2 * _property("brackets") + 0.1 * rng.normal(size=len(TEXT))
    h[:, 1] = np.where(_property("string") > 0, 0.8, -0.7) + 0.01 * rng.normal(size=len(TEXT))
    units = tracking_units([_trace({"c": c, "h": h})], text_properties(TEXT), 8)
    found = {unit.property: unit for unit in units}
    brackets, string = found["brackets"], found["string"]
    assert (brackets.index, brackets.state) == (4, "c")
    assert brackets.correlation < -0.95
    assert (string.index, string.state, string.binary) == (1, "h", True)
    assert string.inside == pytest.approx(0.8, abs=0.01)
    assert string.outside == pytest.approx(-0.7, abs=0.01)


def test_the_half_that_chooses_does_not_judge():
    """A unit that follows a property in the first half only is chosen, and reported with no correlation."""
    rng = np.random.default_rng(1)
    h = 0.01 * rng.normal(size=(len(TEXT), 3))
    h[: len(TEXT) // 2, 2] = _property("column")[: len(TEXT) // 2]
    columns = [each for each in text_properties(TEXT) if each.name == "column"]
    [unit] = tracking_units([_trace({"h": h})], columns, 1)
    assert unit.index == 2
    assert abs(unit.correlation) < 0.3


def test_each_unit_is_named_once():
    """c and h of one unit do not both appear, nor does a unit under two properties."""
    rng = np.random.default_rng(2)
    traces = [
        _trace({"c": rng.normal(size=(len(TEXT), 4)), "h": rng.normal(size=(len(TEXT), 4))}, k)
        for k in (0, 1)
    ]
    units = tracking_units(traces, text_properties(TEXT), 50)
    homes = [(unit.layer, unit.index) for unit in units]
    assert len(homes) == len(set(homes)) == 8


def test_a_dead_unit_has_no_correlation():
    """A unit that never moves is not mistaken for an informative one."""
    h = np.ones((len(TEXT), 1))
    assert all(unit.correlation == 0 for unit in tracking_units([_trace({"h": h})], text_properties(TEXT), 1))


def test_strips_hold_the_values_of_their_unit():
    """A strip is the window of its unit's own gates and states, in the order of the trace."""
    rng = np.random.default_rng(3)
    values = {name: rng.random((len(TEXT), 3)) for name in ("z", "h")}
    units = tracking_units([_trace(values)], text_properties(TEXT), 2)
    for strip in unit_strips([_trace(values)], units, slice(10, 40)):
        assert list(strip.values) == ["z", "h"]
        for name in values:
            np.testing.assert_allclose(strip.values[name], values[name][10:40, strip.unit.index], rtol=1e-6)


def test_the_window_shown_is_the_varied_one():
    """Of a dull and a lively stretch the lively one is taken, and it stays within the text."""
    text = "a" * 200 + "f([x], 'y')\n  # z\n" * 5
    window = varied_window(text_properties([*text]), [0, 200, 280], 60)
    assert window == slice(200, 260)
    assert varied_window(text_properties([*"ab\n"]), [0], 60) == slice(0, 3)


def test_properties_of_another_text_are_refused():
    """Traces and properties of different length name both lengths."""
    wrong = [Property("column", "far", np.zeros(5), False)]
    with pytest.raises(
        CarouselError, match=f"The traces have {len(TEXT)}; properties of another length: column"
    ):
        tracking_units([_trace({"h": np.zeros((len(TEXT), 2))})], wrong, 1)
