"""Output layer and loss in one: the same as a linear layer and cross_entropy, in all their options."""

import pytest
import torch
from tolerances import assert_close
from torch.nn import functional as F

from carousel import CarouselError
from carousel.losses import cross_entropy, linear_cross_entropy

T, B, H, V = 6, 3, 5, 40


@pytest.fixture
def case():
    """x (T, B, H), weight (V, H), bias (V,), targets (T, B)."""
    return torch.randn(T, B, H), torch.randn(V, H), torch.randn(V), torch.randint(V, (T, B))


def gradients(loss, *sources):
    """Of the loss, or of its values times 1, 2, 3, ..."""
    factors = torch.arange(1.0, 1 + loss.numel()).view_as(loss)
    return list(torch.autograd.grad((loss * factors).sum(), sources))


@pytest.mark.parametrize("reduction", ["mean", "sum", "sequence", "none"])
@pytest.mark.parametrize("options", ["plain", "weights", "lengths and mask", "weights of steps, padding"])
def test_is_a_linear_layer_and_cross_entropy(case, reduction, options):
    """Value and gradients, of the weights of steps too, for every reduction."""
    x, weight, bias, targets = case
    w = (torch.rand(T, B) + 0.5).requires_grad_()
    if options == "weights of steps, padding":
        targets[2:, 1] = -100
        w = (torch.rand(T) + 0.5).requires_grad_()
    chosen = {
        "plain": {},
        "weights": {"weights": w},
        "lengths and mask": {"lengths": [6, 2, 4], "mask": torch.rand(T, B) < 0.8, "weights": w},
        "weights of steps, padding": {"weights": w},
    }[options]
    sources = [tensor.requires_grad_() for tensor in (x, weight, bias)] + ([w] if "weights" in chosen else [])
    fused = linear_cross_entropy(x, weight, targets, bias, reduction=reduction, **chosen)
    plain = cross_entropy(F.linear(x, weight, bias), targets, reduction=reduction, **chosen)
    assert_close(fused, plain)
    assert_close(gradients(fused, *sources), gradients(plain, *sources))


def test_ignore_names_another_padding(case):
    """With ignore=0 the symbol 0 is padding, and -100 too."""
    x, weight, bias, targets = case
    targets[0, 0], targets[1, 0] = 0, -100
    expected = F.cross_entropy(
        F.linear(x, weight, bias).flatten(0, 1), targets.masked_fill(targets == 0, -100).flatten()
    )
    assert_close(linear_cross_entropy(x, weight, targets, bias, ignore=0), expected)


@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_what_stands_behind_the_mask_is_never_read(case, poison):
    """NaN and infinities at masked steps, in their weights too, reach no gradient; nor do impossible targets there."""
    x, weight, bias, targets = case
    mask = torch.rand(T, B) < 0.6
    w = torch.rand(T, B)
    clean = [tensor.clone().requires_grad_() for tensor in (x, weight, bias)]
    expected = linear_cross_entropy(clean[0], clean[1], targets, clean[2], mask=mask, weights=w)
    x[~mask], w[~mask], targets[~mask] = poison, poison, 10**6
    sources = [tensor.requires_grad_() for tensor in (x, weight, bias)]
    loss = linear_cross_entropy(x, weight, targets, bias, mask=mask, weights=w)
    assert_close(loss, expected)
    assert_close(gradients(loss, *sources), gradients(expected, *clean))


def test_tied_weights(case):
    """A weight that is the embedding's too gets both gradients."""
    tokens, targets = torch.randint(V, (T, B)), case[3]
    weight = case[1].requires_grad_()
    fused = linear_cross_entropy(F.embedding(tokens, weight).tanh(), weight, targets)
    plain = cross_entropy(F.linear(F.embedding(tokens, weight).tanh(), weight), targets)
    assert_close(gradients(fused, weight), gradients(plain, weight))


@pytest.mark.parametrize("how", ["autocast", "dtype"])
def test_bfloat16(case, how):
    """Under autocast and by dtype: a float32 loss near the exact one, gradients in the dtype of what they belong to."""
    x, weight, bias, targets = case
    dtype = torch.bfloat16 if how == "dtype" else torch.float32
    sources = [tensor.to(dtype).requires_grad_() for tensor in (x, weight, bias)]
    with torch.autocast("cpu", torch.bfloat16, enabled=how == "autocast"):
        loss = linear_cross_entropy(sources[0], sources[1], targets, sources[2])
    assert loss.dtype == torch.float32
    exact = [tensor.detach().double().requires_grad_() for tensor in (x, weight, bias)]
    expected = cross_entropy(F.linear(exact[0], exact[1], exact[2]), targets)
    assert_close(loss, expected, torch.bfloat16)
    found = gradients(loss, *sources)
    assert [gradient.dtype for gradient in found] == [dtype] * 3
    assert_close([g.double() for g in found], gradients(expected, *exact), torch.bfloat16)
    assert (loss.detach().double() - expected).abs() > 1e-7  # it was not float32 after all


def test_other_dtypes_take_plain_torch(case):
    """float64 is exact; under no_grad nothing is kept and the loss is the same."""
    x, weight, bias, targets = (t.double() if t.is_floating_point() else t for t in case)
    expected = cross_entropy(F.linear(x, weight, bias), targets)
    with torch.no_grad():
        assert_close(linear_cross_entropy(x, weight, targets, bias), expected)


def test_frozen_layers(case):
    """Gradients are those of what asks for them: of x alone through a frozen output layer, of the layer alone."""
    x, weight, bias, targets = case
    expected = [tensor.clone().requires_grad_() for tensor in (x, weight)]
    plain = gradients(cross_entropy(F.linear(expected[0], expected[1], bias), targets), *expected)
    loss = linear_cross_entropy(x.requires_grad_(), weight, targets, bias)
    assert_close(gradients(loss, x), plain[:1])
    loss = linear_cross_entropy(x.detach(), weight.requires_grad_(), targets, bias)
    assert_close(gradients(loss, weight), plain[1:])


MISTAKES = {
    "another H": (lambda x, w, b, t: (x[..., :2], w, t, b), r"x must be .*\(6, 3, 2\).*\(40, 5\)"),
    "a bias of another V": (lambda x, w, b, t: (x, w, t, b[:3]), r"bias \(V,\).*\(3,\)"),
    "another dtype": (lambda x, w, b, t: (x.double(), w, t, b), r"dtype of the weight.*float32.*float64"),
    "other steps": (lambda x, w, b, t: (x, w, t[:2], b), r"\(6, 3, 5\).*\(2, 3\)"),
    "no symbol": (lambda x, w, b, t: (x, w, t + 40, b), "from 0 to 39"),
    "two devices": (lambda x, w, b, t: (x, w.to("meta"), t, b), "one device.*meta"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_told(case, mistake):
    """Shapes, dtypes, devices and targets that do not belong together are named."""
    change, message = MISTAKES[mistake]
    with pytest.raises(CarouselError, match=message):
        linear_cross_entropy(*change(*case))
