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

from bench.calibration.nets import Net, edit, gates, recurrent_gain
from bench.calibration.tasks import Task
from bench.calibration.teach import Schedule, teach

SIZES = (24, 32, 48, 64)
HEALTHY = "no trouble"
LENGTH, LANES = 100, 8  # of the batch that is diagnosed
AGAIN = Schedule(steps=300, lr=1e-2)  # a training that a sound net needs to learn its task


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
    model: nn.Module  # the net as it is used
    again: Schedule  # after which a remedy is judged
    asked: Callable[[Tensor], Tensor] | None = None  # the loss that is given to the diagnosis
    optimizer: torch.optim.Optimizer | None = None
    step: Callable[[Tensor, Tensor], Tensor] | None = None  # of a cell that is written by hand
    state: Tensor | None = None  # its first
    retrain: Retraining | None = None  # of a net that is used in another way than the tasks use it


Misuse = Callable[[Case], Case]
Retraining = Callable[[nn.Module, torch.optim.Optimizer | None], float]


def targets_of(case: Case) -> Tensor:
    """The targets of the batch that is diagnosed."""
    return case.task.draw(len(case.batch), LANES, torch.Generator().manual_seed(case.seed + 1))[1]


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
    lengths: tuple[int, ...] = (LENGTH,)  # of the batch that is diagnosed, in turns
    use: Misuse | None = None  # how the net is used, if not as it is
    again: Schedule = AGAIN  # after which a remedy is judged


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
    length = recipe.lengths[index % len(recipe.lengths)]
    batch, _ = (recipe.diagnosed or task).draw(length, LANES, random)
    net.eval()
    return Case(
        recipe.label, recipe.cause, recipe.name, cell, hidden, layers, seed, net, batch, task, loss, net, recipe.again
    )  # fmt: skip


def used(recipe: Recipe, case: Case) -> Case:
    """The net as the recipe uses it: after the test that its label is true."""
    torch.manual_seed(case.seed + 3)
    return recipe.use(case) if recipe.use else case


def attempts(recipe: Recipe, index: int, seed: int) -> tuple[Case, int]:
    """The net number `index` whose label is true, and how many were drawn before it in vain."""
    for vain in range(20):
        case = draw(recipe, index, seed + vain)
        if recipe.holds(case):
            return used(recipe, case), vain
    raise RuntimeError(f"{recipe.label}, {recipe.name}: the label was true of none of 20 nets drawn")


# ---- ways to begin ----


def orthogonal(net: Net) -> None:
    for gate in range(gates(net)):
        edit(net, "weight_hh", nn.init.orthogonal_, gate)
    edit(net, "bias", nn.init.zeros_)


def near_identity(net: Net) -> None:
    edit(net, "weight_hh", lambda rows: nn.init.eye_(rows).mul_(0.95))
    edit(net, "bias", nn.init.zeros_)


def keeping(net: Net) -> None:
    """Orthogonal recurrent blocks, forget bias 1 of an LSTM, update bias 1 of a GRU (Jozefowicz et al. 2015)."""
    orthogonal(net)
    if gates(net) > 1:
        edit(net, "bias_ih", lambda rows: rows.fill_(1.0), 1)


def gain_of(gain: float) -> Callable[[Net], None]:
    return lambda net: recurrent_gain(net, gain)


def _weak_input(net: Net, size: float = 0.1) -> None:
    edit(net, "weight_ih", lambda rows: rows.mul_(size))
    edit(net, "bias", nn.init.zeros_)


def wild(gain: float) -> Callable[[Net], None]:
    def start(net: Net) -> None:
        recurrent_gain(net, gain)
        _weak_input(net)

    return start


def bias(value: float, gate: int | None = None) -> Callable[[Net], None]:
    return lambda net: edit(net, "bias_ih", lambda rows: rows.fill_(value), gate)


def scaled(kind: str, factor: float) -> Callable[[Net], None]:
    return lambda net: edit(net, kind, lambda rows: rows.mul_(factor))


def both(*changes: Callable[[Net], None]) -> Callable[[Net], None]:
    def change(net: Net) -> None:
        for each in changes:
            each(net)

    return change


@torch.no_grad()
def latching(net: Net) -> None:
    """Each unit holds one of two states until a pulse moves it: tanh with w = 1.5."""
    edit(net, "weight_hh", lambda rows: nn.init.eye_(rows).mul_(1.5))
    edit(net, "bias", nn.init.zeros_)
    edit(net, "weight_ih", lambda rows: rows.normal_(0, 2.0))


# ---- whether the label is true ----


def learned(case: Case) -> bool:
    """The task was learned."""
    return case.loss < case.task.enough


def failed(case: Case) -> bool:
    """Hardly better than an answer without memory."""
    return not case.loss < 0.7 * case.task.guess


def unlearned(case: Case) -> bool:
    """Twice the loss that sound training reaches."""
    return not case.loss < 2 * case.task.enough


@torch.no_grad()
def _separation(case: Case) -> float:
    """Mean log-growth per step of a tiny difference between two states under the same input, by simulation.

    Every tenth step the difference is brought back to its first size, as in Benettin et al. (1980). The first 1,000
    steps are left out: some networks are chaotic for a while, and then come to rest.
    """
    net = Net(case.cell, case.task.inputs, case.hidden, case.task.outputs, case.layers, case.task.symbols)
    net.load_state_dict(case.net.state_dict())
    net.double()
    inputs, _ = case.task.draw(2000, 4, torch.Generator().manual_seed(case.seed + 2))
    x = net.entrance(inputs if case.task.symbols else inputs.double())
    _, one = net.recurrent(x[:1000])
    size, total, places = 1e-7, 0.0, range(1000, 2000, 10)
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
