"""Graph -> formula: a cell's forward and backward pass as a textbook would write them, plain or in LaTeX."""

from __future__ import annotations

from dataclasses import replace

from carousel.emit.expressions import Factor, Term, Writer
from carousel.emit.notation import LATEX, PLAIN, Notation
from carousel.emit.symbols import gradient_roots, is_own, symbols, whole_gradients
from carousel.equations import Equations
from carousel.equations.derive import Backward, backward
from carousel.equations.graph import Node, topological

Line = tuple[str, str]  # left and right of the equals sign

LEGEND = (
    "Backward: L = Σ_t L_t is the loss, ∂v is its whole gradient with respect to v, and δa is the one with respect to",
    "the product named a. What belongs to t+1 is zero after the last step.",
)
TIES = "where 1[a > b] is 1/2 if a = b"


def text(equations: Equations, backward: bool = False, latex: bool = False) -> str:
    """The forward pass, and with `backward` the backward pass too.

    In plain text the equals signs are aligned. In LaTeX each pass is an `align*` environment (amsmath).

    >>> from carousel.equations.catalogue import CELLS
    >>> print(text(CELLS["rnn-tanh"].equations))
    h_t = tanh(W_h x_t + U_h h_{t-1} + b_h)
    """
    notation = LATEX if latex else PLAIN
    passes = [_block(_forward(equations, notation), notation)]
    if backward:
        legend = "\n".join(f"% {line}" for line in LEGEND) if latex else "\n".join(LEGEND) + "\n"
        passes.append(f"{legend}\n{_block(_backward(equations, notation), notation)}")
    return "\n\n".join(passes)


def forward_lines(equations: Equations, latex: bool = False) -> list[str]:
    """One line for each named vector: `i_t = σ(W_i x_t + U_i h_{t-1} + b_i)`.

    W_i multiplies the input, U_i the first state and V_i the second. p_i is a learned diagonal, and ∘ the elementwise
    product. b_i is the sum of the two biases of torch.nn. In different products they are b_{Wi} and b_{Ui}.
    """
    return _lines(_forward(equations, LATEX if latex else PLAIN), latex)


def backward_lines(equations: Equations, latex: bool = False) -> list[str]:
    """The backward pass in the order of computation, then the gradients of the learned numbers.

    ∂v is the total derivative of the loss L = sum_t L_t with respect to v, and δi that with respect to the product
    named i. The gradient of a state is a sum of parts from the loss at t, from step t, and from step t+1.
    """
    return _lines(_backward(equations, LATEX if latex else PLAIN), latex)


def _lines(lines: list[Line], latex: bool) -> list[str]:
    return [f"{left} {'&=' if latex else '='} {right}" for left, right in lines]


def _block(lines: list[Line], notation: Notation) -> str:
    ties = any("> " in right and notation.indicator in right and "> 0]" not in right for _, right in lines)
    if notation.latex:
        rows = _lines(lines, latex=True) + ([f"&\\text{{{TIES}}}"] if ties else [])
        body = " \\\\\n".join(f"  {row}" for row in rows)
        return f"\\begin{{align*}}\n{body}\n\\end{{align*}}"
    width = max(len(left) for left, _ in lines)
    return "\n".join([*(f"{left:>{width}} = {right}" for left, right in lines), *([TIES] if ties else [])])


def _forward(equations: Equations, notation: Notation) -> list[Line]:
    forward = symbols(equations).forward
    writer = Writer(equations, forward, notation)
    lines = [(writer.symbol(node), writer.define(node)) for node in forward]
    for state, node in zip(equations.states, equations.new_states, strict=True):
        if not is_own(equations, state, node):
            lines.append((notation.vector("", state, 0), writer.write(node)))
    return lines


def _backward(equations: Equations, notation: Notation) -> list[Line]:
    derived, known = backward(equations), symbols(equations)
    writer = Writer(equations, known.forward | known.backward, notation, gathers=True)
    state_of = {node: state for state, node in whole_gradients(derived).items()}
    lines = []
    for node in topological(gradient_roots(derived), stop=lambda node: node in known.forward):
        if node in state_of:
            lines.append((writer.symbol(node), _state_gradient(derived, state_of[node], node, writer)))
        elif node in known.backward:
            lines.append((writer.symbol(node), writer.define(node)))
    if derived.input is not None:
        lines.append((notation.vector("∂", "x", 0), writer.write(derived.input)))
    return lines + _parameter_gradients(derived, writer)


def _state_gradient(derived: Backward, state: str, whole: Node, writer: Writer) -> str:
    """The parts from the loss at t, from the vectors of step t that read the new state, and from step t+1."""
    itself = Term(1, (Factor(writer.symbol(whole)),))  # in the graph, what comes from outside the step
    terms = [term for term in writer.expand(whole) if term != itself]
    if state == derived.equations.states[0]:
        terms.insert(0, Term(1, (Factor(writer.notation.loss_gradient(writer.symbol(whole))),)))
    next_step = replace(writer, shift=1)
    sent = derived.previous[state]
    for part in (sent.elementwise, sent.products):
        terms += next_step.terms(part) if part is not None else []
    return writer.sum(terms)


def _parameter_gradients(derived: Backward, writer: Writer) -> list[Line]:
    """dW = sum_t delta x^T and db = sum_t delta for each product, and dp for each diagonal."""
    lines = []
    for affine in derived.equations.affines:
        delta = derived.deltas.get(affine)  # none where the new states do not depend on it smoothly
        for block in derived.equations.layout.weights[affine]:
            total = "0" if delta is None else writer.sum_over_time(delta, block.vector)
            lines.append((writer.matrix(affine, block.parameter, "∂"), total))
        lines.append((writer.bias(affine, "∂"), "0" if delta is None else writer.sum_over_time(delta)))
    for node in derived.equations.layout.vectors:
        gradient = derived.learned.get(node)
        total = "0" if gradient is None else writer.sum_over_time(gradient)
        symbol = writer.diagonal if node.operation == "scale" else writer.param
        lines.append((symbol(node, "∂"), total))
    return lines
