"""Every option of a training run, each with its default, its limits and its meaning, in one place.

The command line and `config.yaml` are derived from this dataclass. It loads no torch.
"""

import dataclasses
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import yaml

from carousel.atomic import write_atomic
from carousel.errors import CarouselError
from carousel.models.cells import CELLS, MODELS
from carousel.options import check_names, described, option, settle
from carousel.training.presets import preset

VERSION = 1
DEFAULT_MINUTES = 3.0
MOST_THREADS = max(1024, 4 * (os.cpu_count() or 1))  # far beyond, a system may crash instead of refusing
WORDS = ("word", "token")  # levels whose unknown words hide their characters: perplexity says more there
SCHEDULES = ("cosine", "linear", "constant", "decay")
LENGTHS = ("epochs", "minutes", "steps")  # three ways to say how long; the first given decides


@dataclass(frozen=True)
class Config:
    """The options of `carousel train`; field metadata holds the help text, the limits and the choices.

    Raises CarouselError for a value of the wrong type or out of its limits.

    >>> Config(hidden=256, epochs=2).hidden
    256
    >>> Config(hidden=0)
    Traceback (most recent call last):
    carousel.errors.CarouselError: hidden must be at least 1; got 0.
    """

    version: int = option(VERSION, "version of this configuration format", minimum=1, hidden=True)
    paths: list[str] = field(
        default_factory=list,
        metadata=described("files, folders or globs of text (none: Python's own standard library)"),
    )

    level: str = option("bpe", "what a symbol is", choices=("char", "word", "bpe", "token"))
    vocabulary_size: int | None = option(None, "most symbols told apart (none: the level's own)", minimum=2)

    model: str = option("rnn", "recurrent, or a time-delay network of the last N symbols", choices=MODELS)
    cell: str = option("lstm", "recurrent cell", choices=tuple(CELLS))
    hidden: int = option(384, "units of each layer", minimum=1)
    layers: int = option(1, "number of hidden layers", minimum=1)
    context: int | None = option(None, "tdnn: N, how many symbols a prediction sees (none: 4)", minimum=1)
    direct: bool = option(False, "tdnn: connect the symbols' vectors with the output directly")
    embedding: int | None = option(
        None,
        "size of the symbols' vectors (none: hidden if --tie, else at most 128, of a tdnn 60)",
        minimum=1,
    )
    one_hot: bool = option(False, "feed symbols as one-hot vectors, without a projection")
    tie: bool = option(False, "use the symbols' vectors as output weights too; embedding equals hidden")
    uniform: float | None = option(None, "weights start uniform in +- this (none: by their layer)", above=0)

    dropout: float = option(0.0, "share of values dropped before, between, after layers", minimum=0, below=1)
    locked_dropout: bool = option(False, "dropout with one mask for all steps of a window")
    embedding_dropout: float = option(0.0, "share of symbols whose vectors are dropped", minimum=0, below=1)
    weight_drop: float = option(0.0, "share of recurrent weights dropped", minimum=0, below=1)
    recurrent_dropout: float = option(
        0.0, "share of h dropped from recurrent products, by one mask for all steps", minimum=0, below=1
    )

    batch: int = option(16, "number of streams read side by side", minimum=1)
    bptt: int = option(64, "steps that the gradient goes back in time: the length of a window", minimum=1)
    epochs: float | None = option(None, "length in passes over the train files", above=0)
    minutes: float | None = option(
        None, f"length in minutes, turned into steps once (default: {DEFAULT_MINUTES:g})", above=0
    )
    steps: int | None = option(None, "length in steps: windows of all streams", minimum=1)

    optimizer: str = option("adamw", "how the gradient moves weights", choices=("adamw", "sgd", "rmsprop"))
    lr: float = option(8e-3, "highest learning rate", above=0)
    momentum: float = option(0.9, "Nesterov momentum of sgd", minimum=0, below=1)
    schedule: str = option("cosine", "how the learning rate falls after the warm-up", choices=SCHEDULES)
    decay: float = option(2.0, "schedule decay: what the learning rate is divided by each epoch", minimum=1)
    decay_after: int = option(4, "schedule decay: epochs before the first division", minimum=0)
    warmup: int = option(100, "steps in which the learning rate rises (at most a tenth)", minimum=0)
    weight_decay: float = option(0.01, "decay of weight matrices per step, times lr", minimum=0)
    clip: float = option(1.0, "largest norm of the gradient; longer ones are cut to it (0: never)", minimum=0)
    patience: int = option(5, "stop after so many evaluations without a better one (0: never)", minimum=0)
    evaluate_every: int | None = option(None, "steps between evaluations (none: 20 in all)", minimum=1)
    monitor: int = option(
        100, "steps between looks at gradient, saturation and memory, at least (0: never)", minimum=0
    )

    precision: str = option(
        "float32",
        "numbers that products are computed in; weights stay float32",
        choices=("float32", "bfloat16"),
    )
    seed: int = option(1, "seed of every random choice", minimum=0)
    threads: int | None = option(
        None, "number of threads (none: torch's choice)", minimum=1, maximum=MOST_THREADS
    )
    device: str = option("cpu", "where to train; resuming is exact on cpu", choices=("cpu", "cuda", "mps"))
    out: str | None = option(None, "run folder (none: the next number under runs/)")

    def __post_init__(self) -> None:
        settle(self)
        _check_together(self)

    @classmethod
    def preset(cls, name: str, **changes: Any) -> Self:
        """A configuration from `carousel.training.presets`, with `changes`.

        >>> Config.preset("zaremba-small", epochs=1).hidden
        200
        """
        return cls().override(**preset(name)).override(**changes)

    def override(self, **changes: Any) -> Self:
        """This configuration with `changes`; a new length (epochs, minutes or steps) replaces the old one.

        >>> Config(minutes=3, steps=900).override(epochs=1).steps is None
        True
        """
        check_names(changes, type(self))
        if any(changes.get(name) is not None for name in LENGTHS):
            changes = {**dict.fromkeys(LENGTHS), **changes}
        return dataclasses.replace(self, **changes)

    def with_steps(self, steps: int) -> Self:
        """This configuration with its length settled; the epochs or minutes asked for stay on record."""
        return dataclasses.replace(self, steps=steps)

    def to_dict(self) -> dict[str, Any]:
        """The options by name, as plain values that YAML and JSON can hold."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, options: Any, source: str = "the configuration") -> Self:
        """The configuration with these options, defaults for all others; `source` is named in errors."""
        if not isinstance(options, dict):
            raise CarouselError(f"{source} must hold `name: value` lines; got {type(options).__name__}.")
        version = options.get("version", VERSION)
        if isinstance(version, int) and version > VERSION:
            raise CarouselError(
                f"{source} has version {version}, but this Carousel knows versions up to {VERSION}. "
                "Upgrade carousel-rnn."
            )
        try:
            check_names(options, cls)
            return cls(**options)
        except CarouselError as error:
            raise CarouselError(f"{source}: {error}") from None

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a YAML file; raises CarouselError for a missing, broken, unknown or newer one."""
        try:
            options = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise CarouselError(f"{path} does not exist. Give the path of a YAML configuration.") from None
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise CarouselError(f"{path} is not a readable YAML file: {error}") from None
        return cls.from_dict({} if options is None else options, source=str(path))

    def save(self, path: str | Path) -> None:
        """Write every option as YAML, atomically."""
        write_atomic(path, yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True))


