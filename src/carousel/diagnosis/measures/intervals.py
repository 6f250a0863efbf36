"""Between which values every vector of a step lies, when states and inputs lie in a box; and how steep it can be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import permutations

import torch
from torch import Tensor

from carousel.diagnosis.observation.layers import RecurrentLayer
from carousel.diagnosis.observation.linearisation import columns_of, state_node
from carousel.emit.reference import OPERATIONS
from carousel.equations.graph import REDUCTIONS, Node, constant

RISING = ("sigmoid", "tanh", "relu", "elu", "exp", "step")  # functions that never fall
ROUNDS, FEWER, LARGE = 400, 60, 128  # of widening; fewer above LARGE units, where each takes milliseconds
LIMIT = 1e9


@dataclass(frozen=True, eq=False)
class Interval:
    """From low to high, unit by unit: (H,), or (I,) for the input."""

    low: Tensor
    high: Tensor

    @classmethod
    def around(cls, points: Tensor) -> Interval:
        """The smallest that holds all rows of (N, H)."""
        return cls(points.amin(dim=0), points.amax(dim=0))

    def under(self, rising: Callable[[Tensor], Tensor]) -> Interval:
        """Where a function takes it that never falls."""
        return Interval(rising(self.low), rising(self.high))

    @property
    def nearest(self) -> Tensor:
        """The smallest modulus: 0 where it holds zero."""
        holds = (self.low <= 0) & (self.high >= 0)
        return torch.where(holds, 0.0, torch.minimum(self.low.abs(), self.high.abs()))

    @property
    def largest(self) -> Tensor:
        """The largest modulus."""
        return torch.maximum(self.low.abs(), self.high.abs())

    def within(self, other: Interval) -> bool:
        return bool((self.low >= other.low).all() and (self.high <= other.high).all())

    def hull(self, other: Interval) -> Interval:
        return Interval(torch.minimum(self.low, other.low), torch.maximum(self.high, other.high))


def intervals(layer: RecurrentLayer, x: Interval, states: dict[str, Interval]) -> dict[Node, Interval]:
    """Interval arithmetic on the equations: the range of every vector. A convex combination is seen as one."""
    found: dict[Node, Interval] = {}
    products: dict[Node, tuple[Tensor, Tensor]] = {}  # vector -> middle and radius of all that multiply it
    for node in layer.equations.nodes:
        operands = [found[operand] for operand in node.operands]
        if node.operation in ("input", "state"):
            found[node] = x if node.operation == "input" else states[node.name]
        elif node.operation in ("constant", "param"):
            is_learned = node.operation == "param"
            value = layer.parameters[node.name] if is_learned else x.low.new_full((layer.hidden,), node.value)
            found[node] = Interval(value, value)
        elif node.operation == "affine":
            found[node] = _affine(layer, node, found, products)
        elif node.operation == "scale":
            found[node] = _product(Interval(*[layer.diagonal(node)] * 2), operands[0])
        elif node.operation in REDUCTIONS:
            found[node] = operands[0].under(partial(_over_units, node))
        else:
            found[node] = _convex(node, found) or _elementwise(node, operands)
    return found


def _affine(
    layer: RecurrentLayer,
    node: Node,
    found: dict[Node, Interval],
    products: dict[Node, tuple[Tensor, Tensor]],
) -> Interval:
    middle = layer.bias(node)
    radius = torch.zeros_like(middle)
    for vector in node.operands:
        if vector not in products:
            low, high = found[vector].low, found[vector].high
            products[vector] = (
                layer.stacked[vector] @ ((low + high) / 2),
                layer.stacked_sizes[vector] @ ((high - low) / 2),
            )
        center, reach = (layer.block_of(each, vector, node) for each in products[vector])
        middle, radius = middle + center, radius + reach
    return Interval(middle - radius, middle + radius)


def _elementwise(node: Node, operands: list[Interval]) -> Interval:
    name, a, b = node.operation, operands[0], operands[-1]
    if name in ("log", "sqrt"):  # intervals may reach below 0 where the vector does not
        return a.under(lambda each: OPERATIONS[name](each.clamp(min=0)))
    if name in RISING:
        return a.under(OPERATIONS[name])
    if name == "neg":
        return Interval(-a.high, -a.low)
    if name == "-":
        return Interval(a.low - b.high, a.high - b.low)
    if name == "*" and node.operands[0] is node.operands[1]:
        return Interval(a.nearest**2, a.largest**2)
    if name == "*":
        return _product(a, b)
    if name == "/":
        crosses = (b.low <= 0) & (b.high >= 0)
        low, high = (
            torch.where(crosses, end, 1 / each) for end, each in ((-torch.inf, b.high), (torch.inf, b.low))
        )
        return _product(a, Interval(low, high))
    if name == "above":
        return Interval(torch.zeros_like(a.low), torch.ones_like(a.low))
    return Interval(OPERATIONS[name](a.low, b.low), OPERATIONS[name](a.high, b.high))  # +, maximum, minimum


def _product(a: Interval, b: Interval) -> Interval:
    corners = torch.stack([a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high]).nan_to_num(
        nan=torch.inf, posinf=torch.inf, neginf=-torch.inf
    )
    return Interval(corners.amin(dim=0), corners.amax(dim=0))


def _convex(node: Node, found: dict[Node, Interval]) -> Interval | None:
    """(1 - z) a + z b with 0 <= z <= 1 lies between a and b, which products taken one by one would not show."""
    if node.operation != "+" or any(operand.operation != "*" for operand in node.operands):
        return None
    for first, second in permutations(node.operands):
        for z, b in permutations(second.operands):
            if z not in found or bool((found[z].low < 0).any() or (found[z].high > 1).any()):
                continue
            for complement, a in permutations(first.operands):
                if complement.operation == "-" and complement.operands == (constant(1), z):
                    return found[a].hull(found[b])
    return None


def _over_units(node: Node, value: Tensor) -> Tensor:
    total = value.sum() if node.operation == "sum" else value.mean()
    return total.expand_as(value)


def rounds_of(layer: RecurrentLayer) -> int:
    """How often `invariant_box` widens a box of this layer before it gives up."""
    return ROUNDS if layer.hidden <= LARGE else FEWER


def invariant_box(
    layer: RecurrentLayer, x: Interval, start: dict[str, Interval]
) -> dict[str, Interval] | None:
    """A box around `start` that no step leaves while the input stays in x, or None if none was found.

    The box is widened by what a step reaches until it holds; because widening can go on for long, the limit of
    its geometric growth is tried as well. What is returned has been checked: step(box) lies within box. The search
    ends after 400 rounds, of layers with more than 128 units after 60: a box that takes longer to hold is not found.
    """
    box = start
    last: dict[str, Interval] = {}
    for number in range(rounds_of(layer)):
        reached = _step(layer, x, box)
        wider = {state: box[state].hull(reached[state]) for state in box}
        if all(reached[state].within(box[state]) for state in box):
            return box
        if any(not bool((each.largest < LIMIT).all()) for each in wider.values()):
            return None
        if number % 10 == 9 and last:
            tried = {state: _limit(last[state], box[state], wider[state]) for state in box}
            if all(each.within(tried[state]) for state, each in _step(layer, x, tried).items()):
                return tried
        last, box = box, wider
    return None


def by_activations(layer: RecurrentLayer, x: Interval) -> dict[str, Interval]:
    """States that an activation holds however large all states were before, as h = o tanh(c) of an LSTM."""
    wide = [x.low.new_full((layer.hidden,), size) for size in (LIMIT, 1e3 * LIMIT)]
    one, other = (_step(layer, x, dict.fromkeys(layer.states, Interval(-each, each))) for each in wide)
    return {
        state: other[state]
        for state in layer.states
        if torch.allclose(one[state].largest, other[state].largest, rtol=1e-6)
    }


def _step(layer: RecurrentLayer, x: Interval, box: dict[str, Interval]) -> dict[str, Interval]:
    found = intervals(layer, x, box)
    return {
        state: found[node].under(lambda each: each.expand(layer.hidden))
        for state, node in zip(layer.states, layer.equations.new_states, strict=True)
    }


def _limit(one: Interval, two: Interval, three: Interval) -> Interval:
    """Where a geometric growth would end, and a little more."""

    def ahead(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
        step, before = c - b, b - a
        ratio = torch.where(before.abs() > 0, step / torch.where(before == 0, 1.0, before), 0.0).clamp(
            0, 0.9999
        )
        return c + 1.01 * step * ratio / (1 - ratio)

    low, high = ahead(one.low, two.low, three.low), ahead(one.high, two.high, three.high)
    room = 1e-6 * (1 + torch.maximum(low.abs(), high.abs()))
    return Interval(low - room, high + room)


def steepest_in(node: Node, operands: list[Interval], value: Interval) -> tuple[Tensor, ...]:
    """The largest modulus of the slope by each operand, over the ranges."""
    name, first, last = node.operation, operands[0], operands[-1]
    if name in ("sigmoid", "tanh"):
        y = OPERATIONS[name](first.nearest)
        return (y * (1 - y) if name == "sigmoid" else 1 - y * y,)
    if name in ("relu", "elu"):
        steep = (first.high > 0).to(first.high.dtype)
        return (steep if name == "relu" else torch.maximum(steep, first.high.clamp(max=0).exp()),)
    if name == "exp":
        return (value.high,)
    if name == "log":
        return (torch.where(first.low > 0, 1 / first.low, torch.inf),)
    if name == "sqrt":
        return (torch.where(value.low > 0, 0.5 / value.low, torch.inf),)
    if name == "*":
        return last.largest, first.largest
    if name == "/":
        return 1 / last.nearest, value.largest / last.nearest
    size = 0.0 if name in ("step", "above") else 1.0  # + - neg maximum minimum
    return tuple(torch.full_like(value.low, size) for _ in operands)


def largest_jacobian(layer: RecurrentLayer, found: dict[Node, Interval]) -> Tensor:
    """|J| at most, entry by entry, over the ranges: a matrix (n, n) of numbers that are not negative."""
    unit = torch.eye(layer.hidden, dtype=next(iter(layer.parameters.values())).dtype)

    def slopes(node: Node) -> tuple[Tensor, ...]:
        return steepest_in(node, [found[operand] for operand in node.operands], found[node])

    columns = [
        columns_of(
            layer,
            {state_node(state): unit},
            lambda affine, vector: layer.weight(affine, vector).abs(),
            lambda scale: layer.diagonal(scale).abs(),
            slopes,
        )
        for state in layer.states
    ]
    return torch.cat(columns, dim=1)
