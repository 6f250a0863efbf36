"""Diagrams: a cell as its equations connect it, a network unrolled over time, arrows in a plane, a product with PW."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import pairwise

from markupsafe import Markup

from carousel.equations import Equations
from carousel.equations.graph import Node
from carousel.report.lab import Diagram

WIDTH = 680
_SIGNS = {"sigmoid": "σ", "*": "×", "-": "−", "neg": "−", "affine": "W", "scale": "p", "sum": "Σ", "/": "÷"}
_CIRCLED = "×+−÷Σ"  # operations unit by unit are drawn as circles
_PRODUCTS = ("affine", "scale")
_INDEX = re.compile(r"_(?:\{([^{}]*)\}|(\w+))")


# ---- marks on the paper ----


def _drawn(title: str, height: float, parts: Iterable[str]) -> Diagram:
    frame = f'<svg class="chart diagram" viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(title)}">'
    return Diagram(title, Markup("".join([frame, *parts, "</svg>"])))


def _text(x: float, y: float, words: str, style: str = "name", anchor: str = "middle") -> str:
    """Words centred at a height, with lowered indices."""
    lowered = _INDEX.sub(
        lambda found: (
            f'<tspan dy="3" font-size="75%">{found[1] or found[2]}</tspan><tspan dy="-3">&#8203;</tspan>'
        ),
        escape(words),
    )
    return f'<text class="{style}" x="{x:.1f}" y="{y + 5:.1f}" text-anchor="{anchor}">{lowered}</text>'


def _width(words: str) -> float:
    return 28 if len(words) == 1 and words in _CIRCLED else max(36, 14 + 8.5 * len(_INDEX.sub("", words)))


def _box(x: float, y: float, words: str, width: float = 0, height: float = 28) -> str:
    width = width or _width(words)
    corner = height / 2 if width == height else 4
    return (
        f'<rect class="node" x="{x - width / 2:.1f}" y="{y - height / 2:.1f}" width="{width:.1f}" '
        f'height="{height:.1f}" rx="{corner:.1f}"/>{_text(x, y, words)}'
    )


def _arrow(x0: float, y0: float, x1: float, y1: float, style: str = "") -> str:
    """A straight arrow; its head is a triangle at the end."""
    length = max(((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5, 1e-9)
    a, b = 7 * (x1 - x0) / length, 7 * (y1 - y0) / length
    head = f"{x1:.1f},{y1:.1f} {x1 - a - b / 2:.1f},{y1 - b + a / 2:.1f} {x1 - a + b / 2:.1f},{y1 - b - a / 2:.1f}"
    return (
        f'<path class="wire {style}" d="M{x0:.1f} {y0:.1f}L{x1 - a / 2:.1f} {y1 - b / 2:.1f}"/>'
        f'<polygon class="head {style}" points="{head}"/>'
    )


# ---- a cell, from its equations ----


def cell(equations: Equations, title: str, time: bool = True) -> Diagram:
    """One step as its graph: a box for each function, a circle for each operation unit by unit, lines for vectors.

    Products with weights are drawn as lines into the function that reads their sum. Without `time` the states are
    named without an index, as those of models that are not recurrent.
    """
    readers = _readers(equations)
    before, now = ("_{t−1}", "_t") if time else ("", "")
    sources = {node: _sources(node, readers) for node in equations.nodes if not _absorbed(node, readers)}
    leaves = {
        n: f"{n.name}{now if n.operation == 'input' else before}"
        for n in sources
        if n.name and not sources[n]
    }
    ends = {
        f"{state}{now}": node
        for state, node in zip(equations.states, equations.new_states, strict=True)
        if node not in leaves
    }
    signs = {node: _sign(node, equations) for node in sources if sources[node]}
    edges = [(source, node) for node in signs for source in sources[node]] + [
        (n, end) for end, n in ends.items()
    ]
    columns = _columns([*leaves, *signs, *ends], edges)
    place = _places(columns, edges)
    colours = {node: f"s{k}" for k, node in enumerate(leaves, start=1)}
    parts = []
    for edge in edges:
        path = [place[item] for item in _path(edge, columns)]
        x, y = path[-1]
        path[-1] = (x - _width(signs[edge[1]]) / 2 if edge[1] in signs else x, y)
        parts.append(_wire(path, colours.get(edge[0], "")))
    parts += [_box(*place[node], sign) for node, sign in signs.items()]
    parts += [
        _text(place[leaf][0] - 4, place[leaf][1], words, "name", "end") for leaf, words in leaves.items()
    ]
    parts += [_text(place[end][0] + 6, place[end][1], end, "name", "start") for end in ends]
    return _drawn(title, max(y for _, y in place.values()) + 34, parts)


def _readers(equations: Equations) -> dict[Node, list[Node]]:
    readers: dict[Node, list[Node]] = {node: [] for node in equations.nodes}
    for node in equations.nodes:
        for operand in node.operands:
            readers[operand].append(node)
    return readers


def _absorbed(node: Node, readers: Mapping[Node, list[Node]]) -> bool:
    """Whether a node is drawn as the lines into its only reader: products with weights, their sum, and constants."""
    if node.operation == "constant":
        return True
    if node.operation == "+":
        product = all(_absorbed(operand, readers) for operand in node.operands)
    else:
        product = node.operation in _PRODUCTS
    return product and len(readers[node]) == 1 and (readers[node][0].operation not in ("*", "-", *_PRODUCTS))


def _sources(node: Node, readers: Mapping[Node, list[Node]]) -> list[Node]:
    """The drawn nodes that a drawn node reads, each once."""
    found = [
        each
        for operand in node.operands
        for each in (_sources(operand, readers) if _absorbed(operand, readers) else [operand])
    ]
    return list(dict.fromkeys(found))


def _sign(node: Node, equations: Equations) -> str:
    """What a node does, with its name if the author gave it one that is not a state's."""
    constant = next((each for each in node.operands if each.operation == "constant"), None)
    sign = _SIGNS.get(node.operation, node.operation)
    if constant is not None:
        sign = f"{constant.value:g} {sign}" if node.operands[0] is constant else f"{sign} {constant.value:g}"
    name = equations.names.get(node, "")
    return f"{name} = {sign}" if name and name not in equations.states and constant is None else sign


