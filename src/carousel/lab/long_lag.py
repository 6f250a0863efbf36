"""Long lags: adding, temporal order and copying, for plain nets and gated ones, with equal budgets.

Adding and temporal order are tasks with which the LSTM was introduced (Hochreiter & Schmidhuber 1997); copying is as in
Arjovsky et al. 2016. Counted are the training steps until held-out sequences are solved, or the budget.
"""

from __future__ import annotations

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
from carousel.report.words import count, number, percent

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


def run(budget: Budget, progress: Progress) -> Findings:
    """Every cell on every task at every lag, several seeds."""
    lags = budget.choose((10, 20), (10, 30, 100), (10, 30, 100, 200, 500))
    most, seeds = budget.choose(500, 1_500, 10_000), budget.choose(1, 2, 5)
    found: dict[tuple[str, str, int], list[int]] = {}
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


def steps_until_solved(task: Task, make: Callable[[int], Recurrent], lag: int, most: int, seed: int) -> int:
    """Training steps until held-out sequences are solved, looked at every 50; `most` + 1 if they are not.

    Adam with 0.005, gradients clipped to a norm of 1; a forget bias of 1 as is usual.
    """
    torch.manual_seed(seed)
    layer, read = make(task.inputs), nn.Linear(HIDDEN, task.outputs)
    if isinstance(layer, LSTM):
        with torch.no_grad():
            layer.get_parameter("bias_ih_l0")[HIDDEN : 2 * HIDDEN] = 1.0
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
    """The middle run; of an even number the slower of the two in the middle."""
    return sorted(steps)[len(steps) // 2]


def _claims(found: dict[tuple[str, str, int], list[int]], lags: Sequence[int], most: int) -> list[Claim]:
    longest = lags[-1]

    def solved(name: str, lag: int) -> float:
        runs = [steps for task in TASKS for steps in found[task, name, lag]]
        return sum(steps <= most for steps in runs) / len(runs)

    def reach(name: str) -> str:
        return ", ".join(f"{percent(solved(name, lag))} at lag {lag}" for lag in lags)

    plain = solved("RNN", longest)
    ahead = [name for name in CELLS_TRIED if solved(name, longest) > plain]
    every = len(ahead) == len(CELLS_TRIED) - 1
    by_cell = "; ".join(f"{name}: {reach(name)}" for name in CELLS_TRIED)
    needed = {
        name: [_median(found[task, name, lags[0]]) for task in TASKS] for name in ("LSTM", "LSTM, peepholes")
    }
    faster = [
        task
        for task, without, within in zip(TASKS, needed["LSTM"], needed["LSTM, peepholes"], strict=True)
        if within < without
    ]
    told = {name: ", ".join(_steps(steps, most) for steps in median) for name, median in needed.items()}
    return [
        Claim(
            "Recurrent nets lose their memories over time; the LSTM and its variants bridge long lags.",
            Verdict.HOLDS if every else Verdict.CONDITIONAL if ahead else Verdict.FAILS,
            f"{'' if every or not ahead else f'the cell is one of these: {_list(ahead)}. '}At lag {longest} the "
            f"plain net solved {percent(plain)} of its runs, all tasks and seeds together; more than it did "
            f"{_list(ahead) if ahead else 'none'}. Solved within {count(most)} training steps: {by_cell}.",
        ),
        Claim(
            "Peepholes help.",
            Verdict.HOLDS if len(faster) == len(TASKS) else Verdict.CONDITIONAL if faster else Verdict.FAILS,
            f"{f'the task asks for it, here {_list(faster)}. ' if 0 < len(faster) < len(TASKS) else ''}At lag "
            f"{lags[0]} the LSTM needs {told['LSTM']} steps ({', '.join(TASKS)}), with peepholes "
            f"{told['LSTM, peepholes']}.",
        ),
    ]


def _steps(steps: int, most: int) -> str:
    return count(steps) if steps <= most else f"more than {count(most)}"


def _list(names: Sequence[str]) -> str:
    return " and ".join([", ".join(f"“{name}”" for name in names[:-1]), f"“{names[-1]}”"][len(names) == 1 :])


def _task_section(
    task: str, found: dict[tuple[str, str, int], list[int]], lags: Sequence[int], most: int
) -> Section:
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
    caption = (
        f"Solved: {TASKS[task].words}. Lines are the middle seed, bands reach from the fastest to the slowest; what "
        f"lies on the dotted line was not solved within {count(most)} steps."
    )
    rows = []
    for name in CELLS_TRIED:
        cells = []
        for lag in lags:
            steps = found[task, name, lag]
            done = [each for each in steps if each <= most]
            spread = f" ({number(min(done), 0)} to {number(max(done), 0)})" if len(set(done)) > 1 else ""
            cells.append(f"{number(_median(done), 0)}{spread}" if done else "not solved")
            if done and len(done) < len(steps):
                cells[-1] += f", {len(done)} of {len(steps)}"
        rows.append([name, *cells])
    table = Table(
        ["", *[f"lag {lag}" for lag in lags]], rows, "Training steps until solved, and the spread over seeds."
    )
    return Section(task.capitalize(), TASKS[task].about, [Figure(chart, caption), table])
