"""Graph -> C++: the elementwise part of each phase of each cell, which is compiled for each instruction set.

The build runs this file with nothing but Python: `python -m carousel.emit.cpp OUTPUT`.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from carousel.emit.phases import schedule
from carousel.emit.program import Kind, Phase, Place, Program, computed
from carousel.equations import Equations
from carousel.equations.graph import Node

INFIX = frozenset("+-*/")
SUMS = (Kind.SUM, Kind.BACKWARD_SUM)


def operand_numbers(program: Program) -> dict[Place, int]:
    """Place -> its position in the list of arrays that the time loop hands to every phase.

    A pass reads all its sums from one array, and adds them up in the next array.
    """
    states, learned = len(program.equations.states), len(program.learned)
    counts = {
        Kind.TAPE: program.slots - (states - 1),
        Kind.PREVIOUS: states,
        Kind.NEW: states,
        Kind.LEARNED: learned,
        Kind.SUM: 2 if program.sums else 0,
        Kind.COTANGENT: states,
        Kind.OUTPUT_GRADIENT: 1,
        Kind.WORK: program.work,
        Kind.PREVIOUS_GRADIENT: states,
        Kind.LEARNED_GRADIENT: learned,
        Kind.BACKWARD_SUM: 2 if program.backward_sums else 0,
    }
    places = [Place(kind, index) for kind, count in counts.items() for index in range(count)]
    return {place: number for number, place in enumerate(places)}


class _PhaseWriter:
    """Writes one phase as a function that goes over rows and units.

    Values that all units of a row share are computed before the units. Sums over units are added up on the way.
    """

    def __init__(self, program: Program, is_backward: bool, index: int) -> None:
        self.program = program
        self.phase: Phase = (program.backward if is_backward else program.forward)[index]
        self.loads = program.loads[is_backward, index]
        self.numbers = operand_numbers(program)
        self.used: dict[int, None] = {}
        self.variable: dict[Node, str] = {}

    def function(self, name: str) -> str:
        sums = [(place, node) for place, node in self.phase.stores if place.kind in SUMS]
        nodes = computed(self.phase.stores, self.loads)
        shared = [node for node in nodes if node.is_uniform]
        by_row = bool(sums) or any(node.operation != "constant" for node in shared)
        before = [self._define(node) for node in shared] if by_row else []
        body = [self._define(node) for node in nodes if not (by_row and node.is_uniform)]
        body += [self._store(place, node) for place, node in self.phase.stores if place.kind not in SUMS]
        body += [f"s{place.index} += at.inside({self.variable[node]});" for place, node in sums]
        after = [self._give(place) for place, _ in sums]
        if by_row:
            loop = [
                "for (Index row = 0; row < rows; ++row) {",
                *(f"  {line}" for line in before),
                *(f"  V s{place.index}{{}};" for place, _ in sums),
                "  sweep_row<T>(row, width, [&](auto at) {",
                *(f"    {line}" for line in body),
                "  });",
                *(f"  {line}" for line in after),
                "}",
            ]
        else:
            loop = ["sweep<T>(rows, width, [=](auto at) {", *(f"  {line}" for line in body), "});"]
        arrays = [f"  const Rows<T> a{number} = operands[{number}];" for number in sorted(self.used)]
        return "\n".join(
            [
                "template <class T>",
                f"void {name}([[maybe_unused]] const Rows<T>* operands, Index rows, Index width, "
                "[[maybe_unused]] Index hidden) {",
                "  using V = Vector<T>;",
                *arrays,
                *(f"  {line}" for line in loop),
                "}",
            ]
        )

    def _array(self, place: Place) -> str:
        number = self.numbers[place]
        self.used[number] = None
        return f"a{number}"

    def _define(self, node: Node) -> str:
        self.variable[node] = f"v{len(self.variable)}"
        return f"const V {self.variable[node]} = {self._value(node)};"

    def _value(self, node: Node) -> str:
        equations = self.program.equations
        operands = [self.variable[operand] for operand in node.operands if operand in self.variable]
        if node in self.loads:
            place = self.loads[node]
            if place.kind in SUMS:
                array = self._array(Place(place.kind, 0))
                return f"splat<T>({array}.data[row * {array}.stride + {place.index}])"
            return f"at.load({self._array(place)})"
        if node.operation == "state":
            return f"at.load({self._array(Place(Kind.PREVIOUS, equations.states.index(node.name)))})"
        if node.operation == "cotangent":
            return self._cotangent(equations.states.index(node.name))
        if node.operation == "constant":
            return f"splat<T>({_literal(node.value)})"
        if node.operation in ("scale", "param"):
            index = list(equations.layout.vectors).index(self._origin(node))
            vector = f"at.load({self._array(Place(Kind.LEARNED, index))})"
            return f"{vector} * {operands[0]}" if operands else vector
        if node.operation in INFIX:
            return f"{operands[0]} {node.operation} {operands[1]}"
        if node.operation == "neg":
            return f"-{operands[0]}"
        return f"{node.operation}<T>({', '.join(operands)})"

    def _origin(self, node: Node) -> Node:
        """The scale of the forward pass that a scale of the backward pass, with the same name, stands for."""
        named = (each for each in self.program.equations.layout.vectors if each.operation == node.operation)
        return next(each for each in named if each.name == node.name)

    def _cotangent(self, state: int) -> str:
        carried = f"at.load({self._array(Place(Kind.COTANGENT, state))})"
        return (
            f"{carried} + at.load({self._array(Place(Kind.OUTPUT_GRADIENT, 0))})" if state == 0 else carried
        )

    def _store(self, place: Place, node: Node) -> str:
        array, value = self._array(place), self.variable[node]
        if place.kind == Kind.LEARNED_GRADIENT:  # summed over rows and steps
            return f"at.store({array}, at.load({array}) + {value});"
        return f"at.store({array}, {value});"

    def _give(self, place: Place) -> str:
        array = self._array(Place(place.kind, 1))
        nodes = self.program.sums if place.kind == Kind.SUM else self.program.backward_sums
        share = " / static_cast<T>(hidden)" if nodes[place.index].operation == "mean" else ""
        return f"{array}.data[row * {array}.stride + {place.index}] = total<T>(s{place.index}){share};"


def _literal(value: float) -> str:
    return (
        repr(value).replace("inf", "__builtin_inf()").replace("nan", '__builtin_nan("")')
    )  # known to every compiler that has vector extensions


def cell_source(name: str, program: Program) -> str:
    """All phases of one cell and the row of the kernel table that lists them."""
    functions, table = [], {}
    for is_backward, phases in ((False, program.forward), (True, program.backward)):
        direction = "backward" if is_backward else "forward"
        table[direction] = [f"{name}_{direction}_{index}" for index in range(len(phases))]
        functions += [
            _PhaseWriter(program, is_backward, index).function(function)
            for index, function in enumerate(table[direction])
        ]
    lists = [
        f"template <class T>\nconstexpr Elementwise<T>* {name}_{direction}[] = "
        f"{{{', '.join(f'{function}<T>' for function in names)}}};"
        for direction, names in table.items()
    ]
    return "\n\n".join([f"// {program.equations.title!a}", *functions, *lists])


def source(cells: Mapping[str, Equations]) -> str:
    """The C++ of these cells, for each instruction set to compile."""
    programs = {name.replace("-", "_"): schedule(equations) for name, equations in cells.items()}
    rows = [
        f'    {{"{program.equations.key}", {name}_forward<T>, {name}_backward<T>}},'
        for name, program in programs.items()
    ]
    table = ["template <class T>", "constexpr CellKernels<T> cells[] = {", *rows, "};"]
    note = (
        "// Generated from src/carousel/equations by carousel.emit.cpp: change the equations, not this file."
    )
    return "\n\n".join(
        [note, *(cell_source(name, program) for name, program in programs.items()), "\n".join(table), ""]
    )


def main(output: str) -> None:
    from carousel.equations.catalogue import CELLS

    path, text = Path(output), source({name: cell.equations for name, cell in CELLS.items()})
    if not path.exists() or path.read_text() != text:  # an unchanged file needs no new compilation
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    main(sys.argv[1])
