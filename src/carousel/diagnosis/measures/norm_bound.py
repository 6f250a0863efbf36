"""How much one step can stretch a change of the state, bounded by the norms of the matrices in it."""

from __future__ import annotations

import torch
from torch import Tensor

from carousel.diagnosis.observation.linearisation import Linearisation, forward_mode, state_node
from carousel.equations.graph import REDUCTIONS, Node


def log_norm_bound(at: Linearisation) -> Tensor:
    """ln of a bound on ||J||_2 at each of N points, (N,).

    The norm of each path from a state to a new state is at most the product of the norms along it: of matrices their
    spectral norm, of a diagonal its largest entry. Paths add up; the norms of the blocks form a matrix whose spectral
    norm bounds that of J. For h = f(W x + U h) this is max |f'| ||U||_2.
    """
    layer, zero = at.layer, at.new_state.new_zeros(at.points)

    def through(node: Node, k: int, reach: Tensor) -> Tensor:
        if node.operation == "affine":
            return reach * layer.norm(node, node.operands[k])
        if node.operation == "scale":
            return reach * layer.diagonal(node).abs().max()
        if node.operation in REDUCTIONS:
            return reach * (layer.hidden if node.operation == "sum" else 1)  # the norm of a matrix of ones
        slope = at.slopes[node][k]
        return reach * (slope.abs().amax(dim=-1) if slope.dim() else slope.abs())

    rows = []
    for state in layer.states:
        reach = forward_mode(at.equations, {state_node(state): at.new_state.new_ones(at.points)}, through)
        rows.append(torch.stack([reach.get(node, zero) for node in at.equations.new_states], dim=-1))
    blocks = torch.stack(rows, dim=-1)  # (N, new state, state)
    return torch.linalg.matrix_norm(blocks, ord=2).log()
