"""Dropout inside recurrent modules: what each kind promises, in training and out of it."""

import copy

import pytest
import torch
from tolerances import assert_close
from torch.nn.utils.rnn import pack_padded_sequence

from carousel import GRU, LSTM, RNN, CarouselError
from carousel.nn.regularisers import Regularisers, kept, locked


def test_a_locked_mask_is_the_same_at_every_step_and_another_for_each_sequence():
    """What is dropped at one step is dropped at all; the share and the mean are those asked for."""
    x = locked(torch.ones(50, 40, 100), 0.3)
    assert torch.equal(x, x[:1].expand_as(x))
    assert not torch.equal(x[0, 0], x[0, 1])
    assert (x == 0).float().mean().item() == pytest.approx(0.3, abs=0.03)
    assert x.mean().item() == pytest.approx(1, abs=0.05)


def test_packed_sequences_keep_their_masks():
    """In a packed batch the rows of one sequence share a mask too."""
    lengths = [5, 3, 2]
    packed = pack_padded_sequence(torch.ones(5, 3, 64), torch.tensor(lengths))
    rows = locked(packed.data, 0.5, packed.batch_sizes)
    kept_rows = packed._replace(data=rows)
    unpacked, _ = torch.nn.utils.rnn.pad_packed_sequence(kept_rows)
    for column, length in enumerate(lengths):
        assert torch.equal(unpacked[:length, column], unpacked[:1, column].expand(length, -1))
    assert not torch.equal(rows[0], rows[1])


def test_between_layers_a_locked_mask_stays():
    """With identity layers that only pass on their input, the second layer's input shows the mask between."""
    module = RNN(30, 30, 2, nonlinearity="identity", dropout=0.5, bias=False, locked_dropout=True)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.copy_(torch.eye(30) if "ih" in name else torch.zeros(30, 30))
    output, _ = module(torch.ones(20, 4, 30))
    assert torch.equal(output, output[:1].expand_as(output))
    assert sorted(output.unique().tolist()) == [0, 2]
    assert torch.equal(module.eval()(torch.ones(20, 4, 30))[0], torch.ones(20, 4, 30))


def test_dropped_weights_are_those_of_recurrent_matrices_alone():
    """The share asked for is 0, the others are divided by what is left; inputs and biases stay."""
    drop = Regularisers(weight_drop=0.25)
    ones = {
        name: torch.ones(80, 80)
        for name in ("weight_ih", "weight_hh", "weight_ch", "weight_peephole", "bias_hh")
    }
    dropped = drop.weights(ones)
    for name in ("weight_hh", "weight_ch"):
        assert dropped[name].unique().tolist() == pytest.approx([0, 1 / 0.75])
        assert (dropped[name] == 0).float().mean().item() == pytest.approx(0.25, abs=0.03)
    assert all(dropped[name] is ones[name] for name in ("weight_ih", "weight_peephole", "bias_hh"))


def test_dropped_weights_get_no_gradient():
    """One matrix serves all steps: what is dropped has no part in the loss, and all else has."""
    module = LSTM(4, 12, weight_drop=0.5)
    module(torch.randn(9, 3, 4))[0].square().sum().backward()
    share = (module.weight_hh_l0.grad == 0).float().mean().item()
    assert share == pytest.approx(0.5, abs=0.1)
    assert (module.weight_ih_l0.grad != 0).all()


def test_recurrent_dropout_is_one_mask_for_all_steps(monkeypatch):
    """Against the equations written out by hand, with the very mask that was drawn."""
    drawn = []

    def noted(shape, share, like):
        drawn.append(kept(shape, share, like))
        return drawn[-1]

    monkeypatch.setattr("carousel.nn.regularisers.kept", noted)
    module = RNN(3, 6, recurrent_dropout=0.5).double()
    x, h = torch.randn(5, 4, 3).double(), torch.randn(4, 6).double()
    output, h_n = module(x, h[None])
    [mask] = drawn
    expected = []
    for step in x:
        h = torch.tanh(
            step @ module.weight_ih_l0.T
            + module.bias_ih_l0
            + (mask * h) @ module.weight_hh_l0.T
            + module.bias_hh_l0
        )
        expected.append(h)
    assert_close(output, torch.stack(expected))
    assert_close(h_n[0], h)
    assert set(mask.unique().tolist()) == {0.0, 2.0}
    assert not torch.equal(mask[0], mask[1])


@pytest.mark.parametrize(
    "options", [{"weight_drop": 0.5}, {"recurrent_dropout": 0.5}, {"dropout": 0.5, "locked_dropout": True}]
)
def test_each_is_drawn_anew_in_training_and_off_in_evaluation(options):
    """Two passes differ while training; in evaluation the module is the plain one, state for state."""
    module = GRU(4, 16, 2, **options)
    x = torch.randn(6, 3, 4)
    assert not torch.equal(module(x)[0], module(x)[0])
    plain = GRU(4, 16, 2)
    plain.load_state_dict(module.state_dict())
    assert torch.equal(module.eval()(x)[0], plain(x)[0])
    copied = copy.deepcopy(module).train()
    assert copied.regularisers == module.regularisers
    assert not torch.equal(copied(x)[0], copied(x)[0])


def test_lengths_and_both_directions_go_with_masks():
    """Ragged batches and bidirectional stacks run with all of them, and padding stays 0."""
    module = LSTM(
        4, 8, 2, dropout=0.2, bidirectional=True, locked_dropout=True, weight_drop=0.2, recurrent_dropout=0.2
    )
    output, (h, c) = module(torch.randn(6, 3, 4), lengths=[2, 6, 4])
    assert output.shape == (6, 3, 16)
    assert h.shape == c.shape == (4, 3, 8)
    assert not output[2:, 0].any()


@pytest.mark.parametrize(
    "options", [{"weight_drop": 1.0}, {"recurrent_dropout": -0.1}, {"locked_dropout": 0.5}]
)
def test_shares_out_of_range_are_refused_by_name(options):
    """The option is named with what came."""
    with pytest.raises(CarouselError, match=next(iter(options))):
        LSTM(3, 4, **options)


def test_resets_and_a_mask_exclude_each_other():
    """A reset would clear the mask; the error says so."""
    module = LSTM(3, 4, recurrent_dropout=0.5)
    resets = torch.zeros(5, 2, dtype=torch.bool)
    with pytest.raises(CarouselError, match="train without one of the two"):
        module(torch.zeros(5, 2, 3), resets=resets)
    module.eval()(torch.zeros(5, 2, 3), resets=resets)
