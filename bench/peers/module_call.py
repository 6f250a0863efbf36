"""A torch module as its users call it: inference without a graph, training with every gradient."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.problem import Call, Problem


def module_call(module: torch.nn.Module, problem: Problem) -> Call:
    parameters = list(module.parameters())

    def infer() -> tuple[Tensor]:
        with torch.no_grad():
            return (module(problem.x)[0],)

    def train() -> tuple[Tensor, Tensor]:
        output = module(problem.x)[0]
        x_gradient, *_ = torch.autograd.grad(output, [problem.x, *parameters], problem.gradient)
        return output, x_gradient

    return train if problem.backward else infer


def frozen_call(problem: Problem) -> Call:
    """Ours as those call it who only infer."""
    network = problem.module.frozen()
    return lambda: (network(problem.x)[0],)
