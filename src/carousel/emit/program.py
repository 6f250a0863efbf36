"""Graph -> program: the order of work in one step, and what the tape keeps of it for the backward pass.

A step is a row of phases. Each begins with products of vectors that are ready, then computes unit by unit. An LSTM has
one phase; a GRU with reset before has two, since W (r * h) waits for r. The backward pass is a program of the same
form.

One row of the tape holds, for one step of one sequence, `slots` vectors of H: first the affines' blocks, in which
pre-activations are summed and which activations then overwrite, then whatever else the backward pass needs, then
the new states but the first (the first is the output itself). Behind the vectors stands one number for each sum or mean
over units: a phase adds it up, the phases after it read it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache

from carousel.equations import Equations
from carousel.equations.derive import Backward, backward
from carousel.equations.graph import CHEAP, LEAVES, REDUCTIONS, Node, constant, topological

# the arrays that an elementwise phase reads and writes, in the order in which the compiled loop hands them over
TAPE, PREVIOUS, NEW, LEARNED, COTANGENT, OUTPUT_GRADIENT, WORK, PREVIOUS_GRADIENT, LEARNED_GRADIENT = range(9)
# not vectors, but one number for each row: sums over units of the forward and of the backward pass
SUM, BACKWARD_SUM = 9, 10


@dataclass(frozen=True)
class Place:
    """One array of the step: its kind (above) and its index among its kind."""

    kind: int
    index: int


@dataclass(frozen=True)
class Product:
    """A vector times the matrix blocks of several affines.

    Forward: the sum of `vector @ block.T` goes to the tape slots of `blocks`. Backward, transposed: the deltas of
    `blocks` times their matrices go to `place`. Each block is (slot, parameter index, row of blocks within the
    parameter).
    """

    place: Place | None  # None: the input x
    blocks: tuple[tuple[int, int, int], ...]
    begins: tuple[bool, ...] = ()  # forward: the first product into this block starts from the bias
    accumulates: bool = False  # backward: adds to what the elementwise part has left in `place`


@dataclass(frozen=True)
class Phase:
    """Products first, then the unit-by-unit part: `stores` says which node's value goes where."""

    products: tuple[Product, ...]
    stores: tuple[tuple[Place, Node], ...]


@dataclass(frozen=True, eq=False)
class Program:
    """Everything the compiled time loop needs to know of a cell; `loads` says where a phase finds a vector."""

    equations: Equations
    parameters: tuple[str, ...]
    slots: int  # vectors in a row of the tape
    work: int  # vectors in a row of the backward pass: deltas first
    sums: tuple[Node, ...]  # numbers in a row of the tape, behind the vectors: reductions
    backward_sums: tuple[Node, ...]  # numbers in a row of the backward pass
    input_product: Product | None
    forward: tuple[Phase, ...]
    backward: tuple[Phase, ...]
    closing: tuple[
        Product, ...
    ]  # backward: products into the previous states' gradients, after the last phase
    biases: tuple[tuple[tuple[int, int], ...], ...]  # for each block: (parameter index, row)
    learned: tuple[tuple[int, int], ...]  # for each learned diagonal and vector: (parameter index, row)
    loads: dict[tuple[bool, int], dict[Node, Place]] = field(
        repr=False
    )  # (is backward, phase) -> node -> place


