"""What the figures of a diagnosis have in common: picture, caption and numbers; bars; eigenvalues in their plane."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from carousel.report.charts.scatter import Points, Scatter, scatter_svg

STYLES = ("s1", "s2", "s3", "s4", "s5")


@dataclass(frozen=True)
class Figure:
    """A picture, what to see in it, and the rows of numbers behind it."""

    heading: str
    picture: Markup
    caption: str
    head: Sequence[str] = ()
    rows: Sequence[tuple[str, Sequence[float]]] = ()


def bars(rows: Mapping[str, tuple[float, str]]) -> Markup:
    """Name -> (share of the full width, what is written beside the bar)."""
    lines = [
        f'<tr><th scope="row">{escape(name)}</th><td class="bar" aria-hidden="true">'
        f'<span style="width:{100 * share:.1f}%"></span></td><td class="value">{escape(words)}</td></tr>'
        for name, (share, words) in rows.items()
    ]
    return Markup(f'<table class="bars"><tbody>{"".join(lines)}</tbody></table>')


def eigenvalue_plot(
    title: str, description: str, groups: Mapping[str, tuple[NDArray[np.complex128], str]]
) -> Markup:
    """Groups of eigenvalues by name, each with the class of its colour, in the complex plane with the unit circle."""
    points = [
        Points(name, each.real.tolist(), each.imag.tolist(), style) for name, (each, style) in groups.items()
    ]
    reach = max([1.1, *(1.05 * abs(value) for group in points for value in [*group.x, *group.y])])
    turn = np.linspace(0, 2 * math.pi, 181)
    return scatter_svg(
        Scatter(
            title,
            description,
            "real part",
            "imaginary part",
            points,
            curves=[(np.cos(turn).tolist(), np.sin(turn).tolist())],
            square=True,
            x_range=(-reach, reach),
            y_range=(-reach, reach),
        )
    )


def finite(lags: Sequence[int], values: NDArray[np.float64]) -> tuple[list[float], list[float]]:
    """The points of a curve that can be drawn."""
    pairs = [(float(k), float(v)) for k, v in zip(lags, values, strict=True) if np.isfinite(v)]
    return [k for k, _ in pairs], [v for _, v in pairs]
