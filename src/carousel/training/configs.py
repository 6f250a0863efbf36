"""The two kinds of configuration: for a language model, and for sequences, which names a task."""

from pathlib import Path
from typing import Any

from carousel.training.language.config import LanguageConfig
from carousel.training.loop.config import read_options
from carousel.training.sequences.config import SequenceConfig

AnyConfig = LanguageConfig | SequenceConfig


def kind_of(options: Any) -> type[LanguageConfig] | type[SequenceConfig]:
    """The class of configuration with these options: `SequenceConfig` if they name a task."""
    return SequenceConfig if isinstance(options, dict) and options.get("task") is not None else LanguageConfig


def read_config(path: str | Path) -> AnyConfig:
    """Read a YAML file; raises CarouselError for a missing, broken, unknown or newer one."""
    options = read_options(path)
    return kind_of(options).from_dict(options, source=str(path))
