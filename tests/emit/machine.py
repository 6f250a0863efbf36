"""Runs a program for one step forward and backward on torch tensors, reading only what was written before."""

import torch
from equations.evaluation import Step
from torch import Tensor

from carousel.emit.program import Kind, Place, Product, Program, computed
from carousel.emit.reference import OPERATIONS
from carousel.equations.graph import Node


class Machine:
    """`memory` holds one (B, H) vector for each place that has been written."""

    def __init__(self, program: Program, step: Step) -> None:
        self.program, self.step = program, step
        self.hidden = step.states[0].shape[-1]
        self.memory: dict[Place, Tensor] = {}
        for index, state in enumerate(step.states):
            self.memory[Place(Kind.PREVIOUS, index)] = state.detach()
        for index, (parameter, row) in enumerate(program.learned):
            packed = step.parameters[program.parameters[parameter]].detach()
            self.memory[Place(Kind.LEARNED, index)] = packed.view(-1, self.hidden)[row]

    def block(self, parameter: int, row: int) -> Tensor:
        rows = self.step.parameters[self.program.parameters[parameter]]
        return rows[row * self.hidden : (row + 1) * self.hidden].detach()

    def forward(self) -> list[Tensor]:
        """The new states."""
        if self.program.input_product:
            self.multiply(self.program.input_product)
        for index, phase in enumerate(self.program.forward):
            for product in phase.products:
                self.multiply(product)
            self.compute(phase.stores, self.program.loads[False, index])
        return [self.memory[Place(Kind.NEW, index)] for index in range(len(self.step.states))]

    def multiply(self, product: Product) -> None:
        """A vector times blocks: the first product into a block starts from its biases."""
        vector = self.step.x.detach() if product.place is None else self.memory[product.place]
        for (slot, parameter, row), begins in zip(product.blocks, product.begins, strict=True):
            place = Place(Kind.TAPE, slot)
            before = (
                sum(self.block(*bias) for bias in self.program.biases[slot]) if begins else self.memory[place]
            )
            self.memory[place] = before + vector @ self.block(parameter, row).T

    def backward(self, cotangents: list[Tensor], of_output: Tensor) -> None:
        """Deltas, the previous states' gradients and the diagonals' gradients, in their places."""
        for index, cotangent in enumerate(cotangents):
            self.memory[Place(Kind.COTANGENT, index)] = cotangent
        self.memory[Place(Kind.OUTPUT_GRADIENT, 0)] = of_output
        for index in range(len(self.program.learned)):
            self.memory[Place(Kind.LEARNED_GRADIENT, index)] = torch.zeros_like(of_output)
        for index, phase in enumerate(self.program.backward):
            for product in phase.products:
                self.multiply_transposed(product)
            self.compute(phase.stores, self.program.loads[True, index])
        for product in self.program.closing:
            self.multiply_transposed(product)

    def multiply_transposed(self, product: Product) -> None:
        total = sum(
            self.memory[Place(Kind.WORK, slot)] @ self.block(*block) for slot, *block in product.blocks
        )
        self.memory[product.place] = total + self.memory[product.place] if product.accumulates else total

    def compute(self, stores: tuple[tuple[Place, Node], ...], loads: dict[Node, Place]) -> None:
        """Everything is read before anything is stored."""
        values: dict[Node, Tensor] = {}
        for node in computed(stores, loads):
            values[node] = self.value(node, values, loads)
        for place, node in stores:
            before = self.memory[place] if place.kind == Kind.LEARNED_GRADIENT else 0
            value = values[node].expand_as(self.step.states[0])
            if place.kind in (Kind.SUM, Kind.BACKWARD_SUM):
                sums = self.program.sums if place.kind == Kind.SUM else self.program.backward_sums
                value = getattr(value, sums[place.index].operation)(-1, keepdim=True)
            self.memory[place] = before + value

    def value(self, node: Node, values: dict[Node, Tensor], loads: dict[Node, Place]) -> Tensor:
        states = self.program.equations.states
        if node in loads:
            return self.memory[loads[node]]
        if node.operation == "state":
            return self.memory[Place(Kind.PREVIOUS, states.index(node.name))]
        if node.operation == "cotangent":
            index = states.index(node.name)
            carried = self.memory[Place(Kind.COTANGENT, index)]
            return carried + self.memory[Place(Kind.OUTPUT_GRADIENT, 0)] if index == 0 else carried
        if node.operation == "constant":
            return torch.tensor(node.value, dtype=torch.float64)
        operands = [values[operand] for operand in node.operands]
        if node.operation in ("scale", "param"):
            names = [(each.operation, each.name) for each in self.program.equations.layout.vectors]
            vector = self.memory[Place(Kind.LEARNED, names.index((node.operation, node.name)))]
            return vector * operands[0] if operands else vector
        return OPERATIONS[node.operation](*operands)
