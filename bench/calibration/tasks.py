"""What the nets learn: Python source character by character, series made by formula, the adding problem."""

from __future__ import annotations

import argparse
import ast
import calendar
import csv
import difflib
import inspect
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor
from torch.nn import functional as F

_MODULES: tuple[ModuleType, ...] = (argparse, ast, calendar, csv, difflib, inspect, tarfile)
SYMBOLS = 97  # printable ASCII, line end, and one for all else


@dataclass(frozen=True)
class Task:
    """How a batch is drawn, `(T, B, generator) -> (inputs, targets)`, and what is lost by answering wrongly.

    `enough` is the loss below which the task counts as learned; `guess` is that of an answer without memory.
    """

    name: str
    inputs: int
    outputs: int
    draw: Callable[[int, int, torch.Generator], tuple[Tensor, Tensor]]
    loss: Callable[[Tensor, Tensor], Tensor]
    guess: float
    enough: float
    symbols: bool = False


@cache
def _source() -> Tensor:
    """The source of a few modules of the standard library as symbols."""
    text = "\n".join(Path(str(module.__file__)).read_text(encoding="utf-8") for module in _MODULES)
    codes = torch.tensor([0 if c == "\n" else ord(c) - 31 if 32 <= ord(c) < 127 else 96 for c in text])
    return codes


def _text(time: int, batch: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
    codes = _source()
    starts = torch.randint(len(codes) - time - 1, (batch,), generator=random)
    rows = codes[starts + torch.arange(time + 1)[:, None]]
    return rows[:-1], rows[1:]


@cache
def bigram_nats() -> float:
    """The entropy of a character given the one before it: what a net without memory can reach at best."""
    codes = _source()
    pairs = torch.zeros(SYMBOLS, SYMBOLS).index_put_((codes[:-1], codes[1:]), torch.ones(1), accumulate=True)
    share = pairs / pairs.sum()
    given = pairs / pairs.sum(1, keepdim=True).clamp(min=1)
    return float(-(share * given.clamp(min=1e-12).log()).sum())


def _symbol_loss(output: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(output.flatten(0, 1), target.flatten())


def _waves(time: int, batch: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Two sines of unknown frequency and phase under noise: what comes next is read from many steps."""
    frequency = 0.1 + 0.5 * torch.rand(2, 1, batch, generator=random)
    phase = 6.2832 * torch.rand(2, 1, batch, generator=random)
    t = torch.arange(time + 1.0)[None, :, None]
    clean = torch.sin(frequency * t + phase).sum(0)[..., None]
    return clean[:-1] + 0.3 * torch.randn(time, batch, 1, generator=random), clean[1:]


def _adding(time: int, batch: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Two numbers are marked, one in each half; at the end their sum is asked for (Hochreiter, Schmidhuber 1997)."""
    numbers = torch.rand(time, batch, generator=random)
    marks = torch.zeros(time, batch)
    half = time // 2
    first = torch.randint(half, (batch,), generator=random)
    second = half + torch.randint(half, (batch,), generator=random)
    lanes = torch.arange(batch)
    marks[first, lanes] = marks[second, lanes] = 1.0
    total = numbers[first, lanes] + numbers[second, lanes]
    return torch.stack([numbers, marks], -1), total[:, None]


def _last_square(output: Tensor, target: Tensor) -> Tensor:
    return F.mse_loss(output[-1], target)


def _echo(lag: int, time: int, batch: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Say what was heard some steps ago."""
    heard = torch.rand(time + lag, batch, 1, generator=random) - 0.5
    return heard[lag:], heard[:-lag]


def _sensor(time: int, batch: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """A pressure in pascal as it comes from the device: nobody has scaled it."""
    x, y = _waves(time, batch, random)
    return 101_325 + 400 * x, y


def _kelvin(time: int, batch: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """A temperature in kelvin, again unscaled."""
    x, y = _waves(time, batch, random)
    return 290 + 8 * x, y


def _pulses(time: int, batch: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """A pulse of either sign now and then, and nothing between: which came last is to be said (a flip-flop)."""
    signs = torch.randint(2, (time, batch, 1), generator=random) * 2.0 - 1
    x = signs * (torch.rand(time, batch, 1, generator=random) < 0.1)
    last, answers = torch.zeros(batch, 1), []
    for each in x:
        last = torch.where(each != 0, each, last)
        answers.append(last)
    return x, torch.stack(answers)


TEXT = Task("text", SYMBOLS, SYMBOLS, _text, _symbol_loss, 2.6, 2.2, symbols=True)
WAVES = Task("waves", 1, 1, _waves, F.mse_loss, 1.0, 0.14)
ADDING = Task("adding", 2, 1, _adding, _last_square, 1 / 6, 0.05)
ECHO = Task("echo", 1, 1, partial(_echo, 8), F.mse_loss, 1 / 12, 0.02)
FAR_ECHO = Task("far echo", 1, 1, partial(_echo, 15), F.mse_loss, 1 / 12, 0.04)
PULSES = Task("pulses", 1, 1, _pulses, F.mse_loss, 1.0, 0.1)
SENSOR = Task("sensor", 1, 1, _sensor, F.mse_loss, 1.0, 0.1)
KELVIN = Task("kelvin", 1, 1, _kelvin, F.mse_loss, 1.0, 0.1)
