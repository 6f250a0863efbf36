"""Long lags: adding, temporal order and copying, by plain and by gated cells, with equal training.

Adding and temporal order are tasks with which the LSTM was introduced (Hochreiter & Schmidhuber 1997). Copying is as in
Arjovsky et al. 2016. The measurement is the number of training steps until held-out sequences are solved. The memory
gates start so that units keep their state for about as long as the lag (Tallec & Ollivier 2018).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from carousel.lab.experiment import Budget
from carousel.lab.networks import chrono_bias, set_memory_bias
from carousel.lab.training import updates
from carousel.nn import GRU, LSTM, RNN, Recurrent
from carousel.progress import Observer, Progress

HIDDEN = 32
BATCH = 32
SYMBOLS = 4  # of temporal order and of copying
COPIED = 3  # symbols to copy
CELLS: dict[str, Callable[[int], Recurrent]] = {
    "RNN": lambda inputs: RNN(inputs, HIDDEN),
    "LSTM": lambda inputs: LSTM(inputs, HIDDEN),
    "LSTM, peepholes": lambda inputs: LSTM(inputs, HIDDEN, peephole="diagonal"),
    "GRU, reset after": lambda inputs: GRU(inputs, HIDDEN),
    "GRU, reset before": lambda inputs: GRU(inputs, HIDDEN, reset="before"),
}


@dataclass(frozen=True)
class Task:
    """How sequences are drawn, the loss of the outputs, and the error below which the task is solved."""

    inputs: int
    outputs: int
    draw: Callable[[int, int, torch.Generator], tuple[Tensor, Tensor]]
    loss: Callable[[Tensor, Tensor], Tensor]
    error: Callable[[Tensor, Tensor], Tensor]
    solved: float
    criterion: str  # `solved` in words
    description: str


def adding(lag: int, batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Number and mark (lag, batch, 2); target (1, batch): the sum of the two marked numbers, one in each half."""
    values = torch.rand(lag, batch, generator=generator)
    marks, rows = torch.zeros(lag, batch), torch.arange(batch)
    first = torch.randint(lag // 2, (batch,), generator=generator)
    second = torch.randint(lag // 2, lag, (batch,), generator=generator)
    marks[first, rows] = 1.0
    marks[second, rows] = 1.0
    return torch.stack([values, marks], dim=-1), (values * marks).sum(dim=0)[None]


def temporal_order(lag: int, batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Noise with an X or Y near the start and in the middle (lag, batch, SYMBOLS + 2); target: which of 4 orders."""
    noise = torch.randint(SYMBOLS, (lag, batch), generator=generator)
    early, late = (torch.randint(2, (batch,), generator=generator) for _ in range(2))
    rows = torch.arange(batch)
    noise[torch.randint(max(lag // 5, 1), (batch,), generator=generator), rows] = SYMBOLS + early
    middle = torch.randint(lag // 2, lag // 2 + max(lag // 5, 1), (batch,), generator=generator)
    noise[middle, rows] = SYMBOLS + late
    return F.one_hot(noise, SYMBOLS + 2).float(), (2 * early + late)[None]


def copying(lag: int, batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """COPIED symbols, lag blanks, then a go signal at each step of the output; target (COPIED, batch): the symbols."""
    symbols = torch.randint(SYMBOLS, (COPIED, batch), generator=generator)
    blank, go = torch.full((lag, batch), SYMBOLS), torch.full((COPIED, batch), SYMBOLS + 1)
    return F.one_hot(torch.cat([symbols, blank, go]), SYMBOLS + 2).float(), symbols


def _error_rate(outputs: Tensor, target: Tensor) -> Tensor:
    return (outputs.argmax(dim=-1) != target).float().mean()


def _cross_entropy(outputs: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(outputs.flatten(0, -2), target.flatten())


def _squared_error(outputs: Tensor, target: Tensor) -> Tensor:
    return (outputs[..., 0] - target).square().mean()


TASKS = {
    "adding": Task(
        2,
        1,
        adding,
        _squared_error,
        _squared_error,
        0.01,
        "the mean squared error is below 0.01, while guessing has 0.17",
        "The input is a row of numbers of which two are marked, one in each half. The target at the end is their sum.",
    ),
    "temporal order": Task(
        SYMBOLS + 2,
        4,
        temporal_order,
        _cross_entropy,
        _error_rate,
        0.05,
        "fewer than 5 % of the outputs are wrong, while guessing has 75 %",
        "The input is noise with an X or a Y near the start and another one in the middle. The target at the end is "
        "which of the four orders it was.",
    ),
    "copying": Task(
        SYMBOLS + 2,
        SYMBOLS,
        copying,
        _cross_entropy,
        _error_rate,
        0.05,
        "fewer than 5 % of the outputs are wrong, while guessing has 75 %",
        f"The input is {COPIED} symbols, then blanks, then a signal to write the symbols in their order.",
    ),
}


@dataclass(frozen=True)
class Measurements:
    """Training steps until solved of each seed, by task, cell and lag; `most` + 1 where the task is not solved."""

    lags: Sequence[int]
    most: int
    steps: dict[tuple[str, str, int], list[int]]


def measure(budget: Budget, on_progress: Observer) -> Measurements:
    """Every cell on every task at every lag; the number of seeds is odd, so that one of them is the median."""
    lags = budget.choose((10, 20), (10, 30, 100), (10, 30, 100, 500))
    most, seeds = budget.choose(300, 1_500), 3
    steps: dict[tuple[str, str, int], list[int]] = {}
    runs = [(task, name, lag) for task in TASKS for lag in lags for name in CELLS]
    for k, (task, name, lag) in enumerate(runs):
        on_progress(Progress(f"{task}, lag {lag}: {name}", k / len(runs)))
        steps[task, name, lag] = [
            steps_until_solved(TASKS[task], CELLS[name], lag, most, seed) for seed in range(seeds)
        ]
    return Measurements(lags, most, steps)


def open_gates(layer: Recurrent, lag: int) -> None:
    """Let the memory gates of a gated layer keep its units for 1 to `lag` steps."""
    if not isinstance(layer, RNN):
        set_memory_bias(layer, chrono_bias(layer.hidden_size, lag), chrono=True)


def steps_until_solved(task: Task, make: Callable[[int], Recurrent], lag: int, most: int, seed: int) -> int:
    """Training steps until held-out sequences are solved, tested every 50 steps; `most` + 1 if they are not.

    Adam with a learning rate of 0.005, gradients clipped to a norm of 1.
    """
    torch.manual_seed(seed)
    layer, read = make(task.inputs), nn.Linear(HIDDEN, task.outputs)
    open_gates(layer, lag)
    generator = torch.Generator().manual_seed(1_000 + seed)
    held_out = task.draw(lag, 500, torch.Generator().manual_seed(77))

    def outputs(inputs: Tensor, target: Tensor) -> Tensor:
        """Of the last steps, as many as the target has."""
        return read(layer(inputs)[0][-len(target) :])

    def loss() -> Tensor:
        inputs, target = task.draw(lag, BATCH, generator)
        return task.loss(outputs(inputs, target), target)

    training = updates([layer, read], loss, 0.005, clip=1.0)
    for step in range(most):
        if step % 50 == 0:
            with torch.no_grad():
                if float(task.error(outputs(*held_out), held_out[1])) < task.solved:
                    return step
        next(training)
    return most + 1
