"""The lecture's backward formulas of the LSTM with full peepholes, written out beside what is derived.

The lecture prints, with gradients as rows and W_hf the matrix from h to f (row times matrix):

    grad C_t = grad h_t ∘ (o_t ∘ tanh'(.) + tanh(.) ∘ σ'(.) W_Co) +
               grad C_{t+1} ∘ (f_{t+1} + C_t ∘ σ'(.) W_Cf + C~_{t+1} ∘ σ'(.) W_Ci ∘ tanh(.))
    grad h_t = grad z_t (dz_t / dh_t) + grad C_{t+1} ∘ (C_t ∘ σ'(.) W_hf + C~_{t+1} ∘ σ'(.) W_hi) +
               grad C_{t+1} ∘ o_{t+1} ∘ tanh'(.) W_ho + grad h_{t+1} ∘ tanh(.) ∘ σ'(.) W_ho

Two misprints: `o_{t+1} tanh' W_ho` under grad C_{t+1} is i_{t+1} tanh' W_hC, as C~ enters C through i; and the
`tanh(.)` behind W_Ci does not belong.
"""

from dataclasses import dataclass

import pytest
import torch
from equations.evaluation import DerivedStep, Step
from torch import Tensor

from carousel.equations.catalogue import CELLS

T, I, H, Z = 5, 2, 3, 4
EQUATIONS = CELLS["lstm-full"].equations


@dataclass
class Network:
    """The cell's parameters, a linear output z_t = W_hz h_t, and Div = sum_t |z_t - target_t|^2 / 2; one sequence."""

    parameters: dict[str, Tensor]
    w_hz: Tensor
    x: Tensor
    target: Tensor
    initial: list[Tensor]

    def matrix(self, source: str, gate: str) -> Tensor:
        parameter = f"weight_{source}h"
        row = EQUATIONS.layout.rows[parameter].index(gate)
        return self.parameters[parameter][row * H : (row + 1) * H]

    def steps(self) -> list[Step]:
        steps, states = [], self.initial
        for x in self.x:
            steps.append(Step(EQUATIONS, x, states, self.parameters))
            states = [steps[-1].vectors[node] for node in EQUATIONS.new_states]
        return steps

    def output_gradient(self, h: Tensor, t: int) -> Tensor:
        """grad z_t (dz_t / dh_t)"""
        return (h @ self.w_hz.T - self.target[t]) @ self.w_hz


@pytest.fixture
def network() -> Network:
    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, dtype=torch.float64)

    parameters = {name: random(*shape) for name, shape in EQUATIONS.layout.shapes(I, H).items()}
    return Network(parameters, random(Z, H), random(T, 1, I), random(T, 1, Z), [random(1, H), random(1, H)])


def lecture(network: Network, c_as_printed: bool, h_as_printed: bool) -> tuple[Tensor, Tensor]:
    """grad h_t and grad C_t for all t by the lecture's recursion: (T, 1, H) each."""
    vectors = [step.vectors for step in network.steps()]
    of = {name: node for node, name in EQUATIONS.names.items()}
    i, f, g, c, o, h = ([v[of[name]] for v in vectors] for name in "ifgcoh")  # g is the lecture's C~
    W = network.matrix

    def slope(gate: Tensor) -> Tensor:  # σ'(.)
        return gate * (1 - gate)

    grad_h, grad_c = [torch.zeros(1, H)] * T, [torch.zeros(1, H)] * T
    for t in reversed(range(T)):
        grad_h[t] = network.output_gradient(h[t], t)
        if t + 1 < T:
            to_c, to_h = grad_c[t + 1], grad_h[t + 1]
            grad_h[t] = grad_h[t] + (to_c * c[t] * slope(f[t + 1])) @ W("h", "f")
            grad_h[t] = grad_h[t] + (to_c * g[t + 1] * slope(i[t + 1])) @ W("h", "i")
            if h_as_printed:
                grad_h[t] = grad_h[t] + (to_c * o[t + 1] * (1 - g[t + 1] ** 2)) @ W("h", "o")
            else:
                grad_h[t] = grad_h[t] + (to_c * i[t + 1] * (1 - g[t + 1] ** 2)) @ W("h", "g")
            grad_h[t] = grad_h[t] + (to_h * c[t + 1].tanh() * slope(o[t + 1])) @ W("h", "o")
        grad_c[t] = grad_h[t] * o[t] * (1 - c[t].tanh() ** 2)
        grad_c[t] = grad_c[t] + (grad_h[t] * c[t].tanh() * slope(o[t])) @ W("c", "o")
        if t + 1 < T:
            through_input_gate = (to_c * g[t + 1] * slope(i[t + 1])) @ W("c", "i")
            if c_as_printed:
                through_input_gate = through_input_gate * c[t].tanh()
            grad_c[t] = grad_c[t] + to_c * f[t + 1] + (to_c * c[t] * slope(f[t + 1])) @ W("c", "f")
            grad_c[t] = grad_c[t] + through_input_gate
    return torch.stack(grad_h), torch.stack(grad_c)


