"""Which kind of configuration a file holds: that of a language model, or of sequences, which names a task."""

from pathlib import Path
from typing import Any

from carousel.training.language.config import LanguageConfig
from carousel.training.loop.config import read_options
from carousel.training.sequences.config import SequenceConfig

AnyConfig = LanguageConfig | SequenceConfig


def kind_of(options: Any) -> type[LanguageConfig] | type[SequenceConfig]:
    """The configuration that takes such options: of sequences, if they name a task."""
    return SequenceConfig if isinstance(options, dict) and options.get("task") is not None else LanguageConfig


def read_config(path: str | Path) -> AnyConfig:
    """Read a YAML file; raises CarouselError for a missing, broken, unknown or newer one."""
    options = read_options(path)
    return kind_of(options).from_dict(options, source=str(path))
