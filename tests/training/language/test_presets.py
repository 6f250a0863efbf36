"""Published configurations."""

import doctest

import pytest

from carousel import CarouselError
from carousel.models import LanguageModel, TDNNLanguageModel
from carousel.training import LanguageConfig
from carousel.training.language import presets
from carousel.training.language.presets import PRESETS, preset
from carousel.training.language.task import build_model


def test_examples():
    """The example gives what it shows."""
    result = doctest.testmod(presets)
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize("name", PRESETS)
def test_each_preset_is_a_configuration_with_its_source(name):
    """Its options are options of a run, and it says where they come from."""
    config = LanguageConfig.preset(name)
    assert {option: getattr(config, option) for option in preset(name)} == pytest.approx(preset(name))
    assert any(character.isdigit() for character in PRESETS[name].source) or "own" in PRESETS[name].source


def test_what_is_given_goes_before_the_preset():
    """A length replaces the preset's, whatever it is counted in."""
    config = LanguageConfig.preset("zaremba-small", minutes=1, hidden_size=8, embedding=8)
    assert (config.minutes, config.epochs, config.hidden_size, config.lr) == (1, None, 8, 20)


def test_zaremba_small_has_the_weights_of_its_paper():
    """2 x 200 units over 10,000 words: 4,656,400 weights, with two biases for each gate."""
    model = build_model(LanguageConfig.preset("zaremba-small"), 10_000)
    assert isinstance(model, LanguageModel)
    lstm = 2 * (2 * 800 * 200 + 2 * 800)
    ends = 10_000 * 200 + 10_000 * 201
    assert sum(parameter.numel() for parameter in model.parameters()) == lstm + ends
    assert all(parameter.abs().max() <= 0.1 for parameter in model.parameters())


def test_bengio_2003_has_the_weights_of_its_paper():
    """h (1 + (n - 1) m) + |V| (1 + h) + |V| m free parameters without direct connections."""
    model = build_model(LanguageConfig.preset("bengio-2003"), 1_000)
    assert isinstance(model, TDNNLanguageModel)
    expected = 100 * (1 + 4 * 30) + 1_000 * (1 + 100) + 1_000 * 30
    assert sum(parameter.numel() for parameter in model.parameters()) == expected


def test_an_unknown_preset_is_told_the_nearest():
    """And without one near, all of them."""
    with pytest.raises(CarouselError, match="did you mean zaremba-small"):
        LanguageConfig.preset("zaremba-smal")
    with pytest.raises(CarouselError, match="there are char-lstm, char-rnn"):
        preset("gpt")
