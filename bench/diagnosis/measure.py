"""The seconds of `diagnose` for some networks; the monitor beside the steps of a real run."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

import carousel
from carousel.diagnosis.monitor import INSTANCES, Monitor
from carousel.training import LanguageConfig
from carousel.training.language import corpus as corpora
from carousel.training.language.task import build_loop

WARM_UP = 5


@dataclass(frozen=True)
class Size:
    """A module on a batch of noise: T steps, B sequences, 64 inputs."""

    kind: str
    hidden: int
    layers: int
    steps: int
    batch: int = 4

    @property
    def name(self) -> str:
        return f"{self.kind} {self.layers} x {self.hidden}, T {self.steps}, B {self.batch}"

    def module(self) -> nn.Module:
        module: nn.Module = getattr(nn, self.kind)(64, self.hidden, self.layers)
        return module


SIZES = (
    Size("RNN", 64, 1, 100),
    Size("LSTM", 64, 2, 100),
    Size("GRU", 128, 2, 200),
    Size("LSTM", 256, 2, 200),
    Size("LSTM", 512, 2, 200),
    Size("LSTM", 1024, 2, 200),
)


def time_diagnosis(size: Size) -> float:
    """Seconds of one `diagnose`, as a user would wait for it."""
    torch.manual_seed(0)
    model, batch = size.module(), torch.randn(size.steps, size.batch, 64)
    start = time.perf_counter()
    carousel.diagnose(model, batch)
    return time.perf_counter() - start


@dataclass(frozen=True)
class Monitored:
    """Seconds of the steps and of the looks beside them."""

    steps: int
    seconds: float
    looks: int
    spent: float

    @property
    def share(self) -> float:
        """Of the time of training, looks included."""
        return self.spent / (self.seconds + self.spent)


def time_monitor(config: LanguageConfig, steps: int, tell: Callable[[str], None]) -> Monitored:
    """The first steps of a run with the monitor at its default interval, as `carousel train` has it."""
    tell("reading the text")
    corpus = corpora.load(config)
    loop = build_loop(config.with_steps(10**9), corpus.vocabulary.size, corpus.train)
    for step in range(WARM_UP):
        loop.step(step)
    monitor, seconds, looks = Monitor(), 0.0, 0
    for step in range(WARM_UP, WARM_UP + steps):
        tell(f"step {step + 1} of {WARM_UP + steps}")
        start = time.perf_counter()
        _, norm = loop.step(step)
        seconds += time.perf_counter() - start
        if monitor.is_due(step + 1):
            inputs, *_ = loop.batches.window(step)
            monitor.look(loop.model, (inputs[:, :INSTANCES],), step=step + 1, total_norm=norm)
            looks += 1
    return Monitored(steps, seconds, looks, monitor.spent)
