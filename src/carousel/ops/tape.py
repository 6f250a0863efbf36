"""Every vector of one run of a cell at every step, and its gradient.

The kernel writes what its backward pass needs to its tape, and returns the gradient of every state at every step. All
other vectors and gradients follow from these by the equations. They are computed for all steps at once when they are
read.
"""

from __future__ import annotations

import torch
from torch import Tensor

from carousel.emit.call import Call
from carousel.emit.phases import schedule
from carousel.emit.program import Kind
from carousel.emit.reference import evaluate, learned_values
from carousel.equations import Equations
from carousel.equations.derive import backward
from carousel.equations.graph import Node, make, topological
from carousel.errors import CarouselError


def tape_vectors(equations: Equations, output: Tensor, tape: Tensor) -> dict[Node, Tensor]:
    """The vectors that the kernel stores: views of its output (rows, H) and of its tape (rows, width)."""
    plan, hidden = schedule(equations), output.shape[-1]
    begin_of_states = plan.slots - (len(equations.states) - 1)

    def at(slot: int) -> Tensor:
        return tape[..., slot * hidden : (slot + 1) * hidden]

    vectors: dict[Node, Tensor] = {}
    for node, place in plan.loads[True, 0].items():
        if place.kind == Kind.NEW:
            vectors[node] = output if place.index == 0 else at(begin_of_states + place.index - 1)
        elif place.kind == Kind.TAPE:
            vectors[node] = at(place.index)
        elif place.kind == Kind.SUM:
            number = plan.slots * hidden + place.index
            vectors[node] = tape[..., number : number + 1].expand_as(output)
    return vectors


class Tape:
    """Every vector of a run by its node, in the layout of the output, (T, B, H) or (N, H).

    `call` has copies, which no later change reaches, and the probe, whose gradient is that of the states; None without
    gradients. `vectors` are the known vectors.
    """

    def __init__(self, call: Call, vectors: dict[Node, Tensor]) -> None:
        self.call = call
        self.equations, self.probe = call.equations, call.probe
        self._values = vectors
        self._output = vectors[call.equations.new_states[0]]

    @torch.no_grad()
    def value(self, node: Node) -> Tensor:
        """The vector at every step."""
        return self._evaluated(node, self._values).expand_as(self._output)

    @torch.no_grad()
    def gradient(self, node: Node) -> Tensor:
        """The total derivative of the loss with respect to the vector at every step; zero if nothing depends on it.

        Raises CarouselError before backward() was called.
        """
        if self.probe is None or self.probe.grad is None:
            raise CarouselError(
                "There is no gradient yet: run the module with gradients enabled and call backward() on a loss first."
            )
        derived = backward(self.equations)
        if node not in derived.gradients:
            return torch.zeros_like(self._output)
        values = dict(self._values)  # a second backward() adds to the gradients, so none of them is kept
        for state, arrived in zip(self.equations.states, self.probe.grad, strict=True):
            values[make("cotangent", name=state)] = arrived
        found = self._evaluated(derived.gradients[node], values).expand_as(self._output)
        return found.sum(-1, keepdim=True).expand_as(found) if node.is_uniform else found

    def _evaluated(self, node: Node, values: dict[Node, Tensor]) -> Tensor:
        order = topological([node], stop=lambda each: each in values)
        for leaf in order:
            if leaf.operation == "input":
                values[leaf] = self.call.x
            elif leaf.operation == "state" and leaf not in values:
                values[leaf] = self._before(leaf.name)

        def learned(each: Node) -> Tensor:
            return learned_values(each, self.equations, self.call.parameters, values)

        evaluate(order, values, learned, like=self._output)
        return values[node]

    def _before(self, state: str) -> Tensor:
        """The state before every step: after the step before, the initial one, or zero after a reset."""
        call = self.call
        index = self.equations.states.index(state)
        after, initial = self._values[self.equations.new_states[index]], call.initial[index]
        if call.batch_sizes is None:
            before = torch.cat([after[1:], initial[None]] if call.reverse else [initial[None], after[:-1]])
        else:
            steps = call.by_step(after)
            come = [*steps[1:], initial[:0]] if call.reverse else [initial, *steps[:-1]]
            rows = [len(step) for step in steps]
            before = torch.cat(
                [
                    part
                    for seen, size in zip(come, rows, strict=True)
                    for part in (seen[:size], initial[len(seen) : size])
                ]
            )
        return before if call.resets is None else before.masked_fill(call.resets.unsqueeze(-1), 0)
