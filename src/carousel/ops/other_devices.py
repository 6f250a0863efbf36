"""Devices other than the CPU: the cells that torch has run on torch's own operators, such as cuDNN's."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from carousel.emit.call import Call
from carousel.equations import Equations
from carousel.equations.catalogue import CELLS

_MODES = {
    CELLS[name].equations.key: mode
    for name, mode in {"lstm": "LSTM", "gru": "GRU", "rnn-tanh": "RNN_TANH", "rnn-relu": "RNN_RELU"}.items()
}
_OPERATORS: dict[str, Callable[..., tuple[Tensor, ...]]] = {
    "LSTM": torch.lstm,
    "GRU": torch.gru,
    "RNN_TANH": torch.rnn_tanh,
    "RNN_RELU": torch.rnn_relu,
}


def mode_of(equations: Equations) -> str | None:
    """torch's name for these equations, or None if torch does not have them."""
    return _MODES.get(equations.key)


def run(call: Call) -> tuple[Tensor, list[Tensor]]:
    """Run a cell that torch has: one layer in one direction by one operator, with the results of `recurrence`."""
    equations, x, initial, parameters, reverse, batch_sizes, *_ = call
    mode = _MODES[equations.key]
    weights = [parameters[name] for name in equations.layout.names if name in parameters]
    states = [state.unsqueeze(0).contiguous() for state in initial]
    hx = states if mode == "LSTM" else states[0]
    # biases, layers, dropout, whether to store what the backward pass needs, both directions
    options = ("bias_ih" in parameters, 1, 0.0, torch.is_grad_enabled(), False)
    backwards = None if batch_sizes is None or not reverse else turned(batch_sizes).to(x.device)
    if reverse:
        x = x.flip(0) if backwards is None else x.index_select(0, backwards)
    if batch_sizes is None:
        output, *final = _OPERATORS[mode](x, hx, weights, *options, False)
    else:
        output, *final = _OPERATORS[mode](x, batch_sizes, hx, weights, *options)
    if reverse:
        output = output.flip(0) if backwards is None else output.index_select(0, backwards)
    return output, [state.squeeze(0) for state in final]


def turned(batch_sizes: Tensor) -> Tensor:
    """Packed rows -> the rows of the reversed sequences. The permutation is its own inverse."""
    first = torch.cumsum(batch_sizes, 0) - batch_sizes
    step = torch.repeat_interleave(torch.arange(len(batch_sizes)), batch_sizes)
    sequence = torch.arange(len(step)) - first[step]
    lengths = (batch_sizes[:, None] > torch.arange(int(batch_sizes[0]))).sum(0)
    return first[lengths[sequence] - 1 - step] + sequence


@functools.cache
def warn_of_loop(title: str, device: str, has_operator: bool) -> None:
    """Warn, once for each cell and kind of device, that a sequence runs step by step, and why."""
    why = (
        "torch's operator takes no resets"
        if has_operator
        else "torch has operators for LSTM without peepholes, GRU with reset='after' and RNN with tanh or relu alone"
    )
    warnings.warn(
        f"{title} runs on {device} as a loop of torch operations, many times slower than one operator: {why}. "
        "On the CPU Carousel's kernels run every cell.",
        stacklevel=2,
    )