def _check_together(config: Config) -> None:
    """The rules between options."""
    if config.epochs is not None and config.minutes is not None:
        raise CarouselError(
            f"give epochs or minutes, not both; got epochs={config.epochs:g} and minutes={config.minutes:g}."
        )
    if config.one_hot and config.tie:
        raise CarouselError("tie shares the symbols' vectors, but one_hot has none; give one of the two.")
    if config.one_hot and config.embedding is not None:
        raise CarouselError(f"one_hot has no symbols' vectors; leave embedding={config.embedding} out.")
    if config.tie and config.embedding not in (None, config.hidden):
        raise CarouselError(
            "tie needs embedding equal to hidden; "
            f"got embedding={config.embedding} and hidden={config.hidden}. Leave embedding out."
        )
    if config.one_hot and config.embedding_dropout:
        raise CarouselError(
            "embedding_dropout drops symbols' vectors, but one_hot has none; give one of the two."
        )
    _check_model(config)


def _check_model(config: Config) -> None:
    """Options that belong to one kind of model."""
    foreign = (
        {"context": None, "direct": False}
        if config.model == "rnn"
        else {
            "weight_drop": 0.0,
            "recurrent_dropout": 0.0,
        }
    )
    for name, unset in foreign.items():
        if (value := getattr(config, name)) != unset:
            other = "tdnn" if config.model == "rnn" else "rnn"
            raise CarouselError(
                f"{name} is an option of --model {other}; got {name}={value} for {config.model}. Leave one out."
            )
    if config.direct and (config.one_hot or config.tie):
        other, why = (
            ("one_hot", "has none") if config.one_hot else ("tie", "needs output weights of their size")
        )
        raise CarouselError(
            f"direct connects the symbols' vectors with the output, and {other} {why}; give one of the two."
        )
