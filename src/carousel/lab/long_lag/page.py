"""What the page on long lags says."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from carousel.lab.formulas import cell_formulas
from carousel.lab.long_lag.measure import BATCH, CELLS, HIDDEN, TASKS, Measurements
from carousel.report.charts import Chart, Line
from carousel.report.lab import Claim, Figure, Findings, Section, Table
from carousel.report.number_format import count, listed, number

PLAIN, PEEPHOLES = "RNN", "LSTM, peepholes"


def findings(found: Measurements) -> Findings:
    """The claims about gated cells and peepholes, and the figures behind them."""
    names = dict(zip(CELLS, ("rnn-tanh", "lstm", "lstm-diagonal", "gru", "gru-before"), strict=True))
    sections = [_task_section(task, found) for task in TASKS]
    return Findings([_bridge_claim(found), _peephole_claim(found)], sections, cell_formulas(names), cover=1)


def faster(steps: Sequence[int], others: Sequence[int], most: int) -> bool | None:
    """Is the slowest of these seeds faster than the fastest of the others?

    None if training ended, after `most` steps, before every seed of one side had solved the task.
    """
    if max(steps) < min(others):
        return True
    return None if min(max(steps), max(others)) > most else False


def _bridge_claim(found: Measurements) -> Claim:
    longest = found.lags[-1]
    gated = [name for name in CELLS if name != PLAIN]
    cases = {
        (task, name): faster(found.steps[task, name, longest], found.steps[task, PLAIN, longest], found.most)
        for task in TASKS
        for name in gated
    }
    ahead: dict[str, list[str]] = {}  # cells by the tasks in which they are ahead
    for name in gated:
        tasks = [task for task in TASKS if cases[task, name]]
        ahead.setdefault(listed(tasks) if tasks else "", []).append(name)
    every = {tasks: "every gated cell" if names == gated else listed(names) for tasks, names in ahead.items()}
    places = ", and ".join(f"{tasks} with {names}" for tasks, names in every.items() if tasks)
    runs = len(TASKS) * len(found.steps[next(iter(TASKS)), PLAIN, longest])
    verdicts = list(cases.values())
    return Claim.judged(
        "Recurrent networks lose their memories over time, and the LSTM and its variants bridge long lags.",
        verdicts,
        {
            f"cases, of {len(cases)}, in which a gated cell is ahead at lag {longest}": count(
                verdicts.count(True)
            ),
            f"cases that {count(found.most)} training steps do not decide": count(verdicts.count(None)),
        }
        | {
            f"{name}: runs, of {runs}, that solve the task at lag {longest}": count(
                _solved(found, name, longest)
            )
            for name in CELLS
        },
        "A case is a gated cell and a task. A gated cell is ahead of the plain RNN if every seed of it solves the task "
        "in fewer training steps. Nothing is decided if neither cell solves the task with every seed.",
        f"cell and task fit, which at lag {longest} are {places}",
    )


def _solved(found: Measurements, name: str, lag: int) -> int:
    return sum(steps <= found.most for task in TASKS for steps in found.steps[task, name, lag])


def _peephole_claim(found: Measurements) -> Claim:
    pairs = {
        f"{task} at lag {lag}": (found.steps[task, PEEPHOLES, lag], found.steps[task, "LSTM", lag])
        for task in TASKS
        for lag in found.lags
    }
    helps = {case for case, (with_them, without) in pairs.items() if faster(with_them, without, found.most)}
    hurts = {case for case, (with_them, without) in pairs.items() if faster(without, with_them, found.most)}
    return Claim.judged(
        "Peepholes help.",
        [True if case in helps else False if case in hurts else None for case in pairs],
        {
            f"cases, of {len(pairs)}, in which every seed is faster with peepholes": count(len(helps)),
            "cases in which every seed is slower": count(len(hurts)),
        },
        "A case is a task at a lag. In all other cases the seeds overlap, or do not solve the task, which decides "
        "nothing. The tables below have the steps.",
        f"the task needs them, here {listed(sorted(helps) or ['nowhere'])}",
    )


def _task_section(task: str, found: Measurements) -> Section:
    lines = []
    for k, name in enumerate(CELLS, start=1):
        seeds = [[min(steps, found.most) for steps in found.steps[task, name, lag]] for lag in found.lags]
        band = (list(map(min, seeds)), list(map(max, seeds)))
        lines.append(
            Line(
                name, list(found.lags), [float(median(each)) for each in seeds], f"s{k}", dots=True, band=band
            )
        )
    drawn = Chart(
        f"{task.capitalize()}: training steps until solved",
        "By lag, the median seed of each cell and the spread over seeds; at the top: not solved",
        "lag, steps to bridge",
        "training steps until solved",
        lines,
        levels=[("not solved", float(found.most))],
        y_range=(0.0, 1.05 * found.most),
        x_log=True,
        events=[(lag, str(lag)) for lag in found.lags],
        height=320,
    )
    caption = (
        f"The task is solved if {TASKS[task].criterion}. Lines are the median of "
        f"{len(found.steps[task, PLAIN, found.lags[0]])} seeds. Bands reach from the fastest to the slowest seed. "
        f"Seeds on the dotted line did not solve the task within {count(found.most)} steps."
    )
    rows = [
        [name, *[_cell(found.steps[task, name, lag], found.most) for lag in found.lags]] for name in CELLS
    ]
    table = Table(
        ["", *[f"lag {lag}" for lag in found.lags]],
        rows,
        "Training steps until solved: the median seed, and the fastest and the slowest.",
    )
    text = (
        f"{TASKS[task].description} Every cell has {HIDDEN} units and is trained by Adam on {BATCH} sequences a step. "
        "The forget gates of LSTMs and the update gates of GRUs start so that their units keep their state for 1 to as "
        "many steps as the lag (chrono initialisation)."
    )
    return Section(task.capitalize(), text, [Figure(drawn, caption), table])


def _cell(steps: Sequence[int], most: int) -> str:
    solved = [each for each in steps if each <= most]
    if not solved:
        return "not solved"
    fastest, slowest, middle = (number(each, 0) for each in (min(solved), max(solved), median(solved)))
    if len(solved) < len(steps):
        return f"{len(solved)} of {len(steps)} seeds, from {fastest}"
    return f"{middle} ({fastest} to {slowest})"
