"""From a configuration to its task: read the data."""

from carousel.models.architectures import load_model
from carousel.progress import Observer, Stage, silent
from carousel.training.configs import AnyConfig
from carousel.training.language import corpus
from carousel.training.language.task import LanguageTask
from carousel.training.language.warm_start import check_warm_start
from carousel.training.run.folder import RunFolder, weights_of
from carousel.training.run.task import Task
from carousel.training.sequences.config import SequenceConfig
from carousel.training.sequences.task import SequenceTask


def open_task(config: AnyConfig, folder: RunFolder | None = None, on_progress: Observer = silent) -> Task:
    """Read the data that `config` names; `folder` holds what a resumed run has stored.

    Raises CarouselError for data that cannot be learned from.
    """
    if isinstance(config, SequenceConfig):
        on_progress(Stage("reading the data"))
        return SequenceTask.read(config)
    on_progress(Stage("reading the text"))
    text = corpus.load(config, folder, on_progress)
    warm_start = config.from_ is not None
    if not warm_start or (folder is not None and folder.checkpoint.exists()):
        return LanguageTask(text, warm_start)
    check_warm_start(config)
    return LanguageTask(text, warm_start, load_model(weights_of(str(config.from_))).state_dict())
