"""States drawn on their text: every token coloured by what one unit holds once it has read it."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from carousel.diagnosis.measures.gates import GATES
from carousel.diagnosis.measures.tracking_units import Unit, UnitStrip
from carousel.report.words import number

MEANINGS = {
    "i": "input gate",
    "f": "forget gate",
    "g": "candidate",
    "c": "cell state",
    "o": "output gate",
    "h": "output state",
    "r": "reset gate",
    "z": "update gate",
    "n": "candidate",
}
_STEPS = 20  # shades per colour: more cannot be told apart, fewer show


@dataclass(frozen=True)
class Figure:
    """What the page shows of one unit."""

    heading: str
    sentence: str
    names: list[tuple[str, str]]  # (letter, meaning) in the order of the equations
    shown: str
    text: Markup
    line_wide: Markup
    line_narrow: Markup


def figure(strip: UnitStrip, pieces: Sequence[str]) -> Figure:
    """The unit's memory on the whole snippet, and all its gates on the line where the memory moves most."""
    names = [(name, MEANINGS.get(name, "state")) for name in strip.values]
    state = strip.unit.state
    return Figure(
        heading(strip.unit),
        sentence(strip.unit) + _around(shading(state, strip.values[state])),
        names,
        state,
        coloured(pieces, strip.values[state], shading(state, strip.values[state])),
        _line(strip, pieces, 64, "wide"),
        _line(strip, pieces, 30, "narrow"),
    )


def heading(unit: Unit) -> str:
    """What the unit does, in words that grow more careful as the correlation falls."""
    strength = abs(unit.correlation)
    verb = "tells" if unit.binary else "follows"
    care = {0.7: "", 0.5: "largely ", 0.25: "loosely "}
    verb = next((word for least, word in care.items() if strength >= least), "hardly ") + verb
    article = "whether" if unit.binary else "how"
    return f"Unit {unit.index} of layer {unit.layer + 1} {verb} {article} {unit.meaning}"


def sentence(unit: Unit) -> str:
    """The numbers behind the heading."""
    name = f"{MEANINGS.get(unit.state, 'state')} {unit.state}"
    text = f"Correlation of its {name} with that: {number(unit.correlation)}."
    if unit.binary and math.isfinite(unit.inside) and math.isfinite(unit.outside):
        means = f"{number(unit.inside)} where it is so, {number(unit.outside)} where it is not"
        text += f" On average {unit.state} is {means}."
    return text


def _around(shade: Shading) -> str:
    return (
        f" It stays far from zero; the colours are drawn around its mean, {number(shade.centre)}."
        if shade.centre
        else ""
    )


@dataclass(frozen=True)
class Shading:
    """How a number becomes a colour: (value - centre) / scale is its strength; if signed, of two colours."""

    signed: bool
    centre: float
    scale: float

    def of(self, value: float) -> str:
        """The class of a shade: p for positive, n for negative, a for a gate, and 0..20."""
        share = (value - self.centre) / self.scale
        kind = ("p" if share >= 0 else "n") if self.signed else "a"
        return f"{kind}{min(_STEPS, round(abs(share) * _STEPS))}"


def shading(name: str, values: NDArray[np.float32]) -> Shading:
    """A gate is drawn from 0 to 1; a state from zero to its largest magnitude.

    A state that stays far from zero (|mean| > 2 standard deviations) is drawn around its mean: in one
    colour it would say nothing.
    """
    if name in GATES:
        return Shading(False, 0.0, 1.0)
    mean, spread = float(values.mean()), float(values.std())
    centre = mean if abs(mean) > 2 * spread else 0.0
    return Shading(True, centre, max(float(np.abs(values - centre).max(initial=0.0)), 1e-6))


def coloured(pieces: Sequence[str], values: NDArray[np.float32], shade: Shading) -> Markup:
    """The text, each token an element whose class is its shade."""
    parts = [
        f'<i class="{shade.of(value)}">{visible(piece)}</i>'
        for piece, value in zip(pieces, values.tolist(), strict=True)
    ]
    return Markup("".join(parts))


def visible(piece: str) -> str:
    """A token as it is drawn: ends of lines and tabs get a sign, so that they can carry a colour."""
    shown = escape(piece).replace("\t", "→\t").replace("\n", "<b>↵</b>\n")
    return shown or "<b>∅</b>"


