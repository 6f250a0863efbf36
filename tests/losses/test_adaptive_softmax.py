"""The adaptive softmax: exact over the whole vocabulary, tied or not."""

import pytest
import torch
from tolerances import assert_close
from torch import nn

from carousel import CarouselError
from carousel.losses import AdaptiveSoftmax

H, V, CUTOFFS = 12, 60, [10, 25]


def made(tied):
    embedding = nn.Parameter(torch.randn(V, H) / 3)
    return AdaptiveSoftmax(H, V, CUTOFFS, div_value=2.0, tie=embedding if tied else None)


@pytest.fixture(params=[False, True], ids=["untied", "tied"])
def softmax(request):
    return made(request.param).double()


def case():
    return torch.randn(6, 3, H, dtype=torch.float64), torch.randint(V, (6, 3))


def test_sums_to_one(softmax):
    """The probabilities of all words sum to one at each step."""
    assert_close(softmax.log_prob(case()[0]).exp().sum(-1), torch.ones(6, 3, dtype=torch.float64))


@pytest.mark.parametrize("reduction", ["mean", "sum", "sequence", "none"])
def test_the_loss_is_minus_log_prob(softmax, reduction):
    """The loss and its gradients are those of -log_prob[target], for words of head and tails, weighted and masked."""
    x, targets = case()
    weights, mask = torch.rand(6, 3, dtype=torch.float64), torch.rand(6, 3) < 0.8
    x.requires_grad_()
    sources = [x, *softmax.parameters()]
    loss = softmax(x, targets, weights=weights, mask=mask, reduction=reduction)
    each = -softmax.log_prob(x).gather(-1, targets[..., None])[..., 0] * weights * mask
    expected = {"mean": each.sum() / mask.sum(), "sum": each.sum(), "sequence": each.sum(0), "none": each}[
        reduction
    ]
    assert_close(loss, expected)
    assert_close(torch.autograd.grad(loss.sum(), sources), torch.autograd.grad(expected.sum(), sources))


def test_is_torchs_when_untied():
    """torch.nn.AdaptiveLogSoftmaxWithLoss with the same weights gives the same loss and log probabilities."""
    ours, theirs = made(False), nn.AdaptiveLogSoftmaxWithLoss(H, V, CUTOFFS, div_value=2.0)
    theirs.load_state_dict(ours.state_dict())
    x, targets = torch.randn(40, H), torch.randint(V, (40,))
    assert_close(ours(x, targets), theirs(x, targets).loss)
    assert_close(ours.log_prob(x), theirs.log_prob(x))


def test_tied_is_the_full_softmax_where_clusters_are_as_likely_as_their_words():
    """With cluster vectors such that P(cluster) is the sum over its words, the tied softmax is the full one."""
    softmax = made(True).double()
    x = torch.randn(1, H, dtype=torch.float64)
    logits = (x @ softmax.tied.T)[0]
    sums = torch.stack([logits[10:25].logsumexp(0), logits[25:].logsumexp(0)])
    with torch.no_grad():
        softmax.clusters.copy_(sums[:, None] * x / (x @ x.T))
    assert_close(softmax.log_prob(x)[0], logits.log_softmax(0))


def test_padding_and_empty_clusters(softmax):
    """-100 is not counted; a batch without a word of some cluster leaves that cluster's weights a gradient of 0."""
    x, targets = case()
    targets = targets % 10
    targets[0, 0] = -100
    loss = softmax(x, targets)
    each = -softmax.log_prob(x).gather(-1, targets.clamp(min=0)[..., None])[..., 0]
    assert_close(loss, each.flatten()[1:].mean())
    loss.backward()
    tails = softmax.tied.grad[10:] if hasattr(softmax, "tied") else softmax.tail[0][1].weight.grad
    assert tails.abs().max() == 0


def test_mistakes_are_told():
    """Cutoffs outside the vocabulary or falling, an embedding of another shape, a target that is no word."""
    for cutoffs in ([], [0, 5], [5, 5], [10, 60]):
        with pytest.raises(CarouselError, match="cutoffs must rise, from 1 to 59"):
            AdaptiveSoftmax(H, V, cutoffs)
    with pytest.raises(CarouselError, match="div_value must be at least 1"):
        AdaptiveSoftmax(H, V, CUTOFFS, div_value=0.5)
    with pytest.raises(CarouselError, match=r"tie must be .*\(60, 12\).*\(60, 6\)"):
        AdaptiveSoftmax(H, V, CUTOFFS, tie=nn.Parameter(torch.zeros(V, 6)))
    with pytest.raises(CarouselError, match="from 0 to 59"):
        made(False)(torch.zeros(2, H), torch.tensor([60, 1]))
