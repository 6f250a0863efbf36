"""Every option of training word vectors, each with its default, its limits and its meaning, in one place.

The command line is derived from this dataclass. It loads neither torch nor NumPy.
"""

import dataclasses
import os
from dataclasses import dataclass, field
from typing import Any, Self

from carousel.errors import CarouselError
from carousel.options import check_names, described, option, seed_option, settle

VERSION = 1
MOST_THREADS = 1024
MIN_COUNT, LIBRARY_MIN_COUNT = 5, 20  # a name that one module uses tells little of the language
EPOCHS, LIBRARY_EPOCHS = 5, 15  # the library is small
LR = {"skipgram": 0.025, "cbow": 0.05}


@dataclass(frozen=True)
class EmbeddingConfig:
    """The options of `carousel.embed`; field metadata holds the help text, the limits and the choices.

    Raises CarouselError for a value of the wrong type or out of its limits.

    >>> EmbeddingConfig(method="cbow").learning_rate
    0.05
    >>> EmbeddingConfig(window=0)
    Traceback (most recent call last):
    carousel.errors.CarouselError: window must be at least 1; got 0.
    """

    version: int = option(VERSION, "version of this configuration format", minimum=1, hidden=True)
    paths: list[str] = field(
        default_factory=list,
        metadata=described(
            "files (plain, .gz, .bz2, .xz), folders or globs of text, or - for standard input (none: Python's own "
            "standard library)"
        ),
    )

    tokens: str | None = option(
        None,
        "what a token is: lowercase words, whatever stands between spaces, or the words of identifiers in source "
        "code (none: words; identifiers for the standard library)",
        choices=("words", "spaces", "identifiers"),
    )
    sentences: str | None = option(
        None,
        "what ends a sentence, which no window crosses (none: line; file for the standard library)",
        choices=("line", "paragraph", "file"),
    )
    min_count: int | None = option(
        None,
        f"leave out words that come less often (none: {MIN_COUNT}; {LIBRARY_MIN_COUNT} for the standard library)",
        minimum=1,
    )
    max_vocabulary: int | None = option(None, "keep so many words, the most frequent", minimum=1)
    phrases: int = option(
        0, "passes that join frequent pairs (new_york): 1 pairs, 2 up to four words", minimum=0, maximum=100
    )
    phrase_threshold: float = option(10.0, "score from which a pair is a phrase; higher is fewer", above=0)

    method: str = option(
        "skipgram",
        "skipgram: each word of the window predicts the middle one; cbow: all together",
        choices=("skipgram", "cbow"),
    )
    output: str = option(
        "negative",
        "how a prediction is made cheap: noise words to tell apart, or a Huffman tree",
        choices=("negative", "hierarchical"),
    )
    dimension: int = option(100, "numbers in each vector", minimum=1, maximum=100_000)
    window: int = option(
        5,
        "words to each side, at most; drawn from 1 to this for each position",
        minimum=1,
        maximum=10_000,  # no sentence is longer
    )
    negatives: int = option(5, "noise words for each prediction", minimum=1, maximum=1_000)
    shared_negatives: bool = option(
        True,
        "draw noise words once for a window instead of once for each pair (skip-gram): several times faster",
    )
    noise_exponent: float = option(
        0.75, "noise words are drawn by their counts to this power", minimum=-8, maximum=8
    )
    combine: str = option("mean", "how cbow makes one vector of a window", choices=("mean", "sum"))
    sample: float = option(
        1e-3, "words more frequent than this share are left out at random, the more the more frequent (0: never)",
        minimum=0, maximum=1,
    )  # fmt: skip

    epochs: int | None = option(
        None,
        f"passes over the text (none: {EPOCHS}; {LIBRARY_EPOCHS} for the standard library)",
        minimum=1,
        maximum=1_000_000,
    )
    lr: float | None = option(
        None, "learning rate at the beginning; falls linearly to 0 (none: 0.025 skipgram, 0.05 cbow)", above=0
    )
    held_out: float = option(
        0.01,
        "share of the sentences kept out of training for the loss, at most about 20,000 words (0: no loss)",
        minimum=0,
        maximum=0.5,
    )
    evaluations: int = option(
        4, "how often in each epoch the held-out loss is estimated", minimum=1, maximum=1_000_000
    )
    patience: int = option(
        0,
        "stop after so many evaluations without a better one, and keep the best vectors (0: never)",
        minimum=0,
    )

    seed: int = seed_option(1)
    threads: int | None = option(None, "number of threads (none: all cores)", minimum=1, maximum=MOST_THREADS)
    deterministic: bool = option(False, "the same bits every time: one thread, whatever is asked for")
    checkpoint: str | None = option(
        None, "file to save the state of training in; an interrupted one goes on from it"
    )
    checkpoint_seconds: float = option(60.0, "seconds between checkpoints", above=0)

    def __post_init__(self) -> None:
        settle(self)
        if self.patience and not self.held_out:
            raise CarouselError(
                "patience needs a held-out loss; got held_out 0. Give held_out, or leave patience out."
            )

    @property
    def learning_rate(self) -> float:
        """The learning rate at the beginning."""
        return LR[self.method] if self.lr is None else self.lr

    @property
    def passes(self) -> int:
        """Epochs."""
        return self.epochs or EPOCHS

    @property
    def least(self) -> int:
        """How often a word must come."""
        return self.min_count or MIN_COUNT

    def settled(self, library: bool) -> Self:
        """This configuration with defaults for what is None; `library` chooses those for Python's own source.

        >>> EmbeddingConfig().settled(library=False).epochs
        5
        """
        tokens, sentences, epochs, least = (
            ("identifiers", "file", LIBRARY_EPOCHS, LIBRARY_MIN_COUNT)
            if library
            else ("words", "line", EPOCHS, MIN_COUNT)
        )
        return self.override(
            tokens=self.tokens or tokens,
            sentences=self.sentences or sentences,
            epochs=self.epochs or epochs,
            min_count=self.min_count or least,
        )

    @property
    def team(self) -> int:
        """Threads that train."""
        return 1 if self.deterministic else self.threads or os.cpu_count() or 1

    def override(self, **changes: Any) -> Self:
        """This configuration with `changes`.

        >>> EmbeddingConfig().override(dimension=50).dimension
        50
        """
        check_names(changes, type(self))
        return dataclasses.replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """The options by name, as plain values."""
        return dataclasses.asdict(self)
