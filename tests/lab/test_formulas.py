"""The lecture's formulas in the language of cells compute what the code that the experiments run computes."""

import pytest
import torch
from torch import nn

from carousel.emit.reference import evaluate
from carousel.equations import Cell
from carousel.lab import formulas
from carousel.lab.depth import measure as depth
from carousel.losses import kl_divergence
from carousel.models import TDNNLanguageModel
from carousel.nn import Recurrent


def new_states(
    cell: Cell, *states: torch.Tensor, linears: dict[str, nn.Linear] | None = None
) -> list[torch.Tensor]:
    """What one step makes of these states (H,), by its equations alone; `linears` are its products by name."""
    equations = cell.equations
    values = {
        node: next(state for name, state in zip(equations.states, states, strict=True) if name == node.name)
        for node in equations.nodes
        if node.operation == "state"
    }
    evaluate(equations.nodes, values, lambda node: linears[node.name](values[node.operands[0]]), states[0])
    return [values[node] for node in equations.new_states]


def drawn(size: int, number: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(size, generator=generator, dtype=torch.float64) for _ in range(number)]


def test_the_divergence_is_kl_and_its_gradient_is_that_of_kl():
    """w KL(d, softmax(a)) as `carousel.losses` has it, and the same gradient with respect to a: w (Y - d)."""
    a, target = drawn(5, 2)
    a, target = a.requires_grad_(), torch.softmax(target, dim=0)
    weight = torch.tensor(0.7, dtype=torch.float64)
    written, *_ = new_states(formulas.WeightedKL(), torch.zeros_like(a), a, target, weight.expand(5))
    run = weight * kl_divergence(a, target, reduction="sum")
    torch.testing.assert_close(written[0], run)
    for loss in (written[0], run):
        [gradient] = torch.autograd.grad(loss, a)
        torch.testing.assert_close(gradient, weight * (torch.softmax(a, dim=0) - target))


@pytest.mark.parametrize("name", depth.ACTIVATIONS)
def test_three_layers_are_those_of_the_deep_net(name):
    """The cell's step is nn.Linear and the activation, three times over."""
    torch.manual_seed(0)
    linears = {name: nn.Linear(6, 6, dtype=torch.float64) for name in "abc"}
    [y0] = drawn(6, 1)
    written, _ = new_states(formulas.ThreeLayers(name), torch.zeros_like(y0), y0, linears=linears)
    activation = depth.ACTIVATIONS[name]()
    net = nn.Sequential(*[module for linear in linears.values() for module in (linear, activation)])
    torch.testing.assert_close(written, net(y0))


def test_the_written_tdnn_is_the_model():
    """With the model's weights the cell scores every next word as `TDNNLanguageModel` does, once it has read four."""
    size = 6  # a cell has one size for all: words, projection, hidden
    torch.manual_seed(1)
    model = TDNNLanguageModel(size, context=4, hidden_size=size, embedding=size)
    cell = Recurrent(formulas.TDNN(), size, size)
    oldest, third, second, newest = model.layers[0].weight.detach().chunk(4, dim=1)
    zero = torch.zeros(size)
    weights = {
        "weight_ih_l0": model.embedding.weight.detach().T,
        "bias_ih_l0": zero,
        "weight_p1h_l0": torch.cat([newest, second]),
        "weight_p2h_l0": third,
        "weight_p3h_l0": oldest,
        "weight_zh_l0": model.head.weight.detach(),
        "bias_hh_l0": torch.cat([model.layers[0].bias.detach(), zero, model.head.bias.detach()]),
    }
    cell.load_state_dict(weights)
    words = torch.randint(size, (9, 2))
    with torch.no_grad():
        scores, _ = cell(nn.functional.one_hot(words, size).float())
        torch.testing.assert_close(scores[3:], model(words)[0][3:])


def test_skip_gram_and_cbow_score_as_word2vec_does():
    """Both are the logistic loss of a true and of a drawn word; CBOW's vector is the mean."""
    v, u, n, *around = drawn(7, 7)
    sigma = nn.functional.logsigmoid
    written, *_ = new_states(formulas.SkipGram(), torch.zeros_like(v), v, u, n)
    torch.testing.assert_close(written[0], -sigma(u @ v) - sigma(-(n @ v)))
    written, *_ = new_states(formulas.CBOW(), torch.zeros_like(v), u, n, *around)
    mean = torch.stack(around).mean(dim=0)
    torch.testing.assert_close(written[0], -sigma(u @ mean) - sigma(-(n @ mean)))


def test_formulas_have_no_time():
    """No index of time is left, nor a line that hands a value on."""
    for cell in (formulas.ThreeLayers("tanh"), formulas.WeightedKL(), formulas.SkipGram(), formulas.CBOW()):
        text = formulas.static_formula(cell, backward=True)
        assert "_t" not in text
        assert "{t" not in text
        assert all(
            left.strip() != right for left, right in (line.split(" = ") for line in text.split("\n") if line)
        )


def test_the_product_is_derived():
    """From y3 back to y0 every layer gives its slopes and its transposed weights."""
    text = formulas.static_formula(formulas.ThreeLayers("tanh"), backward=True)
    for line in ("δc = ∂y3 ∘ (1 − y3²)", "δb = (U_c^T δc) ∘ (1 − y2²)", "∂y0 = V_a^T δa"):
        assert line in text
