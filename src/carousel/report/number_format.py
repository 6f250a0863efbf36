"""Numbers and lists as a reader wants them: durations, counts with thin spaces, a minus that is a minus."""

from __future__ import annotations

import math
from collections.abc import Sequence

THIN = "\u202f"  # narrow no-break space, between groups of digits and before units
MINUS = "\u2212"


def number(value: float, digits: int = 2) -> str:
    """1234.5 -> "1 234.50"; "not a number" and infinity in words; what rounds to zero has no sign.

    Example:
        >>> number(-0.5, 1)
        '−0.5'
    """
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else "infinite"
    text = f"{value:,.{digits}f}"
    if not text.strip("-0.,"):
        text = text.lstrip("-")
    return text.replace(",", THIN).replace("-", MINUS)


def count(value: int) -> str:
    """1234567 -> "1 234 567"."""
    return f"{value:,}".replace(",", THIN).replace("-", MINUS)


def listed(names: Sequence[str]) -> str:
    """Names in a sentence; there is at least one.

    >>> listed(["RNN", "LSTM", "GRU"])
    'RNN, LSTM and GRU'
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def about(value: float) -> str:
    """A large count in short: 12.4 million, 3.1 billion; smaller ones in full."""
    for size, word in ((1e9, "billion"), (1e6, "million")):
        if value >= size:
            return f"{value / size:.1f} {word}"
    return count(round(value))


def duration(seconds: float) -> str:
    """Seconds as "4.2 s", "3 min 02 s" or "2 h 05 min"."""
    if round(seconds, 1) < 60:
        return f"{seconds:.1f}{THIN}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}{THIN}min {rest:02d}{THIN}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}{THIN}h {minutes:02d}{THIN}min"


def percent(share: float) -> str:
    """0.123 -> "12 %"; below ten one decimal."""
    value = 100 * share
    return f"{number(value, 0 if abs(value) >= 9.95 or value == 0 else 1)}{THIN}%"


def power(value: float) -> str:
    """A small or large number with its power of ten: 3.2 × 10⁻⁵."""
    if value == 0 or not math.isfinite(value):
        return number(value, 0)
    mantissa, _, digits = f"{value:.1e}".partition("e")  # rounds 9.96 up to 1.0 and counts the exponent on
    exponent = int(digits)
    if -3 < exponent < 4:
        return number(value, max(0, 2 - exponent))
    return f"{mantissa.replace('-', MINUS)} × 10{superscript(exponent)}"


def superscript(exponent: int) -> str:
    """An integer in raised digits."""
    return str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
