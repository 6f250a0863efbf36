"""A Python loop over torch operations: what is left for the cells that torch.nn does not have."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.peers.module_call import module_call
from bench.peers.steps import STEPS
from bench.problem import Call, Problem


class Loop(torch.nn.Module):
    def __init__(self, problem: Problem) -> None:
        super().__init__()
        self.step, self.states = STEPS[problem.cell.name], problem.cell.states
        self.weights = torch.nn.ParameterDict(problem.weights)

    def forward(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        weights = dict(self.weights.items())
        wx = torch.nn.functional.linear(x, weights["weight_ih"], weights["bias_ih"])
        state = (x.new_zeros(x.shape[1], weights["weight_hh"].shape[1]),) * self.states
        outputs = []
        for step_wx in wx:
            state = self.step(torch, step_wx, state, weights)
            outputs.append(state[0])
        return torch.stack(outputs), state


def prepare(problem: Problem, threads: int) -> Call | None:
    return None if problem.cell.in_torch else module_call(Loop(problem), problem)
