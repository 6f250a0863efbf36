"""Published configurations and one of Carousel's own, each with its source.

An option that the user gives replaces that of the preset. The module loads no torch, so that the help can list presets.
"""

import difflib
from dataclasses import dataclass, field
from typing import Any

from carousel.errors import CarouselError


@dataclass(frozen=True)
class Preset:
    """Options of `LanguageConfig`, their source, and how Carousel differs from it."""

    options: dict[str, Any]
    source: str
    differs: str = field(default="")


# Zaremba's loss is a sum over the steps of a window, Carousel's a mean over all its tokens. So a rate of 1 is one
# of `bptt` here, and a gradient cut at 5 is cut at 5 / bptt.
_ZAREMBA = {
    "model": "rnn",
    "level": "token",
    "cell": "lstm",
    "num_layers": 2,
    "batch": 20,
    "optimizer": "sgd",
    "momentum": 0.0,
    "weight_decay": 0.0,
    "warmup": 0,
    "schedule": "decay",
    "patience": 0,
}
_ZAREMBA_SOURCE = "Zaremba, Sutskever & Vinyals 2014, Recurrent neural network regularization"

PRESETS: dict[str, Preset] = {
    "char-lstm": Preset(
        {
            "level": "char",
            "cell": "lstm",
            "hidden_size": 512,
            "embedding": 64,
            "dropout": 0.2,
            "batch": 32,
            "bptt": 64,
            "lr": 6e-3,
            "weight_decay": 0.01,
            "epochs": 8.0,
        },
        "Carousel's own, for a megabyte of text",
    ),
    "char-rnn": Preset(
        {
            "level": "char",
            "cell": "lstm",
            "hidden_size": 128,
            "num_layers": 2,
            "one_hot": True,
            "batch": 50,
            "bptt": 50,
            "epochs": 50.0,
            "optimizer": "rmsprop",
            "lr": 2e-3,
            "schedule": "decay",
            "decay": 1 / 0.97,
            "decay_after": 10,
            "warmup": 0,
            "weight_decay": 0.0,
            "clip": 5.0,
            "patience": 0,
        },
        "Karpathy 2015, char-rnn (model lstm)",
        "weights start as Carousel's do; the gradient is cut by its norm, not value by value; RMSprop looks back "
        "100 steps, not 20",
    ),
    "zaremba-small": Preset(
        {
            **_ZAREMBA,
            "hidden_size": 200,
            "embedding": 200,
            "bptt": 20,
            "uniform": 0.1,
            "lr": 20.0,
            "clip": 0.25,
            "decay": 2.0,
            "decay_after": 4,
            "epochs": 13.0,
        },
        _ZAREMBA_SOURCE + ": the network without dropout",
    ),
    "zaremba-medium": Preset(
        {
            **_ZAREMBA,
            "hidden_size": 650,
            "embedding": 650,
            "bptt": 35,
            "dropout": 0.5,
            "uniform": 0.05,
            "lr": 35.0,
            "clip": 1 / 7,
            "decay": 1.2,
            "decay_after": 6,
            "epochs": 39.0,
        },
        _ZAREMBA_SOURCE + ": the medium network",
    ),
    "bengio-2003": Preset(
        {
            "model": "tdnn",
            "level": "token",
            "context": 4,
            "hidden_size": 100,
            "embedding": 30,
            "batch": 32,
            "bptt": 32,
            "epochs": 12.0,
            "lr": 3e-3,
            "weight_decay": 0.01,
        },
        "Bengio, Ducharme, Vincent & Jauvin 2003, A neural probabilistic language model: n = 5, h = 100, m = 30, no "
        "direct connections",
        "trained by AdamW on windows of many words instead of by gradient descent on one word at a time",
    ),
}


def preset(name: str) -> dict[str, Any]:
    """The options of a preset, as a new dictionary.

    Raises CarouselError for an unknown name, with the nearest known one.

    >>> preset("zaremba-small")["hidden_size"]
    200
    """
    if name not in PRESETS:
        near = difflib.get_close_matches(name, PRESETS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(PRESETS)}."
        raise CarouselError(f"there is no preset {name!r}; {hint}")
    return dict(PRESETS[name].options)
