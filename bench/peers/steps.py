"""One step of each cell as people write it by hand, for torch and JAX alike: `ops` brings tanh and sigmoid.

wx (B, G H) is W x + b_ih, done for all steps at once before the loop, as anybody would who cares for speed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

State = tuple[Any, ...]
Step = Callable[[Any, Any, State, dict[str, Any]], State]


def _blocks(a: Any, count: int) -> list[Any]:
    size = a.shape[-1] // count
    return [a[..., k * size : (k + 1) * size] for k in range(count)]


def rnn(ops: Any, wx: Any, state: State, w: dict[str, Any]) -> State:
    (h,) = state
    return (ops.tanh(wx + h @ w["weight_hh"].T + w["bias_hh"]),)


def lstm(ops: Any, wx: Any, state: State, w: dict[str, Any]) -> State:
    h, c = state
    i, f, g, o = _blocks(wx + h @ w["weight_hh"].T + w["bias_hh"], 4)
    c = ops.sigmoid(f) * c + ops.sigmoid(i) * ops.tanh(g)
    return ops.sigmoid(o) * ops.tanh(c), c


def lstm_diagonal(ops: Any, wx: Any, state: State, w: dict[str, Any]) -> State:
    h, c = state
    to_i, to_f, to_o = w["weight_peephole"]
    i, f, g, o = _blocks(wx + h @ w["weight_hh"].T + w["bias_hh"], 4)
    c = ops.sigmoid(f + to_f * c) * c + ops.sigmoid(i + to_i * c) * ops.tanh(g)
    return ops.sigmoid(o + to_o * c) * ops.tanh(c), c


def gru(ops: Any, wx: Any, state: State, w: dict[str, Any]) -> State:
    (h,) = state
    x_r, x_z, x_n = _blocks(wx, 3)
    h_r, h_z, h_n = _blocks(h @ w["weight_hh"].T + w["bias_hh"], 3)
    r, z = ops.sigmoid(x_r + h_r), ops.sigmoid(x_z + h_z)
    n = ops.tanh(x_n + r * h_n)
    return ((1 - z) * n + z * h,)


def gru_before(ops: Any, wx: Any, state: State, w: dict[str, Any]) -> State:
    (h,) = state
    two = 2 * h.shape[-1]
    gates = ops.sigmoid(wx[..., :two] + h @ w["weight_hh"][:two].T + w["bias_hh"][:two])
    r, z = _blocks(gates, 2)
    n = ops.tanh(wx[..., two:] + (r * h) @ w["weight_hh"][two:].T + w["bias_hh"][two:])
    return ((1 - z) * n + z * h,)


STEPS: dict[str, Step] = {
    "rnn": rnn,
    "lstm": lstm,
    "lstm-diagonal": lstm_diagonal,
    "gru": gru,
    "gru-before": gru_before,
}