def shades() -> Markup:
    """The style rules of all shades: an opacity over a colour that the theme defines."""
    rules = [
        f".{kind}{k}{{background:rgb(var(--{kind})/{k / _STEPS * 0.92:.3f})}}"
        f".s{kind}{k}{{fill:rgb(var(--{kind}));fill-opacity:{k / _STEPS * 0.92:.3f}}}"
        for kind in "pna"
        for k in range(1, _STEPS + 1)
    ]
    return Markup("".join(rules) + ".sp0,.sn0,.sa0{fill-opacity:0}")


def payload(strips: Sequence[UnitStrip]) -> Markup:
    """Every unit's values in hundredths as JSON, for the page's own script to draw any unit and gate."""
    units = [
        {
            "heading": heading(strip.unit),
            "sentence": sentence(strip.unit)
            + _around(shading(strip.unit.state, strip.values[strip.unit.state])),
            "state": strip.unit.state,
            "values": {
                name: np.rint(values * 100).astype(int).tolist() for name, values in strip.values.items()
            },
            "shading": {name: _shading_list(name, values) for name, values in strip.values.items()},
        }
        for strip in strips
    ]
    # "</" cannot occur in numbers and headings of ours, but escaping it costs nothing
    return Markup(json.dumps({"units": units}, separators=(",", ":")).replace("</", "<\\/"))


def _shading_list(name: str, values: NDArray[np.float32]) -> list[float]:
    shade = shading(name, values)
    return [int(shade.signed), round(shade.centre, 3), round(shade.scale, 3) or 1e-3]


def _line(strip: UnitStrip, pieces: Sequence[str], columns: int, size: str) -> Markup:
    """All gates and states of the unit, one row each, over the stretch where its memory moves most."""
    start, stop = _liveliest(strip, pieces, columns)
    width = 680 if size == "wide" else 340
    left, row, top = 22, 17, 22
    lengths = [max(len(_short(piece)), 1) for piece in pieces[start:stop]]
    cell = (width - left) / max(sum(lengths), columns)
    height = top + row * len(strip.values) + 2
    unit = strip.unit
    title = f"All gates and states of unit {unit.index}, layer {unit.layer + 1}, over one line of the text"
    parts = [f'<svg class="line {size}" viewBox="0 0 {width} {height}" role="img" aria-label="{title}">']
    edges = np.concatenate([[0], np.cumsum(lengths)]) * cell + left
    for k, piece in enumerate(pieces[start:stop]):
        middle = (edges[k] + edges[k + 1]) / 2
        parts.append(
            f'<text class="char" x="{middle:.1f}" y="14" text-anchor="middle">{escape(_short(piece))}</text>'
        )
    for j, (name, values) in enumerate(strip.values.items()):
        shade, y = shading(name, values), top + row * j
        parts.append(f'<text class="name" x="4" y="{y + 12}">{name}</text>')
        parts.append(
            f'<rect class="track" x="{left}" y="{y}" width="{edges[-1] - left:.1f}" height="{row - 3}"/>'
        )
        for k, value in enumerate(values[start:stop].tolist()):
            style = shade.of(value)
            if style[1:] != "0":
                wide = edges[k + 1] - edges[k] + 0.3  # closes the hairline between neighbours
                box = f'x="{edges[k]:.1f}" y="{y}" width="{wide:.1f}" height="{row - 3}"'
                parts.append(f'<rect class="s{style}" {box}/>')
    return Markup("".join([*parts, "</svg>"]))


def _liveliest(strip: UnitStrip, pieces: Sequence[str], columns: int) -> tuple[int, int]:
    """Tokens [start, stop) of at most `columns` characters, from the start of a line if one fits."""
    ends = np.concatenate([[0], np.cumsum([max(len(_short(piece)), 1) for piece in pieces])])
    starts = [0, *[k + 1 for k, piece in enumerate(pieces[:-1]) if piece.endswith("\n")]]
    memory = strip.values[strip.unit.state]

    def stop_of(start: int) -> int:
        return max(start + 1, int(np.searchsorted(ends, ends[start] + columns, side="right")) - 1)

    full = [s for s in starts if ends[stop_of(s)] - ends[s] >= 0.8 * columns] or [0]
    start = max(full, key=lambda s: float(memory[s : stop_of(s)].std()))
    return start, stop_of(start)


def _short(piece: str) -> str:
    return piece.replace("\n", "↵").replace("\t", "→")
