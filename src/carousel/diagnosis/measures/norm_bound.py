"""How much one step can stretch a change of the state, bounded by the norms of the matrices in it."""

from __future__ import annotations

import torch
from torch import Tensor

from carousel.diagnosis.observation.linearisation import Linearisation
from carousel.equations.graph import REDUCTIONS, Node


def log_norm_bound(at: Linearisation) -> Tensor:
    """ln of a bound on ||J||_2 at each of N points, (N,).

    The norm of each path from a state to a new state is at most the product of the norms along it: of matrices their
    spectral norm, of a diagonal its largest entry. Paths add up; the norms of the blocks form a matrix whose spectral
    norm bounds that of J. For h = f(W x + U h) this is max |f'| ||U||_2.
    """
    layer = at.layer
    rows = []
    for state in layer.states:
        reach: dict[Node, Tensor] = {}
        for node in at.equations.nodes:
            total: Tensor | None = None
            if (node.operation, node.name) == ("state", state):
                total = at.new_state.new_ones(at.points)
            elif node.operation == "affine":
                total = _sum([reach[v] * layer.norm(node, v) for v in node.operands if v in reach])
            elif node.operation == "scale":
                vector = node.operands[0]
                total = reach[vector] * layer.diagonal(node).abs().max() if vector in reach else None
            elif node.operation in REDUCTIONS:
                vector = node.operands[0]
                stretch = layer.hidden if node.operation == "sum" else 1  # the norm of a matrix of ones
                total = reach[vector] * stretch if vector in reach else None
            elif node in at.slopes:
                total = _sum(
                    [
                        reach[v] * (slope.abs().amax(dim=-1) if slope.dim() else slope.abs())
                        for v, slope in zip(node.operands, at.slopes[node], strict=True)
                        if v in reach
                    ]
                )
            if total is not None:
                reach[node] = total
        zero = at.new_state.new_zeros(at.points)
        rows.append(torch.stack([reach.get(node, zero) for node in at.equations.new_states], dim=-1))
    blocks = torch.stack(rows, dim=-1)  # (N, new state, state)
    return torch.linalg.matrix_norm(blocks, ord=2).log()


def _sum(parts: list[Tensor]) -> Tensor | None:
    return torch.stack(parts).sum(dim=0) if parts else None
