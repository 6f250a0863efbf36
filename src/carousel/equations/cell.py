"""A cell is a class with a `step`; running the step once on symbols gives its equations."""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import dataclass, field
from functools import cached_property
from types import CodeType, FrameType
from typing import Any, ClassVar

from carousel.equations.graph import LEAVES, Node, Starts, make, noting_order, topological
from carousel.equations.mistakes import misfit, place, told
from carousel.equations.parameters import Layout
from carousel.errors import CarouselError
from carousel.printable import one_line

TEXT_VERSION = 1  # of the format of equations in exported graphs


class Cell:
    """One step of a recurrent network, written as its equations.

    A subclass names its `states` (the first is the output) and defines `step(x, *states)`, which returns the
    new states in the same order and uses only the words of `carousel.equations`.

    >>> from carousel.equations import Cell, affine, sigmoid, tanh
    >>> class MinimalGatedUnit(Cell):
    ...     '''Zhou et al. 2016.'''
    ...     states = ("h",)
    ...     def step(self, x, h):
    ...         f = sigmoid(affine("f", x, h))
    ...         n = tanh(affine("n", x, f * h))
    ...         return (1 - f) * h + f * n
    >>> MinimalGatedUnit().equations.layout.shapes(input_size=3, hidden_size=5)["weight_hh"]
    (10, 5)
    """

    states: ClassVar[tuple[str, ...]] = ("h",)

    def step(self, x: Any, *states: Any) -> Any:
        """The new states, from the input x and the previous states: what a subclass defines."""
        raise CarouselError(f"{type(self).__name__} must define step(self, x, {', '.join(self.states)}).")

    def __getstate__(self) -> dict[str, Any]:
        """For pickle and deepcopy: without the traced graph, which is traced anew."""
        return {name: value for name, value in self.__dict__.items() if name != "equations"}

    @cached_property
    def equations(self) -> Equations:
        """The step as a graph, traced on first use."""
        return trace(self)


@dataclass(frozen=True, eq=False)
class Equations:
    """What a step computes: x and the previous states in, the new states out.

    Attributes:
        title: the name of the cell's class; states: the names of its states.
        new_states: the vector of each state after the step.

    >>> from carousel.equations.catalogue import CELLS
    >>> lstm = CELLS["lstm"].equations
    >>> lstm.states, [affine.name for affine in lstm.affines]
    (('h', 'c'), ['i', 'f', 'g', 'o'])
    """

    title: str
    states: tuple[str, ...]
    new_states: tuple[Node, ...]
    nodes: tuple[Node, ...] = field(repr=False)  # all vectors of the step in the order of writing
    names: dict[Node, str] = field(repr=False)  # in the same order
    starts: dict[Node, Starts] = field(repr=False)  # initial values that the author sets

    @property
    def affines(self) -> list[Node]:
        return [node for node in self.nodes if node.operation == "affine"]

    @property
    def scales(self) -> list[Node]:
        return [node for node in self.nodes if node.operation == "scale"]

    @property
    def params(self) -> list[Node]:
        return [node for node in self.nodes if node.operation == "param"]

    @cached_property
    def layout(self) -> Layout:
        """The places of weights and biases in the packed parameters."""
        return Layout(self.states, self.new_states, self.affines, self.scales, self.params)

    @cached_property
    def key(self) -> str:
        """A hash of the mathematics alone: two cells with the same equations share kernels."""
        lines = [
            f"{operation} {name} {value!r} {operands}" for operation, name, value, operands in self._rows
        ]
        text = "\n".join([*lines, str(self.states), str(self._ends)])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @cached_property
    def text(self) -> str:
        """The mathematics alone as JSON, for exported graphs; `equations.text.read` reads it."""
        given = {
            "version": TEXT_VERSION,
            "states": self.states,
            "nodes": self._rows,
            "new_states": self._ends,
        }
        return json.dumps(given, separators=(",", ":"))

    @property
    def _rows(self) -> list[tuple[str, str, float, list[int]]]:
        """Operation, name, value and the numbers of the operands of each node."""
        number = self._numbers
        return [
            (node.operation, node.name, node.value, [number[operand] for operand in node.operands])
            for node in self.nodes
        ]

    @property
    def _ends(self) -> list[int]:
        return [self._numbers[node] for node in self.new_states]

    @property
    def _numbers(self) -> dict[Node, int]:
        return {node: index for index, node in enumerate(self.nodes)}


@dataclass
class Run:
    """One run of a step on symbols: its results, and the lines of the author's code.

    Attributes:
        variables: the step's local variables at its end, which name the vectors in formulas and traces.
        lines: vector -> the line of the step that made it; returned: the line of its return.
    """

    code: CodeType | None
    result: Any = None
    variables: dict[str, Any] = field(default_factory=dict)
    lines: dict[Node, int] = field(default_factory=dict)
    returned: int | None = None

    @property
    def new_states(self) -> tuple[Any, ...]:
        return tuple(self.result) if isinstance(self.result, (tuple, list)) else (self.result,)

    def line_of(self, node: Node) -> str:
        return place(self.code, self.lines.get(node))


