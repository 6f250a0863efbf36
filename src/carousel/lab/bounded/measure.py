"""Bounded input, bounded output: the states of random networks of every size of weights, driven by bounded noise.

How large do their states become, how many units saturate, and how well does a linear read-out still tell the input?
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from carousel.diagnosis.measures.saturation import SATURATED
from carousel.diagnosis.observation.linearisation import STEEPEST
from carousel.lab.experiment import Budget
from carousel.lab.networks import hidden_states, rnn, slope, spectral_radius, vectors
from carousel.nn import LSTM, RNN
from carousel.progress import Observer, Progress

ACTIVATIONS = ("sigmoid", "tanh", "relu", "identity")
GAINS = [2.0**k for k in range(-4, 8)]
SELF_WEIGHTS = [0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0]
READ_ERROR = 0.05  # standard deviation: an exact read-out would see through any saturation


@dataclass(frozen=True)
class Driven:
    """A network driven by noise: its largest state, its share of saturated states, and R² of the input read out."""

    largest: float
    saturated: float
    readable: float


@dataclass(frozen=True)
class Measurements:
    """Networks by activation for each of GAINS, single units for each of SELF_WEIGHTS, and an open LSTM unit."""

    networks: dict[str, list[Driven]]
    units: dict[str, list[Driven]]
    open_lstm: dict[str, list[float]]  # c and h by step
    gains: Sequence[float] = tuple(GAINS)
    self_weights: Sequence[float] = tuple(SELF_WEIGHTS)


def measure(budget: Budget, on_progress: Observer) -> Measurements:
    """Networks by the gain of their weights, units by their self-weight, and the cell of an LSTM."""
    steps = budget.choose(400, 2_000)
    networks = {}
    for k, name in enumerate(ACTIVATIONS):
        on_progress(Progress(f"{name} networks", k / len(ACTIVATIONS)))
        networks[name] = [drive(name, gain, steps) for gain in GAINS]
    on_progress(Progress("single units", 0.9))
    units = {
        name: [drive_unit(name, weight, 10 * steps) for weight in SELF_WEIGHTS]
        for name in ("sigmoid", "tanh")
    }
    return Measurements(networks, units, open_lstm(200))


def drive(activation: str, gain: float, steps: int, hidden: int = 64, inputs: int = 8) -> Driven:
    """Drive a random network by uniform noise in [-1, 1]; `gain` is the spectral radius of W and the scale of W_x."""
    generator = torch.Generator().manual_seed(11)
    weight = torch.randn(hidden, hidden, generator=generator, dtype=torch.float64)
    weight_x = torch.randn(hidden, inputs, generator=generator, dtype=torch.float64)
    layer = rnn(activation, gain * weight / spectral_radius(weight), gain * weight_x)
    return _measure(activation, layer, _noise(steps, inputs, generator))


def drive_unit(activation: str, weight: float, steps: int) -> Driven:
    """Drive one unit with this weight on its own last state by uniform noise in [-1, 1]."""
    layer = rnn(activation, torch.tensor([[weight]], dtype=torch.float64))
    return _measure(activation, layer, _noise(steps, 1, torch.Generator().manual_seed(12)))


def _noise(steps: int, inputs: int, generator: torch.Generator) -> torch.Tensor:
    return torch.rand(steps, 1, inputs, generator=generator, dtype=torch.float64) * 2 - 1


def _measure(activation: str, layer: RNN, noise: torch.Tensor) -> Driven:
    states = hidden_states(layer, noise, noise.new_zeros(1, layer.hidden_size))[:, 0]
    least = SATURATED * STEEPEST.get(activation, 1.0)
    saturated = float((slope(activation, states) < least).double().mean())
    largest = float(states.abs().nan_to_num(math.inf).max())  # infinity less infinity is not a number
    return Driven(largest, saturated, readable(noise[:, 0], states))


def readable(inputs: torch.Tensor, states: torch.Tensor) -> float:
    """R² of a linear read-out of x_t from h_t on the second half of the steps, fitted on the first half.

    States are read with an error of READ_ERROR. The result is 0 if the states left the range of numbers, or if the
    read-out is worse than the mean.
    """
    if not bool(torch.isfinite(states).all()) or float(states.abs().max()) > 1e100:
        return 0.0
    error = torch.randn(states.shape, generator=torch.Generator().manual_seed(13), dtype=states.dtype)
    states = states + READ_ERROR * error
    half = len(states) // 2
    ones = torch.ones(len(states), 1, dtype=states.dtype)
    design = torch.cat([states / states.abs().max().clamp_min(1e-30), ones], dim=1)
    fit = torch.linalg.lstsq(design[:half], inputs[:half], driver="gelsd").solution
    left = (design[half:] @ fit - inputs[half:]).square().sum() / inputs[half:].square().sum()
    return max(0.0, 1.0 - float(left))


def open_lstm(steps: int) -> dict[str, list[float]]:
    """c_t and h_t of an LSTM unit whose gates are open (biases of 40) and whose candidate is 1 at every step."""
    layer = LSTM(1, 1, dtype=torch.float64)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
        layer.get_parameter("bias_ih_l0").fill_(40.0)
    values = vectors(layer, torch.ones(steps, 1, 1, dtype=torch.float64))
    return {name: values[name].flatten().tolist() for name in "ch"}
