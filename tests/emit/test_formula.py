"""The printed formulas: as a textbook has them, and, read back and computed, the very gradients of autograd."""

import re

import pytest
import torch
from emit.reading import Reading
from equations.user_cells import USER_CELLS
from tolerances import assert_close
from torch import Tensor

from carousel.emit import reference
from carousel.emit.call import Call
from carousel.emit.formula import backward_lines, forward_lines, text
from carousel.equations import Cell, affine, exp, relu, sigmoid, tanh
from carousel.equations.catalogue import CELLS

ALL = CELLS | USER_CELLS
T, B, I, H = 4, 3, 2, 5


class Book:
    """Runs the printed lines as a program over time."""

    def __init__(self, cell: Cell) -> None:
        self.equations = cell.equations
        self.x = self.leaf(T, B, I)
        self.initial = [self.leaf(B, H) for _ in cell.states]
        shapes = self.equations.layout.shapes(I, H)
        self.parameters = {name: self.leaf(*shape) for name, shape in shapes.items()}
        self.weights = torch.randn(T, B, H, dtype=torch.float64)  # L_t = sum of weights[t] * h_t
        self.known: dict[tuple[str, int], Tensor] = {}  # (symbol without its time, t) -> its numbers
        self.gradients: set[str] = set()

    def leaf(self, *shape: int) -> Tensor:
        return torch.randn(*shape, dtype=torch.float64).requires_grad_()

    def read_forward(self, lines: list[str]) -> None:
        for t in range(T):
            for line in lines:
                symbol, right = line.split(" = ")
                self.known[symbol.removesuffix("_t"), t] = self.reading(right, t).value().expand(B, H)

    def read_backward(self, lines: list[str]) -> dict[str, Tensor]:
        """Gradients of the learned numbers by their symbols, and of x over time as ∂x."""
        pairs = [line.split(" = ") for line in lines]
        steps = {symbol.removesuffix("_t"): right for symbol, right in pairs if symbol.endswith("_t")}
        self.gradients = set(steps)
        for t in reversed(range(T)):
            for symbol, right in steps.items():
                self.known[symbol, t] = self.reading(right, t).value()
        totals = {
            symbol: sum(self.reading(right, t).sum_over_time() for t in range(T) if right != "0")
            for symbol, right in pairs
            if not symbol.endswith("_t")
        }
        return totals | {s: torch.stack([self.known[s, t] for t in range(T)]) for s in steps if s == "∂x"}

    def reading(self, expression: str, t: int) -> Reading:
        return Reading(expression, lambda symbol: self.vector(symbol, t), self.learned, H)

    def vector(self, symbol: str, t: int) -> Tensor:
        if symbol.startswith("∂L_t/∂"):
            assert symbol == f"∂L_t/∂{self.equations.states[0]}_t"
            return self.weights[t]
        name, shift = re.fullmatch(r"(.*)_(?:t|\{t([+-]\d+)\})", symbol).groups()
        at = t + int(shift or 0)
        if name == "x":
            return self.x.detach()[at]
        if at == T:  # after the last step gradients are zero, and everything else is finite
            return torch.zeros(B, H, dtype=torch.float64) + (name not in self.gradients)
        if at < 0:
            return self.initial[self.equations.states.index(name)].detach()
        return self.known[name, at]

    def learned(self, symbol: str) -> Tensor:
        return sum(self.block(self.parameters, *place).detach() for place in self.places(symbol))

    def block(self, packed: dict[str, Tensor], parameter: str, row: int) -> Tensor:
        return packed[parameter][row] if parameter == "weight_peephole" else packed[parameter][row * H :][:H]

    def places(self, symbol: str) -> list[tuple[str, int]]:
        """The blocks (parameter, row) that W_i, U_i, b_i, b_{Wn} or p_i stands for."""
        if symbol in self.equations.layout.rows:
            return [(symbol, 0)]
        letter, name = re.fullmatch(r"(.)_\{?(\w+?)\}?", symbol).groups()
        states = [f"weight_{state}h" for state in self.equations.states]
        of = dict(zip("WUVQRS", ["weight_ih", *states], strict=False)) | {"p": "weight_peephole"}
        parameters = [of.get(letter, "")]
        if letter == "b":
            parameters = ["bias_ih", "bias_hh"]
            if name not in {affine.name for affine in self.equations.affines}:
                parameters, name = [parameters[name[0] != "W"]], name[1:]
        rows = self.equations.layout.rows
        return [(each, rows[each].index(name)) for each in parameters if name in rows.get(each, [])]


