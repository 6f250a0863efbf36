"""What a session needs of each kind of model: its data, loss, score and files."""

from typing import Any, Protocol

from torch import Tensor

from carousel.training.loop.loop import Loop
from carousel.training.run.folder import RunFolder
from carousel.training.run.metrics import CsvRow
from carousel.training.run.progress import AnyScore


class Task(Protocol):
    """A kind of model with the data of one run."""

    @property
    def what(self) -> str:
        """A word for the data, as errors use it."""

    @property
    def rows(self) -> type[CsvRow]:
        """The class of the rows in metrics.csv."""

    @property
    def fingerprint(self) -> str:
        """A hash of the data, by which a resumed run notices that they have changed."""

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
        """The score that belongs to a mean loss on windows of the train part."""

    def seen_by_monitor(self, window: tuple[Tensor, ...], instances: int) -> tuple[Any, ...]:
        """What the model is called with, for the first sequences of a window."""

    def finish(self, folder: RunFolder, model: Any, config: Any) -> tuple[AnyScore, AnyScore]:
        """The scores of the best weights on the whole valid and test parts, after the last files are written."""
