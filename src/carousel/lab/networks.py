"""Recurrent layers whose weights or gates an experiment sets."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from carousel.nn import LSTM, RNN, Recurrent


def slope(activation: str, value: Tensor) -> Tensor:
    """f'(z) from the value f(z) of "sigmoid", "tanh", "relu" or "identity"."""
    if activation == "sigmoid":
        return value * (1 - value)
    if activation == "tanh":
        return 1 - value**2
    return (value > 0).to(value) if activation == "relu" else torch.ones_like(value)


def spectral_radius(matrix: Tensor) -> Tensor:
    """The largest modulus of the eigenvalues."""
    return torch.linalg.eigvals(matrix).abs().max()


def rnn(nonlinearity: str, weight: Tensor, weight_x: Tensor | None = None, bias: Tensor | None = None) -> RNN:
    """An RNN in float64 with the recurrent weights (H, H) and the input weights (H, I).

    Without input weights the identity is used, so that the input is added to the units. Without a bias there is none.
    """
    weight_x = torch.eye(len(weight), dtype=torch.float64) if weight_x is None else weight_x
    hidden, inputs = weight_x.shape
    layer = RNN(inputs, hidden, nonlinearity=nonlinearity, bias=bias is not None, dtype=torch.float64)
    with torch.no_grad():
        layer.get_parameter("weight_hh_l0").copy_(weight)
        layer.get_parameter("weight_ih_l0").copy_(weight_x)
        if bias is not None:
            layer.get_parameter("bias_ih_l0").copy_(bias)
            layer.get_parameter("bias_hh_l0").zero_()
    return layer


def vectors(layer: Recurrent, inputs: Tensor, start: Tensor | None = None) -> Mapping[str, Tensor]:
    """Every vector of the equations of a layer by its name, (T, B, H) each: gates, candidates and states."""
    with torch.no_grad():
        return layer.trace(inputs, start)[0].values


def hidden_states(layer: RNN, inputs: Tensor, start: Tensor) -> Tensor:
    """h_1 ... h_T (T, B, H), driven by the inputs (T, B, I) from the start (B, H)."""
    with torch.no_grad():
        output, _ = layer(inputs, start[None])
    return output


def paths(layer: RNN, starts: Tensor, steps: int) -> Tensor:
    """h_0 ... h_T (T + 1, B, H) from the starts (B, H), without input."""
    inputs = torch.zeros(steps, len(starts), layer.input_size, dtype=starts.dtype)
    return torch.cat([starts[None], hidden_states(layer, inputs, starts)])


def memory_gate(layer: Recurrent) -> slice:
    """The rows of the gate that keeps the state: the forget gate of an LSTM, the update gate of a GRU."""
    return slice(layer.hidden_size, 2 * layer.hidden_size)


def chrono_bias(units: int, longest: int) -> Tensor:
    """Biases (units,) with which a memory gate keeps its unit for 1 to `longest` steps.

    b = ln u, u uniform in [1, longest - 1]: chrono initialisation (Tallec & Ollivier 2018).
    """
    return torch.log(1 + (longest - 2) * torch.rand(units))


def set_memory_bias(layer: Recurrent, bias: Tensor, chrono: bool = False) -> None:
    """Let the memory gate start with this bias (H,) and every other gate with 0.

    By chrono initialisation the input gate of an LSTM starts with the opposite bias.
    """
    with torch.no_grad():
        layer.get_parameter("bias_hh_l0").zero_()
        biases = layer.get_parameter("bias_ih_l0").zero_()
        biases[memory_gate(layer)] = bias
        if chrono and isinstance(layer, LSTM):
            biases[: layer.hidden_size] = -bias


def hold_memory_gate(layer: Recurrent, bias: float) -> None:
    """Hold the memory gate at sigmoid(bias) for every input: it gets no weights."""
    rows = memory_gate(layer)
    with torch.no_grad():
        for name in ("weight_ih_l0", "weight_hh_l0", "bias_hh_l0"):
            layer.get_parameter(name)[rows] = 0.0
        layer.get_parameter("bias_ih_l0")[rows] = bias
