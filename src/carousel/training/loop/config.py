"""The options of a run that every kind of model shares: its loop, its length, its machine, its folder.

The configurations of `carousel train` extend this dataclass. The module loads no torch.
"""

import dataclasses
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml

from carousel.atomic import write_atomic
from carousel.errors import CarouselError
from carousel.options import check_names, option, seed_option, settle
from carousel.reading import check_version, parse_yaml, read_file

VERSION = 1
MOST_YAML = 1 << 22  # bytes: more than the paths that a command line can hold
RATE = 8e-3  # the learning rate where none is given
DEFAULT_MINUTES = 3.0
MOST_THREADS = max(1024, 4 * (os.cpu_count() or 1))  # far beyond, a system may crash instead of refusing
SCHEDULES = ("cosine", "linear", "constant", "decay")
LENGTHS = ("epochs", "minutes", "steps")  # three ways to set how long a run takes


@dataclass(frozen=True)
class LoopConfig:
    """The options of the loop, the session and the run folder; field metadata holds help texts, limits and choices.

    Raises CarouselError for a value of the wrong type or out of its limits.

    >>> LoopConfig(lr=0.0)
    Traceback (most recent call last):
    carousel.errors.CarouselError: lr must be above 0; got 0.0.
    """

    version: int = option(VERSION, "version of this configuration format", minimum=1, hidden=True)

    batch: int = option(16, "number of streams or sequences read side by side", minimum=1)
    bptt: int = option(64, "steps that the gradient goes back in time: the length of a window", minimum=1)
    epochs: float | None = option(None, "length in passes over the train part", above=0)
    minutes: float | None = option(
        None, f"length in minutes, turned into steps once (default: {DEFAULT_MINUTES:g})", above=0
    )
    steps: int | None = option(None, "length in steps: windows of all streams", minimum=1)

    optimizer: str = option("adamw", "how the gradient moves weights", choices=("adamw", "sgd", "rmsprop"))
    lr: float | None = option(RATE, "highest learning rate", above=0)
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
    seed: int = seed_option(1)
    threads: int | None = option(
        None, "number of threads (none: torch's choice)", minimum=1, maximum=MOST_THREADS
    )
    device: str = option("cpu", "where to train; resuming is exact on cpu", choices=("cpu", "cuda", "mps"))
    out: str | None = option(None, "run folder (none: the next number under runs/)")

    def __post_init__(self) -> None:
        settle(self)
        if self.epochs is not None and self.minutes is not None:
            raise CarouselError(
                f"give epochs or minutes, not both; got epochs={self.epochs:g} and minutes={self.minutes:g}."
            )

    @property
    def rate(self) -> float:
        """The highest learning rate, given or not."""
        return RATE if self.lr is None else self.lr

    def absolute(self) -> Self:
        """This configuration with absolute paths, so that the run can be resumed from any folder."""
        return self

    def idle(self) -> dict[str, str]:
        """The options that have no effect with the others, each with the option that it needs."""
        idle = {} if self.optimizer == "sgd" else {"momentum": "optimizer sgd"}
        falls = {} if self.schedule == "decay" else dict.fromkeys(("decay", "decay_after"), "schedule decay")
        return idle | falls

    def override(self, **changes: Any) -> Self:
        """This configuration with `changes`; a new length (epochs, minutes or steps) replaces the old one.

        Raises CarouselError for bad changes, and for a change that has no effect with the other options, because the
        caller expects an effect. A default or a preset may hold such an option.

        >>> LoopConfig(minutes=3, steps=900).override(epochs=1).steps is None
        True
        """
        check_names(changes, type(self))
        if any(changes.get(name) is not None for name in LENGTHS):
            changes = {**dict.fromkeys(LENGTHS), **changes}
        changed = dataclasses.replace(self, **changes)
        changed.check_given(changes)
        return changed

    def check_given(self, names: Iterable[str]) -> None:
        """Raise CarouselError if one of the options that a caller gave, by their names, has no effect."""
        idle = self.idle()
        for name in names:
            value = getattr(self, name)
            if name in idle and value is not None and value is not False:
                kind, needed = idle[name].split(maxsplit=1)
                raise CarouselError(
                    f"{name} belongs to {idle[name]}; got {name}={value} with {kind}={getattr(self, kind)}, where it "
                    f"has no effect. Leave {name} out, or give {kind} {needed}."
                )

    def with_steps(self, steps: int) -> Self:
        """This configuration with a number of steps; epochs or minutes stay as they were given."""
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
        check_version(version, VERSION, source)
        try:
            check_names(options, cls)
            config = cls(**options)
            if "version" not in options:  # a file that was saved names every option, given or not
                config.check_given(options)
            return config
        except CarouselError as error:
            raise CarouselError(f"{source}: {error}") from None

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a YAML file; raises CarouselError for a missing, broken, unknown or newer one."""
        return cls.from_dict(read_options(path), source=str(path))

    def save(self, path: str | Path) -> None:
        """Write every option as YAML, atomically."""
        write_atomic(path, yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True))


def without_dropout(config: Any) -> dict[str, str]:
    """The idle options of a configuration in which nothing is dropped."""
    return {} if config.dropout else {"locked_dropout": "dropout above 0"}


def read_options(path: str | Path) -> Any:
    """The content of a YAML file, {} of an empty one; raises CarouselError for a missing or broken one."""
    options = parse_yaml(read_file(path, "a YAML configuration", MOST_YAML), path)
    return {} if options is None else options
