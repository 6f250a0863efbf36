"""Each remedy does what it says, to torch's modules and to ours, and cures what it is given for."""

import copy
import doctest
import re
import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from sick import MODELS, batch, exploding, saturated, vanishing, vanishing_lstm

import carousel
from carousel.diagnosis import diagnose, judge, recurrent_layers
from carousel.diagnosis.verdicts import weights
from carousel.diagnosis.verdicts.remedies import Remedy
from carousel.errors import CarouselError


def layers_of(model, *names):
    """Some layers of a model, or all, as remedies change them."""
    every = [layer.name for layer in recurrent_layers(model)]
    return list(weights.layers_in(model, names or every))


SICK = [(name, make) for name, make in MODELS if name != "no trouble"]


@pytest.mark.parametrize(("name", "make"), SICK, ids=lambda value: getattr(value, "__name__", value))
def test_the_first_treatment_cures(name, make):
    """After the best remedy the finding is gone, and the model still runs."""
    model = make()
    done = judge(model, batch())[0].apply(model)
    assert done
    assert name not in [finding.name for finding in judge(model, batch()) if finding.is_trouble]


@pytest.mark.parametrize("kind", [torch.nn.LSTM, carousel.LSTM])
def test_chrono_measures_the_times_it_asks_for(kind):
    """1 / (1 - f) of the biases alone lies between 2 and T, with the mean of a uniform draw; i is the mirror of f."""
    torch.manual_seed(0)
    lstm = kind(3, 400, num_layers=2)
    with torch.no_grad():
        for layer in layers_of(lstm):
            weights.chrono(layer, longest=100)
    for layer in (0, 1):
        bias = getattr(lstm, f"bias_ih_l{layer}") + getattr(lstm, f"bias_hh_l{layer}")
        i, f = bias[:400], bias[400:800]
        times = 1 / (1 - torch.sigmoid(f))
        assert times.min() >= 2 - 1e-4
        assert times.max() <= 100 + 1e-2
        assert abs(times.mean() - 51) < 6
        assert torch.equal(i, -f)


@pytest.mark.parametrize("kind", [torch.nn.GRU, carousel.GRU])
def test_a_gru_keeps_by_z(kind):
    """The forget bias of a GRU goes to its update gate, which keeps the state where it is open."""
    gru = kind(3, 4)
    [layer] = layers_of(gru)
    with torch.no_grad():
        assert weights.forget_bias(layer, value=2.0) == "biases of z add up to 2"
    assert (gru.bias_ih_l0 + gru.bias_hh_l0)[4:8].tolist() == [2.0] * 4


def test_rescaling_keeps_directions():
    """A matrix above the radius is multiplied by one number; one below is left alone."""
    rnn = torch.nn.RNN(3, 8, num_layers=2)
    with torch.no_grad():
        rnn.weight_hh_l0.mul_(10)
    before = copy.deepcopy(rnn.state_dict())
    with torch.no_grad():
        done = [weights.limit_radius(layer, 0.9) for layer in layers_of(rnn)]
    ratio = rnn.weight_hh_l0 / before["weight_hh_l0"]
    assert torch.allclose(ratio, ratio[0, 0].expand_as(ratio))
    assert torch.equal(rnn.weight_hh_l1, before["weight_hh_l1"])
    assert "to 0.9" in done[0]
    assert not done[1]


def test_unscaled_data_are_standardised_in_the_pipeline():
    """A network that reads numbers around 300 is told so first; no weights are scaled to fit them."""
    found = judge(carousel.RNN(3, 24), 300 + 30 * batch())
    assert [each.name for each in found[:2]] == ["unscaled inputs", "saturated"]
    assert found[0].remedies[0].name == "standardise the data"
    assert not found[1].is_trouble
    assert found[1].sentence.endswith("It follows from the first finding: treat that first.")
    assert found[1].remedies == ()
    assert found[0].apply(carousel.RNN(3, 24)) == []


def test_a_remedy_that_changes_nothing_is_not_offered():
    """No bias, no forget bias; no matrix above the norm, nothing to rescale."""
    model = vanishing_lstm()
    names = [remedy.name for remedy in judge(model, batch())[0].remedies]
    assert "forget bias" in names
    bare = torch.nn.LSTM(3, 24, bias=False)
    with torch.no_grad():
        bare.weight_hh_l0.mul_(0.01)
        bare.weight_ih_l0[24:48].zero_()
    found = judge(bare, batch())[0]
    assert found.is_trouble
    assert not {"forget bias", "chrono initialisation"} & {remedy.name for remedy in found.remedies}


def test_a_remedy_says_how_often_it_helped():
    """Its share of successes in the calibration, after training; of advice nothing is said."""
    remedies = judge(vanishing(), batch())[0].remedies
    measured = r"new start; after the same training, the loss was 10 % lower in \d+ of \d+ nets"
    assert re.fullmatch(measured, remedies[0].kind)
    assert remedies[-1].kind == "advice"
    assert "its success was not measured" in Remedy("", "", "", True, lambda model: []).kind


def test_only_the_layers_of_the_finding_change():
    """A remedy leaves other layers, other modules and other parameters as they are."""

    class Two(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = torch.nn.RNN(3, 24), torch.nn.LSTM(24, 8)

        def forward(self, x):
            return self.second(self.first(x)[0])[0]

    model = Two()
    before = copy.deepcopy(model.state_dict())
    with torch.no_grad():
        [weights.orthogonal(layer) for layer in layers_of(model, "second.l0")]
    changed = [name for name, value in model.state_dict().items() if not torch.equal(value, before[name])]
    assert changed
    assert all(name.startswith("second.") and "weight_ih" not in name for name in changed)


def test_advice_cannot_be_applied():
    """Advice says that it is advice; an unknown remedy names those there are."""
    model = exploding()
    finding = judge(model, batch())[0]
    with pytest.raises(CarouselError, match="is advice"):
        finding.apply(model, "gradient clipping")
    with pytest.raises(CarouselError, match="spectral rescaling"):
        finding.apply(model, "prayer")


def test_a_comparison_says_what_changed():
    """What was cured, and every number before and after."""
    model = vanishing()
    before = diagnose(model, batch())
    before.findings[0].apply(model)
    comparison = before.compare(diagnose(model, batch()))
    assert comparison.is_better
    assert [finding.name for finding in comparison.cured] == ["vanishing"]
    change = next(each for each in comparison.changes if each.what == "worst direction, nats per step")
    assert change.before < -0.8 < -0.2 < change.after
    assert "cured: vanishing" in str(comparison)
    with pytest.raises(CarouselError, match="different models"):
        before.compare(diagnose(vanishing_lstm(), batch()))
    assert not before.compare(before).is_better


def test_the_saturated_are_brought_back_where_they_are_steep():
    """Standardising leaves hardly any activation flat."""
    model = saturated()
    before = diagnose(model, batch())
    before.findings[0].apply(model)
    after = diagnose(model, batch())
    assert before.layers[0].symptoms.saturation > 0.6
    assert after.layers[0].symptoms.saturation < 0.1


def test_the_examples_run():
    """The changes of weights do what their docstrings show."""
    assert doctest.testmod(weights) == (0, 17)
