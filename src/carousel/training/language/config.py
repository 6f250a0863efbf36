"""The options of the training of a language model, with their defaults, limits and help texts.

The command line and `config.yaml` are derived from this dataclass. The module loads no torch.
"""

import os
from dataclasses import dataclass, field
from typing import Any, Self

from carousel.data.opening import STDIN
from carousel.data.part_names import SHARE
from carousel.errors import CarouselError
from carousel.models.cells import CELLS, MODELS, MOST_LAYERS, check_ends
from carousel.options import described, option
from carousel.training.language.presets import preset
from carousel.training.language.score import Score
from carousel.training.loop.config import RATE, LoopConfig, without_dropout

# 384 units on Python's source after 680 steps: a GRU reaches 2.05 bits per character with a rate of 8e-3 and 1.97 with
# 4e-3, an LSTM 1.94 with 8e-3.
GRU_RATE = 4e-3
_FILES = ("train_file", "valid_file", "test_file", "from_")
MODEL_OPTIONS = {"rnn": ("cell", "weight_drop", "recurrent_dropout"), "tdnn": ("context", "direct")}
WORDS = (
    "word",
    "token",
)  # levels with unknown words, whose characters are lost: perplexity is the better figure


@dataclass(frozen=True)
class LanguageConfig(LoopConfig):
    """The options of `carousel train` for a language model; those of the loop are in `LoopConfig`.

    Raises CarouselError for a value of the wrong type or out of its limits.

    >>> LanguageConfig(hidden_size=256, epochs=2).hidden_size
    256
    >>> LanguageConfig(hidden_size=0)
    Traceback (most recent call last):
    carousel.errors.CarouselError: hidden_size must be at least 1; got 0.
    """

    paths: list[str] = field(
        default_factory=list,
        metadata=described("files, folders or globs of text (none: Python's own standard library)"),
    )

    train_file: str | None = option(
        None,
        "text to learn from instead of PATHS: a file, folder or glob; its file names do not assign parts",
    )
    valid_file: str | None = option(None, "text that chooses the best weights (none: a share of the text)")
    test_file: str | None = option(None, "text that judges them (none: a share of the text)")
    valid: float | None = option(
        None, f"share cut off the text to choose the best weights (none: {SHARE:g})", above=0, below=1
    )
    test: float | None = option(
        None, f"share cut off the text to judge them (none: {SHARE:g})", above=0, below=1
    )
    from_: str | None = option(None, "a run whose best weights and vocabulary this one begins with")

    level: str = option("bpe", "what a symbol is", choices=("char", "word", "bpe", "token"))
    vocabulary_size: int | None = option(None, "most symbols told apart (none: the level's own)", minimum=2)

    model: str = option("rnn", "recurrent, or a time-delay network of the last N symbols", choices=MODELS)
    cell: str = option("lstm", "recurrent cell", choices=tuple(CELLS))
    hidden_size: int = option(384, "units of each layer", minimum=1)
    num_layers: int = option(1, "number of hidden layers", minimum=1, maximum=MOST_LAYERS)
    context: int | None = option(None, "tdnn: N, how many symbols a prediction sees (none: 4)", minimum=1)
    direct: bool = option(False, "tdnn: connect the symbols' vectors with the output directly")
    embedding: int | None = option(
        None,
        "size of the symbols' vectors (none: --hidden if --tie, else at most 128, of a tdnn 60)",
        minimum=1,
    )
    one_hot: bool = option(False, "feed symbols as one-hot vectors, without a projection")
    tie: bool = option(False, "use the symbols' vectors as output weights too; embedding equals hidden_size")
    uniform: float | None = option(None, "weights start uniform in +- this (none: by their layer)", above=0)

    lr: float | None = option(None, f"highest learning rate (none: {RATE:g}, of a GRU {GRU_RATE:g})", above=0)

    dropout: float = option(0.0, "share of values dropped before, between, after layers", minimum=0, below=1)
    locked_dropout: bool = option(False, "dropout with one mask for all steps of a window")
    embedding_dropout: float = option(0.0, "share of symbols whose vectors are dropped", minimum=0, below=1)
    weight_drop: float = option(0.0, "share of recurrent weights dropped", minimum=0, below=1)
    recurrent_dropout: float = option(
        0.0, "share of h dropped from recurrent products, by one mask for all steps", minimum=0, below=1
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_ends(vars(self))
        _check_model(self)

    @classmethod
    def preset(cls, name: str, **changes: Any) -> Self:
        """The configuration of the preset `name`, one of `carousel.training.language.presets.PRESETS`, with `changes`.

        >>> LanguageConfig.preset("zaremba-small", epochs=1).hidden_size
        200
        """
        return cls().override(**preset(name)).override(**changes)

    @property
    def rate(self) -> float:
        of_gru = self.model == "rnn" and self.cell.startswith("gru") and self.optimizer == "adamw"
        return GRU_RATE if self.lr is None and of_gru else super().rate

    def idle(self) -> dict[str, str]:
        of_tdnn = {"cell": "model rnn"} if self.model == "tdnn" else {}
        return super().idle() | of_tdnn | without_dropout(self)

    def absolute(self) -> Self:
        named = {name: value for name in _FILES if (value := getattr(self, name)) is not None}
        return self.override(
            paths=[_absolute(path) for path in self.paths],
            **{name: _absolute(path) for name, path in named.items()},
        )

    @property
    def piped(self) -> list[str]:
        """The options that name standard input."""
        return [name for name, value in self.sources.items() if value in (STDIN, [STDIN])]

    @property
    def sources(self) -> dict[str, Any]:
        """The sources of the text, as `carousel.data.find_parts` takes them."""
        return {"paths": self.paths} | {name: getattr(self, name) for name in _FILES[:-1]}

    @property
    def score_class(self) -> type[Score]:
        """The class of the scores of such a run."""
        return Score


def _absolute(path: str) -> str:
    return path if path == STDIN else os.path.abspath(os.path.expanduser(path))


def _check_model(config: LanguageConfig) -> None:
    """Raise CarouselError for an option of the other kind of model."""
    for model, names in MODEL_OPTIONS.items():
        for name in names if model != config.model else ():
            if (value := getattr(config, name)) != getattr(LanguageConfig, name):
                raise CarouselError(
                    f"{name} is an option of --model {model}; got {name}={value} for {config.model}. Leave one out."
                )
