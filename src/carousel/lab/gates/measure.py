"""Gates at work: tasks in which each gate has one job, and what is lost when one gate is taken away.

One unit must hold one number, so that no other part of the network can do the work of a gate. Every step brings a value
and a command: store it, add it to what is stored, ignore it, or clear what is stored. A flag says whether to show what
is stored. The commands are the four settings of input and forget gate, the flag is the job of the output gate. The GRU
has a task of its own, since it always shows what it stores. Another task asks for a spike some steps after a trigger,
for which peepholes were made. Last, the update gate of a GRU is held at 0 and at 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import torch
from torch import Tensor, nn

from carousel.equations import Cell, affine, sigmoid, tanh
from carousel.lab.experiment import Budget
from carousel.lab.networks import hold_memory_gate, vectors
from carousel.lab.training import train
from carousel.nn import GRU, LSTM, Recurrent
from carousel.progress import Observer, Progress

COMMANDS = ("store", "add", "ignore", "clear")
STEPS = 24
PULSE = 12  # steps from trigger to spike
SIZES = (1, 4, 12)  # units that have to time the spike
HIDDEN = 12  # units of the GRU whose gate is held
HELD = {"0": -60.0, "0.1": -2.1972, "0.5": 0.0, "0.9": 2.1972, "1": 60.0}  # the bias whose sigmoid is this z


class LSTMWithout(Cell):
    """The LSTM with its "input", "forget" or "output" gate at 1.

    Without the forget gate it is the first LSTM (Hochreiter & Schmidhuber 1997).
    """

    states = ("h", "c")

    def __init__(self, gate: str) -> None:
        self.gate = gate

    def step(self, x, h, c):  # type: ignore[no-untyped-def]  # symbols of the language of cells
        i = 1 if self.gate == "input" else sigmoid(affine("i", x, h))
        f = 1 if self.gate == "forget" else sigmoid(affine("f", x, h))
        g = tanh(affine("g", x, h))
        c = f * c + i * g
        o = 1 if self.gate == "output" else sigmoid(affine("o", x, h))
        h = o * tanh(c)
        return h, c


class GRUWithout(Cell):
    """The GRU, reset before the product, with its "update" gate at 0 or its "reset" gate at 1."""

    def __init__(self, gate: str) -> None:
        self.gate = gate

    def step(self, x, h):  # type: ignore[no-untyped-def]
        r = 1 if self.gate == "reset" else sigmoid(affine("r", x, h))
        z = 0 if self.gate == "update" else sigmoid(affine("z", x, h))
        n = tanh(affine("n", x, r * h))
        h = (1 - z) * n + z * h
        return h


# ---- what is run ----

REDUCED: dict[str, Cell] = {  # by the gate that is taken away
    **{gate: LSTMWithout(gate) for gate in ("input", "forget", "output")},
    **{gate: GRUWithout(gate) for gate in ("update", "reset")},
}
Maker: TypeAlias = Callable[[int, int], Recurrent]  # from the numbers of inputs and units


def _without(gate: str) -> tuple[str, Maker]:
    return f"no {gate} gate", lambda inputs, units: Recurrent(REDUCED[gate], inputs, units)


LSTMS: dict[str, Maker] = {"LSTM": LSTM, **dict(map(_without, ("input", "forget", "output")))}
GRUS: dict[str, Maker] = {
    "GRU, reset before": lambda inputs, units: GRU(inputs, units, reset="before"),
    **dict(map(_without, ("update", "reset"))),
    "GRU, reset after": GRU,
}
TIMERS: dict[str, Maker] = {
    "LSTM": LSTM,
    "LSTM, peepholes": lambda inputs, units: LSTM(inputs, units, peephole="diagonal"),
}
GATES = {  # the task, and the cell that has the gate
    **dict.fromkeys(("input", "forget", "output"), ("commands", "LSTM")),
    **dict.fromkeys(("update", "reset"), ("seen", "GRU, reset before")),
}


@dataclass(frozen=True)
class Measurements:
    """Errors of each seed by task and cell, gates by command, and a GRU whose update gate is held."""

    errors: dict[tuple[str, str], list[float]]  # squared error left, as a share of the target's power
    best: dict[tuple[str, str], Recurrent] = field(repr=False)  # the layer of the best seed
    gates: dict[str, float]  # mean of a gate, such as "i at store"
    held: dict[str, float]

    def errors_of(self, gate: str) -> tuple[list[float], list[float]]:
        """Errors of the cell with this gate, and of the cell without it."""
        task, name = GATES[gate]
        return self.errors[task, name], self.errors[task, f"no {gate} gate"]


def measure(budget: Budget, on_progress: Observer) -> Measurements:
    """Train every cell on its task, read its gates, and hold the update gate of a GRU."""
    steps, seeds = budget.choose(500, 1_000), budget.choose(1, 3)
    runs = [("commands", name, make, commands, 6, 1) for name, make in LSTMS.items()]
    runs += [("seen", name, make, seen_commands, 4, 1) for name, make in GRUS.items()]
    runs += [(spike(units), name, make, pulses, 1, units) for units in SIZES for name, make in TIMERS.items()]
    errors: dict[tuple[str, str], list[float]] = {}
    best: dict[tuple[str, str], Recurrent] = {}
    for k, (task, name, make, draw, inputs, units) in enumerate(runs):
        on_progress(Progress(f"{task}: {name}", 0.95 * k / len(runs)))
        found = [learn(lambda: make(inputs, units), draw, steps, seed) for seed in range(1, 1 + seeds)]  # noqa: B023
        errors[task, name] = [error for _, error in found]
        best[task, name] = min(found, key=lambda run: run[1])[0]
    on_progress(Progress("a GRU whose update gate is held", 0.95))
    gates = gate_means(best["commands", "LSTM"], commands, "ifo")
    gates |= gate_means(best["seen", "GRU, reset before"], seen_commands, "zr")
    return Measurements(errors, best, gates, held_update_gate())


def spike(units: int) -> str:
    """The name of the task with the spike for so many units."""
    return f"spike, {units} unit{'s' if units > 1 else ''}"


# ---- the tasks ----


def commands(batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Value, one-hot command and flag (T, batch, 6); target (T, batch): what is stored if the flag is 1, else 0."""
    values = torch.rand(STEPS, batch, generator=generator) * 2 - 1
    orders = _orders([0.2, 0.15, 0.5, 0.15], batch, generator)
    shown = (torch.rand(STEPS, batch, generator=generator) < 0.5).float()
    inputs = torch.cat([values[..., None], orders, shown[..., None]], dim=-1)
    return inputs, stored_after(inputs) * shown


