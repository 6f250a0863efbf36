"""A run that begins with the weights of another run. The module loads no torch."""

import dataclasses
from pathlib import Path
from typing import Any

from carousel.errors import CarouselError
from carousel.training.language.config import LanguageConfig
from carousel.training.run.folder import RunFolder, weights_of

_TEXT = ("paths", "train_file", "valid_file", "test_file")
_MODEL = (
    "level",
    "model",
    "cell",
    "hidden_size",
    "num_layers",
    "context",
    "direct",
    "embedding",
    "one_hot",
    "tie",
)


def warm_start_config(run: str | Path, **changes: Any) -> LanguageConfig:
    """The configuration of a run that begins with the weights of `run`: that of `run`, with `changes`.

    The new run has the length of `run` unless the changes set another; new text replaces the old text.

    Raises CarouselError if `run` is no run of a language model, or a change would make another model.
    """
    folder = RunFolder.open(run)
    base = folder.with_stored_text(config_of(run).override(out=None, evaluate_every=None))
    if base.epochs is not None or base.minutes is not None:  # steps followed from these and from the old text
        base = dataclasses.replace(base, steps=None)
    if any(changes.get(name) is not None for name in _TEXT):
        base = dataclasses.replace(base, paths=[], train_file=None, valid_file=None, test_file=None)
    config = base.override(**changes, from_=str(run))
    check_warm_start(config)
    return config


def config_of(run: str | Path) -> LanguageConfig:
    """The configuration of the run of a language model in a folder."""
    config = RunFolder.open(run).load_config()
    if not isinstance(config, LanguageConfig):
        raise CarouselError(
            f"from_ must be a run of a language model; {run} learned from sequences. Pass another run."
        )
    return config


def check_warm_start(config: LanguageConfig) -> None:
    """Raise CarouselError if `from_` names a run that has another model."""
    if config.from_ is None:
        return
    weights_of(config.from_)
    other = config_of(config.from_)
    for name in _MODEL:
        old, new = getattr(other, name), getattr(config, name)
        if old != new:
            raise CarouselError(
                f"a run goes on with the model it begins with: {name} is {old} in {config.from_}; got {new}. "
                f"Leave {name} out."
            )
