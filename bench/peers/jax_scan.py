"""jax.lax.scan over the same step, compiled by XLA as a whole, backward by jax.vjp."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from bench.peers.steps import STEPS, State, Step
from bench.problem import Call, Problem


class _Operations:
    tanh = staticmethod(jnp.tanh)
    sigmoid = staticmethod(jax.nn.sigmoid)


def _run(step: Step, states: int, weights: dict[str, Any], x: Any) -> Any:
    """(T, B, I) -> (T, B, H)"""
    wx = x @ weights["weight_ih"].T + weights["bias_ih"]
    start = (jnp.zeros((x.shape[1], weights["weight_hh"].shape[1]), x.dtype),) * states

    def body(state: State, step_wx: Any) -> tuple[State, Any]:
        state = step(_Operations, step_wx, state, weights)
        return state, state[0]

    return jax.lax.scan(body, start, wx)[1]


def prepare(problem: Problem, threads: int) -> Call | None:
    run = partial(_run, STEPS[problem.cell.name], problem.cell.states)
    weights = {name: jnp.asarray(value.numpy()) for name, value in problem.weights.items()}
    x, gradient = jnp.asarray(problem.x.detach().numpy()), jnp.asarray(problem.gradient.numpy())

    @jax.jit
    def both(weights: dict[str, Any], x: Any, gradient: Any) -> Any:
        output, pull_back = jax.vjp(run, weights, x)
        weight_gradients, x_gradient = pull_back(gradient)
        return output, x_gradient, weight_gradients

    forward = jax.jit(run)

    def train() -> Any:
        return jax.block_until_ready(both(weights, x, gradient))[:2]

    def infer() -> Any:
        return (jax.block_until_ready(forward(weights, x)),)

    return train if problem.backward else infer