@cache
def program(equations: Equations) -> Program:
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
        vectors = equations.layout.vectors
        self.learned = {node: index for index, node in enumerate(vectors)}
        self.sources = {v for a in self.affines for v in a.operands if v.operation not in LEAVES}
        self.kept = self._kept()
        self.slot = self._slots()

    # ---- forward -------------------------------------------------------------------------------------------

    def _kept(self) -> set[Node]:
        """Vectors that must outlive their phase: read by a later phase, by a product or by the backward pass."""
        kept: set[Node] = set()

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

        for source in self.sources - set(self.equations.new_states):
            kept.add(source)
        for node in topological(self._backward_roots(), stop=lambda node: node in self.is_forward):
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
        count = len(self.affines)
        for node in self.equations.nodes:
            if node not in self.kept or node in slot:
                continue
            below = set(topological([node]))
            takes = next((a for a in free if self.stage[a] == self.stage[node] and a in below), None)
            if takes is None:
                slot[node] = count
                count += 1
            else:
                slot[node] = self.block[takes]
                free.remove(takes)
        self.saved = count
        return slot

    def _slot_count(self) -> int:
        return self.saved + len(self.equations.states) - 1

    def _new_state(self, node: Node) -> Place:
        return Place(NEW, self.equations.new_states.index(node))

    def _forward_phases(self) -> tuple[Phase, ...]:
        count = 1 + max([0, *(self.stage[node] for node in self.stage)])
        begun: set[int] = set()
        if self.input_product:
            begun |= {slot for slot, _, _ in self.input_product.blocks}
        phases = []
        for index in range(count):
            stores = [
                (Place(TAPE, self.slot[node]), node)
                for node in self.equations.nodes
                if node in self.slot and node.operation != "affine" and self.stage[node] == index
            ]
            stores += [
                (Place(NEW, s), node)
                for s, node in enumerate(self.equations.new_states)
                if self.stage[node] == index
            ]
            stores += [
                (Place(SUM, s), node.operands[0])
                for s, node in enumerate(self.sums)
                if self.stage[node] == index + 1
            ]
            phases.append(Phase(tuple(self._forward_products(index, begun)), tuple(stores)))
        return tuple(phases)

    def _forward_products(self, phase: int, begun: set[int]) -> Iterable[Product]:
        for vector in dict.fromkeys(v for a in self.affines for v in a.operands):
            ready = 0 if vector.operation in LEAVES else self.stage[vector] + 1
            if vector.operation == "input" or ready != phase:
                continue
            blocks = self._blocks(vector)
            yield Product(self._source(vector), blocks, tuple(slot not in begun for slot, _, _ in blocks))
            begun |= {slot for slot, _, _ in blocks}

    def _source(self, vector: Node) -> Place:
        if vector.operation == "state":
            return Place(PREVIOUS, self.equations.states.index(vector.name))
        return (
            self._new_state(vector) if vector in self.equations.new_states else Place(TAPE, self.slot[vector])
        )

    def _blocks(self, vector: Node) -> tuple[tuple[int, int, int], ...]:
        """(slot, parameter index, row) for every affine that reads the vector."""
        return tuple(
            (self.block[affine], self.parameters.index(place.parameter), place.row)
            for affine in self.affines
            for place in self.equations.layout.weights[affine]
            if place.vector is vector
        )

    # ---- backward ------------------------------------------------------------------------------------------

    def _backward_roots(self) -> list[Node]:
        return [node for _, node in self._backward_stores()]

    def _backward_phases(self) -> tuple[tuple[Phase, ...], int]:
        roots = self._backward_roots()
        inside = topological(roots, stop=lambda node: node in self.is_forward)
        stage: dict[Node, int] = {}
        for node in inside:
            if node.operation == "transposed":
                stage[node] = 1 + max(stage[delta] for delta in node.operands)
            elif node.operation in REDUCTIONS and node not in self.is_forward:
                stage[node] = 1 + stage[node.operands[0]]
            else:
                reads = () if node in self.is_forward else node.operands
                stage[node] = max((stage[operand] for operand in reads), default=0)
        work = {
            node: len(self.affines) + i
            for i, node in enumerate(n for n in inside if n.operation == "transposed")
        }
        stores = self._backward_stores()
        self.backward_sums = tuple(
            node for node in inside if node.operation in REDUCTIONS and node not in self.is_forward
        )
        stores += [(Place(BACKWARD_SUM, s), node.operands[0]) for s, node in enumerate(self.backward_sums)]
        self._carry_between_phases(inside, stage, stores, work)
        count = 1 + max(stage.values(), default=0)
        phases = []
        for index in range(count):
            products = [
                Product(Place(WORK, work[node]), self._delta_blocks(node))
                for node in inside
                if node.operation == "transposed" and stage[node] == index
            ]
            here = [(place, node) for place, node in stores if stage.get(node, 0) == index]
            phases.append(Phase(tuple(products), tuple(here)))
            self.loads[True, index] = {
                **self._forward_places(),
                **{node: place for place, node in stores if place.kind == WORK and stage[node] < index},
                **{node: Place(WORK, s) for node, s in work.items() if node.operation == "transposed"},
                **{
                    node: Place(BACKWARD_SUM, s)
                    for s, node in enumerate(self.backward_sums)
                    if stage[node] <= index
                },
            }
        return tuple(phases), len(self.affines) + len(work)

    def _backward_stores(self) -> list[tuple[Place, Node]]:
        zero = constant(0)
        stores = [(Place(WORK, self.block[a]), self.derived.deltas.get(a, zero)) for a in self.affines]
        for index, state in enumerate(self.equations.states):
            gradient = self.derived.previous[state]
            if gradient.elementwise is not None or gradient.products is None:
                stores.append(
                    (
                        Place(PREVIOUS_GRADIENT, index),
                        zero if gradient.elementwise is None else gradient.elementwise,
                    )
                )
        for node, share in self.derived.learned.items():
            stores.append((Place(LEARNED_GRADIENT, self.learned[node]), share))
        return stores

    def _carry_between_phases(
        self,
        inside: list[Node],
        stage: dict[Node, int],
        stores: list[tuple[Place, Node]],
        work: dict[Node, int],
    ) -> None:
        """A costly vector of one phase that a later one reads is kept in the work row."""
        stored = {node for _, node in stores}
        for node in inside:
            if node in self.is_forward or node.operation == "transposed":
                continue
            for operand in node.operands:
                costly = operand.operation not in CHEAP | LEAVES | {"scale", "transposed"}
                if (
                    costly
                    and not operand.is_uniform
                    and operand not in self.is_forward
                    and operand not in stored
                    and stage[operand] < stage[node]
                ):
                    work[operand] = len(self.affines) + len(work)
                    stores.append((Place(WORK, work[operand]), operand))
                    stored.add(operand)

    def _delta_blocks(self, node: Node) -> tuple[tuple[int, int, int], ...]:
        vector, *affines = node.about
        return tuple(block for block in self._blocks(vector) if self.affines[block[0]] in affines)

    def _closing(self) -> tuple[Product, ...]:
        products = []
        for index, state in enumerate(self.equations.states):
            gradient = self.derived.previous[state]
            if gradient.products is not None:
                blocks = self._delta_blocks(gradient.products)
                products.append(
                    Product(
                        Place(PREVIOUS_GRADIENT, index), blocks, accumulates=gradient.elementwise is not None
                    )
                )
        return tuple(products)

    # ---- both ----------------------------------------------------------------------------------------------

    def _forward_places(self) -> dict[Node, Place]:
        """Where the backward pass finds the vectors of the forward pass."""
        places = {node: Place(TAPE, slot) for node, slot in self.slot.items()}
        places |= {node: self._new_state(node) for node in self.equations.new_states}
        return places | {node: Place(SUM, s) for s, node in enumerate(self.sums)}

    def _forward_loads(self, phase: int) -> dict[Node, Place]:
        places: dict[Node, Place] = {}
        for node, place in self._forward_places().items():
            if self.stage[node] < phase:
                places[node] = place
        for affine in self.affines:
            if self.stage[affine] == phase:
                places[affine] = Place(TAPE, self.block[affine])
        for s, node in enumerate(self.sums):
            if self.stage[node] == phase:
                places[node] = Place(SUM, s)
        return places

    def program(self) -> Program:
        self.loads: dict[tuple[bool, int], dict[Node, Place]] = {}
        x = next((n for n in self.equations.nodes if n.operation == "input"), None)
        blocks = () if x is None else self._blocks(x)
        self.input_product = Product(None, blocks, (True,) * len(blocks)) if blocks else None
        forward = self._forward_phases()
        for index in range(len(forward)):
            self.loads[False, index] = self._forward_loads(index)
        backward_phases, work = self._backward_phases()
        layout = self.equations.layout
        return Program(
            equations=self.equations,
            parameters=self.parameters,
            slots=self._slot_count(),
            work=work,
            sums=self.sums,
            backward_sums=self.backward_sums,
            input_product=self.input_product,
            forward=forward,
            backward=backward_phases,
            closing=self._closing(),
            biases=tuple(
                tuple((self.parameters.index(place.parameter), place.row) for place in layout.biases[affine])
                for affine in self.affines
            ),
            learned=tuple(
                (self.parameters.index(place.parameter), place.row) for place in layout.vectors.values()
            ),
            loads=self.loads,
        )


def computed(stores: Iterable[tuple[Place, Node]], loads: dict[Node, Place]) -> list[Node]:
    """The nodes that a phase meets, operands before users; one that has a place is loaded, not computed."""
    return topological((node for _, node in stores), stop=lambda node: node in loads)
