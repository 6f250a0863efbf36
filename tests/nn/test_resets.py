"""Resets inside the sequence: episodes and documents one after another, none of which sees another."""

import re

import pytest
import torch
from nn.episodes import FORMS, problem
from tolerances import assert_close
from torch.nn.utils.rnn import PackedSequence, pack_sequence

import carousel
from carousel import CarouselError
from carousel.equations.catalogue import CELLS
from carousel.nn.resets import before_the_step_below

OPTIONS = {
    "plain": {},
    "stacked both ways": {"num_layers": 2, "bidirectional": True},
    "both ways, batch first, no bias": {"bidirectional": True, "batch_first": True, "bias": False},
}


@pytest.mark.usefixtures("road")
@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("lengths", [[7, 7, 7, 7], [7, 2, 5, 4]], ids=["full", "ragged"])
def test_each_episode_alone(name, options, lengths):
    """Outputs, final states and all gradients are those of each episode alone, in every layer and direction."""
    cut = problem(CELLS[name], lengths, resets=0.4, **options)
    assert cut.resets is not None
    assert 5 < cut.resets.sum() < 20
    assert_close(cut.together(), cut.alone())


@pytest.mark.parametrize("form", FORMS)
def test_forms(form):
    """A mask packed as the input is says the same as lengths and a padded one."""
    cut = problem(CELLS["lstm"], [3, 7, 5, 5], resets=0.4, num_layers=2, bidirectional=True)
    assert_close(cut.together(form), cut.alone())


def test_a_reset_beyond_the_end():
    """A mask that is true in the padding takes no initial state from the reverse direction."""
    cut = problem(CELLS["gru"], [3, 6], resets=0.0, bidirectional=True)
    before = cut.together()
    cut.resets[3:, 0] = True
    assert all(torch.equal(value, before[name]) for name, value in cut.together().items())


def test_one_sequence():
    """Without a batch the mask is (T,)."""
    module = carousel.LSTM(3, 5, bidirectional=True)
    x, resets = torch.randn(6, 3), torch.tensor([False, False, True, False, True, False])
    output, (h_n, _) = module(x, resets=resets)
    parts = [module(part) for part in (x[:2], x[2:4], x[4:])]
    assert_close(output, torch.cat([part[0] for part in parts]))
    assert_close(h_n, torch.stack([parts[2][1][0][0], parts[0][1][0][1]]))


def test_no_gradient_crosses():
    """What comes before a boundary has no gradient from behind it, and the other way round."""
    module = carousel.GRU(3, 5, 2, bidirectional=True)
    x = torch.randn(6, 1, 3, requires_grad=True)
    resets = torch.zeros(6, 1, dtype=torch.bool)
    resets[3] = True
    for steps, others in ((slice(3), slice(3, None)), (slice(3, None), slice(3))):
        [gradient] = torch.autograd.grad(module(x, resets=resets)[0][steps].sum(), x)
        assert gradient[steps].abs().amax(dim=(1, 2)).gt(0).all()
        assert not gradient[others].any()


def test_second_order():
    """The gradient of a gradient knows the resets and lengths too."""
    cut = problem(CELLS["gru"], [2, 4], resets=0.4, bidirectional=True, sizes=(2, 3))

    def function(x):
        return cut.module(x, lengths=cut.lengths, resets=cut.resets)[0]

    assert torch.autograd.gradgradcheck(function, (cut.x,), fast_mode=True)


def test_all_and_nothing():
    """A mask of nothing changes nothing; reset at every step each step is a sequence of its own."""
    module, x = carousel.GRU(3, 5, 2), torch.randn(6, 2, 3)
    hx = torch.randn(2, 2, 5)
    assert_close(module(x, hx, resets=torch.zeros(6, 2, dtype=torch.bool)), module(x, hx))
    alone = module(x.reshape(1, 12, 3))[0].reshape(6, 2, 5)
    assert_close(module(x, hx, resets=torch.ones(6, 2, dtype=torch.bool))[0], alone)


def test_where_the_reverse_direction_starts_anew():
    """The boundary before step t becomes one before step t - 1, sequence by sequence."""
    mask = torch.tensor([[1, 0], [0, 1], [1, 1]], dtype=torch.bool)
    assert before_the_step_below(mask, 2, None).int().tolist() == [[0, 1], [1, 1], [0, 0]]
    packed = torch.tensor([1, 0, 1, 0, 1, 1], dtype=torch.bool)  # rows of steps 0, 1, 2 of three sequences
    below = before_the_step_below(packed, 3, torch.tensor([3, 2, 1]))
    assert below.int().tolist() == [0, 1, 0, 1, 0, 0]


x = torch.zeros(7, 2, 3)
packed = pack_sequence([torch.zeros(3, 3), torch.zeros(2, 3)])
mask = torch.zeros(7, 2, dtype=torch.bool)


@pytest.mark.parametrize(
    ("input", "resets", "message"),
    [
        (x, mask.T, "resets must be a bool tensor of shape (7, 2) on cpu, true at the steps before which the state "
         "becomes zero; it is (2, 7) in torch.bool on cpu"),
        (x, mask[:, :1], "it is (7, 1) in"),
        (x[:, 0], mask, "of shape (7,)"),
        (x, mask.int(), "it is (7, 2) in torch.int32 on cpu"),
        (x, mask.to("meta"), "of shape (7, 2) on cpu, true at the steps before which the state becomes zero; it is "
         "(7, 2) in torch.bool on meta"),
        (x, mask.tolist(), "it is a list"),
        (x, pack_sequence([mask[:, 0]]), "it is a PackedSequence"),
        (packed, torch.zeros(5, dtype=torch.bool), "With a PackedSequence resets must be one too, of bool, packed "
         "as the input is; it is a Tensor"),
        (packed, pack_sequence([mask[:3, 0], mask[:3, 0]]), "with the same lengths in the same order"),
        (packed, pack_sequence([mask[:2, 0], mask[:3, 0]], enforce_sorted=False), "in the same order"),
        (packed, pack_sequence([torch.zeros(3), torch.zeros(2)]), "it is (5,) in torch.float32"),
        (packed, PackedSequence(torch.zeros(5, 1, dtype=torch.bool), packed.batch_sizes), "shape (5,)"),
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("kind", [carousel.RNN, carousel.LSTM, carousel.GRU])
def test_wrong_resets(kind, input, resets, message):
    """Shape, dtype, device and form of the mask."""
    with pytest.raises(CarouselError, match=re.escape(message)):
        kind(3, 5)(input, resets=resets)


def test_the_order_of_a_packed_mask():
    """Sequences given longest first may be packed with or without their order written down."""
    resets = pack_sequence([mask[:3, 0], mask[:2, 0]], enforce_sorted=False)
    module = carousel.GRU(3, 5)
    assert torch.equal(module(packed, resets=resets)[0].data, module(packed)[0].data)


def test_layout_in_the_message():
    """With batch_first the mask is (B, T)."""
    with pytest.raises(CarouselError, match=re.escape("of shape (2, 7)")):
        carousel.GRU(3, 5, batch_first=True)(x.transpose(0, 1), resets=mask)
