"""Gates at work: tasks in which each gate has one job, and what is lost when one is taken away.

One unit must hold one number, so that no part of the net can do another's work. Every step brings a value and a
command: store it, add it to what is stored, ignore it, or clear what is stored; and a flag, whether to show what is
stored. Those are the four settings of input and forget gate, and the two of the output gate. A GRU has a task of its
own, since what it stores is always seen. Another task asks for a spike some steps after a trigger, which is what
peepholes are for; and the GRU's update gate is held at 0 and at 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from carousel.emit import formula
from carousel.equations import Cell, affine, sigmoid, tanh
from carousel.equations.catalogue import CELLS
from carousel.lab.experiment import Budget, Progress
from carousel.nn import GRU, LSTM, Recurrent
from carousel.report.charts import Chart, Line
from carousel.report.lab import Claim, Figure, Findings, Section, Slider, Table, Verdict
from carousel.report.words import number, power

COMMANDS = ("store", "add", "ignore", "clear")
LSTM_GATES = (("i", "input", COMMANDS), ("f", "forget", COMMANDS), ("o", "output", ("show", "hide")))
STEPS = 24
PULSE = 12  # steps from trigger to spike
SOLVED = 0.05  # of the target's power left
SIZES = (1, 4, 12)  # units that have to tell the time
HIDDEN = 12  # of the GRU that is held
HELD = {"0": -60.0, "0.1": -2.1972, "0.5": 0.0, "0.9": 2.1972, "1": 60.0}  # the bias whose sigmoid is this z


class NoInputGate(Cell):
    """i = 1: everything that is read is written."""

    states = ("h", "c")

    def step(self, x, h, c):  # type: ignore[no-untyped-def]  # symbols of the language of cells
        f = sigmoid(affine("f", x, h))
        g = tanh(affine("g", x, h))
        c = f * c + g
        o = sigmoid(affine("o", x, h))
        h = o * tanh(c)
        return h, c


class NoForgetGate(Cell):
    """f = 1, as in the first LSTM (Hochreiter & Schmidhuber 1997): nothing is ever cleared."""

    states = ("h", "c")

    def step(self, x, h, c):  # type: ignore[no-untyped-def]
        i = sigmoid(affine("i", x, h))
        g = tanh(affine("g", x, h))
        c = c + i * g
        o = sigmoid(affine("o", x, h))
        h = o * tanh(c)
        return h, c


class NoOutputGate(Cell):
    """o = 1: what is stored is always seen."""

    states = ("h", "c")

    def step(self, x, h, c):  # type: ignore[no-untyped-def]
        i = sigmoid(affine("i", x, h))
        f = sigmoid(affine("f", x, h))
        g = tanh(affine("g", x, h))
        c = f * c + i * g
        h = tanh(c)
        return h, c


class NoUpdateGate(Cell):
    """z = 0: h is the candidate, at every step."""

    def step(self, x, h):  # type: ignore[no-untyped-def]
        r = sigmoid(affine("r", x, h))
        h = tanh(affine("n", x, r * h))
        return h


class NoResetGate(Cell):
    """r = 1: the candidate always sees h."""

    def step(self, x, h):  # type: ignore[no-untyped-def]
        z = sigmoid(affine("z", x, h))
        n = tanh(affine("n", x, h))
        h = (1 - z) * n + z * h
        return h


# ---- what is run ----

Maker = Callable[[int, int], Recurrent]  # from inputs and units
Left = dict[tuple[str, str], list[float]]  # error of each seed by task and net
REGISTER: dict[str, Maker] = {  # on the task with all four commands and the flag
    "LSTM": LSTM,
    "no input gate": lambda inputs, units: Recurrent(NoInputGate, inputs, units),
    "no forget gate": lambda inputs, units: Recurrent(NoForgetGate, inputs, units),
    "no output gate": lambda inputs, units: Recurrent(NoOutputGate, inputs, units),
}
SEEN: dict[str, Maker] = {  # on the task without "clear" and without the flag
    "GRU, reset before": lambda inputs, units: GRU(inputs, units, reset="before"),
    "no update gate": lambda inputs, units: Recurrent(NoUpdateGate, inputs, units),
    "no reset gate": lambda inputs, units: Recurrent(NoResetGate, inputs, units),
    "GRU, reset after": GRU,
}
TIMERS: dict[str, Maker] = {
    "LSTM": LSTM,
    "LSTM, peepholes": lambda inputs, units: LSTM(inputs, units, peephole="diagonal"),
}
GATES = {  # full net, the net without it, the gate's name
    "input": ("LSTM", "no input gate"),
    "forget": ("LSTM", "no forget gate"),
    "output": ("LSTM", "no output gate"),
    "update": ("GRU, reset before", "no update gate"),
    "reset": ("GRU, reset before", "no reset gate"),
}


def run(budget: Budget, progress: Progress) -> Findings:
    """Train every variant on its task, look at the gates, hold the GRU's gates."""
    steps, seeds = budget.choose(500, 1_000), budget.choose(1, 3)
    wanted = [("commands", name, make, commands, 6, 1) for name, make in REGISTER.items()]
    wanted += [("seen", name, make, seen_commands, 4, 1) for name, make in SEEN.items()]
    wanted += [
        (_spike(units), name, make, pulses, 1, units) for units in SIZES for name, make in TIMERS.items()
    ]
    left: Left = {}
    best: dict[tuple[str, str], Recurrent] = {}
    for k, (task, name, make, draw, inputs, units) in enumerate(wanted):
        progress(0.95 * k / len(wanted), f"{task}: {name}")
        runs = [learn(partial(make, inputs, units), draw, steps, seed) for seed in range(1, 1 + seeds)]
        left[task, name] = [error for _, error in runs]
        best[task, name] = min(runs, key=lambda run: run[1])[0]
    progress(0.95, "gates of the GRU, held")
    held = held_update_gate()
    jobs = gate_jobs(best["commands", "LSTM"]) | gru_jobs(best["seen", "GRU, reset before"])
    numbers: dict[str, float | Sequence[float]] = {
        f"{task}, {name}": errors for (task, name), errors in left.items()
    }
    numbers |= {f"gate {name}": value for name, value in jobs.items()} | held
    sections = [
        _jobs_section(best["commands", "LSTM"], jobs),
        _gru_section(best["seen", "GRU, reset before"], jobs),
        _removed_section(left),
        _spike_section(best[_spike(SIZES[-1]), "LSTM, peepholes"], left),
        _held_section(held),
    ]
    return Findings(_claims(left, jobs, held), sections, numbers, _equations())


