"""What the page on gates says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

import torch

from carousel.emit import formula
from carousel.equations.catalogue import CELLS
from carousel.lab.diagrams import cell
from carousel.lab.figures import chart
from carousel.lab.formulas import cell_formulas
from carousel.lab.gates.measure import (
    COMMANDS,
    GATES,
    HELD,
    PULSE,
    REDUCED,
    SIZES,
    STEPS,
    Measurements,
    Task,
    commands,
    held_at,
    seen_commands,
    spike,
    timer_unit,
)
from carousel.lab.networks import vectors
from carousel.nn import Recurrent
from carousel.report.charts import Chart, Line
from carousel.report.lab import Claim, Figure, Findings, Section, Slider, Table
from carousel.report.number_format import number, power

SOLVED = 0.05  # squared error left, as a share of the target's power
APART = 0.3  # difference of a gate between the commands at which it should be open and shut
LSTM_GATES = {"i": "input", "f": "forget", "o": "output"}
GRU_GATES = {"z": "update", "r": "reset"}
SHIPPED = {
    "LSTM": "lstm",
    "LSTM, peepholes": "lstm-diagonal",
    "GRU, reset after": "gru",
    "GRU, reset before": "gru-before",
}
ERRORS = ["", "median seed", "best", "worst"]


def findings(found: Measurements) -> Findings:
    """The claims about gates and peepholes, and the figures behind them."""
    claims = [_jobs_claim(found), _needed_claim(found), _peephole_claim(found), _held_claim(found)]
    sections = [
        _cell_section(),
        _lstm_section(found),
        _gru_section(found),
        _reduced_section(found),
        _spike_section(found),
        _held_section(),
    ]
    equations = cell_formulas(SHIPPED)
    for gate, reduced in REDUCED.items():
        equations[f"{GATES[gate][1].partition(',')[0]} without the {gate} gate"] = formula.text(
            reduced.equations
        )
    return Findings(claims, sections, equations)


# ---- claims ----


def _jobs_claim(found: Measurements) -> Claim:
    jobs = {  # where the gate should be open, where shut
        "i": (("store", "add"), ("ignore", "clear")),
        "f": (("add", "ignore"), ("store", "clear")),
        "o": (("show",), ("hide",)),
    }
    learned = min(found.errors["commands", "LSTM"]) <= SOLVED
    cases = {
        LSTM_GATES[gate]: _does_job(found.gates, gate, *job) if learned else None
        for gate, job in jobs.items()
    }
    return Claim.judged(
        "The forget gate determines whether to carry the history on or to forget it, and the input gate whether what "
        "is new is worth remembering.",
        cases.values(),
        {
            f"mean {LSTM_GATES[gate]} gate at “{command}”": number(found.gates[f"{gate} at {command}"])
            for gate, (opened, shut) in jobs.items()
            for command in opened + shut
        },
        f"An LSTM of one unit {'has learned' if learned else 'was trained'} to store, add, ignore and clear.",
        f"the gate is the {' or '.join(name for name, does in cases.items() if does)} gate",
    )


def _does_job(gates: Mapping[str, float], gate: str, opened: Sequence[str], shut: Sequence[str]) -> bool:
    lowest = min(gates[f"{gate} at {command}"] for command in opened)
    return lowest - max(gates[f"{gate} at {command}"] for command in shut) > APART


def _decisive(with_it: Sequence[float], without: Sequence[float]) -> bool | None:
    """Does the median seed solve the task with it, and no seed without it? None if neither solves it."""
    if median(with_it) <= SOLVED:
        return min(without) > SOLVED
    return None if min(without) > SOLVED else False


def _needed_claim(found: Measurements) -> Claim:
    cases = {gate: _needed(found, gate) for gate in GATES}
    lstm, gru = found.errors["commands", "LSTM"], found.errors["seen", "GRU, reset before"]
    return Claim.judged(
        "Where one unit does all the work, every gate is needed.",
        cases.values(),
        {
            "error of the full LSTM, median seed": power(median(lstm)),
            "error of the full GRU, median seed": power(median(gru)),
            **{
                f"error without the {gate} gate, best seed": power(min(found.errors_of(gate)[1]))
                for gate in GATES
            },
        },
        "Each gate has one job in one unit, and all cells are trained alike. The error is the share of the target's "
        f"power that is left. A gate is needed if the median seed with it has an error of at most {SOLVED:g}, and no "
        "seed without it has.",
        f"the gate is the {' or '.join(gate for gate, needed in cases.items() if needed)} gate",
    )


def _needed(found: Measurements, gate: str) -> bool | None:
    """Is the gate needed? None if its cell has not learned the task: then the cell without it says nothing."""
    with_it, without = found.errors_of(gate)
    return _decisive(with_it, without) if median(with_it) <= SOLVED else None


def _timers(found: Measurements, units: int) -> tuple[list[float], list[float]]:
    """Errors with and without peepholes."""
    return found.errors[spike(units), "LSTM, peepholes"], found.errors[spike(units), "LSTM"]


def _peephole_claim(found: Measurements) -> Claim:
    cases = {units: _decisive(*_timers(found, units)) for units in SIZES}
    return Claim.judged(
        "Peepholes, which let the gates see the cell, are needed to tell the time.",
        cases.values(),
        {
            f"error of {_units(units)} {how} peepholes": power(median(errors))
            for units in SIZES
            for how, errors in zip(("with", "without"), _timers(found, units), strict=True)
        },
        f"The target is a spike {PULSE} steps after a trigger. The error is that of the median seed. Peepholes are "
        f"needed if it is at most {SOLVED:g} with them, and no seed without them gets there. Without them the gates "
        "still see the cell through h, as long as the output gate is not shut.",
        f"the network has {' or '.join(_units(units) for units, helps in cases.items() if helps)}",
    )


def _units(units: int) -> str:
    return "one unit" if units == 1 else f"{units} units"


def _held_claim(found: Measurements) -> Claim:
    change, distance = found.held["z = 1: change of h"], found.held["z = 0: distance of h and candidate"]
    return Claim.judged(
        "GRU: with z at 1 the forget gate is open and the input gate shut, with z at 0 the reverse.",
        [max(change, distance) < 1e-12],
        {
            "change of h in 50 steps, z held at 1": power(change),
            "distance between h and the candidate, z held at 0": power(distance),
        },
        "z has the sense that it has in torch, and some papers write 1 − z.",
    )


# ---- figures ----


def _gates_of(
    found: Measurements, run: tuple[str, str], task: Task, gates: Mapping[str, str]
) -> tuple[Chart, Table]:
    """The gates of the unit over one sequence with its commands below, and their means over many sequences."""
    inputs, _ = task(1, torch.Generator().manual_seed(21))
    values, steps, flagged = vectors(found.best[run], inputs), range(1, STEPS + 1), inputs.shape[-1] > 5
    names = [COMMANDS[k] for k in inputs[:, 0, 1:5].argmax(dim=-1).tolist()]
    shown = inputs[:, 0, 5].tolist() if flagged else [0.0] * STEPS
    events = [f"• {name}" if show else name for name, show in zip(names, shown, strict=True)]
    drawn = Chart(
        f"The gates of the {run[1].partition(',')[0]} during a sequence of commands",
        f"Commands: {' '.join(events)}",
        "command at each step" + (", • show" if flagged else ""),
        "gate",
        [  # each step has a command of its own: nothing lies between two dots
            Line(name, steps, values[gate][:, 0, 0].tolist(), f"s{k}", dots=True, joined=False)
            for k, (gate, name) in enumerate(gates.items(), start=1)
        ],
        y_range=(-0.03, 1.03),
        height=340,
        events=list(zip(steps, events, strict=True)),
    )
    columns = [*COMMANDS, "show", "hide"] if flagged else COMMANDS[:3]
    rows = [
        [name, *[number(found.gates[f"{gate} at {each}"]) for each in columns]]
        for gate, name in gates.items()
    ]
    return drawn, Table(["gate", *columns], rows, "Mean over 500 sequences.")


def _lstm_section(found: Measurements) -> Section:
    caption = (
        "The input gate should be open at “store” and “add”, the forget gate at “add” and “ignore”, the output gate "
        "where the step says show (•). The four commands are the four settings of input and forget gate."
    )
    drawn, table = _gates_of(found, ("commands", "LSTM"), commands, LSTM_GATES)
    return Section(
        "Each gate of the LSTM has one job",
        "The LSTM has one unit. Each step brings a value between −1 and 1 and a command: store it, add it to what is "
        "stored, ignore it, or clear what is stored. A flag says whether to show what is stored. The target is the "
        "stored number where the flag is set, and 0 elsewhere.",
        [Figure(drawn, caption), table],
    )


def _cell_section() -> Section:
    pictures = {name: cell(CELLS[key].equations, name) for name, key in SHIPPED.items()}
    caption = (
        "Drawn from the equations. A circle acts unit by unit, a line into a gate is a product with weights, and blue, "
        "orange and green are what the step reads."
    )
    return Section(
        "Where the gates sit",
        "The gates i, f and o of the LSTM open and shut what is written, kept and shown. With peepholes they see the "
        "cell c too. The GRU has z in place of i and f, and r in front of its candidate.",
        [Slider("cell", pictures, caption)],
    )


def _gru_section(found: Measurements) -> Section:
    caption = "z should rise at “ignore”, where h is kept, and r at “add”, where the candidate must see h."
    drawn, table = _gates_of(found, ("seen", "GRU, reset before"), seen_commands, GRU_GATES)
    return Section(
        "The two gates of the GRU",
        "The GRU has one unit and resets before the product. With z near 1 it keeps what is stored, with z near 0 it "
        "writes the candidate. r decides whether the candidate sees h, which separates “add” from “store”. A GRU has "
        "no output gate, so that its task is to show what is stored at every step. It has no “clear”, which is the "
        "same as to store 0.",
        [Figure(drawn, caption), table],
    )


def _error_row(name: str, errors: Sequence[float]) -> list[str]:
    return [name, power(median(errors)), power(min(errors)), power(max(errors))]


def _reduced_section(found: Measurements) -> Section:
    tables = [
        Table(
            ERRORS,
            [_error_row(name, errors) for (of, name), errors in found.errors.items() if of == task],
            f"{name} of one unit: squared error left, as a share of the target's power.",
        )
        for task, name in (("commands", "LSTM"), ("seen", "GRU"))
    ]
    text = "All cells are trained alike. The equations of the reduced cells are at the end of this page."
    return Section("What is lost without a gate", text, tables)


def _spike_section(found: Measurements) -> Section:
    rows = [
        _error_row(f"{task}: {name}", errors)
        for (task, name), errors in found.errors.items()
        if task.startswith("spike")
    ]
    table = Table(
        ERRORS,
        rows,
        f"A spike {PULSE} steps after a trigger: squared error left, as a share of the target's power.",
    )
    caption = f"Of {SIZES[-1]} units, the one whose h follows the spike most closely, for the best seed."
    return Section(
        "Telling the time",
        "Peepholes were made for this task: gates open by what the cell has counted. No input follows the trigger.",
        [Figure(_timer_chart(found.best[spike(SIZES[-1]), "LSTM, peepholes"]), caption), table],
    )


def _timer_chart(layer: Recurrent) -> Chart:
    inputs, trigger = torch.zeros(STEPS, 1, 1), 4
    inputs[trigger - 1] = 1.0
    unit = timer_unit(layer)
    values = vectors(layer, inputs)
    names = {"h": "h", "cell c": "c", "output gate": "o"}
    return chart(
        "A unit with peepholes tells the time",
        ("step", "value"),
        range(1, STEPS + 1),
        {label: values[name][:, 0, unit].tolist() for label, name in names.items()},
        dots=True,
        height=300,
        events=[(trigger, "trigger"), (trigger + PULSE, "spike")],
    )


def _held_section() -> Section:
    charts = {}
    for name, bias in HELD.items():
        h, n, start = held_at(bias)
        path = [float(start[0]), *h[:, 0].tolist()]
        charts[f"z = {name}"] = Chart(
            f"One unit of a GRU driven by noise, z held at {name}",
            f"h starts at {number(float(start[0]))} and ends at {number(path[-1])}",
            "step",
            "value",
            [
                Line("candidate n", range(1, 51), n[:, 0].tolist(), "s6 dashed"),
                Line("h", range(51), path, "s2", dots=True),
            ],
            y_range=(-1.05, 1.05),
            height=250,
        )
    caption = (
        "At z = 0, h is the candidate. At z = 1, h does not move. Between them h follows the candidate over about "
        "1/(1 − z) steps."
    )
    return Section(
        "The update gate of the GRU at 0, at 1 and between",
        "The new state is h_t = z ∘ h_{t−1} + (1 − z) ∘ n_t.",
        [Slider("z", charts, caption, "z = 0.9")],
    )
