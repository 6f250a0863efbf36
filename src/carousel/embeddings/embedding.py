"""Word vectors by one call, and what it returns: vectors, loss, and all that going on needs."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from carousel.embeddings.checkpoint import (
    State,
    alone,
    check_place,
    check_same,
    fingerprint,
    load_state,
    save_state,
)
from carousel.embeddings.checks import check_finite
from carousel.embeddings.config import EmbeddingConfig
from carousel.embeddings.corpus import Corpus, Source, load_corpus, load_more
from carousel.embeddings.position import Position
from carousel.embeddings.progress import Finished, Saved, warned
from carousel.embeddings.training import Trainer
from carousel.embeddings.vectors import Vectors
from carousel.embeddings.vocabulary import Vocabulary
from carousel.embeddings.weights import Weights
from carousel.errors import CarouselError, shown
from carousel.progress import Note, Observer, Stage

# How wide the first vectors lie: word2vec's 0.5, or gensim's 1. On 2.6 million words, means over seeds: cbow
# has 0.061 of analogies from 0.5 and 0.064 from 1; skip-gram has 0.183 of SimLex from 0.5 and 0.176 from 1.
WIDTH = {"skipgram": 0.5, "cbow": 1.0}


@dataclass(frozen=True)
class Embedding:
    """Trained word vectors with the state of their training.

    vectors: the words, the most frequent first, with their vectors and counts.
    loss: the mean loss of a prediction in held-out sentences at the end, in nats; None without any.
    history: (epochs, loss) at each estimate.

    >>> embedding = embed(["red green blue", "one two three"] * 50, dimension=8, min_count=1, held_out=0)
    >>> embedding.vectors
    Vectors(6 words, 8 dimensions)
    >>> more = embedding.train_more(["red yellow blue"] * 50)
    >>> "yellow" in more.vectors
    True
    """

    config: EmbeddingConfig
    vocabulary: Vocabulary
    weights: Weights
    position: Position
    text: int

    @property
    def vectors(self) -> Vectors:
        return Vectors(self.vocabulary.words, self.weights.vectors, self.vocabulary.counts)

    @property
    def history(self) -> list[tuple[float, float]]:
        return self.position.history

    @property
    def loss(self) -> float | None:
        """Of the vectors as they are: after early stopping the lowest, else the last."""
        losses = [loss for _, loss in self.history]
        if not losses:
            return None
        return min(losses) if self.config.patience else losses[-1]

    def save(self, path: str | Path) -> None:
        """Write vectors and training state to one file, atomically; `Vectors.load` opens it too."""
        save_state(path, State(self.config, self.vocabulary, self.weights, self.position, self.text))

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """What `save`, or a checkpoint, wrote.

        Raises CarouselError for a file that is missing, damaged, or holds word vectors without their training.
        """
        state = load_state(path)
        return cls(state.config, state.vocabulary, state.weights, state.position, state.text)

    def train_more(self, source: Source, *, on_progress: Observer = warned, **options: Any) -> "Embedding":
        """Go on with new text: a new embedding whose vectors begin where these are.

        The vocabulary grows by the words of the new text that come min_count times in it; counts are added up. The
        learning rate begins anew, so a smaller `lr` keeps more of the old. With hierarchical output the tree is made
        anew, and what it had learned begins at zero. With `checkpoint` the same call goes on where it was stopped.

        Raises CarouselError as `embed` does, and for another method, output or dimension.
        """
        fixed = {"method", "output", "dimension"} & options.keys()
        for name in sorted(fixed):
            if options[name] != getattr(self.config, name):
                raise CarouselError(
                    f"training goes on with the {name} it began with: {getattr(self.config, name)!r}; "
                    f"got {shown(options[name])}. Leave it out, or train anew."
                )
        config = self.config.override(**{"paths": [], "checkpoint": None, **options})

        def begin() -> Beginning:
            corpus, origin = load_more(source, config, self.vocabulary, on_progress)
            # from other vectors it is another training
            text = zlib.crc32(self.weights.vectors.data, fingerprint(corpus))
            weights = initial(config, len(origin))
            old = origin >= 0
            weights.input[old] = self.weights.input[origin[old]]
            if config.output == "negative":
                weights.output[old] = self.weights.output[origin[old]]
            return Beginning(corpus, weights, text)

        return _trained(config, begin, on_progress)


def embed(
    source: Source = None,
    *,
    config: EmbeddingConfig | None = None,
    init: Vectors | str | Path | None = None,
    on_progress: Observer = warned,
    **options: Any,
) -> Embedding:
    """Train word vectors on text.

    Skip-gram and cbow: Mikolov, Chen, Corrado, Dean 2013, "Efficient Estimation of Word Representations in Vector
    Space". Negative sampling, subsampling and phrases: Mikolov et al. 2013, "Distributed Representations of Words
    and Phrases and their Compositionality". Noise words shared over a window: Ji, Satish, Li, Dubey 2016.

    Args:
        source: a path or glob ("-": standard input), a list of Path objects, an iterable of sentences (strings, or
            lists of tokens), or None for the source of Python's own standard library.
        config: options; those given by name go before it. They are the fields of `EmbeddingConfig`.
        init: vectors, or a file of them, that the words they know begin with; the others are drawn. `dimension`
            is theirs.
        on_progress: is called with the events of `carousel.embeddings.progress`. Without it, a warning tells of files
            that were left out and of a held-out loss that cannot be estimated.

    Words are taken in NFC, without characters that nobody sees (soft hyphens, marks of byte order) and joiners that
    join nothing.

    Raises CarouselError for bad options, a source that cannot be read, text without two frequent words or without
    two of them in one sentence, and a checkpoint that another process trains into.

    >>> text = [["red", "green", "blue"], ["one", "two", "three"]] * 50
    >>> embedding = embed(text, dimension=8, epochs=2, min_count=1, held_out=0)
    >>> sorted(embedding.vectors.words)
    ['blue', 'green', 'one', 'red', 'three', 'two']
    """
    theirs = config is None and "dimension" not in options
    config = (config or EmbeddingConfig()).override(**options)
    config = config.settled(source is None and not config.paths)
    start = Vectors.load(init) if isinstance(init, str | Path) else init
    if start is not None and theirs:
        config = config.override(dimension=start.dimension)
    if start is not None and start.dimension != config.dimension:
        raise CarouselError(
            f"dimension must be that of the vectors to begin with, {start.dimension}; got {config.dimension}. "
            "Leave it out."
        )

    def begin() -> Beginning:
        corpus = load_corpus(source, config, on_progress)
        words, text = corpus.vocabulary.words, fingerprint(corpus)
        weights = initial(config, len(words))
        if start is not None:
            known = [k for k, word in enumerate(words) if word in start]
            if not known:
                raise CarouselError(
                    f"vectors to begin with must have a word of the text; of its {len(words):,} words, they have none. "
                    "Were they made by the same `tokens`, for the same language?"
                )
            given = start[[words[k] for k in known]]
            check_finite(given, [words[k] for k in known])  # a memory map was not read through
            weights.input[known, : config.dimension] = given
            on_progress(
                Note(f"{len(known):,} of {len(words):,} words begin with the vectors that were given")
            )
            text = zlib.crc32(weights.vectors.data, text)  # from other vectors it is another training
        return Beginning(corpus, weights, text)

    return _trained(config, begin, on_progress)


@dataclass(frozen=True)
class Beginning:
    """What training begins with; `text` is the checksum of all that must be the same when it goes on."""

    corpus: Corpus
    weights: Weights
    text: int


def initial(config: EmbeddingConfig, words: int) -> Weights:
    """The weights that training begins with."""
    # a tree has inner nodes, one fewer than words
    outputs = words - 1 if config.output == "hierarchical" else words
    return Weights.initial(words, outputs, config.dimension, config.seed, WIDTH[config.method])


def _trained(config: EmbeddingConfig, begin: Callable[[], Beginning], on_progress: Observer) -> Embedding:
    """Train from the beginning or, where there is a checkpoint, from there; no other process may be at it."""
    if config.checkpoint is None:
        return _go_on(config, begin, on_progress)
    check_place(config.checkpoint)
    with alone(config.checkpoint):
        return _go_on(config, begin, on_progress)


def _go_on(config: EmbeddingConfig, begin: Callable[[], Beginning], on_progress: Observer) -> Embedding:
    on_progress(Stage("reading the text"))
    begun = begin()
    weights, position = begun.weights, Position()
    if config.checkpoint is not None and Path(config.checkpoint).exists():
        state = load_state(config.checkpoint)
        check_same(state, config, begun.corpus.vocabulary.words, begun.text, config.checkpoint)
        done = "finished" if state.position.reason else f"at epoch {state.position.epoch + 1}"
        on_progress(Note(f"going on with {config.checkpoint}, {done}"))
        weights, position = state.weights, state.position
    return _train(config, begun.corpus, weights, position, begun.text, on_progress)


def _train(
    config: EmbeddingConfig,
    corpus: Corpus,
    weights: Weights,
    position: Position,
    text: int,
    on_progress: Observer,
) -> Embedding:
    path = config.checkpoint or ""
    trainer = Trainer(config, corpus, weights, position, on_progress)
    embedding = Embedding(config, corpus.vocabulary, weights, position, text)

    def save() -> None:
        embedding.save(path)
        on_progress(Saved(path))

    if position.reason is None:
        trainer.run(save if path else None)
        if path:
            save()
    speed = trainer.done / max(position.seconds, 1e-9) * corpus.tokens / max(trainer.tokens, 1)
    on_progress(Finished(position.reason or "", embedding.loss, position.seconds, speed))
    return embedding
