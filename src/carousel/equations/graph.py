"""The graph of a cell's step. Nodes are vectors, and edges lead from a vector to its operands."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from numbers import Real
from typing import Any, TypeAlias

from carousel.errors import CarouselError

Operand: TypeAlias = "Node | float | int"

LEAVES = frozenset({"input", "state", "param", "constant", "cotangent"})

# over the units of a vector: one number for each sequence, the same in every unit
REDUCTIONS = frozenset({"sum", "mean"})
LEARNED = frozenset({"affine", "transposed", "scale"})

# it is cheaper to compute these operations again than to load their results from memory
CHEAP = frozenset(
    {"+", "-", "*", "neg", "identity", "step", "above", "minimum", "maximum", "relu", "passed", "shared"}
)

# the nodes of the step that is traced, in the order of writing, and their initial values
Starts: TypeAlias = dict[str, Any]
_written: ContextVar[dict[Node, Starts] | None] = ContextVar("written", default=None)

_interning = threading.Lock()
_interned: weakref.WeakValueDictionary[tuple[object, ...], Node] = weakref.WeakValueDictionary()


@dataclass(frozen=True, eq=False, repr=False)
class Node:
    """One vector of the step.

    `operation` is one of
      leaves      "input" (x), "state" (a previous state), "param" (a free learned vector), "constant",
                  "cotangent" (gradient of a new state)
      products    "affine" (W x + U h + b), "transposed" (the gradient that affines send back to a vector)
      diagonal    "scale" (a learned vector times `operands[0]`)
      reductions  "sum" and "mean" over units: a vector whose units are all the same number
      elementwise "+", "-", "*", "/", "neg", and the functions of `language.py`
      switches    "passed" and "shared", through which gradients go: see the functions of these names
    """

    operation: str
    operands: tuple[Node, ...] = ()
    name: str = ""
    value: float = 0.0
    # only "transposed": the vector whose gradient this is, then the affines that read it, parallel to `operands`
    about: tuple[Node, ...] = ()

    __array_ufunc__ = None  # NumPy's numbers then use the operators of this class

    @cached_property
    def is_uniform(self) -> bool:
        """Have all units the same number, as in a reduction, a constant, or a function of these?"""
        if self.operation in REDUCTIONS or self.operation == "constant":
            return True
        if self.operation in LEAVES or self.operation in LEARNED:
            return False
        return all(operand.is_uniform for operand in self.operands)

    def __add__(self, other: Operand) -> Node:
        return add(self, other)

    def __radd__(self, other: Operand) -> Node:
        return add(other, self)

    def __sub__(self, other: Operand) -> Node:
        return subtract(self, other)

    def __rsub__(self, other: Operand) -> Node:
        return subtract(other, self)

    def __mul__(self, other: Operand) -> Node:
        return multiply(self, other)

    def __rmul__(self, other: Operand) -> Node:
        return multiply(other, self)

    def __truediv__(self, other: Operand) -> Node:
        return divide(self, other)

    def __rtruediv__(self, other: Operand) -> Node:
        return divide(other, self)

    def __neg__(self) -> Node:
        return negate(self)

    def __bool__(self) -> bool:
        raise CarouselError(
            "A step is traced once, on symbols: it cannot branch on a vector's value. "
            "Use maximum, minimum, relu or a gate instead of `if`, `and`, `or`, `max` or `min`."
        )

    def __reduce__(self) -> tuple[object, ...]:
        """For copy and pickle: the same fields stay the same object."""
        return _make, (self.operation, self.operands, self.name, self.value, self.about)

    def __repr__(self) -> str:
        inside = ", ".join([*([self.name] if self.name else []), *(map(repr, self.operands))])
        return repr(self.value) if self.operation == "constant" else f"{self.operation}({inside})"


def make(
    operation: str, *operands: Node, name: str = "", value: float = 0.0, about: tuple[Node, ...] = ()
) -> Node:
    """The node with these fields. The same fields give the same object, so that nothing is computed twice."""
    key = (operation, tuple(map(id, operands)), name, value, tuple(map(id, about)))
    with _interning:
        node = _interned.get(key)
        if node is None:
            node = Node(operation, operands, name, value, about)
            node.is_uniform  # noqa: B018 - computed now, so that deep graphs need no deep recursion
            _interned[key] = node
    written = _written.get()
    if written is not None:
        written.setdefault(node, {})
    return node


def start(node: Node, **starts: Any) -> Node:
    """Note the initial values of a node ("input", "recurrent", "bias" or "init") while its step is traced."""
    written = _written.get()
    for role, given in starts.items():
        if written is None or given is None:
            continue
        before = written[node].setdefault(role, given)
        if before != given:
            raise CarouselError(
                f"{node.operation}({node.name!r}, ...) must have one {role}, because it is one parameter; it has "
                f"{before!r} and {given!r}."
            )
    return node


def _make(
    operation: str, operands: tuple[Node, ...], name: str, value: float, about: tuple[Node, ...]
) -> Node:
    return make(operation, *operands, name=name, value=value, about=about)


@contextmanager
def noting_order() -> Iterator[dict[Node, Starts]]:
    """Collect the nodes made inside, in order of writing (operands before users), with their starts."""
    written: dict[Node, Starts] = {}
    token = _written.set(written)
    try:
        yield written
    finally:
        _written.reset(token)


def constant(value: float) -> Node:
    return make("constant", value=float(value))


def as_node(value: Operand) -> Node:
    """A number becomes a constant. Raises CarouselError for whatever is neither a number nor a vector."""
    if isinstance(value, Node):
        return value
    if isinstance(value, Real) and not isinstance(value, bool):
        return constant(float(value))
    raise CarouselError(
        f"A step computes with vectors and numbers; it met {value!r} of type {type(value).__name__}. "
        "Use the functions of carousel.equations (affine, scale, sigmoid, tanh, ...), not those of torch or math."
    )


def _numbers(*nodes: Node) -> bool:
    return all(node.operation == "constant" for node in nodes)


def add(a: Operand, b: Operand) -> Node:
    a, b = as_node(a), as_node(b)
    if _numbers(a, b):
        return constant(a.value + b.value)
    if a is constant(0):
        return b
    if b is constant(0):
        return a
    if b.operation == "neg":
        return subtract(a, b.operands[0])
    return make("+", a, b)


def subtract(a: Operand, b: Operand) -> Node:
    a, b = as_node(a), as_node(b)
    if _numbers(a, b):
        return constant(a.value - b.value)
    if b is constant(0):
        return a
    if a is constant(0):
        return negate(b)
    return make("-", a, b)


def multiply(a: Operand, b: Operand) -> Node:
    a, b = as_node(a), as_node(b)
    if _numbers(a, b):
        return constant(a.value * b.value)
    for one, other in ((a, b), (b, a)):
        if one is constant(1):
            return other
        if one is constant(0):
            return one
        if one is constant(-1):
            return negate(other)
    if a.operation == "neg":
        return negate(multiply(a.operands[0], b))
    if b.operation == "neg":
        return negate(multiply(a, b.operands[0]))
    return make("*", a, b)


def divide(a: Operand, b: Operand) -> Node:
    a, b = as_node(a), as_node(b)
    if b is constant(0):
        raise CarouselError(
            "A step divides by the constant 0; the divisor must be a vector or another number."
        )
    if _numbers(a, b):
        return constant(a.value / b.value)
    return a if b is constant(1) else make("/", a, b)


def passed(d: Node, y: Node) -> Node:
    """The gradient of the operand of y = relu(..): d, and 0 where y is 0, even if d is infinite there."""
    if d.operation == "constant":
        return multiply(d, make("step", y))
    return negate(passed(d.operands[0], y)) if d.operation == "neg" else make("passed", d, y)


def shared(d: Node, a: Node, b: Node) -> Node:
    """The gradient of a in maximum(a, b): d, d / 2 where the two are equal, and 0 where b is larger."""
    if d.operation == "constant":
        return multiply(d, make("above", a, b))
    return negate(shared(d.operands[0], a, b)) if d.operation == "neg" else make("shared", d, a, b)


def negate(a: Operand) -> Node:
    a = as_node(a)
    if _numbers(a):
        return constant(-a.value)
    return a.operands[0] if a.operation == "neg" else make("neg", a)


def reduced(operation: str, a: Operand) -> Node:
    """The sum or the mean over units. A factor that all units share is moved out of it."""
    a = as_node(a)
    if a.operation == "neg":
        return negate(reduced(operation, a.operands[0]))
    if a.is_uniform and operation == "mean":
        return a
    if a.operation in ("*", "/") and not a.is_uniform:
        one, other = a.operands
        if other.is_uniform:
            inside = reduced(operation, one)
            return multiply(inside, other) if a.operation == "*" else divide(inside, other)
        if one.is_uniform and a.operation == "*":
            return multiply(one, reduced(operation, other))
    if a.operation in ("+", "-") and any(map(_has_shared_factor, a.operands)):
        one, other = (reduced(operation, operand) for operand in a.operands)
        if a.operation == "+":
            return add(one, other)
        return constant(0) if one is other else subtract(one, other)
    return make(operation, a)


def _has_shared_factor(a: Node) -> bool:
    if a.operation == "*":
        return any(operand.is_uniform for operand in a.operands)
    return a.is_uniform or (a.operation == "/" and a.operands[1].is_uniform)


def topological(roots: Iterable[Node], stop: Callable[[Node], bool] = lambda node: False) -> list[Node]:
    """All nodes on which the roots depend, operands before users. If `stop(node)`, its operands are not visited."""
    order: dict[Node, None] = {}
    stack: list[tuple[Node, Iterator[Node]]] = []

    def visit(node: Node) -> None:
        if node not in order and all(node is not open_ for open_, _ in stack):
            stack.append((node, iter(() if stop(node) else node.operands)))

    for root in roots:
        visit(root)
        while stack:
            node, operands = stack[-1]
            for operand in operands:
                if operand not in order:
                    visit(operand)
                    break
            else:
                order[node] = None
                stack.pop()
    return list(order)
