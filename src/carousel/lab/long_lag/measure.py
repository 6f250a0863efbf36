"""Long lags: adding, temporal order and copying, for plain nets and gated ones, with equal budgets.

Adding and temporal order are tasks with which the LSTM was introduced (Hochreiter & Schmidhuber 1997); copying is as in
Arjovsky et al. 2016. Counted are the training steps until held-out sequences are solved, or the budget. Gates that
keep start open for about as long as the lag (Tallec & Ollivier 2018). One cell is called ahead of another only if its
slowest seed is faster than the other's fastest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from carousel.emit import formula
from carousel.equations.catalogue import CELLS
from carousel.lab.experiment import Budget, Progress
from carousel.nn import GRU, LSTM, RNN, Recurrent
from carousel.report.charts import Chart, Line
from carousel.report.lab import Claim, Figure, Findings, Section, Table, Verdict
from carousel.report.words import count, listed, number

HIDDEN = 32
BATCH = 32
SYMBOLS = 4  # of the temporal order and of copying
COPIED = 3  # symbols to copy
CELLS_TRIED: dict[str, Callable[[int], Recurrent]] = {
    "RNN": lambda inputs: RNN(inputs, HIDDEN),
    "LSTM": lambda inputs: LSTM(inputs, HIDDEN),
    "LSTM, peepholes": lambda inputs: LSTM(inputs, HIDDEN, peephole="diagonal"),
    "GRU, reset after": lambda inputs: GRU(inputs, HIDDEN),
    "GRU, reset before": lambda inputs: GRU(inputs, HIDDEN, reset="before"),
}


@dataclass(frozen=True)
class Task:
    """How sequences are made, what the answer costs, and when it counts as solved."""

    inputs: int
    outputs: int
    make: Callable[[int, int, torch.Generator], tuple[Tensor, Tensor]]
    loss: Callable[[Tensor, Tensor], Tensor]
    error: Callable[[Tensor, Tensor], Tensor]
    solved: float
    words: str
    about: str


def adding(lag: int, batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """(lag, batch, 2), a number and a mark; target (1, batch), the sum of the two marked numbers, one in each half."""
    values = torch.rand(lag, batch, generator=generator)
    marks, rows = torch.zeros(lag, batch), torch.arange(batch)
    first = torch.randint(lag // 2, (batch,), generator=generator)
    second = torch.randint(lag // 2, lag, (batch,), generator=generator)
    marks[first, rows] = 1.0
    marks[second, rows] = 1.0
    return torch.stack([values, marks], dim=-1), (values * marks).sum(dim=0)[None]


def temporal_order(lag: int, batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """(lag, batch, SYMBOLS + 2), noise with an X or Y near the start and in the middle; target: which of 4 orders."""
    noise = torch.randint(SYMBOLS, (lag, batch), generator=generator)
    early, late = (torch.randint(2, (batch,), generator=generator) for _ in range(2))
    rows = torch.arange(batch)
    noise[torch.randint(max(lag // 5, 1), (batch,), generator=generator), rows] = SYMBOLS + early
    middle = torch.randint(lag // 2, lag // 2 + max(lag // 5, 1), (batch,), generator=generator)
    noise[middle, rows] = SYMBOLS + late
    return F.one_hot(noise, SYMBOLS + 2).float(), (2 * early + late)[None]


def copying(lag: int, batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """COPIED symbols, lag blanks, then a go signal at each step of the answer; target (COPIED, batch): the symbols."""
    symbols = torch.randint(SYMBOLS, (COPIED, batch), generator=generator)
    blank, go = torch.full((lag, batch), SYMBOLS), torch.full((COPIED, batch), SYMBOLS + 1)
    return F.one_hot(torch.cat([symbols, blank, go]), SYMBOLS + 2).float(), symbols


def _wrong(answers: Tensor, target: Tensor) -> Tensor:
    return (answers.argmax(dim=-1) != target).float().mean()


def _cost(answers: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(answers.flatten(0, -2), target.flatten())


def _squared(answers: Tensor, target: Tensor) -> Tensor:
    return (answers[..., 0] - target).square().mean()


TASKS = {
    "adding": Task(
        2,
        1,
        adding,
        _squared,
        _squared,
        0.01,
        "mean squared error below 0.01 (a guess has 0.17)",
        "A row of numbers of which two are marked, one in each half; at the end, their sum.",
    ),
    "temporal order": Task(
        SYMBOLS + 2,
        4,
        temporal_order,
        _cost,
        _wrong,
        0.05,
        "fewer than 5 % wrong (a guess has 75 %)",
        "Noise with an X or a Y near the start and another in the middle; at the end, which of the four orders it "
        "was.",
    ),
    "copying": Task(
        SYMBOLS + 2,
        SYMBOLS,
        copying,
        _cost,
        _wrong,
        0.05,
        "fewer than 5 % wrong (a guess has 75 %)",
        f"{COPIED} symbols, then blanks, then a signal to write the symbols in their order.",
    ),
}


Found = dict[tuple[str, str, int], list[int]]  # steps of each seed by task, cell and lag


def run(budget: Budget, progress: Progress) -> Findings:
    """Every cell on every task at every lag, several seeds: an odd number, so that one of them is the middle."""
    lags = budget.choose((10, 20), (10, 30, 100), (10, 30, 100, 500))
    most, seeds = budget.choose(300, 1_500), 3
    found: Found = {}
    wanted = [(task, name, lag) for task in TASKS for lag in lags for name in CELLS_TRIED]
    for k, (task, name, lag) in enumerate(wanted):
        progress(k / len(wanted), f"{task}, lag {lag}: {name}")
        found[task, name, lag] = [
            steps_until_solved(TASKS[task], CELLS_TRIED[name], lag, most, s) for s in range(seeds)
        ]
    numbers: dict[str, float | Sequence[float]] = {"lags": lags, "budget in steps": float(most)}
    numbers |= {
        f"{task}, {name}, lag {lag}": [float(steps) for steps in all_steps]
        for (task, name, lag), all_steps in found.items()
    }
    sections = [_task_section(task, found, lags, most) for task in TASKS]
    equations = {
        name: formula.text(CELLS[cell].equations)
        for name, cell in zip(
            CELLS_TRIED, ("rnn-tanh", "lstm", "lstm-diagonal", "gru", "gru-before"), strict=True
        )
    }
    return Findings(_claims(found, lags, most), sections, numbers, equations)


def open_gates(layer: Recurrent, lag: int) -> None:
    """Let the gate that keeps start open for 1 to `lag` steps: a bias of ln u, u uniform in [1, lag - 1].

    In the LSTM it is the forget gate, and the input gate gets the opposite bias; in the GRU it is the update gate.
    """
    if isinstance(layer, RNN):
        return
    with torch.no_grad():
        layer.get_parameter("bias_hh_l0").zero_()
        bias = layer.get_parameter("bias_ih_l0").zero_()
        bias[HIDDEN : 2 * HIDDEN] = torch.log(1 + (lag - 2) * torch.rand(HIDDEN))
        if isinstance(layer, LSTM):
            bias[:HIDDEN] = -bias[HIDDEN : 2 * HIDDEN]


def steps_until_solved(task: Task, make: Callable[[int], Recurrent], lag: int, most: int, seed: int) -> int:
    """Training steps until held-out sequences are solved, looked at every 50; `most` + 1 if they are not.

    Adam with 0.005, gradients clipped to a norm of 1.
    """
    torch.manual_seed(seed)
    layer, read = make(task.inputs), nn.Linear(HIDDEN, task.outputs)
    open_gates(layer, lag)
    parameters = [*layer.parameters(), *read.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=0.005, fused=True)
    generator = torch.Generator().manual_seed(1_000 + seed)
    held_inputs, held_target = task.make(lag, 500, torch.Generator().manual_seed(77))
    for step in range(most):
        if step % 50 == 0:
            with torch.no_grad():
                if (
                    float(task.error(_answers(layer, read, held_inputs, held_target), held_target))
                    < task.solved
                ):
                    return step
        inputs, target = task.make(lag, BATCH, generator)
        loss = task.loss(_answers(layer, read, inputs, target), target)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
    return most + 1


def _answers(layer: Recurrent, read: nn.Linear, inputs: Tensor, target: Tensor) -> Tensor:
    """What the last steps say, as many as the target has."""
    output, _ = layer(inputs)
    return read(output[-len(target) :])


def _median(steps: Sequence[int]) -> int:
    """The middle run of an odd number."""
    return sorted(steps)[len(steps) // 2]


def ahead(steps: Sequence[int], other: Sequence[int]) -> bool:
    """Is the slowest of these runs faster than the fastest of the others? Runs that were not solved are slowest."""
    return max(steps) < min(other)


def _claims(found: Found, lags: Sequence[int], most: int) -> list[Claim]:
    return [_bridge_claim(found, lags, most), _peephole_claim(found, lags, most)]


def _bridge_claim(found: Found, lags: Sequence[int], most: int) -> Claim:
    longest, gated = lags[-1], [name for name in CELLS_TRIED if name != "RNN"]
    led = {
        name: [task for task in TASKS if ahead(found[task, name, longest], found[task, "RNN", longest])]
        for name in gated
    }
    wins = sum(map(len, led.values()))
    every = wins == len(gated) * len(TASKS)
    by_tasks: dict[str, list[str]] = {}
    for name, tasks in led.items():
        if tasks:
            by_tasks.setdefault(listed(tasks), []).append(name)
    where = "; ".join(f"in {tasks} with {'; '.join(names)}" for tasks, names in by_tasks.items())
    condition = f"cell, task and budget fit, at lag {longest} {where}. " if wins and not every else ""
    by_cell = "; ".join(
        f"{name}: {', '.join(f'{_solved(found, name, lag, most)} at lag {lag}' for lag in lags)}"
        for name in CELLS_TRIED
    )
    runs = len(TASKS) * len(next(iter(found.values())))
    return Claim(
        "Recurrent nets lose their memories over time; the LSTM and its variants bridge long lags.",
        Verdict.of(wins, len(gated) * len(TASKS)),
        f"{condition}Within {count(most)} training steps, and where no seed of the one is as slow as any of the other, "
        f"a gated cell is ahead of the plain net at lag {longest} in {wins} of {len(gated) * len(TASKS)} cases of "
        f"cell and task. Gates that keep start open for about as long as the lag. Runs solved, of {runs}: {by_cell}.",
    )


def _solved(found: Found, name: str, lag: int, most: int) -> int:
    return sum(steps <= most for task in TASKS for steps in found[task, name, lag])


def _peephole_claim(found: Found, lags: Sequence[int], most: int) -> Claim:
    outcome: dict[tuple[str, int], str] = {}
    for task in TASKS:
        for lag in lags:
            without, within = found[task, "LSTM", lag], found[task, "LSTM, peepholes", lag]
            outcome[task, lag] = (
                "faster" if ahead(within, without) else "slower" if ahead(without, within) else "the same"
            )
    told = Counter(outcome.values())
    places = [f"{task} at lag {lag}" for (task, lag), how in outcome.items() if how == "faster"]
    condition = f"the task asks for it, here {listed(places)}. " if 0 < len(places) < len(outcome) else ""
    middle = "; ".join(
        f"{task} at lag {lag}: {_steps(_median(found[task, 'LSTM', lag]), most)} without, "
        f"{_steps(_median(found[task, 'LSTM, peepholes', lag]), most)} with"
        for task in TASKS
        for lag in lags
    )
    return Claim(
        "Peepholes help.",
        Verdict.of(len(places), len(outcome)),
        f"{condition}Within {count(most)} training steps the LSTM with peepholes is faster with every seed in "
        f"{told['faster']} of {len(outcome)} cases of task and lag, slower with every seed in {told['slower']}; in the "
        f"others the seeds overlap and nothing can be said. Steps of the middle seed: {middle}.",
    )


def _steps(steps: int, most: int) -> str:
    return count(steps) if steps <= most else f"more than {count(most)}"


def _task_section(task: str, found: Found, lags: Sequence[int], most: int) -> Section:
    lines = []
    for k, name in enumerate(CELLS_TRIED):
        runs = [[float(min(steps, most)) for steps in found[task, name, lag]] for lag in lags]
        middle = [float(min(_median(found[task, name, lag]), most)) for lag in lags]
        band = (list(map(min, runs)), list(map(max, runs)))
        lines.append(Line(name, list(lags), middle, f"s{k + 1}", dots=True, band=band))
    chart = Chart(
        f"{task.capitalize()}: training steps until solved",
        "By lag, the middle seed of each cell and the spread over seeds; at the top: not solved",
        "lag, steps to bridge",
        "training steps until solved",
        lines,
        levels=[("not solved", float(most))],
        y_range=(0.0, 1.05 * most),
        x_log=True,
        events=[(lag, str(lag)) for lag in lags],
        height=320,
        margin=150,
    )
    seeds = len(found[task, "RNN", lags[0]])
    caption = (
        f"Solved: {TASKS[task].words}. Lines are the middle of {seeds} seeds, bands reach from "
        f"the fastest to the slowest; what lies on the dotted line was not solved within {count(most)} steps."
    )
    rows = []
    for name in CELLS_TRIED:
        cells = []
        for lag in lags:
            steps = found[task, name, lag]
            done = [each for each in steps if each <= most]
            if not done:
                cells.append("not solved")
            elif len(done) < len(steps):
                cells.append(f"{len(done)} of {len(steps)} seeds, from {number(min(done), 0)}")
            else:
                cells.append(f"{number(_median(done), 0)} ({number(min(done), 0)} to {number(max(done), 0)})")
        rows.append([name, *cells])
    table = Table(
        ["", *[f"lag {lag}" for lag in lags]],
        rows,
        "Training steps until solved: the middle seed, and from fastest to slowest.",
    )
    words = (
        f"{TASKS[task].about} {HIDDEN} units, Adam, {BATCH} sequences a step; the forget gates of LSTMs and the update "
        "gates of GRUs start so that their units keep for 1 to as many steps as the lag (chrono initialisation)."
    )
    return Section(task.capitalize(), words, [Figure(chart, caption), table])
