"""What there is to remember at each character or token of a text: column, indentation, open strings and brackets.

Each property is read *after* the character, as a recurrent state is: an opening quote already counts as inside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from carousel.diagnosis.brief import Brief

_OPEN, _CLOSE = "([{", ")]}"
_RARE = (
    0.002  # share of the steps: a property that departs from its usual value less often cannot be followed
)


@dataclass(frozen=True, repr=False)
class Property(Brief):
    """One number for each step of a sequence, with the words that say what the number is.

    Attributes:
        name: a short name, "column".
        meaning: completes "whether ..." if the property is binary, and "how ..." if not.
        values: (T,).
        binary: whether all values are 0 or 1.

    >>> import numpy as np
    >>> from carousel.diagnosis import Property
    >>> rising = Property("rising", "the series rises", np.array([0.0, 1.0, 1.0, 0.0]), binary=True)
    >>> rising.at(np.array([1, 3])).values, rising.varies()
    (array([1., 0.]), True)
    """

    name: str
    meaning: str
    values: NDArray[np.float64]
    binary: bool

    def at(self, positions: NDArray[np.int64]) -> Property:
        """The same property at some `positions` only, as at the last character of each token."""
        return Property(self.name, self.meaning, self.values[positions], self.binary)

    def varies(self) -> bool:
        """Whether there is anything to follow: at least two values, neither of them a rarity."""
        if self.binary:
            return bool(_RARE < self.values.mean() < 1 - _RARE)
        return bool((self.values != np.median(self.values)).mean() > _RARE)


def text_properties(pieces: Sequence[str]) -> list[Property]:
    """Ten properties of a text that a network may follow; `tracking_units` says which unit follows which.

    They are read as in Karpathy, Johnson and Li (2015): place in the line, indentation, brackets, strings, comments,
    length of the word, capitals and digits.

    Args:
        pieces: the text, a str, or its tokens in order. A token has the value of its last character.

    Returns:
        One `Property` each, whose values are as many as the pieces. No text raises an error.

    >>> from carousel.diagnosis import text_properties
    >>> {each.name: each.values.tolist() for each in text_properties("(a)")}["brackets"]
    [1.0, 1.0, 0.0]
    >>> {each.name: each.values.tolist() for each in text_properties(["def ", "f(", "x)"])}["brackets"]
    [0.0, 1.0, 0.0]
    """
    text = "".join(piece or " " for piece in pieces)
    last = np.cumsum([max(len(piece), 1) for piece in pieces], dtype=np.int64) - 1
    quotes, comments, brackets = _nesting(text)
    columns, indentation, leading = _lines(text)
    values = [
        ("column", "far along its line the text is", columns, False),
        ("indentation", "deep the line is indented", indentation, False),
        ("leading space", "a line's indentation is being written", leading, True),
        ("brackets", "many brackets are open", brackets, False),
        ("string", "the text stands inside a quoted string", (quotes == 1).astype(float), True),
        ("long string", "the text stands inside a triple-quoted string", (quotes == 2).astype(float), True),
        ("comment", "the text stands inside a comment", comments, True),
        ("word", "many letters the current word has so far", _words(text), False),
        ("capital", "the last letter was a capital", _each(text, str.isupper), True),
        ("digit", "the last character was a digit", _each(text, str.isdigit), True),
    ]
    return [Property(*each).at(last) for each in values]


def _each(text: str, test: Callable[[str], bool]) -> NDArray[np.float64]:
    return np.array([test(character) for character in text], dtype=np.float64)


def _lines(text: str) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Column, indentation of the line so far, and whether only blanks have come in this line."""
    columns, indentation, leading = (np.zeros(len(text)) for _ in range(3))
    column = indent = 0
    blank = True
    for t, character in enumerate(text):
        if character == "\n":
            column, indent, blank = 0, 0, True
        else:
            column += 1
            blank = blank and character in " \t"
            indent += blank
        columns[t], indentation[t], leading[t] = column, indent, blank and column > 0
    return columns, indentation, leading


def _words(text: str) -> NDArray[np.float64]:
    lengths = np.zeros(len(text))
    length = 0
    for t, character in enumerate(text):
        length = length + 1 if character.isalnum() or character == "_" else 0
        lengths[t] = length
    return lengths


def _nesting(text: str) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Quotes (0 none, 1 one line, 2 triple), comments (#), and the number of open brackets outside both.

    A light reading of Python that also does no harm to prose: an apostrophe within a word opens nothing, and
    a string or bracket that the text never closes ends with its line or its paragraph.
    """
    quotes, comments, brackets = np.zeros(len(text), dtype=np.int64), np.zeros(len(text)), np.zeros(len(text))
    closing, comment, depth, skip = "", False, 0, 0
    for t, character in enumerate(text):
        if skip:  # second or third character of a triple quote, or an escaped character
            skip -= 1
        elif comment:
            comment = character != "\n"
        elif closing:
            if character == "\\":
                skip = 1
            elif text.startswith(closing, t):
                skip, closing = len(closing) - 1, ""
            elif character == "\n" and len(closing) == 1:
                closing = ""
        elif character in "\"'" and not (character == "'" and _within_word(text, t)):
            closing = character * 3 if text.startswith(character * 3, t) else character
            skip = len(closing) - 1
        elif character == "#":
            comment = True
        elif character in _OPEN:
            depth += 1
        elif character in _CLOSE:
            depth = max(depth - 1, 0)
        elif text.startswith("\n\n", t):
            depth = 0
        quotes[t], comments[t], brackets[t] = {0: 0, 1: 1, 3: 2}[len(closing)], comment, depth
    return quotes, comments, brackets


def _within_word(text: str, t: int) -> bool:
    """Whether the apostrophe at t follows letters that are no string prefix (r, b, f, u and pairs)."""
    start = t
    while start and text[start - 1].isalnum():
        start -= 1
    return start < t and text[start:t].lower() not in {"r", "b", "f", "u", "br", "rb", "fr", "rf"}
