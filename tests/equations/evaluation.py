"""One step of a cell in numbers: forward by the reference, backward node by node from what was derived."""

from dataclasses import dataclass

import torch
from torch import Tensor

from carousel.emit.reference import OPERATIONS, step_vectors
from carousel.equations import Equations
from carousel.equations.derive import Backward, Gradient, backward
from carousel.equations.graph import REDUCTIONS, Node, topological


@dataclass
class Step:
    """x: (B, I); states: (B, H) each; parameters by their packed names; all float64."""

    equations: Equations
    x: Tensor
    states: list[Tensor]
    parameters: dict[str, Tensor]

    @property
    def vectors(self) -> dict[Node, Tensor]:
        return step_vectors(self.equations, self.x, self.states, self.parameters)


def random_step(equations: Equations, batch: int = 4, inputs: int = 2, hidden: int = 3) -> Step:
    def leaf(*shape: int) -> Tensor:
        return torch.randn(*shape, dtype=torch.float64).requires_grad_()

    shapes = equations.layout.shapes(inputs, hidden)
    parameters = {name: leaf(*shape) for name, shape in shapes.items()}
    return Step(equations, leaf(batch, inputs), [leaf(batch, hidden) for _ in equations.states], parameters)


class DerivedStep:
    """What `derive.backward` says, in numbers, given the gradient of each new state."""

    def __init__(self, step: Step, cotangents: dict[str, Tensor]) -> None:
        self.step = step
        self.derived: Backward = backward(step.equations)
        self.values = {node: value.detach() for node, value in step.vectors.items()}
        self.cotangents = cotangents

    def value(self, node: Node) -> Tensor:
        for each in topological([node], stop=lambda node: node in self.values):
            if each not in self.values:
                self.values[each] = self._compute(each)
        return self.values[node]

    def gradient(self, gradient: Gradient) -> Tensor:
        """Both parts of a gradient, zero where there is none."""
        zero = torch.zeros_like(self.step.states[0])
        parts = [part for part in (gradient.elementwise, gradient.products) if part is not None]
        return sum((self.value(part) for part in parts), zero)

    def previous(self) -> dict[str, Tensor]:
        return {state: self.gradient(gradient) for state, gradient in self.derived.previous.items()}

    def parameters(self) -> dict[str, Tensor]:
        """dW = delta^T x, db = delta and the diagonals' gradients, summed over the batch, packed."""
        layout = self.step.equations.layout
        totals = {name: torch.zeros_like(p) for name, p in self.step.parameters.items()}
        hidden = self.step.states[0].shape[-1]
        for affine, node in self.derived.deltas.items():
            delta = self._rows(node)
            for block in layout.weights[affine]:
                vector = self._rows(block.vector)
                totals[block.parameter][block.row * hidden : (block.row + 1) * hidden] += delta.T @ vector
            for block in layout.biases[affine]:
                totals[block.parameter][block.row * hidden : (block.row + 1) * hidden] += delta.sum(0)
        for learned, node in self.derived.learned.items():
            block = layout.vectors[learned]
            totals[block.parameter].view(-1, hidden)[block.row] += self._rows(node).sum(0)
        return totals

    def _rows(self, node: Node) -> Tensor:
        """The value with a row for each sequence, also where it is a number."""
        value = self.value(node)
        return value if value.dim() == 2 else value.expand_as(self.step.states[0])

    def _compute(self, node: Node) -> Tensor:
        operands = [self.values[operand] for operand in node.operands]
        if node.operation == "constant":
            return torch.tensor(node.value, dtype=torch.float64)
        if node.operation == "cotangent":
            return self.cotangents[node.name]
        if node.operation == "scale":
            row = self.step.equations.layout.rows["weight_peephole"].index(node.name)
            return self.step.parameters["weight_peephole"][row].detach() * operands[0]
        if node.operation == "param":
            return self.step.parameters[node.name].detach()
        if node.operation in REDUCTIONS:
            whole = self._rows(node.operands[0])
            return getattr(whole, node.operation)(-1, keepdim=True).expand_as(whole)
        if node.operation == "transposed":
            vector, *affines = node.about
            return sum(
                self._rows(d) @ self._matrix(a, vector) for d, a in zip(node.operands, affines, strict=True)
            )
        return OPERATIONS[node.operation](*operands)

    def _matrix(self, affine: Node, vector: Node) -> Tensor:
        [block] = [b for b in self.step.equations.layout.weights[affine] if b.vector is vector]
        hidden = self.step.states[0].shape[-1]
        return self.step.parameters[block.parameter][block.row * hidden : (block.row + 1) * hidden].detach()
