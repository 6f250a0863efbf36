"""Word vectors by one call: `embed`, and the `Embedding` that it returns, from which training can go on."""

import zlib
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Self

from carousel.embeddings.checkpoint import (
    Position,
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
from carousel.embeddings.progress import Finished, Saved, warn_of_missing
from carousel.embeddings.training import Trainer
from carousel.embeddings.vectors import Vectors
from carousel.embeddings.weights import Weights
from carousel.errors import CarouselError, shown
from carousel.progress import Note, Observer, Stage

# How wide the first vectors lie: word2vec's 0.5, or gensim's 1. On 2.6 million words, means over seeds: cbow
# has 0.061 of analogies from 0.5 and 0.064 from 1; skip-gram has 0.183 of SimLex from 0.5 and 0.176 from 1.
WIDTH = {"skipgram": 0.5, "cbow": 1.0}


class Embedding(State):
    """Trained word vectors with the state of their training: what `embed` returns.

    `vectors` is what most callers need. `config` holds the options, `vocabulary` the words and counts, `weights` the
    two trained matrices, `position` where training stands, and `text` a checksum of the text.

    >>> embedding = embed(["red green blue", "one two three"] * 50, dimension=8, min_count=1, held_out=0)
    >>> embedding.vectors
    Vectors(6 words, 8 dimensions)
    >>> embedding.save("colours.safetensors")
    >>> more = Embedding.load("colours.safetensors").train_more(["red yellow blue"] * 50)
    >>> "yellow" in more.vectors
    True
    """

    @property
    def vectors(self) -> Vectors:
        """The words, the most frequent first, with their vectors and counts."""
        return Vectors(self.vocabulary.words, self.weights.vectors, self.vocabulary.counts)

    @property
    def history(self) -> list[tuple[float, float]]:
        """(epochs, held-out loss) at each estimate."""
        return self.position.history

    @property
    def loss(self) -> float | None:
        """The mean loss of a prediction in held-out sentences, in nats; None without any.

        It is that of the vectors as they are: after early stopping the lowest, else the last.
        """
        losses = [loss for _, loss in self.history]
        if not losses:
            return None
        return min(losses) if self.config.patience else losses[-1]

    def save(self, path: str | Path) -> None:
        """Write vectors and training state to the file `path`, atomically; `Vectors.load` opens it too.

        Raises CarouselError if the disk refuses.
        """
        save_state(path, self)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save`, or a checkpoint, wrote to `path`.

        Raises CarouselError for a file that is missing, damaged, or holds word vectors without their training.
        """
        return cls(**vars(load_state(path)))

    def train_more(
        self, source: Source, *, on_progress: Observer = warn_of_missing, **options: Any
    ) -> "Embedding":
        """Train on new text: a new embedding whose vectors begin where these are.

        `source`, `on_progress` and the options are those of `embed`. Words that occur min_count times in the new text
        join the vocabulary; counts are added up. The learning rate begins anew, so a smaller `lr` keeps more of the old
        vectors. With hierarchical output the tree is built anew, and its weights begin at zero. With `checkpoint`, the
        same call goes on where it was stopped.

        Raises CarouselError as `embed` does, and for another method, output or dimension.
        """
        fixed = {"method", "output", "dimension"} & options.keys()
        for name in sorted(fixed):
            if options[name] != getattr(self.config, name):
                raise CarouselError(
                    f"{name} must stay what training began with, {getattr(self.config, name)!r}; got "
                    f"{shown(options[name])}. Leave {name} out, or train anew."
                )
        config = self.config.override(**{"paths": [], "checkpoint": None, **options})

        def begin() -> tuple[Corpus, Weights, int]:
            corpus, origin = load_more(source, config, self.vocabulary, on_progress)
            # from other vectors it is another training
            text = zlib.crc32(self.weights.vectors.data, fingerprint(corpus))
            weights = initial(config, len(origin))
            old = origin >= 0
            weights.input[old] = self.weights.input[origin[old]]
            if config.output == "negative":
                weights.output[old] = self.weights.output[origin[old]]
            return corpus, weights, text

        return _trained(config, begin, on_progress)


def embed(
    source: Source = None,
    *,
    config: EmbeddingConfig | None = None,
    init: Vectors | str | Path | None = None,
    on_progress: Observer = warn_of_missing,
    **options: Any,
) -> Embedding:
    """Train word vectors on text.

    Skip-gram and cbow: Mikolov, Chen, Corrado, Dean 2013, "Efficient Estimation of Word Representations in Vector
    Space". Negative sampling, subsampling and phrases: Mikolov et al. 2013, "Distributed Representations of Words
    and Phrases and their Compositionality". Noise words shared over a window: Ji, Satish, Li, Dubey 2016.

    Args:
        source: a path or glob ("-": standard input), a list of Path objects, an iterable of sentences (strings, or
            lists of tokens), or None for the source of Python's own standard library.
        config: the options. They are the fields of `EmbeddingConfig`; an option given by name overrides `config`.
        init: vectors, or a file of vectors. Words that have one begin with it, the others at random; `dimension` is
            that of the vectors.
        on_progress: a function that is called with the events of `carousel.embeddings.progress`. Without it, a warning
            names files that were left out and a held-out loss that cannot be estimated.

    Words are in NFC. Invisible characters (soft hyphens, byte order marks) are removed, and so are joiners that join
    nothing.

    Raises CarouselError for invalid options, a source that cannot be read, text without two frequent words in one
    sentence, and a checkpoint that another process trains into.

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
            f"dimension must be that of the initial vectors, {start.dimension}; got {config.dimension}. "
            "Leave dimension out."
        )

    def begin() -> tuple[Corpus, Weights, int]:
        corpus = load_corpus(source, config, on_progress)
        words, text = corpus.vocabulary.words, fingerprint(corpus)
        weights = initial(config, len(words))
        if start is not None:
            known = [k for k, word in enumerate(words) if word in start]
            if not known:
                raise CarouselError(
                    f"init must have a vector for at least one of the {len(words):,} words of the text; it has none. "
                    "Give vectors of the same language, or the `tokens` that they were made with."
                )
            given = start[[words[k] for k in known]]
            check_finite(given, [words[k] for k in known])  # a memory map was not read through
            weights.input[known, : config.dimension] = given
            on_progress(
                Note(f"{len(known):,} of {len(words):,} words begin with the vectors that were given")
            )
            text = zlib.crc32(weights.vectors.data, text)  # from other vectors it is another training
        return corpus, weights, text

    return _trained(config, begin, on_progress)


def initial(config: EmbeddingConfig, words: int) -> Weights:
    """The weights that training begins with."""
    # a tree has inner nodes, one fewer than words
    outputs = words - 1 if config.output == "hierarchical" else words
    return Weights.initial(words, outputs, config.dimension, config.seed, WIDTH[config.method])


def _trained(
    config: EmbeddingConfig, begin: Callable[[], tuple[Corpus, Weights, int]], on_progress: Observer
) -> Embedding:
    """Train from the beginning or, if there is a checkpoint, from there. No other process may train into the file.

    `begin` gives the corpus, the first weights, and the checksum of all that must be the same when training goes on.
    """
    path = config.checkpoint
    if path is not None:
        check_place(path)
    with nullcontext() if path is None else alone(path):
        on_progress(Stage("reading the text"))
        corpus, weights, text = begin()
        position = Position()
        if path is not None and Path(path).exists():
            state = load_state(path)
            check_same(state, config, corpus.vocabulary.words, text, path)
            done = "finished" if state.position.reason else f"at epoch {state.position.epoch + 1}"
            on_progress(Note(f"going on with {path}, {done}"))
            weights, position = state.weights, state.position
        trainer = Trainer(config, corpus, weights, position, on_progress)
        embedding = Embedding(config, corpus.vocabulary, weights, position, text)

        def save() -> None:
            if path is not None:
                embedding.save(path)
                on_progress(Saved(path))

        if position.reason is None:
            trainer.run(None if path is None else save)
            save()
    speed = trainer.done / max(position.seconds, 1e-9) * corpus.tokens / max(trainer.tokens, 1)
    on_progress(Finished(position.reason or "", embedding.loss, position.seconds, speed))
    return embedding
