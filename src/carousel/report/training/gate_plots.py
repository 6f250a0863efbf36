"""How gates stand, as small pictures: each dot is a unit, by how often it was open and shut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from carousel.diagnosis.measures.gates import GateStatistics
from carousel.report.charts.strips import MEANINGS
from carousel.report.words import number, percent

_SIZE, _EDGE = 150, 8


@dataclass(frozen=True)
class GatePlot:
    """One gate of one layer, drawn and in words."""

    title: str
    words: str
    svg: Markup


def gate_plots(statistics: Sequence[GateStatistics]) -> list[GatePlot]:
    """One small picture per gate and layer."""
    return [_plot(each) for each in statistics]


def _plot(each: GateStatistics) -> GatePlot:
    title = f"{MEANINGS[each.name]} {each.name}, layer {each.layer + 1}"
    mostly_open, mostly_shut = int((each.open > 0.9).sum()), int((each.shut > 0.9).sum())
    words = (
        f"mean {number(each.mean)}; open on {percent(float(each.open.mean()))} of the steps, "
        f"shut on {percent(float(each.shut.mean()))}"
    )
    if mostly_open or mostly_shut:
        stuck = [
            f"{count} nearly always {word}"
            for count, word in ((mostly_open, "open"), (mostly_shut, "shut"))
            if count
        ]
        words += f"; of {len(each.open)} units, {' and '.join(stuck)}"
    return GatePlot(title, words, Markup(_draw(each, f"{title}: {words}")))


def _draw(each: GateStatistics, label: str) -> str:
    span = _SIZE - 2 * _EDGE
    dots = "".join(
        f'<circle cx="{_EDGE + right * span:.1f}" cy="{_SIZE - _EDGE - left * span:.1f}" r="2.1"/>'
        for right, left in zip(each.open.tolist(), each.shut.tolist(), strict=True)
    )
    corner = f"{_EDGE},{_EDGE} {_EDGE},{_SIZE - _EDGE} {_SIZE - _EDGE},{_SIZE - _EDGE}"
    return (
        f'<svg class="gate" viewBox="0 0 {_SIZE} {_SIZE}" role="img" aria-label="{label}">'
        f'<polygon class="possible" points="{corner}"/>{dots}</svg>'
    )
