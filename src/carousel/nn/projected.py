"""An LSTM whose h is projected to fewer numbers (Sak et al. 2014): h_t = W_hr (o * tanh(c_t)), torch's `proj_size`.

With m_t = o * tanh(c_t), what the next step reads of h is W_hh h_t = (W_hh W_hr) m_t. That is an LSTM without a
projection whose recurrent matrix is W_hh W_hr. The kernel of the LSTM therefore runs it with m in the place of h, and
one product computes h from m for all steps at once. No m may exist for an initial h, so the initial h is a part of the
input of the first step, with W_hh as its weights.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from carousel.emit.call import Call
from carousel.nn.torch_layer import Part, RunPart
from carousel.ops.other_devices import turned


def projected(run: RunPart, is_zero: bool, hidden: int) -> RunPart:
    """`run` with h projected; is_zero: is the initial h zero?"""

    def run_projected(part: Part, call: Call) -> tuple[Tensor, list[Tensor]]:
        h, *rest = call.initial
        project = call.parameters["weight_hr"]
        x, weights = _folded(call, None if is_zero else h)
        output, final = run(
            part, call._replace(x=x, initial=[h.new_zeros(h.shape[0], hidden), *rest], parameters=weights)
        )
        return F.linear(output, project), [F.linear(final[0], project), *final[1:]]

    return run_projected


def _folded(call: Call, h: Tensor | None) -> tuple[Tensor, dict[str, Tensor]]:
    """The input and the parameters of the LSTM on m, which begins with m = 0.

    call: has weight_hr (P, H) among its parameters. h: the initial h, (B, P), or None for zeros.
    """
    x, parameters, batch_sizes = call.x, call.parameters, call.batch_sizes
    weights = {name: weight for name, weight in parameters.items() if name != "weight_hr"}
    weights["weight_hh"] = parameters["weight_hh"] @ parameters["weight_hr"]
    if h is None:
        return x, weights
    if call.resets is not None and not call.reverse:  # the reverse direction has no boundary where it begins
        first = call.resets[0] if batch_sizes is None else call.resets[: h.shape[0]]
        h = h.masked_fill(first.unsqueeze(-1), 0)
    rows = h.unsqueeze(0) if batch_sizes is None else h
    beside = F.pad(rows, [0, 0] * (rows.dim() - 1) + [0, x.shape[0] - rows.shape[0]])
    if call.reverse:
        beside = beside.flip(0) if batch_sizes is None else beside[turned(batch_sizes).to(x.device)]
    weights["weight_ih"] = torch.cat([parameters["weight_ih"], parameters["weight_hh"]], dim=1)
    return torch.cat([x, beside], dim=-1), weights
