"""Formulas as the formula writer prints them, typeset in MathML, which browsers draw without a network."""

from __future__ import annotations

import re
from html import escape

from markupsafe import Markup

from carousel.report.prose import prose

_POWERS = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_RAISED = str.maketrans(_POWERS, "0123456789")
_LETTER = rf"[^\W_{_POWERS}]"
_SCRIPT = rf"\{{[^{{}}]*\}}|{_LETTER}+"
_TOKEN = re.compile(
    rf"(?P<space>\s+)|(?P<base>(?P<number>\d[\d.]*)|(?P<name>[δ∂∇]|(?![\d_]){_LETTER}+[\u0303′]*)|\S)"
    rf"(?:_(?P<sub>{_SCRIPT}))?(?:\^(?P<sup>{_SCRIPT}))?(?P<power>[{_POWERS}]+)?"
)
_EQUATION = re.compile(r"(\S+) = (.*)")


def mathml(lines: str) -> Markup:
    """Lines of a formula, with the equals signs in line; a line that is no formula is a note in words.

    Example:
        >>> "<msub><mi>W</mi><mrow><mi>h</mi></mrow></msub>" in mathml("y = W_h x")
        True
    """
    parts, rows = [], list[str]()
    for line in filter(None, map(str.strip, lines.split("\n"))):
        equation = _EQUATION.fullmatch(line)
        if equation or line.startswith(("+ ", "− ")):
            left, sign, right = (equation[1], "=", equation[2]) if equation else ("", line[0], line[2:])
            cells = (_row(left), f"<mo>{sign}</mo>", _row(right))
            rows.append(f"<mtr>{''.join(f'<mtd>{cell}</mtd>' for cell in cells)}</mtr>")
        else:
            parts += [_table(rows), f'<p class="hint">{prose(line)}</p>']
            rows = []
    return Markup("".join([*parts, _table(rows)]))


def _table(rows: list[str]) -> str:
    return f'<math display="block"><mtable>{"".join(rows)}</mtable></math>' if rows else ""


def _row(text: str) -> str:
    """Symbols with their indices; a space between two of them is a product and stays a little space."""
    parts, gap, product = list[str](), False, False  # product: whether the last symbol can be multiplied
    for token in _TOKEN.finditer(text.replace("-", "−")):
        if token["space"]:
            gap = True
            continue
        kind = "mn" if token["number"] else "mi" if token["name"] else 'mo stretchy="false"'
        symbol = kind in ("mn", "mi")
        if gap and product and (symbol or token["base"] in "(["):
            parts.append('<mspace width=".22em"/>')
        power = token["power"] and token["power"].translate(_RAISED)
        base = f"<{kind}>{escape(token['base'])}</{kind[:2]}>"
        parts.append(_with_scripts(base, token["sub"], token["sup"] or power))
        gap, product = False, (symbol and token["base"] not in "δ∂∇") or token["base"] in ")]"
    return f"<mrow>{''.join(parts)}</mrow>"


def _with_scripts(base: str, sub: str | None, sup: str | None) -> str:
    scripts = [_row(script.strip("{}")) for script in (sub, sup) if script]
    name = f"m{'sub' if sub else ''}{'sup' if sup else ''}"
    return f"<{name}>{base}{''.join(scripts)}</{name}>" if scripts else base
