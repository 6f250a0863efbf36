"""Timing several contenders fairly: in turns, so that whatever the machine does hits them alike."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Run = Callable[[], object]

# Idle threads of OpenMP and ONNX Runtime spin for milliseconds after a call. Nobody starts before they sleep.
PAUSE = 0.025


def interleave(
    contenders: Mapping[str, Run], rounds: int, turn: float = 0.03, pause: float = PAUSE
) -> dict[str, list[float]]:
    """Seconds per call of each contender in each round: A B C, A B C, ...

    Args:
        turn: a turn repeats a short call until it lasts about so many seconds.
        pause: seconds of silence before each turn.
    """
    calls = {name: _calls_in(run, turn, pause) for name, run in contenders.items()}
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            seconds[name].append(_take_turn(run, calls[name], pause))
    return seconds


def _calls_in(run: Run, turn: float, pause: float) -> int:
    """How many calls fill a turn; also the warm-up."""
    run()
    return max(1, round(turn / max(_take_turn(run, 1, pause), 1e-9)))


def _take_turn(run: Run, calls: int, pause: float) -> float:
    time.sleep(pause)
    if calls > 1:
        run()  # wake the threads and warm the caches, where a call is too short to do so itself
    collects = gc.isenabled()
    gc.disable()
    try:
        start = time.perf_counter()
        for _ in range(calls):
            run()
        return (time.perf_counter() - start) / calls
    finally:
        if collects:
            gc.enable()


@dataclass(frozen=True)
class Ratio:
    """How many times as fast as a peer: the ratio of the medians; quartiles of the ratios round by round."""

    value: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """faster or slower, if the medians and three rounds of four say so; else even."""
        if min(self.value, self.low) > 1:
            return "faster"
        return "slower" if max(self.value, self.high) < 1 else "even"


def ratio(ours: Sequence[float], peer: Sequence[float]) -> Ratio:
    """Above 1 where we are faster.

    >>> ratio([1.0, 2.0, 1.0], [2.0, 2.0, 3.0])
    Ratio(value=2.0, low=1.5, high=2.5)
    """
    by_round = [theirs / own for own, theirs in zip(ours, peer, strict=True)]
    low, high = by_round[0], by_round[0]
    if len(by_round) > 1:
        low, _, high = statistics.quantiles(by_round, n=4, method="inclusive")
    return Ratio(statistics.median(peer) / statistics.median(ours), low, high)