@pytest.mark.parametrize("cell", ALL.values(), ids=ALL.keys())
def test_read_back(cell):
    """Computed as printed, the forward lines are the reference and the backward lines its gradients, all of them."""
    book = Book(cell)
    output, final = reference.run(Call(cell.equations, book.x, book.initial, book.parameters))
    leaves = {"∂x": book.x, **book.parameters}
    loss = (output * book.weights).sum()
    expected = dict(
        zip(leaves, torch.autograd.grad(loss, list(leaves.values()), allow_unused=True), strict=True)
    )

    book.read_forward(forward_lines(cell.equations))
    assert_close(torch.stack([book.known[cell.states[0], t] for t in range(T)]), output.detach())
    assert_close([book.known[state, T - 1] for state in cell.states], [state.detach() for state in final])

    printed = book.read_backward(backward_lines(cell.equations))
    assert ("∂x" in printed) == (expected["∂x"] is not None)
    if "∂x" in printed:
        assert_close(printed.pop("∂x"), expected["∂x"], name="∂x")
    checked = []
    for symbol, value in printed.items():
        for parameter, row in book.places(symbol.removeprefix("∂")):
            actual = torch.as_tensor(value, dtype=torch.float64)
            if expected[parameter] is None:
                assert not actual.any()
            else:
                block = book.block(expected, parameter, row)
                assert_close(actual.expand_as(block), block, name=symbol)
            checked.append((parameter, row))
    rows = cell.equations.layout.rows
    assert sorted(checked) == sorted((name, row) for name in rows for row in range(len(rows[name])))


@pytest.mark.parametrize("cell", ALL.values(), ids=ALL.keys())
def test_style(cell):
    """No factor 1, no doubled sign, no doubled or needless parentheses, and each line introduces a new symbol."""
    lines = forward_lines(cell.equations) + backward_lines(cell.equations)
    for line in lines:
        right = line.split(" = ")[1]
        assert not re.search(r"[−+] −|−−|∘ −", right), line  # doubled signs
        assert not re.search(r"(?<![\w.^{])1 [∘(∂δ\w]|∘ 1(?!\[)", right), line  # a factor 1
        assert not re.search(r"(?<![\w²³])\([∂δ]?\w+_(t|{t[+-]1})\)|\(\([^()]*\)\)|^\([^()]*\)$", right), line
    left = [line.split(" = ")[0] for line in lines]
    assert len(set(left)) == len(left)


def test_lstm():
    """Both passes of the LSTM, to the letter."""
    assert (
        text(CELLS["lstm"].equations, backward=True)
        == """\
i_t = σ(W_i x_t + U_i h_{t-1} + b_i)
f_t = σ(W_f x_t + U_f h_{t-1} + b_f)
g_t = tanh(W_g x_t + U_g h_{t-1} + b_g)
c_t = f_t ∘ c_{t-1} + i_t ∘ g_t
o_t = σ(W_o x_t + U_o h_{t-1} + b_o)
h_t = o_t ∘ tanh(c_t)

Backward: L = Σ_t L_t is the loss, ∂v is its whole gradient with respect to v, and δa is the one with respect to
the product named a. What belongs to t+1 is zero after the last step.

∂h_t = ∂L_t/∂h_t + U_i^T δi_{t+1} + U_f^T δf_{t+1} + U_g^T δg_{t+1} + U_o^T δo_{t+1}
δo_t = ∂h_t ∘ tanh(c_t) ∘ o_t ∘ (1 − o_t)
∂c_t = ∂h_t ∘ o_t ∘ (1 − tanh²(c_t)) + ∂c_{t+1} ∘ f_{t+1}
δg_t = ∂c_t ∘ i_t ∘ (1 − g_t²)
δf_t = ∂c_t ∘ c_{t-1} ∘ f_t ∘ (1 − f_t)
δi_t = ∂c_t ∘ g_t ∘ i_t ∘ (1 − i_t)
∂x_t = W_i^T δi_t + W_f^T δf_t + W_g^T δg_t + W_o^T δo_t
∂W_i = Σ_t δi_t x_t^T
∂U_i = Σ_t δi_t h_{t-1}^T
∂b_i = Σ_t δi_t
∂W_f = Σ_t δf_t x_t^T
∂U_f = Σ_t δf_t h_{t-1}^T
∂b_f = Σ_t δf_t
∂W_g = Σ_t δg_t x_t^T
∂U_g = Σ_t δg_t h_{t-1}^T
∂b_g = Σ_t δg_t
∂W_o = Σ_t δo_t x_t^T
∂U_o = Σ_t δo_t h_{t-1}^T
∂b_o = Σ_t δo_t"""
    )


