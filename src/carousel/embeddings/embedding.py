"""Word vectors by one call, and what it returns: vectors, loss, and all that going on needs."""

from dataclasses import dataclass
from typing import Any

from carousel.embeddings.config import EmbeddingConfig
from carousel.embeddings.corpus import Source, load_corpus
from carousel.embeddings.progress import Finished, Observer, Stage, silent
from carousel.embeddings.training import Position, Trainer
from carousel.embeddings.vectors import Vectors
from carousel.embeddings.vocabulary import Vocabulary
from carousel.embeddings.weights import Weights


@dataclass(frozen=True)
class Embedding:
    """Trained word vectors with the state of their training.

    vectors: the words, the most frequent first, with their vectors and counts.
    loss: the mean loss of a prediction in held-out sentences at the end, in nats; None without any.
    history: (epochs, loss) at each estimate.
    """

    config: EmbeddingConfig
    vocabulary: Vocabulary
    weights: Weights
    position: Position

    @property
    def vectors(self) -> Vectors:
        return Vectors(self.vocabulary.words, self.weights.vectors, self.vocabulary.counts)

    @property
    def loss(self) -> float | None:
        return self.history[-1][1] if self.history else None

    @property
    def history(self) -> list[tuple[float, float]]:
        return self.position.history


def embed(
    source: Source = None,
    *,
    config: EmbeddingConfig | None = None,
    on_progress: Observer = silent,
    **options: Any,
) -> Embedding:
    """Train word vectors on text.

    Skip-gram and cbow: Mikolov, Chen, Corrado, Dean 2013, "Efficient Estimation of Word Representations in Vector
    Space". Negative sampling, subsampling and phrases: Mikolov et al. 2013, "Distributed Representations of Words
    and Phrases and their Compositionality". Noise words shared over a window: Ji, Satish, Li, Dubey 2016.

    Args:
        source: a path or glob, a list of Path objects, an iterable of sentences (strings, or lists of tokens), or
            None for the source of Python's own standard library.
        config: options; those given by name go before it. They are the fields of `EmbeddingConfig`.
        on_progress: is called with the events of `carousel.embeddings.progress`.

    Raises CarouselError for bad options, a source that cannot be read, and text without two frequent words.

    >>> text = [["red", "green", "blue"], ["one", "two", "three"]] * 50
    >>> embedding = embed(text, dimension=8, epochs=2, min_count=1, threads=1)
    >>> sorted(embedding.vectors.words)
    ['blue', 'green', 'one', 'red', 'three', 'two']
    """
    config = (config or EmbeddingConfig()).override(**options)
    on_progress(Stage("reading the text"))
    corpus = load_corpus(source, config, on_progress)
    words = len(corpus.vocabulary)
    outputs = words - 1 if config.output == "hierarchical" else words
    weights = Weights.initial(words, outputs, config.dimension, config.seed)
    return _train(Trainer(config, corpus, weights, Position()), on_progress)


def _train(trainer: Trainer, on_progress: Observer) -> Embedding:
    reason = trainer.run(on_progress)
    p = trainer.position
    embedding = Embedding(trainer.config, trainer.corpus.vocabulary, trainer.weights, p)
    speed = trainer.config.epochs * trainer.tokens / max(p.seconds, 1e-9)
    on_progress(Finished(reason, embedding.loss, p.seconds, speed))
    return embedding