def derived(network: Network) -> tuple[Tensor, Tensor]:
    """The same by the derived step, walked back through time."""
    grad_h, grad_c = [], []
    sent = {"h": torch.zeros(1, H, dtype=torch.float64), "c": torch.zeros(1, H, dtype=torch.float64)}
    for t, step in reversed(list(enumerate(network.steps()))):
        h, c = EQUATIONS.new_states
        here = DerivedStep(step, {**sent, "h": sent["h"] + network.output_gradient(step.vectors[h], t)})
        grad_h.append(here.value(here.derived.gradients[h]))
        grad_c.append(here.value(here.derived.gradients[c]))
        sent = here.previous()
    return torch.stack(grad_h[::-1]), torch.stack(grad_c[::-1])


def largest_difference(one: Tensor, other: Tensor) -> Tensor:
    """For each time step."""
    return (one - other).abs().amax(dim=(1, 2))


def test_derived_is_the_gradient(network):
    """First of all, both agree with autograd: the gradients of h_t and C_t with respect to Div."""
    h, c = EQUATIONS.new_states
    initial = [state.requires_grad_() for state in network.initial]
    kept, div = [], torch.zeros((), dtype=torch.float64)
    states = initial
    for t, x in enumerate(network.x):
        vectors = Step(EQUATIONS, x, states, network.parameters).vectors
        states = [vectors[h], vectors[c]]
        kept.append(states)
        div = div + (vectors[h] @ network.w_hz.T - network.target[t]).square().sum() / 2
    grad_h = torch.autograd.grad(div, [h for h, _ in kept], retain_graph=True)
    grad_c = torch.autograd.grad(div, [c for _, c in kept])
    with torch.no_grad():
        for actual, expected in zip(derived(network), (grad_h, grad_c), strict=True):
            assert largest_difference(actual, torch.stack(expected)).max() < 1e-10


def test_corrected(network):
    """With both misprints corrected the lecture's recursion equals what is derived, at every step, to 1e-10."""
    for by_lecture, by_derivation in zip(lecture(network, False, False), derived(network), strict=True):
        assert by_derivation.abs().amax(dim=(1, 2)).min() > 0.1
        assert largest_difference(by_lecture, by_derivation).max() < 1e-10


def test_as_printed(network):
    """As printed, neither is the gradient, except at the last step, which has none after it."""
    for by_lecture, by_derivation in zip(lecture(network, True, True), derived(network), strict=True):
        difference = largest_difference(by_lecture, by_derivation)
        assert difference[-1] < 1e-10
        assert difference[:-1].min() > 1e-2


def test_misprint_in_the_gradient_of_h(network):
    """`o tanh' W_ho` alone is enough to miss: the candidate enters the cell through the input gate and W_hC."""
    by_lecture, _ = lecture(network, False, True)
    assert largest_difference(by_lecture, derived(network)[0])[:-1].min() > 1e-2


def test_misprint_in_the_gradient_of_c(network):
    """So is the stray `tanh(.)` behind W_Ci."""
    _, by_lecture = lecture(network, True, False)
    assert largest_difference(by_lecture, derived(network)[1])[:-1].min() > 1e-2
