"""An LSTM whose h is projected to fewer numbers (Sak et al. 2014): h_t = W_hr (o * tanh(c_t)), torch's `proj_size`.

With m_t = o * tanh(c_t), what the next step reads of h is W_hh h_t = (W_hh W_hr) m_t. That is an LSTM without a
projection whose recurrent matrix is W_hh W_hr. So the kernel of the LSTM runs it, with m in the place of h, and one
product makes h of m for all steps at once. An initial h need not be W_hr m of any m: it comes in beside the input of
the first step, with W_hh as its weights.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from carousel.nn.inputs import Inputs
from carousel.nn.torch_layer import Parameters, Part, RunPart
from carousel.ops.native import turned


def projected(run: RunPart, inputs: Inputs, hidden: int) -> RunPart:
    """As `run`, which runs an LSTM, with h projected."""

    def run_projected(
        part: Part, x: Tensor, initial: list[Tensor], parameters: Parameters
    ) -> tuple[Tensor, list[Tensor]]:
        h, *rest = initial
        given = None if inputs.is_zero else h
        where = (part.reverse, inputs.sequence.batch_sizes, inputs.begins[part.reverse])
        x, weights = _folded(x, given, parameters, *where)
        output, final = run(part, x, [h.new_zeros(h.shape[0], hidden), *rest], weights)
        project = parameters["weight_hr"]
        return F.linear(output, project), [F.linear(final[0], project), *final[1:]]

    return run_projected


def _folded(
    x: Tensor,
    h: Tensor | None,
    parameters: Mapping[str, Tensor],
    reverse: bool,
    batch_sizes: Tensor | None,
    begins: Tensor | None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """The input and the parameters of the LSTM on m that runs instead; it begins with m = 0.

    x: (T, B, I), or packed (N, I); h: the initial one, (B, P), None for zeros; parameters: with weight_hr (P, H);
    begins: before which steps the state becomes zero.
    """
    weights = {name: weight for name, weight in parameters.items() if name != "weight_hr"}
    weights["weight_hh"] = parameters["weight_hh"] @ parameters["weight_hr"]
    if h is None:
        return x, weights
    if begins is not None and not reverse:  # where the reverse direction begins lies no boundary
        first = begins[0] if batch_sizes is None else begins[: h.shape[0]]
        h = h.masked_fill(first.unsqueeze(-1), 0)
    rows = h.unsqueeze(0) if batch_sizes is None else h
    beside = F.pad(rows, [0, 0] * (rows.dim() - 1) + [0, x.shape[0] - rows.shape[0]])
    if reverse:
        beside = beside.flip(0) if batch_sizes is None else beside[turned(batch_sizes).to(x.device)]
    weights["weight_ih"] = torch.cat([parameters["weight_ih"], parameters["weight_hh"]], dim=1)
    return torch.cat([x, beside], dim=-1), weights
