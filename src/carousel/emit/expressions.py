"""Graph -> expression: sums of terms of factors, with the fewest parentheses."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from carousel.emit.notation import Notation
from carousel.equations import Equations
from carousel.equations.graph import Node, make

Symbol = tuple[str, str]  # mark ("", "∂" or "δ") and name

MATRICES = "WUVQRSABDEFGHJKMNPXYZ"  # of x, of the first state, of the second, ...


@dataclass(frozen=True)
class Factor:
    """One factor. `tail` follows the exponent, as the argument of a function does."""

    text: str
    tail: str = ""
    kind: str = "symbol"  # also "bias", "diagonal", "function"; in parentheses in company: "sum", "product"
    terms: tuple[Term, ...] = ()  # of a sum


@dataclass(frozen=True)
class Term:
    """coefficient * above[0] * above[1] * ... / (divisor * below[0] * ...), unit by unit."""

    coefficient: float
    above: tuple[Factor, ...] = ()
    below: tuple[Factor, ...] = ()
    divisor: float = 1.0


@dataclass(frozen=True)
class Writer:
    """Writes vectors of one cell, `shift` steps from t. `symbols` has the vectors that have a symbol of their own.

    With `gathers`, factors that all terms of a sum share are written once: ∂h ∘ a − ∂h ∘ b as ∂h ∘ (a − b).
    """

    equations: Equations
    symbols: Mapping[Node, Symbol]
    notation: Notation
    gathers: bool = False
    shift: int = 0

    def symbol(self, node: Node) -> str:
        return self.notation.vector(*self.symbols[node], self.shift)

    def write(self, node: Node) -> str:
        return self.sum(self.terms(node))

    def define(self, node: Node) -> str:
        """The expression that a symbol stands for."""
        return self.sum(self.expand(node))

    # ---- learned numbers -----------------------------------------------------------------------------------

    def letter(self, parameter: str) -> str:
        sources = ["weight_ih", *(f"weight_{state}h" for state in self.equations.states)]
        index = sources.index(parameter)
        return MATRICES[index % len(MATRICES)] + "'" * (index // len(MATRICES))

    def matrix(self, affine: Node, parameter: str, mark: str = "") -> str:
        return self.notation.learned(mark, self.letter(parameter), affine.name)

    def bias(self, affine: Node, mark: str = "") -> str:
        """One b for the two biases of torch, unless they are in different products."""
        apart = sum(other.name == affine.name for other in self.equations.affines) > 1
        first = self.equations.layout.weights[affine][0].parameter
        return self.notation.learned(mark, "b", affine.name, self.letter(first) if apart else "")

    def diagonal(self, scale: Node, mark: str = "") -> str:
        return self.notation.learned(mark, "p", scale.name)

    def param(self, node: Node, mark: str = "") -> str:
        return (self.notation.gradient if mark else "") + self.notation.word(node.name)

    # ---- terms ---------------------------------------------------------------------------------------------

    def terms(self, node: Node) -> list[Term]:
        if node in self.symbols:
            return [Term(1, (Factor(self.symbol(node)),))]
        return self.expand(node)

    def expand(self, node: Node) -> list[Term]:
        a, b = (*node.operands, node, node)[:2]
        match node.operation:
            case "constant":
                return [Term(node.value)]
            case "input":
                return [self._leaf("", node.name, 0)]
            case "state":
                return [self._leaf("", node.name, -1)]
            case "cotangent":
                return [self._leaf("∂", node.name, 0)]
            case "param":
                return [Term(1, (Factor(self.param(node), kind="diagonal"),))]
            case "affine":
                return self._affine(node)
            case "transposed":
                return self._transposed(node)
            case "+":
                return self.terms(a) + self.terms(b)
            case "-":
                return self.terms(a) + _negated(self.terms(b))
            case "neg":
                return _negated(self.terms(a))
            case "*":
                return [self._product(self._term(a), self._term(b))]
            case "/":
                return [self._product(self._term(a), _reciprocal(self._term(b)))]
            case "scale":
                diagonal = Term(1, (Factor(self.diagonal(node), kind="diagonal"),))
                return [self._product(diagonal, self._term(a))]
            case "sqrt" if self.notation.latex:
                return [Term(1, (Factor(f"\\sqrt{{{self.write(a)}}}", kind="function"),))]
            case "step":  # relu is positive where its argument is
                is_relu = a.operation == "relu" and a not in self.symbols
                return [self._indicator(f"{self.write(a.operands[0] if is_relu else a)} > 0")]
            case "passed":
                return [self._product(self._term(a), self._term(make("step", b)))]
            case "shared":
                return [self._product(self._term(a), self._term(make("above", *node.operands[1:])))]
            case "above":
                return [self._indicator(f"{self.write(a)} > {self.write(b)}")]
        arguments = ", ".join(self.write(operand) for operand in node.operands)
        name = self.notation.function(node.operation)
        return [Term(1, (Factor(name, self.notation.parentheses(arguments), "function"),))]

    def _leaf(self, mark: str, name: str, shift: int) -> Term:
        return Term(1, (Factor(self.notation.vector(mark, name, self.shift + shift)),))

    def _indicator(self, condition: str) -> Term:
        return Term(1, (Factor(f"{self.notation.indicator}[{condition}]", kind="function"),))

    def _affine(self, node: Node) -> list[Term]:
        blocks = self.equations.layout.weights[node]
        products = [
            self._matrix_times(self.matrix(node, block.parameter), vector)
            for block, vector in zip(blocks, node.operands, strict=True)
        ]
        return [*products, Term(1, (Factor(self.bias(node), kind="bias"),))]

    def _transposed(self, node: Node) -> list[Term]:
        vector, *affines = node.about
        terms = []
        for affine, delta in zip(affines, node.operands, strict=True):
            parameter = next(b.parameter for b in self.equations.layout.weights[affine] if b.vector is vector)
            terms.append(self._matrix_times(self.matrix(affine, parameter) + self.notation.transposed, delta))
        return terms

    def _matrix_times(self, matrix: str, vector: Node) -> Term:
        term = self._term(vector)
        plain = replace(term, coefficient=1.0)
        text = f"{matrix} {self.argument([plain])}"
        return Term(term.coefficient, (Factor(text, kind="product"),))

    def _term(self, node: Node) -> Term:
        """The node as one term: a sum becomes a factor."""
        return self._single(_merged(self.terms(node)))

    def _single(self, terms: list[Term]) -> Term:
        if len(terms) < 2:
            return terms[0] if terms else Term(0)
        if all(term.coefficient < 0 for term in terms):
            inner = self._single(_negated(terms))
            return replace(inner, coefficient=-inner.coefficient)
        shared = _shared(terms) if self.gathers else ()
        rest = [replace(term, above=_without(term.above, shared)) for term in terms]
        return Term(1, (*shared, Factor(self._join(rest), kind="sum", terms=tuple(rest))))

    def _product(self, a: Term, b: Term) -> Term:
        above, below, divisor = a.above + b.above, a.below + b.below, a.divisor * b.divisor
        coefficient = a.coefficient * b.coefficient
        if coefficient % divisor == 0 or coefficient % 1 != 0:  # 6 / 2 and 0.5 / 2 are numbers, 1 / 3 stays
            coefficient, divisor = coefficient / divisor, 1.0
        common = tuple((Counter(above) & Counter(below)).elements()) if self.gathers else ()
        return Term(coefficient, _without(above, common), _without(below, common), divisor)

    # ---- text ----------------------------------------------------------------------------------------------

    def sum(self, terms: list[Term]) -> str:
        terms = _merged(terms)
        if self.gathers and len(terms) > 1 and _shared(terms):
            terms = [self._single(terms)]
        return self._join(terms)

    def sum_over_time(self, gradient: Node, vector: Node | None = None) -> str:
        """Σ_t of a gradient, or of its outer product with a vector. Numbers are written before the sum."""
        factors = [self._term(node) for node in (gradient, vector) if node is not None]
        number = math.prod(term.coefficient for term in factors)
        written = [replace(term, coefficient=1.0) for term in factors]
        if vector is not None:
            text = f"{self.argument(written[:1])} {self.argument(written[1:])}{self.notation.transposed}"
        else:
            text = self.sum(written)
            text = self.notation.parentheses(text) if len(_merged(written)) > 1 else text
        sign = self.notation.minus if number < 0 else ""
        factor = "" if abs(number) == 1 else f"{self.notation.number(abs(number))} "
        return f"{sign}{factor}{self.notation.sum_over_time} {text}"

    def argument(self, terms: list[Term]) -> str:
        """As an operand of a matrix product: parentheses around anything but a symbol or a function."""
        terms = _merged(terms)
        text, term = self.sum(terms), terms[0]
        is_alone = len(terms) == 1 and term == Term(1, term.above[:1]) and term.above != ()
        bare = is_alone and term.above[0].kind not in ("sum", "product")
        return text if bare else self.notation.parentheses(text)

    def _join(self, terms: list[Term]) -> str:
        if not terms:
            return "0"
        ordered = _ordered(terms)
        text = f"{self.notation.minus if ordered[0].coefficient < 0 else ''}{self._text(ordered[0])}"
        for term in ordered[1:]:
            text += f" {self.notation.minus if term.coefficient < 0 else '+'} {self._text(term)}"
        return text

    def _text(self, term: Term) -> str:
        """The term without its sign."""
        is_ratio, plain = bool(term.below) or term.divisor != 1, not self.notation.latex
        above = self._factors(abs(term.coefficient), term.above, is_ratio and plain)
        if not is_ratio:
            return above
        below = self._factors(term.divisor, term.below, plain)
        several = len(set(term.below)) + (term.divisor != 1) > 1
        return self.notation.fraction(above, f"({below})" if several and plain else below)

    def _factors(self, number: float, factors: tuple[Factor, ...], in_company: bool) -> str:
        counts = Counter(factors)
        in_company |= len(counts) > 1
        written = [self._factor(factor, count, in_company, number != 1) for factor, count in counts.items()]
        text = f" {self.notation.times} ".join(written)
        if number == 1 and written:
            return text
        if not written:
            return self.notation.number(number)
        between = f" {self.notation.dot} " if text[0].isdigit() else " "
        return f"{self.notation.number(number)}{between}{text}"

    def _factor(self, factor: Factor, count: int, in_company: bool, after_number: bool) -> str:
        needs = factor.kind == "sum" and (in_company or after_number or count > 1)
        needs |= factor.kind == "product" and (in_company or count > 1)
        text = self.notation.parentheses(factor.text) if needs else factor.text
        return (self.notation.power(text, count) if count > 1 else text) + factor.tail


def _ordered(terms: list[Term]) -> list[Term]:
    """A term without a minus comes first, and a peephole before the bias: W x + U h + p c + b."""
    kinds = [term.above[0].kind if term.above else "" for term in terms]
    if "bias" in kinds:
        bias = kinds.index("bias")
        peepholes = [i for i, kind in enumerate(kinds) if kind == "diagonal" and i > bias]
        order = [*range(bias), *peepholes, *(i for i in range(bias, len(terms)) if i not in peepholes)]
        terms = [terms[index] for index in order]
    first = next((index for index, term in enumerate(terms) if term.coefficient > 0), 0)
    return [terms[first], *terms[:first], *terms[first + 1 :]]


def _negated(terms: list[Term]) -> list[Term]:
    return [replace(term, coefficient=-term.coefficient) for term in terms]


def _reciprocal(term: Term) -> Term:
    sign = -1.0 if term.coefficient < 0 else 1.0
    return Term(sign * term.divisor, term.below, term.above, abs(term.coefficient))


def _merged(terms: Iterable[Term]) -> list[Term]:
    """Add up terms with the same factors, and leave out those that vanish."""
    totals: dict[object, Term] = {}
    for term in (part for whole in terms for part in _dissolved(whole)):
        key = term.divisor, *(frozenset(Counter(part).items()) for part in (term.above, term.below))
        before = totals.get(key, replace(term, coefficient=0))
        totals[key] = replace(before, coefficient=before.coefficient + term.coefficient)
    return [term for term in totals.values() if term.coefficient != 0]


def _dissolved(term: Term) -> tuple[Term, ...]:
    """A sum that nothing multiplies is its terms."""
    is_alone = len(term.above) == 1 and not term.below and abs(term.coefficient) == term.divisor == 1
    if not is_alone or term.above[0].kind != "sum":
        return (term,)
    inner = term.above[0].terms
    return tuple(replace(part, coefficient=term.coefficient * part.coefficient) for part in inner)


def _shared(terms: list[Term]) -> tuple[Factor, ...]:
    """The factors that every term has, in the order of the first."""
    common = Counter(terms[0].above)
    for term in terms[1:]:
        common &= Counter(term.above)
    return tuple(common.elements())  # a Counter keeps the order of its first operand


def _without(factors: tuple[Factor, ...], gone: tuple[Factor, ...]) -> tuple[Factor, ...]:
    left = list(factors)
    for factor in gone:
        left.remove(factor)
    return tuple(left)
