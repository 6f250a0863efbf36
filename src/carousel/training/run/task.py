"""What differs from one kind of model to another: data, loss, score, files. The session asks for it here."""

from pathlib import Path
from typing import Any, Protocol

from torch import Tensor, nn

from carousel.training.loop.loop import Loop
from carousel.training.run.folder import RunFolder
from carousel.training.run.metrics import CsvRow
from carousel.training.run.score import AnyScore


class Task(Protocol):
    """A kind of model with the data of one run."""

    @property
    def what(self) -> str:
        """The data, in a word."""

    @property
    def rows(self) -> type[CsvRow]:
        """Of metrics.csv."""

    @property
    def fingerprint(self) -> str:
        """A hash of the data: a run is resumed with what it began with."""

    @property
    def contents(self) -> str:
        """The sizes of the data, in words."""

    @property
    def speed_unit(self) -> str:
        """What is counted in the speed of training: tokens, or steps of time."""

    def in_words(self, score: Any) -> str:
        """A score by the number that one watches."""

    def begin(self, folder: RunFolder) -> None:
        """Write what belongs to the data, before the first step."""

    def loop(self, config: Any) -> Loop[Any]:
        """A loop that learns the train part; everything random follows from the seed."""

    def evaluate(self, model: Any, *, sample: bool = False) -> AnyScore:
        """The score on the valid part, or on a sample of it."""

    def is_guess(self, score: Any) -> bool:
        """Whether a score may be no better than that of a guess, or of the weights that the run began with."""

    def train_score(self, nats: float) -> AnyScore:
        """The mean loss of windows of the train part as a score."""

    def seen_by_monitor(self, window: tuple[Tensor, ...], instances: int) -> tuple[Any, ...]:
        """What the model is called with, for the first sequences of a window."""

    def save(self, model: Any, path: Path, about: dict[str, Any]) -> None:
        """Write a model and all that using it takes."""

    def load(self, path: Path) -> nn.Module:
        """The model that `save` wrote."""

    def finish(self, folder: RunFolder, model: Any, config: Any) -> tuple[AnyScore, AnyScore]:
        """What is due once the best weights are known; their scores on the whole valid and test parts."""