@pytest.mark.parametrize(
    ("cell", "line"),
    [
        ("rnn-identity", "h_t = W_h x_t + U_h h_{t-1} + b_h"),
        ("rnn-identity", "∂U_h = Σ_t ∂h_t h_{t-1}^T"),
        ("rnn-tanh", "δh_t = ∂h_t ∘ (1 − h_t²)"),
        ("rnn-relu", "δh_t = ∂h_t ∘ 1[h_t > 0]"),
        ("rnn-elu", "δh_t = ∂h_t ∘ (1 + min(h_t, 0))"),
        ("lstm-diagonal", "i_t = σ(W_i x_t + U_i h_{t-1} + p_i ∘ c_{t-1} + b_i)"),
        ("lstm-diagonal", "∂p_o = Σ_t δo_t ∘ c_t"),
        ("lstm-full", "o_t = σ(W_o x_t + U_o h_{t-1} + V_o c_t + b_o)"),
        ("lstm-full", "∂V_f = Σ_t δf_t c_{t-1}^T"),
        ("gru", "n_t = tanh(W_n x_t + b_{Wn} + r_t ∘ (U_n h_{t-1} + b_{Un}))"),
        ("gru", "h_t = (1 − z_t) ∘ n_t + z_t ∘ h_{t-1}"),
        ("gru", "δz_t = ∂h_t ∘ (h_{t-1} − n_t) ∘ z_t ∘ (1 − z_t)"),
        ("gru", "∂U_n = Σ_t (δn_t ∘ r_t) h_{t-1}^T"),
        ("gru-before", "n_t = tanh(W_n x_t + U_n (r_t ∘ h_{t-1}) + b_n)"),
        ("gru-before", "δr_t = (U_n^T δn_t) ∘ h_{t-1} ∘ r_t ∘ (1 − r_t)"),
        ("gru-before", "∂U_n = Σ_t δn_t (r_t ∘ h_{t-1})^T"),
        ("Quotient", "h_t = a_t / (1 + a_t²) + 3 / (2 + h_{t-1}²) − (h_{t-1} − a_t) / 4"),
        ("Unchanged", "k_t = k_{t-1}"),
        ("Unchanged", "∂k_t = ∂k_{t+1} + δh_{t+1}"),
        ("Doubled", "h_t = c_t"),
        ("ConstantState", "c_t = 0"),
        ("ConstantGates", "c_t = 0.9 c_{t-1} + 0.1 (W_g x_t + U_g h_{t-1} + b_g)"),
        ("TwoStages", "f_t = σ(W_f x_t + U_f h_{t-1} + b_f)"),
        ("Embedded", "first_t = relu(W_{first} x_t + b_{first})"),
        ("Embedded", "x'_t = tanh(U_{second} first_t + b_{second})"),
        ("Embedded", "h'_t = σ(x'_t) ∘ h_{t-1} + x'_t"),
        ("UnusedProduct", "∂W_a = 0"),
    ],
)
def test_lines(cell, line):
    """Single lines of other cells."""
    assert line in forward_lines(ALL[cell].equations) + backward_lines(ALL[cell].equations)


