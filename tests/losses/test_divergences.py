"""What holds for every divergence of a sequence: sum_t w_t Div(target_t, Y_t), and its gradient."""

import pytest
import torch
from tolerances import assert_close
from torch.autograd import gradcheck

from tests.losses.definitions import B, T, divergences

DIVERGENCES = divergences()


@pytest.fixture(params=DIVERGENCES)
def divergence(request):
    return DIVERGENCES[request.param]


def gradient(divergence, outputs, **options):
    outputs = outputs.clone().requires_grad_()
    divergence(outputs, divergence.targets, **options).backward()
    return outputs.grad


def test_each_step_is_the_definition(divergence):
    """Every step has the value that the definition, written out in float64, gives."""
    assert_close(divergence(divergence.outputs, divergence.targets, reduction="none"), divergence.each())


def test_reductions(divergence):
    """The sum over all steps, their mean, and the sum over time of each sequence; the mean is the default."""
    each = divergence.each()
    for reduction, expected in {"sum": each.sum(), "mean": each.mean(), "sequence": each.sum(0)}.items():
        assert_close(divergence(divergence.outputs, divergence.targets, reduction=reduction), expected)
    assert_close(divergence(divergence.outputs, divergence.targets), each.mean())


@pytest.mark.parametrize("shape", [(T,), (T, B)])
def test_weights_multiply_the_steps_and_their_gradients(divergence, shape):
    """The gradient at step t is w_t times the gradient of Div at t (the lecture's chapter on losses)."""
    weights = torch.rand(shape, dtype=torch.float64) * 3
    spread = weights if len(shape) == 2 else weights[:, None].expand(T, B)
    loss = divergence(divergence.outputs, divergence.targets, weights=weights, reduction="sum")
    assert_close(loss, (spread * divergence.each()).sum())
    plain = gradient(divergence, divergence.outputs, reduction="sum")
    weighted = gradient(divergence, divergence.outputs, reduction="sum", weights=weights)
    assert plain.abs().amax(-1).min() > 0
    assert_close(weighted, spread[..., None] * plain)


def test_the_gradient_by_finite_differences(divergence):
    """Autograd and finite differences agree, for outputs and weights alike."""
    weights = (torch.rand(T, B, dtype=torch.float64) + 0.5).requires_grad_()
    outputs = divergence.outputs.clone().requires_grad_()
    free = not divergence.options.get("probabilities")  # a step of the probe may not leave [0, 1]
    assert free or outputs.min() > 1e-4

    def loss(outputs, weights):
        return divergence(outputs, divergence.targets, weights=weights, reduction="mean")

    assert gradcheck(loss, (outputs, weights))


@pytest.mark.parametrize("poison", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("how", ["lengths", "mask", "mask of steps"])
def test_what_stands_behind_the_mask_is_never_read(divergence, how, poison):
    """NaN and infinities in outputs, targets and weights of masked steps change nothing; their gradient is 0."""
    lengths = torch.tensor([T, 2, 0])
    counted = torch.arange(T)[:, None] < lengths
    if how == "mask of steps":
        counted = (torch.arange(T) < 3)[:, None].expand(T, B)
    options = {
        "lengths": {"lengths": lengths},
        "mask": {"mask": counted},
        "mask of steps": {"mask": counted[:, 0]},
    }[how]
    weights = torch.rand(T, B, dtype=torch.float64) + 0.5
    hidden = ~counted[..., None]
    outputs = divergence.outputs.masked_fill(hidden, poison).requires_grad_()
    targets = divergence.targets
    targets = targets.masked_fill(
        hidden if targets.is_floating_point() else ~counted, poison if targets.is_floating_point() else 10**6
    )
    poisoned = weights.masked_fill(~counted, poison).requires_grad_()
    loss = divergence(outputs, targets, weights=poisoned, **options)
    assert_close(loss, (weights * divergence.each())[counted].sum() / counted.sum())
    loss.backward()
    unmasked = gradient(divergence, divergence.outputs, weights=weights, reduction="sum") / counted.sum()
    assert_close(outputs.grad, unmasked.masked_fill(hidden, 0.0))
    assert_close(poisoned.grad, divergence.each().masked_fill(~counted, 0.0) / counted.sum())


def test_lengths_and_mask_both_hold(divergence):
    """A step counts if it is within its sequence and the mask lets it through; the others are 0 in "none"."""
    mask = torch.rand(T, B) < 0.7
    lengths = [5, 3, 4]
    counted = mask & (torch.arange(T)[:, None] < torch.tensor(lengths))
    loss = divergence(divergence.outputs, divergence.targets, mask=mask, lengths=lengths, reduction="none")
    assert_close(loss, divergence.each().masked_fill(~counted, 0.0))


def test_nothing_counted_is_zero(divergence):
    """The mean over no step is 0 with a gradient of 0: a batch that is all padding does not stop a training."""
    mask = torch.zeros(T, B, dtype=torch.bool)
    assert divergence(divergence.outputs, divergence.targets, mask=mask).item() == 0
    assert gradient(divergence, divergence.outputs, mask=mask).abs().max() == 0


def test_batch_first(divergence):
    """(B, T, K) with batch_first is (T, B, K) without, for weights of steps, lengths and sequences."""
    options = {"weights": torch.rand(T, dtype=torch.float64), "lengths": [5, 1, 3], "reduction": "sequence"}
    expected = divergence(divergence.outputs, divergence.targets, **options)
    turned = divergence(
        divergence.outputs.transpose(0, 1), divergence.targets.transpose(0, 1), batch_first=True, **options
    )
    assert_close(turned, expected)


def test_one_sequence_without_a_batch(divergence):
    """(T, K) is a sequence by itself."""
    outputs, targets = divergence.outputs[:, 1], divergence.targets[:, 1]
    weights = torch.rand(T, dtype=torch.float64)
    loss = divergence(outputs, targets, weights=weights, reduction="sum")
    assert_close(loss, (weights * divergence.each()[:, 1]).sum())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_lower_precision(divergence, dtype):
    """float32 is right to float32; bfloat16 outputs are computed with in float32."""
    targets = (
        divergence.targets if not divergence.targets.is_floating_point() else divergence.targets.to(dtype)
    )
    outputs = divergence.outputs.to(dtype).requires_grad_()
    loss = divergence(outputs, targets, reduction="sum")
    assert loss.dtype == torch.float32
    exact = divergence(
        outputs.detach().double(),
        targets.double() if targets.is_floating_point() else targets,
        reduction="sum",
    )
    assert_close(loss, exact, torch.float32)
    loss.backward()
    assert outputs.grad.dtype == dtype


def test_compiles_as_one_graph(divergence):
    """torch.compile follows the whole loss, masks included, without a break."""
    outputs = divergence.outputs.float()
    targets = divergence.targets if not divergence.targets.is_floating_point() else divergence.targets.float()
    mask = torch.rand(T, B) < 0.7
    torch._dynamo.reset()  # else the losses before this one count as its recompilations
    compiled = torch.compile(
        lambda y, d: divergence(y, d, mask=mask), fullgraph=True, backend="aot_eager", dynamic=False
    )
    assert_close(compiled(outputs, targets), divergence(outputs, targets, mask=mask))