Item = Node | str
Edge = tuple[Item, Item]


def _columns(items: Sequence[Item], edges: Sequence[Edge]) -> dict[Item, int]:
    """Each item right of all that it reads; the ends in one column at the right."""
    columns: dict[Item, int] = {}
    for item in items:
        columns[item] = max((columns[a] + 1 for a, b in edges if b == item), default=0)
    last = max(columns.values())
    return {item: last if isinstance(item, str) else column for item, column in columns.items()}


def _path(edge: Edge, columns: Mapping[Item, int]) -> list[Item]:
    """The items of an edge with a lane of its own in each column between them."""
    source, reader = edge
    label = f"{id(source)}-{id(reader)}"
    return [source, *(f"{label}-{k}" for k in range(columns[source] + 1, columns[reader])), reader]


def _places(columns: dict[Item, int], edges: Sequence[Edge]) -> dict[Item, tuple[float, float]]:
    """Where items lie: columns from left to right, and in each column near what they read and what reads them."""
    lanes: dict[int, list[Item]] = {k: [] for k in range(max(columns.values()) + 1)}
    near: dict[Item, list[Item]] = {}
    for item, column in columns.items():
        lanes[column].append(item)
    for edge in edges:
        path = _path(edge, columns)
        for column, item in enumerate(path[1:-1], start=columns[edge[0]] + 1):
            lanes[column].append(item)
        for a, b in pairwise(path):
            near.setdefault(a, []).append(b)
            near.setdefault(b, []).append(a)
    y = {item: 46.0 * k for items in lanes.values() for k, item in enumerate(items)}
    for sweep in range(24):
        for column in sorted(lanes, reverse=bool(sweep % 2)):
            wanted = {item: sum(y[n] for n in near[item]) / len(near[item]) for item in lanes[column]}
            lanes[column].sort(key=wanted.__getitem__)
            _spread(lanes[column], wanted, y)
    top = min(y.values())
    step = (WIDTH - 155) / max(lanes)
    return {
        item: (72 + step * column, y[item] - top + 24) for column, items in lanes.items() for item in items
    }


def _spread(items: Sequence[Item], wanted: Mapping[Item, float], y: dict[Item, float]) -> None:
    """Put the items at their wanted heights, kept apart: lanes need less room than boxes."""
    gaps = [34.0 if isinstance(a, str) or isinstance(b, str) else 46.0 for a, b in pairwise(items)]
    heights = [wanted[items[0]]]
    for item, gap in zip(items[1:], gaps, strict=True):
        heights.append(max(wanted[item], heights[-1] + gap))
    shift = sum(heights) / len(heights) - sum(wanted.values()) / len(wanted)
    y.update({item: height - shift for item, height in zip(items, heights, strict=True)})


def _wire(path: Sequence[tuple[float, float]], style: str) -> str:
    """A curve through these points with an arrowhead at its end."""
    curve = "M{:.1f} {:.1f}".format(*path[0])
    for (a, b), (c, d) in pairwise(path):
        curve += f"C{(a + c) / 2:.1f} {b:.1f} {(a + c) / 2:.1f} {d:.1f} {c:.1f} {d:.1f}"
    x, y = path[-1]
    return f'<path class="wire {style}" d="{curve}"/>{_arrow(x - 8, y, x, y, style)}'


# ---- unrolled over time ----


