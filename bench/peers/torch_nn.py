"""torch.nn.RNN, LSTM and GRU, with the same weights."""

from __future__ import annotations

import torch

from bench.peers.module_call import module_call
from bench.problem import Call, Problem


def prepare(problem: Problem, threads: int) -> Call | None:
    if not problem.cell.in_torch:
        return None
    hidden = problem.shape.hidden
    module = getattr(torch.nn, problem.cell.module)(hidden, hidden).train(problem.backward)
    module.load_state_dict(problem.module.state_dict())
    return module_call(module, problem)
