"""The number of steps of a run: counted from epochs, or measured once for a number of minutes."""

import statistics
import time
from typing import Any, TypeVar

from carousel.training.loop.config import DEFAULT_MINUTES, LoopConfig
from carousel.training.loop.loop import Loop
from carousel.training.run.task import Task

EVALUATIONS = 20  # in a run, unless `evaluate_every` is set
_SHARE = 0.05  # of the minutes that evaluations may take
_WARM_UP, _TIMED = 3, 20  # steps
_SECONDS = 3.0  # of timed steps at most

Settings = TypeVar("Settings", bound=LoopConfig)


def resolve_length(config: Settings, task: Task) -> Settings:
    """The configuration with `steps` and `evaluate_every` set, after which no time is measured for the length.

    To turn minutes into steps, some steps and an evaluation of a temporary model are timed. The minutes cover training
    and its evaluations; the final scores on the whole valid and test parts take extra time.
    """
    if config.steps is not None:
        return _every(config, EVALUATIONS)
    if config.epochs is not None:
        loop = task.loop(config)
        steps = max(1, round(config.epochs * loop.batches.number))
        return _every(config.with_steps(steps), EVALUATIONS)
    minutes = config.minutes or DEFAULT_MINUTES
    loop = task.loop(config.override(minutes=minutes))
    step, evaluation = _seconds_per_step(loop), _seconds_per_evaluation(loop, task)
    seconds = 60 * minutes
    evaluations = max(1, min(EVALUATIONS, int(_SHARE * seconds / evaluation)))
    steps = max(1, int((seconds - evaluations * evaluation) / step))
    return _every(config.override(minutes=minutes).with_steps(steps), evaluations)


def seconds_since(start: float) -> float:
    """Seconds since `time.perf_counter()` was `start`: more than 0, since some virtual machines have a slow counter."""
    return max(time.perf_counter() - start, 1e-9)


def _every(config: Settings, evaluations: int) -> Settings:
    if config.evaluate_every is not None or config.steps is None:
        return config
    return config.override(evaluate_every=-(-config.steps // evaluations))


def _seconds_per_step(loop: Loop[Any]) -> float:
    times: list[float] = []
    for step in range(_WARM_UP + _TIMED):
        start = time.perf_counter()
        loop.step(step)
        times.append(seconds_since(start))
        if len(times) > _WARM_UP and sum(times[_WARM_UP:]) > _SECONDS:
            break
    return statistics.median(times[_WARM_UP:])


def _seconds_per_evaluation(loop: Loop[Any], task: Task) -> float:
    start = time.perf_counter()
    task.evaluate(loop.model, sample=True)
    return seconds_since(start)