def seen_commands(batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Value and one of store, add, ignore (T, batch, 4); target (T, batch): the stored number."""
    values = torch.rand(STEPS, batch, generator=generator) * 2 - 1
    inputs = torch.cat([values[..., None], _orders([0.25, 0.2, 0.55], batch, generator)], dim=-1)
    return inputs, stored_after(inputs)


def _orders(shares: Sequence[float], batch: int, generator: torch.Generator) -> Tensor:
    drawn = torch.multinomial(torch.tensor(shares), STEPS * batch, True, generator=generator)
    return nn.functional.one_hot(drawn.reshape(STEPS, batch), len(shares)).float()


def stored_after(inputs: Tensor) -> Tensor:
    """The stored number after each step, (T, batch): the value of the last "store" and all values added since."""
    stored, after = torch.zeros(inputs.shape[1]), []
    for step in inputs:
        value, store, add, ignore = step[:, 0], step[:, 1], step[:, 2], step[:, 3]
        stored = (add + ignore) * stored + (store + add) * value
        after.append(stored)
    return torch.stack(after)


def pulses(batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A trigger at one step (T, batch, 1); target (T, batch): a spike PULSE steps later."""
    starts = torch.randint(STEPS - PULSE, (batch,), generator=generator)
    inputs, target = torch.zeros(STEPS, batch, 1), torch.zeros(STEPS, batch)
    inputs[starts, torch.arange(batch)] = 1.0
    target[starts + PULSE, torch.arange(batch)] = 1.0
    return inputs, target


Task: TypeAlias = Callable[[int, torch.Generator], tuple[Tensor, Tensor]]


def learn(make: Callable[[], Recurrent], task: Task, steps: int, seed: int) -> tuple[Recurrent, float]:
    """Train on fresh sequences: (layer, squared error on held-out ones as a share of the target's power)."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(100 + seed)
    layer = make()
    read = nn.Linear(layer.hidden_size, 1)

    def loss() -> Tensor:
        inputs, target = task(64, generator)
        return (read(layer(inputs)[0])[..., 0] - target).square().mean()

    train([layer, read], loss, steps, lambda step: 0.03 * (1 - step / steps) + 0.001, clip=1.0)
    inputs, target = task(2_000, torch.Generator().manual_seed(9))
    with torch.no_grad():
        error = (read(layer(inputs)[0])[..., 0] - target).square().mean() / target.square().mean()
    return layer, float(error)


# ---- what the gates do ----


def gate_means(layer: Recurrent, task: Task, gates: str) -> dict[str, float]:
    """Mean of each gate of the first unit by command and flag: "i at store", "z at ignore", "o at show", ..."""
    inputs, _ = task(500, torch.Generator().manual_seed(8))
    values = vectors(layer, inputs)
    given = dict(zip(COMMANDS, inputs[..., 1:5].unbind(dim=-1), strict=False))
    if inputs.shape[-1] > 5:
        given |= {"show": inputs[..., 5], "hide": 1 - inputs[..., 5]}
    return {
        f"{gate} at {command}": float(values[gate][..., 0][when == 1].mean())
        for gate in gates
        for command, when in given.items()
    }


def held_update_gate() -> dict[str, float]:
    """Largest change of h, and its largest distance from the candidate, of a GRU with z held at 1 and at 0."""
    found = {}
    for name in ("1", "0"):
        h, n, start = held_at(HELD[name])
        found[f"z = {name}: change of h"] = float((h - start).abs().max())
        found[f"z = {name}: distance of h and candidate"] = float((h - n).abs().max())
    return found


def held_at(bias: float) -> tuple[Tensor, Tensor, Tensor]:
    """h and candidate (50, HIDDEN), and the start of h (HIDDEN,), of a driven GRU, update gate at sigmoid(bias)."""
    torch.manual_seed(3)
    layer = GRU(3, HIDDEN, reset="before", dtype=torch.float64)
    hold_memory_gate(layer, bias)
    start = torch.randn(1, 1, HIDDEN, dtype=torch.float64).tanh()
    values = vectors(layer, torch.randn(50, 1, 3, dtype=torch.float64), start)
    return values["h"][:, 0], values["n"][:, 0], start[0, 0]


def timer_unit(layer: Recurrent) -> int:
    """The unit whose h follows the wanted spike most closely."""
    inputs, target = pulses(500, torch.Generator().manual_seed(8))
    h = vectors(layer, inputs)["h"].flatten(0, 1)
    return int(torch.corrcoef(torch.cat([target.flatten()[None], h.T]))[0, 1:].abs().nan_to_num().argmax())
