"""Points in a plane as inline SVG: predicted against measured, eigenvalues, a map of words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from markupsafe import Markup

from carousel.report.charts.scales import Scale

_SIZES = {"wide": 680, "narrow": 340}
_LETTER, _LINE = 7.0, 11.0  # about the width of a letter of a word and its height, pixels
_FEW = 40  # points of a group; more are drawn smaller
_Box = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True)
class Points:
    """A group of points of one colour, with a word beside each if `words` is given."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    style: str
    words: Sequence[str] = ()


@dataclass(frozen=True)
class Scatter:
    """All that is drawn: groups of points, curves behind them, the same scale on both axes if `square`."""

    title: str
    description: str
    x_label: str
    y_label: str
    groups: Sequence[Points]
    curves: Sequence[tuple[Sequence[float], Sequence[float]]] = ()
    log: bool = False
    square: bool = False
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None
    height: int = 380


def scatter_svg(scatter: Scatter, sizes: Sequence[str] = tuple(_SIZES)) -> Markup:
    """The picture in these sizes, wide and narrow; the style sheet shows one of them."""
    return Markup("".join(_draw(scatter, name, _SIZES[name]) for name in sizes))


def _draw(scatter: Scatter, name: str, width: int) -> str:
    left, right, top, bottom = 52, (130 if name == "wide" else 12), 26, 40
    across, up = _ranges(scatter)
    end, floor = width - right, scatter.height - bottom
    if scatter.square:  # as many units to the pixel on both axes
        side = min(end - left, floor - top)
        end, floor = left + side, top + side
    below = floor + bottom
    high = below + (0 if name == "wide" else 20 * len(_legend(scatter)))
    x = Scale(*across, left, end, scatter.log)
    y = Scale(*up, floor, top, scatter.log)
    parts = [
        f'<svg class="chart {name}" viewBox="0 0 {width} {high}" role="img" '
        f'aria-label="{escape(scatter.title)}. {escape(scatter.description)}">',
        *_axes(scatter, x, y),
        *[_curve(xs, ys, x, y) for xs, ys in scatter.curves],
        *[_points(group, x, y, width) for group in scatter.groups],
        *_key(scatter, name, end, top, below),
        "</svg>",
    ]
    return "".join(parts)


def _ranges(scatter: Scatter) -> tuple[tuple[float, float], tuple[float, float]]:
    xs = [value for group in scatter.groups for value in group.x] + [v for c in scatter.curves for v in c[0]]
    ys = [value for group in scatter.groups for value in group.y] + [v for c in scatter.curves for v in c[1]]
    return scatter.x_range or _around(xs, scatter.log), scatter.y_range or _around(ys, scatter.log)


def _around(values: Sequence[float], log: bool) -> tuple[float, float]:
    """The range of the finite values with a margin, so that no point lies on the frame."""
    finite = [value for value in values if math.isfinite(value) and (value > 0 or not log)]
    if not finite:
        return (0.1, 10.0) if log else (-1.0, 1.0)
    low, high = min(finite), max(finite)
    if log:
        factor = max((high / low) ** 0.06, 1.3)
        return low / factor, high * factor
    margin = 0.06 * (high - low) or 0.5
    return low - margin, high + margin


def _axes(scatter: Scatter, x: Scale, y: Scale) -> list[str]:
    parts = []
    for value, label in y.ticks(5):
        at = y(value)
        parts.append(f'<line class="grid" x1="{x.start:.1f}" x2="{x.end:.1f}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(
            f'<text class="tick" x="{x.start - 7:.1f}" y="{at + 3.5:.1f}" text-anchor="end">{label}</text>'
        )
    for value, label in x.ticks(5):
        at = x(value)
        parts.append(f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{y.start:.1f}" y2="{y.end:.1f}"/>')
        parts.append(
            f'<text class="tick" x="{at:.1f}" y="{y.start + 17:.1f}" text-anchor="middle">{label}</text>'
        )
    parts.append(f'<text class="axis" x="{x.start - 7:.1f}" y="12">{escape(scatter.y_label)}</text>')
    middle = f'x="{(x.start + x.end) / 2:.1f}" y="{y.start + 34:.1f}" text-anchor="middle"'
    parts.append(f'<text class="axis" {middle}>{escape(scatter.x_label)}</text>')
    return parts


def _curve(xs: Sequence[float], ys: Sequence[float], x: Scale, y: Scale) -> str:
    path = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in zip(xs, ys, strict=True) if _inside(a, b, x, y))
    return f'<polyline class="curve guide" points="{path}"/>'


def _points(group: Points, x: Scale, y: Scale, width: float) -> str:
    parts, size = [], 3.2 if len(group.x) <= _FEW else 2.0
    words = group.words or [""] * len(group.x)
    each = zip(group.x, group.y, words, strict=True)
    inside = [(x(a), y(b), word) for a, b, word in each if _inside(a, b, x, y)]
    taken = [(a - size, b - size, a + size, b + size) for a, b, _ in inside]  # no word covers a point
    for a, b, word in inside:
        title = f"<title>{escape(word)}</title>" if word else ""
        parts.append(f'<circle class="{group.style}" cx="{a:.1f}" cy="{b:.1f}" r="{size}">{title}</circle>')
        place = _free_place(word, a, b, taken, width) if word else None
        if place:
            left, foot = place
            parts.append(
                f'<text class="word {group.style}" x="{left:.1f}" y="{foot:.1f}">{escape(word)}</text>'
            )
    return "".join(parts)


def _free_place(word: str, x: float, y: float, taken: list[_Box], width: float) -> tuple[float, float] | None:
    """Where a point's word covers nothing: right of it, left, above, below or aslant; None if there is no place."""
    wide = _LETTER * len(word)
    sides = (x + 5, x - 5 - wide, x - wide / 2)
    places = [(sides[0], y + 3.5), (sides[1], y + 3.5), (sides[2], y - 6), (sides[2], y + 14)]
    places += [(side, y + drop) for drop in (-7, 14, -17, 24) for side in sides[:2]]
    for left, foot in places:
        box = (left, foot - _LINE, left + wide, foot)
        if 0 <= left <= width - wide and not any(_overlap(box, other) for other in taken):
            taken.append(box)
            return left, foot
    return None


def _overlap(a: _Box, b: _Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _inside(a: float, b: float, x: Scale, y: Scale) -> bool:
    return math.isfinite(a) and math.isfinite(b) and x.low <= a <= x.high and y.low <= b <= y.high


def _legend(scatter: Scatter) -> list[Points]:
    return [group for group in scatter.groups if group.label]


def _key(scatter: Scatter, name: str, right: float, top: float, below: float) -> list[str]:
    """The groups' names: beside the picture where there is room, below it on a phone."""
    parts = []
    for k, group in enumerate(_legend(scatter)):
        left, at = (right + 14, top + 8 + 18 * k) if name == "wide" else (52, below + 8 + 18 * k)
        parts.append(f'<circle class="{group.style}" cx="{left:.1f}" cy="{at:.1f}" r="3.6"/>')
        parts.append(
            f'<text class="label {group.style}" x="{left + 9:.1f}" y="{at + 4:.1f}">{escape(group.label)}</text>'
        )
    return parts