def trace(cell: Cell) -> Equations:
    """The equations of `cell`, from one run of its `step` on symbols.

    Raises CarouselError, with the line of the step if it is known, if a state has no usable name, or if the step
    uses an unknown name or a function of torch, does not return one new vector for each of its states, reads x
    outside `affine` or gives two products one name.

    >>> from carousel.equations.lstm import LSTM
    >>> trace(LSTM()).new_states[0]
    *(sigmoid(affine(o, input(x), state(h))), tanh(+(*(sigmoid(affine(f, input(x), state(h))), state(c)), ...
    """
    title = one_line(type(cell).__name__)
    _check_states(title, cell.states)
    if type(cell).step is Cell.step:
        cell.step(None)  # raises: a subclass must define it
    x, previous = make("input", name="x"), [make("state", name=state) for state in cell.states]
    with noting_order() as written:
        run = _run(cell, x, previous)
    new_states = run.new_states
    if len(new_states) != len(cell.states) or not all(isinstance(node, Node) for node in new_states):
        raise CarouselError(
            f"{title}.step must return one vector for each of its states ({', '.join(cell.states)}); "
            f"it returned {_shown(run.result)}.{place(run.code, run.returned)}"
        )
    reached = set(topological(new_states))
    nodes = tuple(node for node in dict.fromkeys((x, *previous, *written)) if node in reached)
    _check_input(title, run, nodes)
    names = {  # a variable h that is not the new state h is h'
        node: f"{variable}'" if variable in cell.states else variable
        for variable, node in run.variables.items()
        if isinstance(node, Node) and variable.isidentifier()  # generated code may use other names
    }
    names |= dict(zip(new_states, cell.states, strict=True))
    named = {node: names[node] for node in nodes if node in names and node.operation not in LEAVES}
    starts = {node: written[node] for node in nodes if written.get(node)}
    equations = Equations(title, tuple(cell.states), new_states, nodes, named, starts)
    _check_layout(run, equations)
    return equations


def _run(cell: Cell, x: Node, previous: list[Node]) -> Run:
    run = Run(getattr(type(cell).step, "__code__", None))

    def on_event(frame: FrameType, event: str, argument: Any) -> None:
        if event != "return":
            return
        if frame.f_code is run.code:
            run.variables, run.returned = dict(frame.f_locals), frame.f_lineno
        elif isinstance(argument, Node) and argument not in run.lines:
            caller: FrameType | None = frame
            while caller is not None and caller.f_code is not run.code:
                caller = caller.f_back
            if caller is not None:
                run.lines[argument] = caller.f_lineno

    before = sys.getprofile()
    with told(one_line(type(cell).__name__), cell.states, run.code):
        sys.setprofile(on_event)
        try:
            run.result = cell.step(x, *previous)
        finally:
            sys.setprofile(before)
    return run


def _shown(result: Any) -> str:
    """What a step returned, short."""
    text = repr(result)
    text = text if len(text) <= 100 else f"{text[:100]}..."
    if isinstance(result, Node):
        return f"{text}, 1 vector"
    return f"{text}, {len(result)} values" if isinstance(result, (tuple, list)) else text


def _check_states(title: str, states: Any) -> None:
    """x is the input, and the matrix of a state i would be called weight_ih, which belongs to the input."""
    are_names = isinstance(states, tuple) and all(isinstance(s, str) and s.isidentifier() for s in states)
    if not are_names or not states or len({*states, "x", "i"}) < len(states) + 2:
        raise CarouselError(
            f"{title}.states must be a tuple of distinct names other than x and i, such as ('h', 'c'); "
            f"it is {states!r}."
        )


def _check_input(title: str, run: Run, nodes: tuple[Node, ...]) -> None:
    readers = [node for node in nodes if any(operand.operation == "input" for operand in node.operands)]
    bare = next((node for node in readers if node.operation != "affine"), None)
    if bare is not None or make("input", name="x") in run.new_states:
        where = place(run.code, run.returned) if bare is None else run.line_of(bare)
        raise CarouselError(
            f"{title}.step uses x outside affine; x has the input size, every other vector the hidden size. "
            f'Project it first, as in affine("x", x).{where}'
        )


def _check_layout(run: Run, equations: Equations) -> None:
    try:
        equations.layout  # noqa: B018
    except CarouselError as error:
        learned = [*equations.affines, *equations.scales, *equations.params]
        culprit = misfit(equations.states, equations.new_states, learned)
        raise CarouselError(f"{equations.title}.step: {error}{run.line_of(culprit)}") from error
