"""From a configuration to its task, with the data read."""

from pathlib import Path

from carousel.training import corpus
from carousel.training.configs import AnyConfig
from carousel.training.language import LanguageTask
from carousel.training.progress import Observer, Stage, silent
from carousel.training.sequences.config import SequenceConfig
from carousel.training.sequences.task import SequenceTask
from carousel.training.task import Task


def open_task(config: AnyConfig, vocabulary: Path | None = None, on_event: Observer = silent) -> Task:
    """Read the data that `config` names; of a run that goes on, its symbols are in the file `vocabulary`.

    Raises CarouselError for data that cannot be learned from.
    """
    if isinstance(config, SequenceConfig):
        on_event(Stage("reading the data"))
        return SequenceTask.read(config)
    on_event(Stage("reading the text"))
    return LanguageTask(corpus.load(config, vocabulary, on_event))