def unrolled(
    title: str,
    below: Sequence[str],
    boxes: Sequence[str],
    above: Sequence[Sequence[str]],
    carried: Sequence[Sequence[str]] = (),
) -> Diagram:
    """A network over some steps: what each step reads, its box, and what lies above, from its output upwards.

    `carried` has a row for each state that goes from box to box: its words before the first box, between two boxes,
    and after the last one. Without it nothing connects the steps.
    """
    edge, side = 16, 40 * max(len(carried), 1)  # at both edges: room for the words of a state
    gap = (WIDTH - 2 * edge) / len(boxes)
    levels = max(map(len, above))
    middle = 46.0 * levels + side / 2 + 10
    parts = []
    for k, (read, words, tower) in enumerate(zip(below, boxes, above, strict=True)):
        x = edge + gap * (k + 0.5)
        parts += [_box(x, middle, words, 76, side), _text(x, middle + side / 2 + 44, read)]
        parts.append(_arrow(x, middle + side / 2 + 34, x, middle + side / 2))
        foot = middle - side / 2
        for level in tower:
            parts += [_arrow(x, foot, x, foot - 24), _text(x, foot - 34, level)]
            foot -= 46
    for row, states in enumerate(carried):
        y = middle + 40 * (row - (len(carried) - 1) / 2)
        for k, word in enumerate(states):
            start, end = max(edge + gap * (k - 0.5) + 38, 2), min(edge + gap * (k + 0.5) - 38, WIDTH - 2)
            parts += [
                _arrow(start, y, end, y, f"s{len(carried) + 1 - row}"),
                _text((start + end) / 2, y - 12, word, "label"),
            ]
    return _drawn(title, middle + side / 2 + 62, parts)


# ---- arrows in a plane ----


def plane(
    title: str,
    reach: float,
    arrows: Sequence[tuple[tuple[float, float], tuple[float, float], str, str]],
    paths: Sequence[tuple[Sequence[tuple[float, float]], str]] = (),
) -> Diagram:
    """Arrows (start, end, words, style) and curves (points, style) from -reach to reach in both directions."""
    size, middle = 170 / reach, WIDTH / 2

    def at(point: tuple[float, float]) -> tuple[float, float]:
        return middle + size * point[0], 190 - size * point[1]

    parts = [
        f'<path class="grid" d="M{middle - 180} 190H{middle + 180}M{middle} 10V370"/>',
        *(
            f'<polyline class="curve {style}" points="'
            + " ".join("{:.1f},{:.1f}".format(*at(point)) for point in points)
            + '"/>'
            for points, style in paths
        ),
    ]
    taken: list[tuple[bool, float]] = []  # sides and heights of the words so far
    for start, end, words, style in arrows:
        (x0, y0), (x1, y1) = at(start), at(end)
        parts.append(_arrow(x0, y0, x1, y1, style))
        right, height = x1 >= x0, y1 - 6
        while any(side == right and abs(other - height) < 16 for side, other in taken):
            height += 4
        taken.append((right, height))
        parts.append(
            _text(x1 + (7 if right else -7), height, words, f"label {style}", "start" if right else "end")
        )
    return _drawn(title, 380, parts)


# ---- a matrix times a one-hot vector ----


def one_hot_product(title: str, table: Sequence[Sequence[float]], words: Sequence[str], at: int) -> Diagram:
    """PW (rows of `table`, a column for each word) times the one-hot vector of one word is its column."""
    cell_size, top, left = 22, 86, 60
    right = left + cell_size * len(words) + 60
    largest = max(abs(value) for row in table for value in row)
    height = top + cell_size * max(len(table), len(words)) + 20

    def square(x: float, y: float, value: float, marked: bool = False) -> str:
        colour = f"rgb(var(--{'p' if value >= 0 else 'n'}) / {abs(value):.2f})"
        return (
            f'<rect class="cell{" marked" if marked else ""}" x="{x}" y="{y}" width="{cell_size}" '
            f'height="{cell_size}" style="fill: {colour}"/>'
        )

    parts = [_text(left - 30, top + cell_size * len(table) / 2, "PW")]
    for k, word in enumerate(words):
        x = left + cell_size * k
        parts.append(
            f'<text class="tick" transform="translate({x + 15} {top - 6}) rotate(-60)">{escape(word)}</text>'
        )
        parts += [square(x, top + cell_size * r, row[k] / largest, k == at) for r, row in enumerate(table)]
        parts.append(square(right, top + cell_size * k, float(k == at)))
        parts.append(_text(right + 30, top + cell_size * (k + 0.5), word, "tick", "start"))
    parts += [_text(right - 30, top + 60, "×"), _text(right + 130, top + 60, "=")]
    parts += [
        square(right + 160, top + cell_size * r, row[at] / largest, True) for r, row in enumerate(table)
    ]
    parts.append(_text(right + 171, top - 16, words[at]))
    return _drawn(title, height, parts)
