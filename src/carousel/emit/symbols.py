"""The vectors of a step, and the gradients, that get a symbol of their own in a formula."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from itertools import chain, count

from carousel.emit.expressions import Symbol
from carousel.equations import Equations
from carousel.equations.derive import Backward, backward
from carousel.equations.graph import Node, make, topological

SHORT, SHORT_GRADIENT = 2, 3  # an expression of so few symbols is repeated rather than named
DEEP = 24  # an expression of so many levels is cut
SUMS = frozenset("+-")
LETTERS = "uvwskqmeadjlyzgfrnico"  # for vectors that their author left without a name
RESERVED = {"x", "L"}  # the input and the loss


@dataclass(frozen=True)
class Symbols:
    """Node -> its symbol, in the order in which a step computes them."""

    forward: dict[Node, Symbol]
    backward: dict[Node, Symbol]


@cache
def symbols(equations: Equations) -> Symbols:
    """Symbols for named vectors, for gradients of states and products, and for expressions that would be repeated."""
    derived = backward(equations)
    names = _author_names(equations)
    taken = RESERVED | {*equations.states, *names.values(), *(param.name for param in equations.params)}
    roots = gradient_roots(derived)
    uses = _uses(equations.new_states, ())
    uses_backward = _uses([*roots, *(v for a in equations.affines for v in a.operands)], names)
    sizes = _Sizes()
    forward: dict[Node, Symbol] = {}
    for node in equations.nodes:
        is_repeated = max(uses[node], uses_backward[node]) > 1
        if node not in names and sizes.asks_for_name(node, SHORT, is_repeated):
            names[node] = _product_name(node, names, taken) or _unused(taken)
            taken.add(names[node])
        if node in names:
            forward[node] = ("", names[node])
            sizes.set_named(node)
    gradients = _first_gradients(derived)
    owner = {
        gradient: names[node]
        for node, gradient in derived.gradients.items()
        if node in names and not node.is_uniform  # there it is yet to be summed over units
    }
    affine = {delta: node.name for node, delta in derived.deltas.items()}
    for node in topological(roots, stop=lambda node: node in forward):
        if node in gradients:
            sizes.set_named(node)
        elif node not in forward and sizes.asks_for_name(
            node, SHORT_GRADIENT, node in affine or uses_backward[node] > 1
        ):
            if node in affine:
                deltas = {name for mark, name in gradients.values() if mark == "δ"}
                gradients[node] = ("δ", _primed(affine[node], deltas))
            elif node in owner:
                gradients[node] = ("∂", owner[node])
            else:
                gradients[node] = ("", _unused(taken))
                taken.add(gradients[node][1])
            sizes.set_named(node)
    return Symbols(forward, gradients)


class _Sizes:
    """The number of symbols and the depth of each expression. Operands must be asked before their users."""

    def __init__(self) -> None:
        self.lengths: dict[Node, int] = {}
        self.depths: dict[Node, int] = {}

    def set_named(self, node: Node) -> None:
        self.lengths[node], self.depths[node] = 1, 0

    def asks_for_name(self, node: Node, short: int, is_repeated: bool) -> bool:
        """Whether an expression is too long to be written more than once, or too deep to be written at all."""
        operands = set(node.operands)
        learned = {"affine": len(operands) + 1, "transposed": len(operands), "scale": 1}
        own = learned.get(node.operation, 0) if operands else node.operation != "constant"
        self.lengths[node] = own + sum(self.lengths[operand] for operand in operands)
        self.depths[node] = 1 + max((self.depths[operand] for operand in operands), default=-1)
        return (is_repeated and self.lengths[node] > short) or self.depths[node] > DEEP


def whole_gradients(derived: Backward) -> dict[str, Node]:
    """State -> the node that is the total derivative with respect to the new state."""
    equations = derived.equations
    return {
        state: derived.gradients[node] if is_own(equations, state, node) else make("cotangent", name=state)
        for state, node in zip(equations.states, equations.new_states, strict=True)
    }


def is_own(equations: Equations, state: str, node: Node) -> bool:
    """Whether the new state is a vector of its own, not a previous state, a number or another state again."""
    return equations.names.get(node) == state


def gradient_roots(derived: Backward) -> list[Node]:
    """The results of a backward pass, beginning with the last vector of the step."""
    equations = derived.equations
    wholes = list(whole_gradients(derived).values())
    steps = [derived.gradients[node] for node in reversed(equations.nodes) if node in derived.gradients]
    deltas = set(derived.deltas.values())
    sent = [part for state in derived.previous.values() for part in (state.elementwise, state.products)]
    return [
        *(node for node in wholes if node.operation == "cotangent"),
        *dict.fromkeys(node for node in steps if node in wholes or node in deltas),
        *(part for part in (*sent, *derived.learned.values(), derived.input) if part is not None),
    ]


def _author_names(equations: Equations) -> dict[Node, str]:
    """Unique names: an intermediate vector named h, as the state is, becomes h'."""
    ends = zip(equations.states, equations.new_states, strict=True)
    own = {node: state for state, node in ends if is_own(equations, state, node)}
    taken = RESERVED | set(equations.states) | {param.name for param in equations.params}
    names: dict[Node, str] = {}
    for node, name in equations.names.items():
        if node not in own and not name.strip("_"):
            continue
        names[node] = own.get(node) or _primed(name.strip("_"), taken)
        taken.add(names[node])
    return names


def _first_gradients(derived: Backward) -> dict[Node, Symbol]:
    """∂ of each state, δ of each product; of two products with one name only the first."""
    gradients: dict[Node, Symbol] = {node: ("∂", state) for state, node in whole_gradients(derived).items()}
    given: set[str] = set()
    for affine in derived.equations.affines:
        delta = derived.deltas.get(affine)
        if delta is not None and delta not in gradients and affine.name not in given:
            gradients[delta] = ("δ", affine.name)
            given.add(affine.name)
    return gradients


def _uses(roots: Iterable[Node], stop: Iterable[Node]) -> Counter[Node]:
    """In how many expressions each node is written; a sum within a sum is part of it."""
    roots, stop = list(roots), set(stop)
    visited = [node for node in topological(roots, stop=lambda node: node in stop) if node not in stop]
    readers: dict[Node, list[Node]] = {}
    for node in visited:
        for operand in set(node.operands):
            readers.setdefault(operand, []).append(node)

    def is_part(node: Node) -> bool:
        within = readers.get(node, ())
        is_in_sum = len(within) == 1 and within[0].operation in SUMS
        return is_in_sum and node.operation in SUMS and node not in roots and node in mentions

    mentions: dict[Node, set[Node]] = {}
    for node in visited:
        mentions[node] = set().union(*(mentions[o] if is_part(o) else {o} for o in node.operands))
    return Counter(roots) + Counter(o for node in visited if not is_part(node) for o in mentions[node])


def _product_name(node: Node, names: dict[Node, str], taken: set[str]) -> str:
    """sigmoid(affine("i", ...)) without a name of its own is i."""
    inside = topological([node], stop=lambda other: other in names)
    products = {other.name for other in inside if other.operation == "affine" and other not in names}
    names_it = node.operation == "affine" or (len(products) == 1 and len(node.operands) == 1)
    name = node.name or products.pop() if names_it else ""
    return "" if name in taken else name


def _unused(taken: set[str]) -> str:
    numbered = (f"{LETTERS[0]}{number}" for number in count(1))
    return next(name for name in chain(LETTERS, numbered) if name not in taken)


def _primed(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "'"
    return name
