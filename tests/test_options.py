"""Options at the edge: one rule for seeds, and a largest value for every number."""

import doctest
from importlib import import_module

import numpy as np
import pytest
import torch

import carousel
from carousel.diagnosis import fixed_points, gradient_by_lag, lyapunov, observe, recurrent_layers, stability
from carousel.embeddings import EmbeddingConfig
from carousel.embeddings.word_map import word_map
from carousel.errors import CarouselError
from carousel.models import LanguageModel, sampling
from carousel.models.memory import check_memory
from carousel.models.sampling import sample
from carousel.options import MOST_SEED, check_seed
from carousel.training import LanguageConfig, SequenceConfig

MODEL = LanguageModel(5, hidden_size=3)
LAYER = torch.nn.GRU(2, 3)


def trajectory():
    return observe(LAYER, torch.ones(6, 2, 2)).trajectories[0]


TAKES_A_SEED = {
    "train": lambda seed: LanguageConfig(seed=seed),
    "fit": lambda seed: SequenceConfig(seed=seed),
    "embed": lambda seed: EmbeddingConfig(seed=seed),
    "word_map": lambda seed: word_map(carousel.Vectors(["a", "b"], np.eye(2)), seed=seed),
    "generate": lambda seed: list(sample(MODEL, [0], 2, seed=seed)),
    "lyapunov": lambda seed: lyapunov(trajectory(), seed=seed),
    "fixed_points": lambda seed: fixed_points(recurrent_layers(LAYER)[0], starts=2, seed=seed),
    "stability": lambda seed: stability(trajectory(), seed=seed),
    "gradient_by_lag": lambda seed: gradient_by_lag(trajectory(), seed=seed),
}


@pytest.mark.parametrize("name", TAKES_A_SEED)
def test_every_seed_has_the_same_range(name):
    """0 to 2^64 - 1 is taken, one less and one more is refused, wherever there is a seed."""
    for seed in (0, MOST_SEED):
        TAKES_A_SEED[name](seed)
    for seed in (-1, MOST_SEED + 1, 1.5, True, "x"):
        with pytest.raises(CarouselError, match="seed must be"):
            TAKES_A_SEED[name](seed)


def test_a_seed_stays_what_it_is():
    """A seed of 2^64 - 1 reaches the generator unrounded, also as text of a YAML file; NumPy's numbers are taken."""
    assert LanguageConfig(seed=MOST_SEED - 1).seed == 2**64 - 2
    assert LanguageConfig(seed=str(MOST_SEED - 1)).seed == 2**64 - 2
    assert check_seed(np.uint64(MOST_SEED)) == 2**64 - 1


def test_lanes_go_on_behind_the_last_seed():
    """Lane 1 of the last seed draws what seed 0 draws."""
    lanes = sampling.draw(MODEL, [0], 8, sampling.Sampler(), lanes=2, seed=MOST_SEED)
    assert [row[1] for row in lanes] == list(sample(MODEL, [0], 8, seed=0))


@pytest.mark.parametrize(
    ("config", "options", "message"),
    [
        (LanguageConfig, {"hidden_size": 2**63 - 1}, "hidden_size must be at most 1000000000"),
        (LanguageConfig, {"epochs": 1e308}, "epochs must be at most 1000000000"),
        (LanguageConfig, {"steps": 10**400}, "steps must be at most"),
        (LanguageConfig, {"num_layers": 257}, "num_layers must be at most 256"),
        (LanguageConfig, {"uniform": 1e300}, "uniform must be at most"),
        (LanguageConfig, {"lr": [0.1]}, "lr must be a number; got"),
        (LanguageConfig, {"paths": ["a\0b"]}, "paths must be a list of paths"),
        (LanguageConfig, {"out": "\ud800"}, "out must be text"),
        (LanguageConfig, {"hidden_size": "x" * 10**6}, "hidden_size must be a whole number; got 'xxx"),
        (SequenceConfig, {"task": "forecast", "interval": 1e-300}, "interval must be at least 0.001"),
        (SequenceConfig, {"task": "forecast", "interval": 1 - 1e-16}, "interval must be at most 0.9999"),
        (EmbeddingConfig, {"epochs": 2**63}, "epochs must be at most"),
    ],
)
def test_values_at_the_edge(config, options, message):
    """What would overflow further on is refused where it is given, in a short sentence."""
    with pytest.raises(CarouselError, match=message) as caught:
        config(**options)
    assert len(str(caught.value)) < 300


def test_a_model_that_no_machine_holds():
    """The number of its weights is known without them."""
    with pytest.raises(CarouselError, match="4,000,570,006,450 weights take at least 59,613 GiB"):
        check_memory(lambda: LanguageModel(50, hidden_size=10**6))
    with pytest.raises(CarouselError, match="must fit into memory"):
        check_memory(lambda: LanguageModel(50, hidden_size=10**12))
    check_memory(lambda: LanguageModel(50, hidden_size=8))


@pytest.mark.parametrize("name", ["options", "plain", "reading", "models.memory"])
def test_examples(name):
    """The examples in the docstrings of what belongs to all run."""
    found = doctest.testmod(import_module(f"carousel.{name}"), optionflags=doctest.ELLIPSIS)
    assert found.attempted > 0
    assert found.failed == 0