def _spike(units: int) -> str:
    return f"spike, {units} unit{'s' if units > 1 else ''}"


def _equations() -> dict[str, str]:
    shipped = {"LSTM": "lstm", "LSTM, peepholes": "lstm-diagonal", "GRU, reset after": "gru"}
    shipped["GRU, reset before"] = "gru-before"
    reduced = {
        "LSTM without the input gate": NoInputGate(),
        "LSTM without the forget gate": NoForgetGate(),
        "LSTM without the output gate": NoOutputGate(),
        "GRU without the update gate": NoUpdateGate(),
        "GRU without the reset gate": NoResetGate(),
    }
    cells = {name: CELLS[key] for name, key in shipped.items()} | reduced
    return {name: formula.text(cell.equations) for name, cell in cells.items()}


# ---- the tasks ----


def commands(batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """(T, batch, 6), a value, a one-hot command and the flag; target (T, batch): what is stored, or 0."""
    values = torch.rand(STEPS, batch, generator=generator) * 2 - 1
    orders = _orders([0.2, 0.15, 0.5, 0.15], batch, generator)
    shown = (torch.rand(STEPS, batch, generator=generator) < 0.5).float()
    inputs = torch.cat([values[..., None], orders, shown[..., None]], dim=-1)
    return inputs, stored_after(inputs) * shown


def seen_commands(batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """(T, batch, 4), a value and one of store, add, ignore; target (T, batch): what is stored."""
    values = torch.rand(STEPS, batch, generator=generator) * 2 - 1
    inputs = torch.cat([values[..., None], _orders([0.25, 0.2, 0.55], batch, generator)], dim=-1)
    return inputs, stored_after(inputs)


def _orders(shares: Sequence[float], batch: int, generator: torch.Generator) -> Tensor:
    drawn = torch.multinomial(torch.tensor(shares), STEPS * batch, True, generator=generator)
    return nn.functional.one_hot(drawn.reshape(STEPS, batch), len(shares)).float()


def stored_after(inputs: Tensor) -> Tensor:
    """What a perfect memory holds after each step, (T, batch): the value of the last "store" and all added since."""
    stored, after = torch.zeros(inputs.shape[1]), []
    for step in inputs:
        value, store, add, ignore = step[:, 0], step[:, 1], step[:, 2], step[:, 3]
        stored = (add + ignore) * stored + (store + add) * value
        after.append(stored)
    return torch.stack(after)


def pulses(batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """(T, batch, 1): a trigger at one step; target (T, batch): a spike PULSE steps later, else 0."""
    starts = torch.randint(STEPS - PULSE, (batch,), generator=generator)
    inputs, target = torch.zeros(STEPS, batch, 1), torch.zeros(STEPS, batch)
    inputs[starts, torch.arange(batch)] = 1.0
    target[starts + PULSE, torch.arange(batch)] = 1.0
    return inputs, target


Task = Callable[[int, torch.Generator], tuple[Tensor, Tensor]]


def learn(make: Callable[[], Recurrent], task: Task, steps: int, seed: int) -> tuple[Recurrent, float]:
    """Train on fresh sequences: (layer, squared error on held-out ones as a share of the target's power)."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(100 + seed)
    layer = make()
    read = nn.Linear(layer.hidden_size, 1)
    parameters = [*layer.parameters(), *read.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=0.03, fused=True)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 0.03 * (1 - step / steps) + 0.001
        inputs, target = task(64, generator)
        loss = (read(layer(inputs)[0])[..., 0] - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
    inputs, target = task(2_000, torch.Generator().manual_seed(9))
    with torch.no_grad():
        left = (read(layer(inputs)[0])[..., 0] - target).square().mean() / target.square().mean()
    return layer, float(left)


# ---- what the gates do ----


def gate_jobs(layer: Recurrent) -> dict[str, float]:
    """Mean of each gate of the LSTM's unit by what it is told: "i at store", "f at clear", "o at show", ..."""
    inputs, _ = commands(500, torch.Generator().manual_seed(8))
    with torch.no_grad():
        values = layer.trace(inputs)[0].values
    told = {command: inputs[..., 1 + k] for k, command in enumerate(COMMANDS)}
    told |= {"show": inputs[..., 5], "hide": 1 - inputs[..., 5]}
    return _means(values, told, "ifo")


def gru_jobs(layer: Recurrent) -> dict[str, float]:
    """Mean of both gates of the GRU's unit by command: "z at ignore", "r at add", ..."""
    inputs, _ = seen_commands(500, torch.Generator().manual_seed(8))
    with torch.no_grad():
        values = layer.trace(inputs)[0].values
    return _means(values, {command: inputs[..., 1 + k] for k, command in enumerate(COMMANDS[:3])}, "zr")


def _means(values: Mapping[str, Tensor], told: dict[str, Tensor], gates: str) -> dict[str, float]:
    return {
        f"{gate} at {what}": float(values[gate][..., 0][when == 1].mean())
        for gate in gates
        for what, when in told.items()
    }


def held_update_gate() -> dict[str, float]:
    """A GRU with z held at 1 and at 0: the largest change of h, and its distance from the candidate."""
    found = {}
    for name in ("1", "0"):
        h, n, start = held_at(HELD[name])
        found[f"z = {name}: change of h"] = float((h - start).abs().max())
        found[f"z = {name}: distance of h and candidate"] = float((h - n).abs().max())
    return found


def held_at(bias: float) -> tuple[Tensor, Tensor, Tensor]:
    """h and candidate (50, HIDDEN) and h's start (HIDDEN,) of a GRU driven by noise, its update gate held by a bias."""
    torch.manual_seed(3)
    layer = GRU(3, HIDDEN, reset="before", dtype=torch.float64)
    with torch.no_grad():
        layer.get_parameter("weight_ih_l0")[HIDDEN : 2 * HIDDEN] = 0.0
        layer.get_parameter("weight_hh_l0")[HIDDEN : 2 * HIDDEN] = 0.0
        layer.get_parameter("bias_hh_l0")[HIDDEN : 2 * HIDDEN] = 0.0
        layer.get_parameter("bias_ih_l0")[HIDDEN : 2 * HIDDEN] = bias
        start = torch.randn(1, 1, HIDDEN, dtype=torch.float64).tanh()
        values = layer.trace(torch.randn(50, 1, 3, dtype=torch.float64), start)[0].values
    return values["h"][:, 0], values["n"][:, 0], start[0, 0]


# ---- what the page says ----


def _median(values: Sequence[float]) -> float:
    """The middle one of an odd number."""
    return sorted(values)[len(values) // 2]


def _missed(left: Left, gate: str) -> bool:
    """Does no seed without the gate solve the task, and the middle one with it does? One that is stuck says nothing."""
    whole, without = GATES[gate]
    task = _task_of(whole)
    return _median(left[task, whole]) <= SOLVED < min(left[task, without])


def _task_of(whole: str) -> str:
    return "commands" if whole == "LSTM" else "seen"


def _claims(left: Left, jobs: dict[str, float], held: dict[str, float]) -> list[Claim]:
    return [_jobs_claim(jobs), _needed_claim(left), _peephole_claim(left), _held_claim(held)]


def _jobs_claim(jobs: dict[str, float]) -> Claim:
    apart = {
        "input gate": min(jobs["i at store"], jobs["i at add"])
        - max(jobs["i at ignore"], jobs["i at clear"]),
        "forget gate": min(jobs["f at add"], jobs["f at ignore"])
        - max(jobs["f at store"], jobs["f at clear"]),
        "output gate": jobs["o at show"] - jobs["o at hide"],
    }
    clear = [gate for gate, gap in apart.items() if gap > 0.3]
    every = len(clear) == len(apart)
    told = "; ".join(_told(jobs, *each) for each in LSTM_GATES)
    condition = f"the gate is the {' or the '.join(clear)}. " if clear and not every else ""
    return Claim(
        "The forget gate determines whether to carry the history on or to forget it; the input gate whether what is "
        "new is worth remembering.",
        Verdict.of(len(clear), len(apart)),
        f"{condition}Of an LSTM of one unit that has learned to store, add, ignore and clear, {told}.",
    )


def _told(jobs: dict[str, float], gate: str, word: str, places: Sequence[str]) -> str:
    values = [f"{number(jobs[f'{gate} at {what}'])} at “{what}”" for what in places]
    return f"the {word} gate is at {', '.join(values)}"


def _needed_claim(left: Left) -> Claim:
    missed = [gate for gate in GATES if _missed(left, gate)]
    every = len(missed) == len(GATES)
    told = ", ".join(
        f"{power(min(left[_task_of(whole), without]))} without the {gate} gate"
        for gate, (whole, without) in GATES.items()
    )
    condition = f"the gate is the {' or the '.join(missed)} gate. " if missed and not every else ""
    return Claim(
        "Every gate is needed.",
        Verdict.of(len(missed), len(GATES)),
        f"{condition}One unit, one job for each gate, equal training, seeds: {len(left['commands', 'LSTM'])}. Of the "
        f"target's power the full LSTM leaves {power(_median(left['commands', 'LSTM']))} and the GRU "
        f"{power(_median(left['seen', 'GRU, reset before']))} in the middle seed; in the best seed there is {told}. "
        f"Needed is a gate without which no seed comes down to {SOLVED:g}, where the middle one with it does.",
    )


def _peephole_claim(left: Left) -> Claim:
    helped = [units for units in SIZES if _ahead(left, units)]
    condition = f"the net has {' or '.join(map(_units, helped))}. " if 0 < len(helped) < len(SIZES) else ""
    told = "; ".join(
        f"{_units(units)} {power(_median(left[_spike(units), 'LSTM, peepholes']))} with, "
        f"{power(_median(left[_spike(units), 'LSTM']))} without"
        for units in SIZES
    )
    return Claim(
        "Peepholes, which let the gates see the cell, help to tell the time.",
        Verdict.of(len(helped), len(SIZES)),
        f"{condition}For a spike {PULSE} steps after a trigger, equal training, the share of the target's power that "
        f"is left is, in the middle seed, {told}. Peepholes decide where the middle seed with them leaves at "
        f"most {SOLVED:g} and none without does: at {len(helped)} of {len(SIZES)} sizes. Without them the "
        "gates see the cell too, through h, as long as the output gate lets some of it out.",
    )


def _ahead(left: Left, units: int) -> bool:
    within, without = left[_spike(units), "LSTM, peepholes"], left[_spike(units), "LSTM"]
    return _median(within) <= SOLVED < min(without)


def _units(units: int) -> str:
    return "one unit" if units == 1 else f"{units} units"


def _held_claim(held: dict[str, float]) -> Claim:
    exact = max(held["z = 1: change of h"], held["z = 0: distance of h and candidate"]) < 1e-12
    return Claim(
        "GRU: with z at 1 the forget gate is open and the input gate shut, with z at 0 the reverse.",
        Verdict.HOLDS if exact else Verdict.FAILS,
        f"With z held at 1, h changes by {power(held['z = 1: change of h'])} in 50 steps; with z at 0 it is the "
        f"candidate to {power(held['z = 0: distance of h and candidate'])}. (torch's z has this sense; some papers "
        "write 1 − z.)",
    )


def _jobs_section(layer: Recurrent, jobs: dict[str, float]) -> Section:
    inputs, _ = commands(1, torch.Generator().manual_seed(21))
    chart = _gates_chart(
        "The LSTM's three gates while commands come in",
        layer,
        inputs,
        (("i", "input", "s1"), ("f", "forget", "s2"), ("o", "output", "s3")),
    )
    told = (*COMMANDS, "show", "hide")
    table = Table(
        ["gate", *told],
        [
            [name, *[number(jobs[f"{gate} at {what}"]) for what in told]]
            for gate, name in (("i", "input"), ("f", "forget"), ("o", "output"))
        ],
        "Mean over 500 sequences.",
    )
    words = (
        "An LSTM of one unit. At each step comes a value between −1 and 1 and a command: store it, add it to what is "
        "stored, ignore it, clear what is stored; and, by itself, whether to show what is stored. The answer is what "
        "is stored where it is to be shown, else 0."
    )
    caption = (
        "Input is open at “store” and “add”, forget at “add” and “ignore”, output where the step says show (•). "
        "The four commands are the four settings of input and forget gate."
    )
    return Section("Each gate has one job", words, [Figure(chart, caption), table])


def _gates_chart(
    title: str, layer: Recurrent, inputs: Tensor, gates: Sequence[tuple[str, str, str]]
) -> Chart:
    """Gates of the unit over one sequence, its commands below; gates are (name, word, style)."""
    with torch.no_grad():
        values = layer.trace(inputs)[0].values
    steps = list(range(1, STEPS + 1))
    orders = [COMMANDS[k] for k in inputs[:, 0, 1 : min(inputs.shape[-1], 5)].argmax(dim=-1).tolist()]
    shown = inputs[:, 0, 5].tolist() if inputs.shape[-1] > 5 else [0.0] * STEPS
    words = [f"• {order}" if show else order for order, show in zip(orders, shown, strict=True)]
    return Chart(
        title,
        f"Commands: {' '.join(words)}",
        "command at each step" + (", • show" if any(shown) else ""),
        "gate",
        [Line(word, steps, values[gate][:, 0, 0].tolist(), style, dots=True) for gate, word, style in gates],
        y_range=(-0.03, 1.03),
        height=340,
        events=list(zip(steps, words, strict=True)),
    )


def _gru_section(layer: Recurrent, jobs: dict[str, float]) -> Section:
    inputs, _ = seen_commands(1, torch.Generator().manual_seed(21))
    chart = _gates_chart(
        "The GRU's two gates while commands come in",
        layer,
        inputs,
        (("z", "update z", "s2"), ("r", "reset r", "s1")),
    )
    rows = [
        [name, *[number(jobs[f"{gate} at {command}"]) for command in COMMANDS[:3]]]
        for gate, name in (("z", "update z"), ("r", "reset r"))
    ]
    words = (
        "A GRU of one unit, reset before the product: z near 1 keeps what is stored and shuts new values out, z near 0 "
        "writes the candidate; r says whether the candidate sees h, which tells “add” from “store”. It has no output "
        "gate, so that its task is to show what is stored at every step; and none to clear, which is to store 0."
    )
    shown = Figure(
        chart, "z rises at “ignore”, where h is kept; r at “add”, where the candidate must see it."
    )
    return Section(
        "The GRU's two gates",
        words,
        [shown, Table(["gate", *COMMANDS[:3]], rows, "Mean over 500 sequences.")],
    )


def _error_rows(left: Left, tasks: Sequence[str]) -> list[list[str]]:
    return [
        [
            f"{task}: {name}" if len(tasks) > 1 else name,
            power(_median(errors)),
            power(min(errors)),
            power(max(errors)),
        ]
        for (task, name), errors in left.items()
        if task in tasks
    ]


def _removed_section(left: Left) -> Section:
    head = ["", "middle seed", "best", "worst"]
    tables = [
        Table(
            head, _error_rows(left, [task]), f"{words} Squared error left, as a share of the target's power."
        )
        for task, words in (("commands", "LSTM of one unit."), ("seen", "GRU of one unit."))
    ]
    seeds = len(left["commands", "LSTM"])
    words = (
        f"The same training for all, seeds: {seeds}; the variants are cells of a few lines each, at the top."
    )
    return Section("What is lost when one is taken away", words, tables)


def timer_unit(layer: Recurrent) -> int:
    """The unit whose h follows the wanted spike most closely."""
    inputs, target = pulses(500, torch.Generator().manual_seed(8))
    with torch.no_grad():
        h = layer.trace(inputs)[0].values["h"].flatten(0, 1)
    return int(torch.corrcoef(torch.cat([target.flatten()[None], h.T]))[0, 1:].abs().nan_to_num().argmax())


def _timer_chart(layer: Recurrent) -> Chart:
    inputs, trigger = torch.zeros(STEPS, 1, 1), 4
    inputs[trigger - 1] = 1.0
    unit = timer_unit(layer)
    with torch.no_grad():
        values = layer.trace(inputs)[0].values
    steps = list(range(1, STEPS + 1))
    lines = [
        Line(word, steps, values[name][:, 0, unit].tolist(), style, dots=True)
        for name, word, style in (("c", "cell c", "s2"), ("o", "output gate", "s3"), ("h", "h", "s1"))
    ]
    return Chart(
        "A unit with peepholes tells the time",
        f"Trigger at step {trigger}, spike wanted at step {trigger + PULSE}",
        "step",
        "value",
        lines,
        height=300,
        events=[(trigger, "trigger"), (trigger + PULSE, "spike")],
    )


def _spike_section(layer: Recurrent, left: Left) -> Section:
    table = Table(
        ["", "middle seed", "best", "worst"],
        _error_rows(left, [_spike(units) for units in SIZES]),
        f"A spike {PULSE} steps after a trigger; squared error left, as a share of the target's power.",
    )
    return Section(
        "Telling the time",
        "What peepholes were made for: gates that open by what the cell has counted. Nothing follows the trigger.",
        [
            Figure(
                _timer_chart(layer),
                f"Of {SIZES[-1]} units the one whose h follows the spike most closely; the best of the seeds.",
            ),
            table,
        ],
    )


def _held_section(held: dict[str, float]) -> Section:
    rows = [[name, power(value)] for name, value in held.items()]
    table = Table(["", "largest over 50 steps"], rows, "GRU, reset before, z held by its bias; float64.")
    charts = []
    for name, bias in HELD.items():
        h, n, start = held_at(bias)
        path = [float(start[0]), *h[:, 0].tolist()]
        charts.append(
            Chart(
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
        )
    slider = Slider(
        "z",
        [f"z = {name}" for name in HELD],
        charts,
        "At 0 h is the candidate, at 1 it never moves; between, it follows at a distance of about 1/(1 − z) steps.",
        start=3,
    )
    return Section(
        "The GRU's update gate at 0, at 1 and between", "h_t = z ∘ h_{t−1} + (1 − z) ∘ n_t.", [slider, table]
    )
