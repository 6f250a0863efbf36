"""A gate or a peephole is credited only where cells have learned the task."""

import pytest

from carousel.lab.gates import page
from carousel.lab.gates.measure import LSTMS, SIZES, Measurements, spike


def with_errors(errors: dict[tuple[str, str], list[float]]) -> Measurements:
    """Measurements of these errors alone."""
    return Measurements(errors, {}, {}, {})


@pytest.mark.parametrize(
    ("with_them", "without", "verdict"),
    [
        (0.002, 0.5, "holds"),
        (0.002, 0.001, "does not hold"),
        (0.5, 0.002, "does not hold"),
        (0.5, 0.9, "not decided at this budget"),
    ],
)
def test_peepholes_are_needed_only_if_they_decide(with_them, without, verdict):
    """They are needed if the task is solved with them alone; if neither cell solves it, nothing is decided."""
    errors = {(spike(units), "LSTM"): [without] for units in SIZES}
    errors |= {(spike(units), "LSTM, peepholes"): [with_them] for units in SIZES}
    assert page._peephole_claim(with_errors(errors)).verdict == verdict


def test_a_gate_is_needed_if_no_seed_solves_the_task_without_it():
    """One seed without the gate that solves the task is enough to spare it; a cell that is stuck decides nothing."""
    errors = {("commands", "LSTM"): [0.01, 0.02, 0.6], ("commands", "no input gate"): [0.04, 0.8, 0.9]}
    assert page._needed(with_errors(errors), "input") is False
    errors["commands", "no input gate"] = [0.4, 0.8, 0.9]
    assert page._needed(with_errors(errors), "input") is True
    errors["commands", "LSTM"] = [0.01, 0.5, 0.6]
    assert page._needed(with_errors(errors), "input") is None


def test_gates_of_a_cell_that_has_not_learned_decide_nothing():
    """Gates without a job are no evidence against the claim if the cell did not learn the task."""
    means = {
        f"{gate} at {command}": 0.5
        for gate in "ifo"
        for command in ("store", "add", "ignore", "clear", "show", "hide")
    }
    for error, verdict in ((0.5, "not decided at this budget"), (0.01, "does not hold")):
        found = Measurements({("commands", name): [error] for name in LSTMS}, {}, means, {})
        assert page._jobs_claim(found).verdict == verdict
