"""How each net of the calibration comes to be: sound training, an ordinary mistake, or weights set by hand.

A recipe's label is its cause, never what the diagnosis says. Each recipe also has a test, of the loss or of plain
simulation, that the label is true of the net that came out; a net that fails it (a mistake that did no harm, a
training that did not learn) is drawn again with the next seed, and how often that happened is counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bench.calibration.nets import (
    GRUS,
    LSTMS,
    RELUS,
    TANHS,
    Net,
    edit,
    gates,
    recurrent_gain,
)
from bench.calibration.tasks import ADDING, ECHO, INSTANT, KELVIN, SENSOR, TEXT, WAVES, Task
from bench.calibration.teach import Schedule, teach

SIZES = (24, 32, 48, 64)
HEALTHY = "no trouble"
LENGTH, LANES = 100, 8  # of the batch that is diagnosed


@dataclass(frozen=True)
class Case:
    """One net with the batch on which it is diagnosed, its true label and how it got it."""

    label: str
    cause: str  # "trained", "mistake" or "weights"
    recipe: str
    cell: str
    hidden: int
    layers: int
    seed: int
    net: Net
    batch: Tensor
    task: Task
    loss: float  # after training; NaN without


@dataclass(frozen=True)
class Recipe:
    """`make(cell, hidden, layers, seed)` builds; `holds` says whether the label is true of what came out."""

    label: str
    cause: str
    name: str
    cells: tuple[str, ...]
    task: Task
    start: Callable[[Net], None] | None = None
    schedule: Schedule | None = None
    finish: Callable[[Net], None] | None = None
    holds: Callable[[Case], bool] = lambda case: True
    layers: tuple[int, ...] = (1, 1, 2)
    diagnosed: Task | None = None  # the task whose batch is diagnosed, if another
    number: int = 4
    sizes: tuple[int, ...] = SIZES


def draw(recipe: Recipe, index: int, seed: int) -> Case:
    """The net number `index` of a recipe: cells, sizes and depths take turns."""
    cell = recipe.cells[index % len(recipe.cells)]
    hidden = recipe.sizes[(index + seed) % len(recipe.sizes)]
    layers = recipe.layers[index % len(recipe.layers)]
    torch.manual_seed(seed)
    task = recipe.task
    net = Net(cell, task.inputs, hidden, task.outputs, layers, task.symbols)
    if recipe.start:
        recipe.start(net)
    loss = teach(net, task, recipe.schedule, seed) if recipe.schedule else math.nan
    if recipe.finish:
        recipe.finish(net)
    random = torch.Generator().manual_seed(seed + 1)
    batch, _ = (recipe.diagnosed or task).draw(LENGTH, LANES, random)
    return Case(
        recipe.label, recipe.cause, recipe.name, cell, hidden, layers, seed, net.eval(), batch, task, loss
    )


def attempts(recipe: Recipe, index: int, seed: int) -> tuple[Case, int]:
    """The net number `index` whose label is true, and how many were drawn before it in vain."""
    for vain in range(20):
        case = draw(recipe, index, seed + vain)
        if recipe.holds(case):
            return case, vain
    raise RuntimeError(f"{recipe.label}, {recipe.name}: the label was true of none of 20 nets drawn")


# ---- ways to begin ----


def _orthogonal(net: Net) -> None:
    for gate in range(gates(net)):
        edit(net, "weight_hh", nn.init.orthogonal_, gate)
    edit(net, "bias", nn.init.zeros_)


def _near_identity(net: Net) -> None:
    edit(net, "weight_hh", lambda rows: nn.init.eye_(rows).mul_(0.95))
    edit(net, "bias", nn.init.zeros_)


def _keep(net: Net) -> None:
    """Orthogonal recurrent blocks, forget bias 1 of an LSTM, update bias 1 of a GRU (Jozefowicz et al. 2015)."""
    _orthogonal(net)
    if gates(net) > 1:
        edit(net, "bias_ih", lambda rows: rows.fill_(1.0), 1)


def _gain(gain: float) -> Callable[[Net], None]:
    return lambda net: recurrent_gain(net, gain)


def _weak_input(net: Net, size: float = 0.1) -> None:
    edit(net, "weight_ih", lambda rows: rows.mul_(size))
    edit(net, "bias", nn.init.zeros_)


def _wild(gain: float) -> Callable[[Net], None]:
    def start(net: Net) -> None:
        recurrent_gain(net, gain)
        _weak_input(net)

    return start


def _bias(value: float, gate: int | None = None) -> Callable[[Net], None]:
    return lambda net: edit(net, "bias_ih", lambda rows: rows.fill_(value), gate)


def _scale(kind: str, factor: float) -> Callable[[Net], None]:
    return lambda net: edit(net, kind, lambda rows: rows.mul_(factor))


def _both(*changes: Callable[[Net], None]) -> Callable[[Net], None]:
    def change(net: Net) -> None:
        for each in changes:
            each(net)

    return change


# ---- whether the label is true ----


def learned(case: Case) -> bool:
    """The task was learned."""
    return case.loss < case.task.enough


def failed(case: Case) -> bool:
    """Hardly better than an answer without memory."""
    return not case.loss < 0.7 * case.task.guess


def _unlearned(case: Case) -> bool:
    """Twice the loss that sound training reaches."""
    return not case.loss < 2 * case.task.enough


@torch.no_grad()
def _separation(case: Case) -> float:
    """Mean log-growth per step of a tiny difference between two states under the same input, by simulation.

    Every tenth step the difference is brought back to its first size, as in Benettin et al. (1980).
    """
    net = Net(case.cell, case.task.inputs, case.hidden, case.task.outputs, case.layers, case.task.symbols)
    net.load_state_dict(case.net.state_dict())
    net.double()
    inputs, _ = case.task.draw(400, 4, torch.Generator().manual_seed(case.seed + 2))
    x = net.entrance(inputs if case.task.symbols else inputs.double())
    _, one = net.recurrent(x[:100])
    size, total, places = 1e-7, 0.0, range(100, 400, 10)
    other = _moved(one, _noise(one, size))
    for t in places:
        _, one = net.recurrent(x[t : t + 10], one)
        _, other = net.recurrent(x[t : t + 10], other)
        apart = _difference(one, other)
        norm = math.sqrt(sum(float((part**2).sum()) for part in apart)) + 1e-300
        total += math.log(norm / size)
        other = _moved(one, tuple(part * (size / norm) for part in apart))
    return total / (10 * len(places))


State = Tensor | tuple[Tensor, ...]


def _parts(state: State) -> tuple[Tensor, ...]:
    return (state,) if isinstance(state, Tensor) else state


def _moved(state: State, by: tuple[Tensor, ...]) -> State:
    moved = tuple(a + b for a, b in zip(_parts(state), by, strict=True))
    return moved[0] if isinstance(state, Tensor) else moved


def _difference(one: State, other: State) -> tuple[Tensor, ...]:
    return tuple(b - a for a, b in zip(_parts(one), _parts(other), strict=True))


def _noise(state: State, size: float) -> tuple[Tensor, ...]:
    drawn = [torch.randn_like(part) for part in _parts(state)]
    norm = torch.sqrt(torch.stack([(part**2).sum() for part in drawn]).sum())
    return tuple(part * (size / norm) for part in drawn)


def diverges(case: Case) -> bool:
    """Two runs that differ in the eighth digit part: chaos, where the states stay bounded."""
    return _separation(case) > 0.05


@torch.no_grad()
def grows(case: Case) -> bool:
    """The state is a hundred times larger at step 300 than at step 20, or no number at all."""
    inputs, _ = case.task.draw(300, 4, torch.Generator().manual_seed(case.seed + 2))
    output, _ = case.net.recurrent(case.net.entrance(inputs))
    early, late = output[:20].abs().mean(), output[-20:].abs().mean()
    return not bool(late < 100 * early)


@torch.no_grad()
def silent(case: Case) -> bool:
    """At least half of the units put out the same number at every step of every sequence."""
    output, _ = case.net.recurrent(case.net.entrance(case.batch))
    return float((output.flatten(0, 1).std(0) < 1e-4).float().mean()) >= 0.5


@torch.no_grad()
def forgets_at_once(case: Case) -> bool:
    """Another past, up to the step before the last, moves the last state by less than a tenth of what is usual."""
    inputs, _ = case.task.draw(40, 16, torch.Generator().manual_seed(case.seed + 2))
    other = inputs[:, torch.randperm(16, generator=torch.Generator().manual_seed(1))]
    mixed = torch.cat([other[:-1], inputs[-1:]])
    outputs = [case.net.recurrent(case.net.entrance(each))[0][-1] for each in (inputs, mixed)]
    return bool((outputs[0] - outputs[1]).norm() < 0.1 * (outputs[0] - outputs[0].mean(0)).norm())


_ONCE = (1,)
_LARGE = (48, 64)
_TEXT = Schedule(steps=450)
_SERIES = Schedule(steps=400, lr=5e-3)
_ADDED = Schedule(steps=600)
_GAVE_UP = Schedule(steps=80, time=100, lr=3e-4)  # on a task a hundred steps long
_SHORT = Schedule(steps=100)

RECIPES: tuple[Recipe, ...] = (
    # ---- healthy ----
    Recipe(
        HEALTHY,
        "trained",
        "lstm on text",
        LSTMS,
        TEXT,
        _keep,
        _TEXT,
        None,
        learned,
        (1, 1, 2),
        number=16,
        sizes=_LARGE,
    ),
    Recipe(
        HEALTHY,
        "trained",
        "gru on text",
        GRUS,
        TEXT,
        _keep,
        _TEXT,
        None,
        learned,
        (1, 1, 2),
        number=16,
        sizes=_LARGE,
    ),
    Recipe(
        HEALTHY,
        "trained",
        "relu on text",
        RELUS,
        TEXT,
        _near_identity,
        _TEXT,
        None,
        learned,
        _ONCE,
        number=6,
        sizes=_LARGE,
    ),
    Recipe(
        HEALTHY, "trained", "waves", (*TANHS, *LSTMS, *GRUS), WAVES, _keep, _SERIES, None, learned, number=10
    ),
    Recipe(
        HEALTHY,
        "trained",
        "echo",
        (*TANHS, *LSTMS, *GRUS),
        ECHO,
        _keep,
        _SERIES,
        None,
        learned,
        _ONCE,
        number=6,
    ),
    Recipe(HEALTHY, "trained", "adding", GRUS, ADDING, _keep, _ADDED, None, learned, _ONCE, number=4),
    Recipe(HEALTHY, "weights", "orthogonal start", TANHS, WAVES, _orthogonal, number=4),
    Recipe(
        HEALTHY, "weights", "chrono-like start", LSTMS, WAVES, _both(_bias(3.0, 1), _bias(-3.0, 0)), number=4
    ),
    # ---- vanishing ----
    Recipe(
        "vanishing",
        "mistake",
        "default start, long task",
        TANHS,
        ADDING,
        None,
        _GAVE_UP,
        None,
        failed,
        number=4,
    ),
    Recipe(
        "vanishing",
        "mistake",
        "small start",
        TANHS,
        ADDING,
        _scale("weight_hh", 0.6),
        _GAVE_UP,
        None,
        failed,
        number=3,
    ),
    Recipe(
        "vanishing",
        "mistake",
        "sigmoid",
        ("sigmoid",),
        ADDING,
        _orthogonal,
        _GAVE_UP,
        None,
        failed,
        _ONCE,
        number=2,
    ),
    Recipe(
        "vanishing",
        "mistake",
        "keeping bias of the wrong sign",
        (*LSTMS, *GRUS),
        ADDING,
        _bias(-1.0, 1),
        _GAVE_UP,
        None,
        failed,
        number=6,
    ),
    Recipe("vanishing", "weights", "small spectral radius", TANHS, WAVES, _gain(0.4), number=5),
    Recipe("vanishing", "weights", "forget bias below 0", LSTMS, WAVES, _bias(-1.0, 1), number=5),
    Recipe("vanishing", "weights", "update bias below 0", GRUS, WAVES, _bias(-1.0, 1), number=5),
    # ---- memoryless ----
    Recipe(
        "memoryless",
        "mistake",
        "weight decay too strong, no memory needed",
        TANHS,
        INSTANT,
        None,
        Schedule(steps=400, decay=1.0),
        None,
        forgets_at_once,
        _ONCE,
        number=6,
    ),
    Recipe(
        "memoryless",
        "mistake",
        "weight decay too strong, windows of one step",
        TANHS,
        TEXT,
        None,
        Schedule(steps=400, time=1, batch=100, decay=0.8),
        None,
        forgets_at_once,
        _ONCE,
        number=8,
    ),
    Recipe(
        "memoryless",
        "weights",
        "recurrent weights near 0",
        TANHS,
        WAVES,
        _gain(0.01),
        None,
        None,
        forgets_at_once,
        number=5,
    ),
    Recipe(
        "memoryless",
        "weights",
        "forget gates shut",
        LSTMS,
        WAVES,
        _both(_gain(0.05), _bias(-7.0, 1)),
        None,
        None,
        forgets_at_once,
        number=5,
    ),
    Recipe(
        "memoryless",
        "weights",
        "update gates shut",
        GRUS,
        WAVES,
        _both(_gain(0.05), _bias(-7.0, 1)),
        None,
        None,
        forgets_at_once,
        number=4,
    ),
    # ---- exploding ----
    Recipe(
        "exploding",
        "mistake",
        "too large a start",
        (*RELUS, "identity", "elu"),
        WAVES,
        _gain(1.6),
        Schedule(steps=40, time=20, lr=1e-3),
        None,
        grows,
        _ONCE,
        number=6,
    ),
    Recipe(
        "exploding",
        "mistake",
        "window too short",
        (*RELUS, "identity"),
        WAVES,
        _gain(1.0),
        Schedule(steps=200, time=4, lr=1e-2),
        None,
        grows,
        _ONCE,
        number=4,
    ),
    Recipe(
        "exploding",
        "mistake",
        "learning rate too high",
        ("identity", "elu"),
        WAVES,
        _near_identity,
        Schedule(steps=40, time=4, lr=0.1, clip=0.0),
        None,
        grows,
        _ONCE,
        number=4,
    ),
    Recipe(
        "exploding",
        "weights",
        "spectral radius above 1",
        ("identity", "elu", "torch relu", "relu"),
        WAVES,
        _both(_near_identity, _scale("weight_hh", 1.2)),
        None,
        None,
        grows,
        number=12,
    ),
    # ---- chaotic ----
    Recipe(
        "chaotic",
        "mistake",
        "too large a start",
        TANHS,
        WAVES,
        _wild(2.5),
        Schedule(steps=60, time=20, lr=1e-3),
        None,
        diverges,
        _ONCE,
        number=7,
    ),
    Recipe(
        "chaotic",
        "mistake",
        "too large a start, gated",
        GRUS,
        WAVES,
        _wild(8.0),
        Schedule(steps=60, time=20, lr=1e-3),
        None,
        diverges,
        _ONCE,
        number=6,
    ),
    Recipe("chaotic", "weights", "gain above 1", TANHS, WAVES, _wild(2.0), None, None, diverges, number=8),
    Recipe(
        "chaotic", "weights", "gain of gates", GRUS, WAVES, _wild(8.0), None, None, diverges, _ONCE, number=4
    ),
    # ---- saturated ----
    Recipe(
        "saturated",
        "mistake",
        "data not scaled: kelvin",
        (*TANHS, *LSTMS, *GRUS),
        KELVIN,
        None,
        _SHORT,
        None,
        failed,
        number=6,
    ),
    Recipe(
        "saturated",
        "mistake",
        "data not scaled: pascal",
        (*TANHS, *LSTMS, *GRUS),
        SENSOR,
        None,
        _SHORT,
        None,
        failed,
        number=4,
    ),
    Recipe(
        "saturated",
        "mistake",
        "learning rate too high",
        (*LSTMS, *GRUS, *TANHS),
        WAVES,
        None,
        Schedule(steps=100, lr=1.0),
        None,
        _unlearned,
        _ONCE,
        number=4,
    ),
    Recipe(
        "saturated",
        "weights",
        "input weights too large",
        (*TANHS, *LSTMS, *GRUS),
        WAVES,
        _scale("weight_ih", 200.0),
        number=6,
    ),
    Recipe(
        "saturated",
        "weights",
        "input weights and biases too large",
        TANHS,
        WAVES,
        _both(_scale("bias", 40.0), _scale("weight_ih", 60.0)),
        number=5,
    ),
    # ---- dead ----
    Recipe(
        "dead",
        "mistake",
        "learning rate too high",
        RELUS,
        WAVES,
        _near_identity,
        Schedule(steps=60, time=10, lr=0.3),
        None,
        silent,
        _ONCE,
        number=6,
    ),
    Recipe(
        "dead",
        "mistake",
        "data with an offset",
        RELUS,
        KELVIN,
        None,
        Schedule(steps=100, lr=3e-2, clip=0.0),
        None,
        silent,
        _ONCE,
        number=6,
    ),
    Recipe("dead", "weights", "biases far below 0", RELUS, WAVES, _bias(-8.0), None, None, silent, number=6),
    Recipe(
        "dead", "weights", "output gates shut", LSTMS, WAVES, _bias(-14.0, 3), None, None, silent, number=6
    ),
)
