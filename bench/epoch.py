"""How long a run of `carousel train` takes, from some of its steps: data, forward, backward and update."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from carousel.training import LanguageConfig
from carousel.training.language import corpus as corpora
from carousel.training.language.task import build_loop

WARM_UP = 5


@dataclass(frozen=True)
class Timed:
    """Seconds of each step, and how many there are in a run."""

    seconds: list[float]
    steps_per_epoch: int
    epochs: float
    tokens_per_step: int

    def lines(self) -> list[str]:
        """The figures, as they are printed."""
        median, quickest = statistics.median(self.seconds), min(self.seconds)
        epoch = median * self.steps_per_epoch
        return [
            f"step: {1e3 * median:.2f} ms (median of {len(self.seconds)}; quickest {1e3 * quickest:.2f}), "
            f"{self.tokens_per_step / median:,.0f} tokens/s",
            f"epoch: {self.steps_per_epoch:,} steps, {epoch:.1f} s",
            f"{self.epochs:g} epochs: {self.epochs * epoch / 60:.2f} minutes, without evaluations",
        ]


def time_steps(config: LanguageConfig, steps: int, tell: Callable[[str], None]) -> Timed:
    """Take the first steps of a run, after a few that warm up."""
    torch.set_num_threads(config.threads or torch.get_num_threads())
    tell("reading the text")
    corpus = corpora.load(config)
    loop = build_loop(config.with_steps(10**9), corpus.vocabulary.size, corpus.train)
    seconds = []
    for step in range(WARM_UP + steps):
        tell(f"step {step + 1} of {WARM_UP + steps}")
        start = time.perf_counter()
        loop.step(step)
        seconds.append(time.perf_counter() - start)
    return Timed(seconds[WARM_UP:], loop.batches.number, config.epochs or 1.0, loop.batches.tokens)
