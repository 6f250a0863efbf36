"""Gates at work: a task in which each gate of the LSTM has one job, and what is lost when one is taken away.

Every step brings a value and a command: store it, ignore it, clear what is stored, or show it. The input gate must tell
store from ignore, the forget gate clear from keep, the output gate show from hide. A second task asks for a spike some
steps after a trigger, which is what peepholes are for; and the GRU's update gate is held at 0 and at 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

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

COMMANDS = ("store", "ignore", "clear", "show")
HIDDEN = 12
STEPS = 24
PULSE = 12  # steps from trigger to spike
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


def _layers(inputs: int) -> dict[str, Callable[[], Recurrent]]:
    return {
        "LSTM": lambda: LSTM(inputs, HIDDEN),
        "no input gate": lambda: Recurrent(NoInputGate, inputs, HIDDEN),
        "no forget gate": lambda: Recurrent(NoForgetGate, inputs, HIDDEN),
        "no output gate": lambda: Recurrent(NoOutputGate, inputs, HIDDEN),
        "LSTM, peepholes": lambda: LSTM(inputs, HIDDEN, peephole="diagonal"),
        "GRU, reset after": lambda: GRU(inputs, HIDDEN),
        "GRU, reset before": lambda: GRU(inputs, HIDDEN, reset="before"),
    }


def run(budget: Budget, progress: Progress) -> Findings:
    """Train every variant on both tasks, look at the gates, hold the GRU's gates."""
    steps, seeds = budget.choose(300, 1_500), budget.choose(1, 3)
    losses: dict[str, list[float]] = {}
    spikes: dict[str, list[float]] = {}
    best: dict[str, Recurrent] = {}
    for k, (name, make) in enumerate(_layers(5).items()):
        progress(0.6 * k / 7, f"commands: {name}")
        runs = [learn(make, commands, steps, seed) for seed in range(seeds)]
        losses[name] = [left for _, left in runs]
        best[name] = min(runs, key=lambda run: run[1])[0]
    timed = ("LSTM", "LSTM, peepholes", "GRU, reset after")
    for k, name in enumerate(timed):
        progress(0.6 + 0.3 * k / 3, f"a spike in time: {name}")
        make = _layers(1)[name]
        timers = [learn(make, pulses, steps, seed) for seed in range(seeds)]
        spikes[name] = [left for _, left in timers]
        best[f"{name}, timing"] = min(timers, key=lambda run: run[1])[0]
    progress(0.95, "gates of the GRU, held")
    held = held_update_gate()
    jobs, gru_jobs = gate_jobs(best["LSTM"]), gate_jobs(best["GRU, reset before"], "rz", "h")
    numbers: dict[str, float | Sequence[float]] = {
        f"commands, {name}": values for name, values in losses.items()
    }
    numbers |= {f"spike, {name}": values for name, values in spikes.items()}
    numbers |= {f"gate {name}": value for name, value in (jobs | gru_jobs).items()} | held
    sections = [
        _jobs_section(best["LSTM"], jobs),
        _gru_section(best["GRU, reset before"], gru_jobs),
        _removed_section(losses),
        _spike_section(best["LSTM, peepholes, timing"], spikes),
        _held_section(held),
    ]
    equations = {
        name: formula.text(CELLS[cell].equations)
        for name, cell in (
            ("LSTM", "lstm"),
            ("LSTM, peepholes", "lstm-diagonal"),
            ("GRU, reset after", "gru"),
            ("GRU, reset before", "gru-before"),
        )
    }
    return Findings(_claims(losses, spikes, jobs, held), sections, numbers, equations)


# ---- the tasks ----