def test_equals_signs_stand_in_line():
    """In plain text the left sides are set flush right."""
    for block in text(CELLS["gru"].equations, backward=True).split("\n\n")[::2]:
        assert len({line.index(" = ") for line in block.splitlines()}) == 1


class Letters(Cell):
    """Names of every kind: Greek, long, numbered, reserved."""

    states = ("h", "memory")

    def step(self, x, h, memory):
        alpha = sigmoid(affine("alpha", x, h))
        β = sigmoid(affine("β", x))
        my_gate1 = 1e-6 * alpha * exp(-β)
        x = tanh(affine("in", x)) / (1 + my_gate1)
        h = relu(x * x) * memory
        return h + 1.5e7, memory * h


def test_a_name_of_underscores_alone_is_escaped_in_latex():
    """`W__` would be a double subscript, at which LaTeX stops."""

    class Underscore(Cell):
        def step(self, x, h):
            return tanh(affine("_", x, h))

    assert forward_lines(Underscore().equations, latex=True) == [
        r"h_t &= \tanh(W_{\mathit{\_}} x_t + U_{\mathit{\_}} h_{t-1} + b_{\mathit{\_}})"
    ]


def test_latex():
    """Greek letters are commands, longer names are upright words, primes are no second exponent."""
    lines = forward_lines(Letters().equations, latex=True)
    assert lines == [
        r"\alpha_t &= \sigma(W_{\alpha} x_t + U_{\alpha} h_{t-1} + b_{\alpha})",
        r"\beta_t &= \sigma(W_{\beta} x_t + b_{\beta})",
        r"\mathit{my\_gate1}_t &= 10^{-6} \alpha_t \circ \exp(-\beta_t)",
        r"{x'}_t &= \frac{\tanh(W_{\mathit{in}} x_t + b_{\mathit{in}})}{1 + \mathit{my\_gate1}_t}",
        r"{h'}_t &= \operatorname{relu}({x'}_t^2) \circ \mathit{memory}_{t-1}",
        r"h_t &= {h'}_t + 15000000",
        r"\mathit{memory}_t &= \mathit{memory}_{t-1} \circ {h'}_t",
    ]


@pytest.mark.parametrize("cell", [*ALL.values(), Letters()], ids=[*ALL.keys(), "Letters"])
def test_latex_is_well_formed(cell):
    """Environments, braces and \\left are closed, no line is blank, and only the notes leave ASCII."""
    latex = text(cell.equations, backward=True, latex=True)
    blocks = re.findall(r"\\begin\{align\*\}\n(.*?)\n\\end\{align\*\}", latex, re.DOTALL)
    assert len(blocks) == 2
    assert all(line.startswith("%") or line == "" or line.isascii() for line in latex.splitlines())
    for block in blocks:
        rows = block.split(" \\\\\n")
        assert [row.count("&") for row in rows] == [1] * len(rows)
        assert not re.search(r"[∂δσΣ∘−]|\n\s*\n|\^(\w|\\top)\^|'\^|_\w_", block)
        for row in rows:
            assert row.count("{") == row.count("}")
            assert row.count("(") == row.count(")")
            assert row.count(r"\left") == row.count(r"\right")


def test_note_on_corners():
    """Where 1[a > b] is the slope of maximum, what it is at a tie is said, and only there."""
    assert text(USER_CELLS["Clipped"].equations, backward=True).endswith("where 1[a > b] is 1/2 if a = b")
    assert "1/2" not in text(CELLS["rnn-relu"].equations, backward=True)


class Deep(Cell):
    """A chain of a thousand vectors, as a loop in a step makes."""

    def step(self, x, h):
        u = affine("a", x, h)
        for _ in range(500):
            u = tanh(0.5 * u)
        return u


def test_long_chains_are_cut():
    """Where an expression would nest too deeply, a part gets a line of its own; the letters do not run out."""
    forward, backward = forward_lines(Deep().equations), backward_lines(Deep().equations)
    assert max(map(len, forward + backward)) < 400
    left = [line.split(" = ")[0] for line in forward + backward]
    assert len(set(left)) == len(left) > 40
