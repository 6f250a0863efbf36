"""Line charts as inline SVG: drawn for a page and for a phone, in classes that the style sheet colours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from zlib import crc32

from markupsafe import Markup

from carousel.report.charts.scales import Scale, power_of_ten

_SIZES = {"wide": 680, "narrow": 340}
_LETTER = 6.3  # about the width of a letter of a label, pixels


@dataclass(frozen=True)
class Line:
    """One curve: its points, the word written at its end and the class that colours it."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    style: str
    dots: bool = False
    joined: bool = True  # a curve through the points; without it only the dots
    band: tuple[Sequence[float], Sequence[float]] | None = None


@dataclass(frozen=True)
class Chart:
    """All that is drawn: curves over a common x, level lines across, one mark; `events` name places on x in words."""

    title: str
    description: str
    x_label: str
    y_label: str
    lines: Sequence[Line]
    levels: Sequence[tuple[str, float]] = ()
    mark: tuple[float, float, str] | None = None
    log: bool = False
    powers: bool = False  # y is a power of ten already, and labelled as 10 to that
    y_range: tuple[float, float] | None = None
    height: int = 300
    ticks: int = 5
    x_scale: float = 1.0  # x is divided by this before ticks are labelled: 1e6 for millions
    x_log: bool = False
    events: Sequence[tuple[float, str]] = ()


def svg(chart: Chart, sizes: Sequence[str] = tuple(_SIZES)) -> Markup:
    """The chart in these sizes, wide and narrow; the style sheet shows one of them."""
    return Markup("".join(_draw(chart, name, _SIZES[name]) for name in sizes))


def _draw(chart: Chart, name: str, width: int) -> str:
    left, right, top = 44, _margin(chart, 104 if name == "wide" else 74), 26
    bottom = 84 if _upright(chart) else 40
    x_low, x_high = _range([value for line in chart.lines for value in line.x], chart.x_log)
    y_low, y_high = chart.y_range or _range([value for line in chart.lines for value in line.y], chart.log)
    x = Scale(x_low / chart.x_scale, x_high / chart.x_scale, left, width - right, chart.x_log)
    y = Scale(y_low, y_high, chart.height - bottom, top, chart.log)
    clip = f"clip-{crc32(chart.title.encode())}-{name}"
    parts = [
        f'<svg class="chart {name}" viewBox="0 0 {width} {chart.height}" role="img" '
        f'aria-label="{escape(chart.title)}. {escape(chart.description)}">',
        f'<clipPath id="{clip}"><rect x="{left - 3}" y="{top - 3}" width="{width - right - left + 6}" '
        f'height="{chart.height - bottom - top + 6}"/></clipPath>',
        *_axes(chart, x, y, width - right),
        f'<g clip-path="url(#{clip})">',
        *[_band(line, x, y, chart.x_scale) for line in chart.lines if line.band],
        *[_curve(line, x, y, chart.x_scale) for line in chart.lines],
        "</g>",
        *_labels(chart, x, y, width - right),
        _mark(chart, x, y),
        "</svg>",
    ]
    return "".join(parts)


def _margin(chart: Chart, least: float) -> float:
    """What the words at the ends of curves and levels need at the right."""
    words = [*(line.label for line in chart.lines), *(label for label, _ in chart.levels)]
    return max([least, *(16 + _LETTER * len(word) for word in words)])


def _upright(chart: Chart) -> bool:
    """Whether the words of events would run into each other if they lay."""
    return any(len(word) > 4 for _, word in chart.events)


def _axes(chart: Chart, x: Scale, y: Scale, right: float) -> list[str]:
    parts = []
    for value, plain in y.ticks(chart.ticks):
        at, label = y(value), power_of_ten(round(value)) if chart.powers else plain
        parts.append(f'<line class="grid" x1="{x.start:.1f}" x2="{right:.1f}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(
            f'<text class="tick" x="{x.start - 7:.1f}" y="{at + 3.5:.1f}" text-anchor="end">{label}</text>'
        )
    for value, word in chart.events:
        at = x(value / chart.x_scale)
        place = f'x="{at:.1f}" y="{y.start + 17:.1f}" text-anchor="middle"'
        if _upright(chart):
            place = f'transform="translate({at + 4:.1f} {y.start + 8:.1f}) rotate(-90)" text-anchor="end"'
        parts.append(f'<text class="tick" {place}>{escape(word)}</text>')
    for value, label in () if chart.events else x.ticks(5 if right > 400 else 3):
        place = f'x="{x(value):.1f}" y="{y.start + 17:.1f}"'
        parts.append(f'<text class="tick" {place} text-anchor="middle">{label}</text>')
    parts.append(f'<text class="axis" x="{x.start - 7:.1f}" y="12">{escape(chart.y_label)}</text>')
    middle = f'x="{(x.start + right) / 2:.1f}" y="{chart.height - 6}" text-anchor="middle"'
    parts.append(f'<text class="axis" {middle}>{escape(chart.x_label)}</text>')
    return parts


