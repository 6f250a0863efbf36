"""The symbols of a formula in plain Unicode text and in LaTeX."""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass

FUNCTIONS = {"sigmoid": "σ", "maximum": "max", "minimum": "min"}  # the others keep their names
KNOWN_TO_LATEX = frozenset({"tanh", "exp", "log", "max", "min"})
SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Notation:
    """The marks of one kind of output; `latex` decides what the methods write."""

    latex: bool
    times: str
    minus: str
    dot: str
    gradient: str
    delta: str
    indicator: str
    sum_over_time: str
    transposed: str
    infinity: str

    def vector(self, mark: str, name: str, shift: int) -> str:
        """`c_t`, `h_{t-1}`, `∂c_t`: a vector, or with a mark its gradient, `shift` steps from t."""
        time = f"{{t{shift:+d}}}" if shift else "t"
        marks = {"": "", "∂": self.gradient, "δ": self.delta}
        return f"{marks[mark]}{self.word(name)}_{time}"

    def learned(self, mark: str, letter: str, name: str, of: str = "") -> str:
        """`W_i`, `b_{gate}`, `∂W_i`: learned numbers, or their gradient; `b_{Wn}` is the bias of W_n."""
        index = self.word(of) + self.word(name)
        subscript = index if len(index) == 1 else f"{{{index}}}"
        return f"{self.gradient if mark else ''}{self.word(letter)}_{subscript}"

    def word(self, name: str) -> str:
        """A name of the cell's author; a Greek letter may be spelled out."""
        body = name.rstrip("'")
        primes = name[len(body) :]
        letter = _greek(body)
        if letter:
            body = f"\\{_spelled(letter)}" if self.latex else letter
        elif self.latex and (len(body) > 1 or body == "_"):
            body = f"\\mathit{{{body.replace('_', chr(92) + '_')}}}"
        return f"{{{body}{primes}}}" if self.latex and primes else body + primes  # a prime is an exponent

    def number(self, value: float) -> str:
        """A number that is not negative, with 12 digits: 1 - 0.9 is 0.1."""
        if math.isinf(value):
            return self.infinity
        mantissa, e, exponent = f"{value:.12g}".partition("e")
        if not e:
            return mantissa
        power = f"10^{{{int(exponent)}}}"
        return power if mantissa == "1" else f"{mantissa} {self.dot} {power}"

    def function(self, operation: str) -> str:
        name = FUNCTIONS.get(operation, operation)
        if not self.latex:
            return name
        if name == "σ":
            return "\\sigma"
        return f"\\{name}" if name in KNOWN_TO_LATEX else f"\\operatorname{{{name}}}"

    def power(self, base: str, exponent: int) -> str:
        if self.latex:
            return f"{base}^{exponent if exponent < 10 else f'{{{exponent}}}'}"
        return base + str(exponent).translate(SUPERSCRIPTS)

    def parentheses(self, text: str) -> str:
        return f"\\left({text}\\right)" if "\\frac" in text else f"({text})"

    def fraction(self, above: str, below: str) -> str:
        return f"\\frac{{{above}}}{{{below}}}" if self.latex else f"{above} / {below}"

    def loss_gradient(self, output: str) -> str:
        """The direct part of the loss at step t; `output` is the symbol of the output's total derivative."""
        return self.fraction(f"{self.gradient}L_t", output).replace(" / ", "/")


PLAIN = Notation(
    latex=False, times="∘", minus="−", dot="·", gradient="∂", delta="δ", indicator="1", sum_over_time="Σ_t",
    transposed="^T", infinity="∞",
)  # fmt: skip
LATEX = Notation(
    latex=True, times="\\circ", minus="-", dot="\\cdot", gradient="\\partial ", delta="\\delta ",
    indicator="\\mathbf{1}", sum_over_time="\\sum_t", transposed="^\\top", infinity="\\infty",
)  # fmt: skip


def _greek(name: str) -> str:
    """The letter itself for "α" and "alpha", nothing for other names."""
    if len(name) == 1:
        return name if unicodedata.name(name, "").startswith("GREEK SMALL LETTER ") else ""
    try:
        letter = unicodedata.lookup(f"GREEK SMALL LETTER {name}")
    except KeyError:
        return ""
    return letter if _spelled(letter) == name else ""


def _spelled(letter: str) -> str:
    return unicodedata.name(letter).removeprefix("GREEK SMALL LETTER ").lower()
