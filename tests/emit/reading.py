"""Reads a printed formula back: recursive descent from its text to numbers, so that what is printed is tested."""

import re
from collections.abc import Callable

import torch
from torch import Tensor

TOKEN = re.compile(
    r"""\s*(?:
      (?P<loss>∂L_t/∂\w+?_t)
    | (?P<power10>10\^\{(?P<exponent>-?\d+)\})
    | (?P<indicator>1\[)
    | (?P<number>\d+(?:\.\d+)?)
    | (?P<learned>(?:[A-Z]|b|p)_(?:\{\w+\}|[a-su-zα-ω]))(?P<transposed>\^T)?
    | (?P<vector>[∂δ]?[a-zα-ω][a-zα-ω0-9_]*?'*_(?:t|\{t[+-]1\}))
    | (?P<function>(?:σ|tanh|relu|elu|exp|log|max|min|sqrt|sum|mean)(?=[²³⁴⁵⁶⁷⁸⁹]*\())
    | (?P<free>[a-zα-ω]\w*)
    | (?P<power>[²³⁴⁵⁶⁷⁸⁹])
    | (?P<sum>Σ_t)
    | (?P<outer>\^T)
    | (?P<mark>[∘+−/·(),>\]])
    )""",
    re.VERBOSE,
)
FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    "σ": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu, "elu": torch.nn.functional.elu, "exp": torch.exp,
    "log": torch.log, "max": lambda a, b: torch.maximum(*torch.broadcast_tensors(a, b)),
    "sqrt": torch.sqrt, "min": lambda a, b: torch.minimum(*torch.broadcast_tensors(a, b)),
}  # fmt: skip


def tokens(text: str) -> list[tuple[str, str]]:
    found, position = [], 0
    while position < len(text):
        match = TOKEN.match(text, position)
        assert match, f"cannot read {text[position:]!r} in {text!r}"
        kinds = [kind for kind, value in match.groupdict().items() if value is not None]
        kind = next(kind for kind in kinds if kind != "exponent")
        if kind == "power10":
            found.append(("number", f"1e{match['exponent']}"))
        else:
            found.append((kind, match[kind]))
            found += [("transposed", "^T")] if match["transposed"] else []
        position = match.end()
    return found


class Reading:
    """Evaluates one expression. `vector(symbol)` and `learned(symbol)` give the numbers that symbols stand for."""

    def __init__(
        self, text: str, vector: Callable[[str], Tensor], learned: Callable[[str], Tensor], units: int
    ) -> None:
        self.rest = tokens(text)
        self.units = units
        self.vector, self.learned = vector, learned

    def value(self) -> Tensor:
        value = self.sum()
        assert not self.rest, f"left over: {self.rest}"
        return value

    def sum_over_time(self) -> Tensor:
        """One step's share of `Σ_t v`, (H,), or of `Σ_t v w^T`, a matrix; summed over the batch."""
        factor = -1.0 if self.takes("mark", "−") else 1.0
        factor *= float(self.take()[1]) if self.next()[0] == "number" else 1.0
        assert self.take() == ("sum", "Σ_t")
        before = list(self.rest)
        left = self.sum()
        if not self.rest:
            return factor * left.sum(0)
        self.rest = before
        left, right = self.primary(), self.primary()
        assert self.take() == ("outer", "^T")
        assert not self.rest
        return factor * left.T @ right

    def sum(self) -> Tensor:
        total = -self.term() if self.takes("mark", "−") else self.term()
        while self.next() in (("mark", "+"), ("mark", "−")):
            _, sign = self.take()
            total = total + self.term() if sign == "+" else total - self.term()
        return total

    def term(self) -> Tensor:
        value = self.unit()
        while self.next() in (("mark", "∘"), ("mark", "/")):
            _, mark = self.take()
            value = value * self.unit() if mark == "∘" else value / self.unit()
        return value

    def unit(self) -> Tensor:
        """A number, a number times what follows, a matrix times what follows, or a vector."""
        kind, text = self.next()
        if kind == "number":
            self.take()
            self.takes("mark", "·")
            number = torch.tensor(float(text), dtype=torch.float64)
            more = ("learned", "free", "vector", "function", "indicator", "loss", "number")
            return number * self.unit() if self.next()[0] in more or self.next() == ("mark", "(") else number
        if kind == "free":
            self.take()
            return self.powered(self.learned(text))
        if kind == "learned":
            self.take()
            numbers = self.learned(text)
            if numbers.dim() == 1:
                return self.powered(numbers)
            matrix = numbers.T if self.takes("transposed", "^T") else numbers
            return self.primary() @ matrix.T
        return self.primary()

    def primary(self) -> Tensor:
        kind, text = self.take()
        if kind == "function":
            power = self.power()
            arguments = self.arguments()
            if text in ("sum", "mean"):  # over units
                whole = arguments[0].expand(torch.broadcast_shapes(arguments[0].shape, (self.units,)))
                return getattr(whole, text)(-1, keepdim=True).expand_as(whole) ** power
            return FUNCTIONS[text](*arguments) ** power
        if kind == "indicator":
            a = self.sum()
            assert self.take() == ("mark", ">")
            b = self.sum()
            assert self.take() == ("mark", "]")
            return (a > b).to(torch.float64)
        if (kind, text) == ("mark", "("):
            value = self.sum()
            assert self.take() == ("mark", ")")
            return self.powered(value)
        if kind == "free":
            return self.powered(self.learned(text))
        assert kind in ("vector", "loss"), f"{text!r} is no vector, before {self.rest}"
        return self.powered(self.vector(text))

    def arguments(self) -> list[Tensor]:
        assert self.take() == ("mark", "(")
        values = [self.sum()]
        while self.takes("mark", ","):
            values.append(self.sum())
        assert self.take() == ("mark", ")")
        return values

    def powered(self, value: Tensor) -> Tensor:
        return value ** self.power()

    def power(self) -> int:
        return "⁰¹²³⁴⁵⁶⁷⁸⁹".index(self.take()[1]) if self.next()[0] == "power" else 1

    def next(self) -> tuple[str, str]:
        return self.rest[0] if self.rest else ("end", "")

    def take(self) -> tuple[str, str]:
        return self.rest.pop(0)

    def takes(self, *token: str) -> bool:
        return bool(self.next() == token and self.take())
