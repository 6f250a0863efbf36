"""Sequences for the loop and its session: data, model, windows and scores."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from torch import Tensor

from carousel.data.sequences import (
    Encoding,
    Layout,
    Parts,
    Sequences,
    Span,
    from_table,
    read_table,
    split_by_sequence,
    split_by_time,
)
from carousel.errors import CarouselError
from carousel.models.memory import check_memory
from carousel.models.sequences.model import KIND, SequenceModel
from carousel.models.tensors import load_description
from carousel.nn.random_numbers import seeded
from carousel.training.loop.loop import Loop
from carousel.training.run.checkpoint import describe_checkpoint
from carousel.training.run.folder import RunFolder
from carousel.training.sequences.config import SequenceConfig
from carousel.training.sequences.objectives_by_task import OBJECTIVES
from carousel.training.sequences.row import SequenceRow
from carousel.training.sequences.score import Loss
from carousel.training.sequences.storage import load_sequences, save_sequences
from carousel.training.sequences.windows import SequenceWindows


class SequenceTask:
    """Sequences in three parts, and their objective; see `carousel.training.run.task.Task`."""

    what = "data"
    speed_unit = "steps"
    rows = SequenceRow
    stores_data = False  # the data in the run folder: those of a CSV file stay where they are
    held = 0  # sequences at the end that are a separate test part

    def __init__(
        self, config: SequenceConfig, sequences: Sequences, parts: Parts, layout: Layout | None = None
    ) -> None:
        """Raises CarouselError for data that cannot be learned from."""
        self.sequences, self.parts, self.layout = sequences, parts, layout
        self.head = config.head
        self.encoding = Encoding.fit(sequences, parts.train, log=config.log)
        self.labels = sequences.labels
        encoded = [self.encoding.encode(item) for item in sequences.items]
        self.encoded = encoded
        self.objective = OBJECTIVES[config.task](
            sequences, self.head, encoded, labels=self.labels, encoding=self.encoding, train=parts.train
        )
        self.objective.check(parts.valid, f"the valid part of {sequences.source}")
        self.objective.check(parts.test, f"the test part of {sequences.source}")

    @classmethod
    def read(cls, config: SequenceConfig) -> SequenceTask:
        """The task of a CSV file, or of a run folder that stores its data; raises CarouselError for bad data."""
        folder = RunFolder(config.out) if config.out else None
        if folder and folder.data.exists():
            return cls.of(config, *load_sequences(folder.data))
        if len(config.paths) != 1:
            raise CarouselError(
                f"task {config.task} learns from one CSV file; got {len(config.paths)}. Give its path (for data in "
                "memory there is carousel.fit)."
            )
        sequences = from_table(read_table(config.paths[0]), config.layout)
        held = None if config.test_file is None else from_table(read_table(config.test_file), config.layout)
        return cls.of(config, sequences, held, config.layout)

    @classmethod
    def of_run(cls, folder: RunFolder) -> SequenceTask:
        """The task of a run, with the data as they were when the run began.

        Raises CarouselError if the run learned from text, and if the data have changed.
        """
        config = folder.load_config()
        if not isinstance(config, SequenceConfig):
            raise CarouselError(
                f"{folder.path} must be a run on sequences; it learned from text. Pass another run."
            )
        task = cls.read(config)
        if describe_checkpoint(folder.checkpoint).get("text") != task.fingerprint:
            raise CarouselError(
                f"the data of {folder.path} have changed since the run began, and with them the test part. Put them "
                "back, or pass other data."
            )
        return task

    @classmethod
    def of(
        cls,
        config: SequenceConfig,
        sequences: Sequences,
        held: Sequences | None = None,
        layout: Layout | None = None,
    ) -> SequenceTask:
        """The task of sequences, cut into parts by `config`; `held`: a separate test part."""
        if held is None:
            return cls(config, sequences, _parts(config, sequences, config.test), layout)
        if (held.numbers, held.symbols) != (sequences.numbers, sequences.symbols):
            raise CarouselError(
                f"the test data must have the columns of those to learn from, {', '.join(sequences.numbers)}; "
                f"{held.source} has {', '.join(held.numbers)}."
            )
        parts = _parts(config, sequences, 0.0)
        whole = Sequences(
            [*sequences.items, *held.items],
            sequences.numbers,
            sequences.symbols,
            sequences.targets,
            sequences.source,
            sequences.time,
        )
        tested = [Span(len(sequences) + k, 0, len(item)) for k, item in enumerate(held.items)]
        task = cls(config, whole, Parts(parts.train, parts.valid, tested), layout)
        task.held = len(held)
        return task

    @cached_property
    def fingerprint(self) -> str:
        return self.sequences.fingerprint

    @property
    def contents(self) -> str:
        steps = sum(span.stop - span.first for span in self.parts.train)
        number = len(self.parts.train)
        order = "" if self.sequences.time is None else f" in the order of the column {self.sequences.time!r}"
        return f"{number:,} sequence{'s' if number > 1 else ''} of {steps:,} steps to learn from{order}"

    def in_words(self, score: Any) -> str:
        return str(score)

    def begin(self, folder: RunFolder) -> None:
        """Store data in memory, if the run folder stays."""
        if self.stores_data:
            save_sequences(folder.data, self.sequences, self.held, self.layout)

    def model(self, config: SequenceConfig) -> SequenceModel:
        """The model that `config` names, with first weights from torch's random state."""
        check_memory(lambda: self._made(config))
        return self._made(config)

    def _made(self, config: SequenceConfig) -> SequenceModel:
        model = SequenceModel(head=config.head, **config.model_options)
        model.prepare(self.encoding, self.labels, self.sequences.targets, self.layout)
        return model

    def loop(self, config: SequenceConfig) -> Loop[SequenceModel]:
        # a label of the whole needs the whole
        length = config.bptt if self.head.each_step else None
        batches = SequenceWindows(
            self.parts.train,
            self.objective.batch,
            batch=config.batch,
            length=length,
            lead=self.objective.lead,
            seed=config.seed,
        )
        with seeded(config.seed):
            model = self.model(config)
        return Loop(config, model, batches, self.objective.loss)

    def evaluate(self, model: SequenceModel, *, sample: bool = False) -> Any:
        return self.objective.score(model, self.parts.valid)

    def is_guess(self, score: Any) -> bool:
        return self.objective.is_guess(score)

    def train_score(self, nats: float) -> Any:
        return Loss(nats)

    def seen_by_monitor(self, window: tuple[Tensor, ...], instances: int) -> tuple[Any, ...]:
        x, lengths, *_ = window
        lengths = lengths[:instances].cpu()
        return x[: int(lengths.max()), :instances], lengths

    def finish(self, folder: RunFolder, model: SequenceModel, config: SequenceConfig) -> tuple[Any, Any]:
        """Calibrates the model on the valid part."""
        if self.objective.calibrate(model, self.parts.valid):
            model.save(folder.weights, load_description(folder.weights, KIND).get("about"))
        return self.objective.score(model, self.parts.valid), self.objective.score(model, self.parts.test)


def _parts(config: SequenceConfig, sequences: Sequences, test: float) -> Parts:
    """Hold out whole sequences; for a forecast, and where there are few sequences, the end of each."""
    if len(sequences) >= config.head.held_out_from:
        return split_by_sequence(sequences, config.valid, test, config.seed)
    return split_by_time(sequences, config.valid, test)