def _curve(line: Line, x: Scale, y: Scale, unit: float) -> str:
    points = _points(line.x, line.y, x, y, unit)
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
    dots = "".join(f'<circle class="{line.style}" cx="{a:.1f}" cy="{b:.1f}" r="2.4"/>' for a, b in points)
    curve = f'<polyline class="curve {line.style}" points="{path}"/>' if line.joined else ""
    return curve + (dots if line.dots else "")


def _band(line: Line, x: Scale, y: Scale, unit: float) -> str:
    if line.band is None:
        return ""
    low, high = line.band
    around = _points(line.x, high, x, y, unit) + _points(line.x, low, x, y, unit)[::-1]
    return f'<polygon class="band {line.style}" points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in around)}"/>'


def _points(
    xs: Sequence[float], ys: Sequence[float], x: Scale, y: Scale, unit: float
) -> list[tuple[float, float]]:
    floor = y.low if y.log else -math.inf  # a zero on a log scale lies on the floor of the chart
    return [(x(a / unit), y(max(b, floor))) for a, b in zip(xs, ys, strict=True) if math.isfinite(b)]


def _labels(chart: Chart, x: Scale, y: Scale, right: float) -> list[str]:
    """Level lines and the words at the ends of the curves, moved apart where they would overlap."""
    parts, wanted = [], []
    for label, value in chart.levels:
        if y.low <= value <= y.high:
            at = y(value)
            parts.append(
                f'<line class="level" x1="{x.start:.1f}" x2="{right:.1f}" y1="{at:.1f}" y2="{at:.1f}"/>'
            )
            wanted.append((at, label, "level"))
    for line in chart.lines:
        ends = _points(line.x, line.y, x, y, chart.x_scale)
        if ends and line.label:
            wanted.append((min(max(ends[-1][1], y.end), y.start), line.label, line.style))
    for at, label, style in _apart(sorted(wanted), 13, y.start):
        parts.append(
            f'<text class="label {style}" x="{right + 8:.1f}" y="{at + 3.5:.1f}">{escape(label)}</text>'
        )
    return parts


def _apart(wanted: list[tuple[float, str, str]], gap: float, floor: float) -> list[tuple[float, str, str]]:
    """Keep labels at least `gap` apart: push down, then, from the floor, back up."""
    places = [each[0] for each in wanted]
    for k in range(1, len(places)):
        places[k] = max(places[k], places[k - 1] + gap)
    if places:
        places[-1] = min(places[-1], floor)
    for k in range(len(places) - 2, -1, -1):
        places[k] = min(places[k], places[k + 1] - gap)
    return [(place, label, style) for place, (_, label, style) in zip(places, wanted, strict=True)]


def _mark(chart: Chart, x: Scale, y: Scale) -> str:
    if chart.mark is None:
        return ""
    at, value, label = chart.mark
    a, b = x(at / chart.x_scale), y(value)
    anchor = "end" if a > (x.start + x.end) / 2 else "start"
    return (
        f'<circle class="mark" cx="{a:.1f}" cy="{b:.1f}" r="5"/>'
        f'<text class="label mark" x="{a:.1f}" y="{b + 19:.1f}" text-anchor="{anchor}">{escape(label)}</text>'
    )


def _range(values: Sequence[float], log: bool = False) -> tuple[float, float]:
    finite = [value for value in values if math.isfinite(value) and (value > 0 or not log)]
    if not finite:
        return (0.1, 1.0) if log else (0.0, 1.0)
    low, high = min(finite), max(finite)
    if high > low:
        return low, high
    return (low / 2, high * 2) if log else (low - 0.5, high + 0.5)


def thin(xs: Sequence[float], ys: Sequence[float], points: int = 240) -> tuple[list[float], list[float]]:
    """Means over equal stretches, so that a long noisy curve becomes at most `points` points."""
    size = max(1, math.ceil(len(xs) / points))
    edges = [*range(0, len(xs), size), len(xs)]
    pairs = [(a, b) for a, b in pairwise(edges) if b > a]
    return [sum(xs[a:b]) / (b - a) for a, b in pairs], [sum(ys[a:b]) / (b - a) for a, b in pairs]