def commands(batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """(T, batch, 5), a value of ±1 and a one-hot command; target (T, batch), the stored value at "show", else 0."""
    values = torch.randint(2, (STEPS, batch), generator=generator) * 2.0 - 1
    orders = torch.multinomial(torch.tensor([0.2, 0.4, 0.1, 0.3]), STEPS * batch, True, generator=generator)
    inputs = torch.cat(
        [values[..., None], nn.functional.one_hot(orders.reshape(STEPS, batch), 4).float()], dim=-1
    )
    return inputs, stored_after(inputs) * inputs[..., 4]


def stored_after(inputs: Tensor) -> Tensor:
    """What a perfect memory holds after each step, (T, batch): 0, or the value of the last "store"."""
    stored, after = torch.zeros(inputs.shape[1]), []
    for step in inputs:
        stored = torch.where(step[:, 1] == 1, step[:, 0], torch.where(step[:, 3] == 1, 0.0, stored))
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
    layer, read = make(), nn.Linear(HIDDEN, 1)
    optimizer = torch.optim.Adam([*layer.parameters(), *read.parameters()], lr=0.01, fused=True)
    for _ in range(steps):
        inputs, target = task(64, generator)
        loss = (read(layer(inputs)[0])[..., 0] - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_([*layer.parameters(), *read.parameters()], 1.0)
        optimizer.step()
    inputs, target = task(2_000, torch.Generator().manual_seed(9))
    with torch.no_grad():
        left = (read(layer(inputs)[0])[..., 0] - target).square().mean() / target.square().mean()
    return layer, float(left)


# ---- what the gates do ----


def memory_unit(layer: Recurrent, state: str = "c") -> int:
    """The unit whose state follows what should be stored most closely: the largest correlation in modulus."""
    inputs, _ = commands(500, torch.Generator().manual_seed(8))
    with torch.no_grad():
        cells = layer.trace(inputs)[0].values[state].flatten(0, 1)
    rows = torch.cat([stored_after(inputs).flatten()[None], cells.T])
    return int(torch.corrcoef(rows)[0, 1:].abs().nan_to_num().argmax())


def gate_jobs(layer: Recurrent, gates: str = "ifo", state: str = "c") -> dict[str, float]:
    """Mean of each gate of the memory unit by command: "i at store", "f at clear", ..."""
    inputs, _ = commands(500, torch.Generator().manual_seed(8))
    unit = memory_unit(layer, state)
    with torch.no_grad():
        values = layer.trace(inputs)[0].values
    return {
        f"{gate} at {command}": float(values[gate][..., unit][inputs[..., 1 + k] == 1].mean())
        for gate in gates
        for k, command in enumerate(COMMANDS)
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
    return sorted(values)[len(values) // 2]


def _claims(
    losses: dict[str, list[float]],
    spikes: dict[str, list[float]],
    jobs: dict[str, float],
    held: dict[str, float],
) -> list[Claim]:
    full = _median(losses["LSTM"])
    lost = {name: _median(losses[f"no {name} gate"]) / full for name in ("input", "forget", "output")}
    told = ", ".join(f"{number(factor, 1)} without the {name} gate" for name, factor in lost.items())
    plain, peephole = _median(spikes["LSTM"]), _median(spikes["LSTM, peepholes"])
    clear = min(jobs["i at store"] - jobs["i at ignore"], jobs["f at ignore"] - jobs["f at clear"]) > 0.3
    missed = [name for name, factor in lost.items() if factor > 1.5]
    only = f"the gate is the {' or the '.join(missed)} gate. " if 0 < len(missed) < len(lost) else ""
    exact = max(held["z = 1: change of h"], held["z = 0: distance of h and candidate"]) < 1e-12
    return [
        Claim(
            "The forget gate determines whether to carry the history on or to forget it; the input gate whether what "
            "is new is worth remembering.",
            Verdict.HOLDS if clear else Verdict.CONDITIONAL,
            f"{'' if clear else 'one unit does the work, which is shared by several here. '}Of the unit that "
            f"holds what is stored, the input gate is at {number(jobs['i at store'])} at “store” and "
            f"{number(jobs['i at ignore'])} at “ignore”, the forget gate at {number(jobs['f at ignore'])} while it "
            f"keeps and {number(jobs['f at clear'])} at “clear”, the output gate at {number(jobs['o at show'])} at "
            f"“show” and {number(jobs['o at ignore'])} at “ignore”.",
        ),
        Claim(
            "Every gate is needed.",
            Verdict.HOLDS if len(missed) == len(lost) else Verdict.CONDITIONAL if missed else Verdict.FAILS,
            f"{only}After equal training the error left is, in multiples of the full LSTM's {power(full)}: {told}. "
            "What another part of the net can do as well is not missed.",
        ),
        Claim(
            "Peepholes, which let the gates see the cell, help to tell the time.",
            Verdict.HOLDS if peephole < 0.7 * plain else Verdict.FAILS,
            f"For a spike {PULSE} steps after a trigger, the error left is {power(peephole)} with and {power(plain)} "
            "without them, after equal training.",
        ),
        Claim(
            "GRU: with z at 1 the forget gate is open and the input gate shut, with z at 0 the reverse.",
            Verdict.HOLDS if exact else Verdict.FAILS,
            f"With z held at 1, h changes by {power(held['z = 1: change of h'])} in 50 steps; with z at 0 it is the "
            f"candidate to {power(held['z = 0: distance of h and candidate'])}. (torch's z has this sense; some "
            "papers write 1 − z.)",
        ),
    ]


def _jobs_section(layer: Recurrent, jobs: dict[str, float]) -> Section:
    chart = _gates_chart(
        "The LSTM's three gates while commands come in",
        layer,
        "c",
        (("i", "input", "s1"), ("f", "forget", "s2"), ("o", "output", "s3")),
    )
    table = Table(
        ["gate", *COMMANDS],
        [
            [name, *[number(jobs[f"{gate} at {command}"]) for command in COMMANDS]]
            for gate, name in (("i", "input"), ("f", "forget"), ("o", "output"))
        ],
        "Mean over 500 sequences, of the unit whose cell follows what is stored most closely.",
    )
    words = (
        "At each step comes a value of ±1 and a command. The net must answer with the stored value at “show” and "
        "with 0 at every other step."
    )
    caption = "Input opens at “store”, forget closes at “clear” and at “store”, output opens at “show”."
    return Section("Each gate has one job", words, [Figure(chart, caption), table])


def _gates_chart(title: str, layer: Recurrent, state: str, gates: Sequence[tuple[str, str, str]]) -> Chart:
    """Gates of the unit that remembers over one sequence, its commands below; gates are (name, word, style)."""
    inputs, _ = commands(1, torch.Generator().manual_seed(21))
    unit = memory_unit(layer, state)
    with torch.no_grad():
        values = layer.trace(inputs)[0].values
    steps = list(range(1, STEPS + 1))
    orders = [COMMANDS[k] for k in inputs[:, 0, 1:].argmax(dim=-1).tolist()]
    signed = [
        f"{order} {'+1' if value > 0 else '−1'}" if order == "store" else order
        for order, value in zip(orders, inputs[:, 0, 0].tolist(), strict=True)
    ]
    return Chart(
        title,
        f"Commands: {' '.join(orders)}",
        "command at each step",
        "gate of the memory unit",
        [
            Line(word, steps, values[gate][:, 0, unit].tolist(), style, dots=True)
            for gate, word, style in gates
        ],
        y_range=(-0.03, 1.03),
        height=340,
        events=list(zip(steps, signed, strict=True)),
    )


def _gru_section(layer: Recurrent, jobs: dict[str, float]) -> Section:
    chart = _gates_chart(
        "The GRU's two gates while the same commands come in",
        layer,
        "h",
        (("z", "update z", "s2"), ("r", "reset r", "s1")),
    )
    rows = [
        [name, *[number(jobs[f"{gate} at {command}"]) for command in COMMANDS]]
        for gate, name in (("z", "update z"), ("r", "reset r"))
    ]
    caption = (
        "Mean over 500 sequences, of the unit whose h follows what is stored most closely; GRU, reset before."
    )
    words = (
        "The GRU does the same with two: z near 1 keeps what is stored and shuts new values out, z near 0 writes the "
        "candidate; r says how much of h the candidate may see. It has no output gate: what is stored is always seen."
    )
    shown = Figure(chart, "z falls at “store” and “clear”, where h is written anew.")
    table = Table(["gate", *COMMANDS], rows, caption)
    return Section("The GRU's two gates on the same task", words, [shown, table])


def _removed_section(losses: dict[str, list[float]]) -> Section:
    rows = [
        [name, power(_median(values)), power(min(values)), power(max(values))]
        for name, values in losses.items()
    ]
    table = Table(
        ["", "median", "best", "worst"], rows, "Squared error left, as a share of the target's power."
    )
    words = f"The same training for all, seeds: {len(losses['LSTM'])}; the variants are cells of a few lines each."
    return Section("What is lost when one is taken away", words, [table])


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


def _spike_section(layer: Recurrent, spikes: dict[str, list[float]]) -> Section:
    rows = [
        [name, power(_median(values)), power(min(values)), power(max(values))]
        for name, values in spikes.items()
    ]
    table = Table(
        ["", "median", "best", "worst"], rows, f"A spike {PULSE} steps after a trigger; error left."
    )
    return Section(
        "Telling the time",
        "What peepholes were made for: gates that open by what the cell has counted. Nothing follows the trigger.",
        [
            Figure(
                _timer_chart(layer),
                "The unit whose h follows the spike most closely, of the best of the seeds.",
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
