"""Graph -> program: in which phase each vector of a step is computed, and where it is kept."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from carousel.emit.program import Kind, Phase, Place, Product, Program
from carousel.equations import Equations
from carousel.equations.derive import Backward, backward
from carousel.equations.graph import CHEAP, LEAVES, REDUCTIONS, Node, constant, topological
from carousel.equations.parameters import Block


@cache
def schedule(equations: Equations) -> Program:
    """The program of a cell."""
    return _Scheduler(equations).program()


def stages(roots: Iterable[Node]) -> dict[Node, int]:
    """Node -> the first phase in which it can be computed."""
    stage: dict[Node, int] = {}
    for node in topological(roots):
        if node.operation == "affine":
            stage[node] = max((stage[v] + 1 for v in node.operands if v.operation not in LEAVES), default=0)
        elif node.operation in REDUCTIONS:  # all units must be done before their sum is read
            stage[node] = stage[node.operands[0]] + 1
        else:
            stage[node] = max((stage[operand] for operand in node.operands), default=0)
    return stage


class _Scheduler:
    """Builds the program of one cell, in the order of the methods."""

    def __init__(self, equations: Equations) -> None:
        self.equations = equations
        self.derived: Backward = backward(equations)
        self.affines = equations.affines
        self.block = {affine: index for index, affine in enumerate(self.affines)}
        self.parameters = equations.layout.names
        self.stage = stages(equations.new_states)
        self.is_forward = set(equations.nodes)
        self.sums = tuple(node for node in equations.nodes if node.operation in REDUCTIONS)
        self.kept = self._kept()
        self.slot = self._slots()
        ends = {node: Place(Kind.NEW, equations.new_states.index(node)) for node in equations.new_states}
        self.vectors = {node: Place(Kind.TAPE, slot) for node, slot in self.slot.items()} | ends
        # where the backward pass finds what the forward pass has computed
        self.places = self.vectors | {node: Place(Kind.SUM, s) for s, node in enumerate(self.sums)}

    # ---- forward -------------------------------------------------------------------------------------------

    def _kept(self) -> set[Node]:
        """Vectors that must outlive their phase: read by a later phase, by a product or by the backward pass."""
        kept = {v for a in self.affines for v in a.operands if v.operation not in LEAVES}
        kept -= set(self.equations.new_states)

        def need(node: Node) -> None:
            if node.operation in LEAVES or node in self.equations.new_states or node in kept:
                return
            if node.is_uniform:  # computed anew from sums, once for each row
                return
            if node.operation in CHEAP or node.operation == "scale":
                for operand in node.operands:
                    need(operand)
            else:
                kept.add(node)

        roots = [node for _, node in self._backward_stores()]
        for node in topological(roots, stop=self.is_forward.__contains__):
            if node in self.is_forward:
                need(node)
        for node in self.equations.nodes:
            if node.operation != "affine" and node.operation not in REDUCTIONS:
                for operand in node.operands:
                    if self.stage[operand] < self.stage[node]:
                        need(operand)
        return kept

    def _slots(self) -> dict[Node, int]:
        """Kept vectors overwrite a block of their own phase that nobody needs afterwards, else get a new slot."""
        slot = {affine: self.block[affine] for affine in self.affines if affine in self.kept}
        free = [affine for affine in self.affines if affine not in self.kept]
        self.saved = len(self.affines)
        for node in self.equations.nodes:
            if node not in self.kept or node in slot:
                continue
            below = set(topological([node]))
            takes = next((a for a in free if self.stage[a] == self.stage[node] and a in below), None)
            if takes is None:
                slot[node] = self.saved
                self.saved += 1
            else:
                slot[node] = self.block[takes]
                free.remove(takes)
        return slot

    def _forward_phases(self, from_input: Product | None) -> list[Phase]:
        begun = {slot for slot, _, _ in from_input.blocks} if from_input else set()
        stores = [
            (Place(Kind.TAPE, self.slot[node]), node, self.stage[node])
            for node in self.equations.nodes
            if node in self.slot and node.operation != "affine"
        ]
        stores += [
            (Place(Kind.NEW, s), node, self.stage[node]) for s, node in enumerate(self.equations.new_states)
        ]
        stores += [
            (Place(Kind.SUM, s), node.operands[0], self.stage[node] - 1) for s, node in enumerate(self.sums)
        ]
        return [
            Phase(
                tuple(self._forward_products(phase, begun)),
                tuple((place, node) for place, node, at in stores if at == phase),
            )
            for phase in range(1 + max(self.stage.values(), default=0))
        ]

    def _forward_products(self, phase: int, begun: set[int]) -> Iterable[Product]:
        for vector in dict.fromkeys(v for a in self.affines for v in a.operands):
            ready = 0 if vector.operation in LEAVES else self.stage[vector] + 1
            if vector.operation == "input" or ready != phase:
                continue
            is_state, blocks = vector.operation == "state", self._blocks(vector)
            states = self.equations.states
            source = Place(Kind.PREVIOUS, states.index(vector.name)) if is_state else self.vectors[vector]
            yield Product(source, blocks, tuple(slot not in begun for slot, _, _ in blocks))
            begun |= {slot for slot, _, _ in blocks}

    def _blocks(self, vector: Node) -> tuple[tuple[int, int, int], ...]:
        """(slot, parameter index, row) for every affine that reads the vector."""
        return tuple(
            (self.block[affine], self.parameters.index(place.parameter), place.row)
            for affine in self.affines
            for place in self.equations.layout.weights[affine]
            if place.vector is vector
        )

    def _forward_loads(self, phase: int) -> dict[Node, Place]:
        places = {node: place for node, place in self.places.items() if self.stage[node] < phase}
        for affine in self.affines:
            if self.stage[affine] == phase:
                places[affine] = Place(Kind.TAPE, self.block[affine])
        return places | {node: self.places[node] for node in self.sums if self.stage[node] == phase}

    # ---- backward ------------------------------------------------------------------------------------------

    def _backward_stores(self) -> list[tuple[Place, Node]]:
        zero, vectors = constant(0), list(self.equations.layout.vectors)
        stores = [(Place(Kind.WORK, self.block[a]), self.derived.deltas.get(a, zero)) for a in self.affines]
        for index, gradient in enumerate(self.derived.previous.values()):
            if gradient.elementwise is not None or gradient.products is None:
                sent = zero if gradient.elementwise is None else gradient.elementwise
                stores.append((Place(Kind.PREVIOUS_GRADIENT, index), sent))
        for node, share in self.derived.learned.items():
            stores.append((Place(Kind.LEARNED_GRADIENT, vectors.index(node)), share))
        return stores

    def _backward_phases(self) -> list[Phase]:
        stores = self._backward_stores()
        inside = topological((node for _, node in stores), stop=self.is_forward.__contains__)
        stage: dict[Node, int] = {}
        for node in inside:
            if node.operation == "transposed":
                stage[node] = 1 + max(stage[delta] for delta in node.operands)
            elif node.operation in REDUCTIONS and node not in self.is_forward:
                stage[node] = 1 + stage[node.operands[0]]
            else:
                reads = () if node in self.is_forward else node.operands
                stage[node] = max((stage[operand] for operand in reads), default=0)
        products = [node for node in inside if node.operation == "transposed"]
        work = {node: Place(Kind.WORK, len(self.affines) + i) for i, node in enumerate(products)}
        self.backward_sums = tuple(
            node for node in inside if node.operation in REDUCTIONS and node not in self.is_forward
        )
        sums = {node: Place(Kind.BACKWARD_SUM, s) for s, node in enumerate(self.backward_sums)}
        stores += [(place, node.operands[0]) for node, place in sums.items()]
        carried = self._carried_between_phases(inside, stage, {node for _, node in stores})
        first = len(self.affines) + len(work)
        stores += [(Place(Kind.WORK, first + i), node) for i, node in enumerate(carried)]
        self.work = first + len(carried)
        phases = []
        for index in range(1 + max(stage.values(), default=0)):
            ready = [
                Product(work[node], self._delta_blocks(node)) for node in products if stage[node] == index
            ]
            here = [(place, node) for place, node in stores if stage.get(node, 0) == index]
            phases.append(Phase(tuple(ready), tuple(here)))
            self.loads[True, index] = {
                **self.places,
                **{node: place for place, node in stores if place.kind == Kind.WORK and stage[node] < index},
                **work,
                **{node: place for node, place in sums.items() if stage[node] <= index},
            }
        return phases

    def _carried_between_phases(
        self, inside: list[Node], stage: dict[Node, int], stored: set[Node]
    ) -> list[Node]:
        """Costly vectors of one phase that a later one reads: they are kept in the work row."""
        carried: dict[Node, None] = {}
        for node in inside:
            if node in self.is_forward or node.operation == "transposed":
                continue
            for operand in node.operands:
                costly = operand.operation not in CHEAP | LEAVES | {"scale", "transposed"}
                known = operand.is_uniform or operand in self.is_forward or operand in stored
                if costly and not known and stage[operand] < stage[node]:
                    carried[operand] = None
        return list(carried)

    def _delta_blocks(self, node: Node) -> tuple[tuple[int, int, int], ...]:
        vector, *affines = node.about
        return tuple(block for block in self._blocks(vector) if self.affines[block[0]] in affines)

    def _closing(self) -> Iterable[Product]:
        for index, gradient in enumerate(self.derived.previous.values()):
            if gradient.products is not None:
                place, blocks = Place(Kind.PREVIOUS_GRADIENT, index), self._delta_blocks(gradient.products)
                yield Product(place, blocks, accumulates=gradient.elementwise is not None)

    # ---- both ----------------------------------------------------------------------------------------------

    def program(self) -> Program:
        self.loads: dict[tuple[bool, int], dict[Node, Place]] = {}
        x = next((n for n in self.equations.nodes if n.operation == "input"), None)
        blocks = () if x is None else self._blocks(x)
        from_input = Product(None, blocks, (True,) * len(blocks)) if blocks else None
        forward = self._forward_phases(from_input)
        for index in range(len(forward)):
            self.loads[False, index] = self._forward_loads(index)
        backward_phases = self._backward_phases()
        layout, rows = self.equations.layout, self._rows
        return Program(
            equations=self.equations,
            parameters=self.parameters,
            slots=self.saved + len(self.equations.states) - 1,
            work=self.work,
            sums=self.sums,
            backward_sums=self.backward_sums,
            input_product=from_input,
            forward=tuple(forward),
            backward=tuple(backward_phases),
            closing=tuple(self._closing()),
            biases=tuple(rows(layout.biases[affine]) for affine in self.affines),
            learned=rows(layout.vectors.values()),
            loads=self.loads,
        )

    def _rows(self, blocks: Iterable[Block]) -> tuple[tuple[int, int], ...]:
        """(parameter index, row) of each."""
        return tuple((self.parameters.index(block.parameter), block.row) for block in blocks)
