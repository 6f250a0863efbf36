"""What is trained, and by whom: every contender turns a text file into vectors with the same settings."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

DIMENSION, WINDOW, NEGATIVES, SAMPLE, MIN_COUNT = 100, 5, 5, 1e-3, 5
RATES = {"skipgram": 0.025, "cbow": 0.05}
OURS = "Carousel"


@dataclass(frozen=True)
class Task:
    """skipgram or cbow, negative or hierarchical."""

    method: str
    output: str

    @property
    def title(self) -> str:
        names = {"skipgram": "skip-gram", "cbow": "CBOW"}
        outputs = {"negative": f"{NEGATIVES} negatives", "hierarchical": "hierarchical softmax"}
        return f"{names[self.method]}, {outputs[self.output]}"


TASKS = {
    "sg-ns": Task("skipgram", "negative"),
    "cbow-ns": Task("cbow", "negative"),
    "sg-hs": Task("skipgram", "hierarchical"),
    "cbow-hs": Task("cbow", "hierarchical"),
}


@dataclass(frozen=True)
class Trained:
    """seconds: of training alone, the vocabulary already counted; words (V), the most frequent first; matrix (V, d)."""

    seconds: float
    words: Sequence[str]
    matrix: np.ndarray


Contender = Callable[[Path, Task, int, int, int], Trained]  # text, task, epochs, seed, threads


def carousel(text: Path, task: Task, epochs: int, seed: int, threads: int) -> Trained:
    from carousel.embeddings.config import EmbeddingConfig
    from carousel.embeddings.embedding import embed
    from carousel.embeddings.progress import Finished

    config = EmbeddingConfig(
        tokens="spaces",
        method=task.method,
        output=task.output,
        dimension=DIMENSION,
        window=WINDOW,
        negatives=NEGATIVES,
        sample=SAMPLE,
        min_count=MIN_COUNT,
        lr=RATES[task.method],
        epochs=epochs,
        seed=seed,
        threads=threads,
    )
    seconds = []
    trained = embed(
        text,
        config=config,
        on_progress=lambda e: seconds.append(e.seconds) if isinstance(e, Finished) else None,
    )
    vectors = trained.vectors
    return Trained(seconds[0], vectors.words, vectors.matrix)


def gensim_file(text: Path, task: Task, epochs: int, seed: int, threads: int) -> Trained:
    """gensim's fastest path: threads in C that read the file themselves."""
    model = _gensim_model(task, epochs, seed, threads)
    model.build_vocab(corpus_file=str(text))
    start = time.perf_counter()
    model.train(
        corpus_file=str(text),
        total_examples=model.corpus_count,
        total_words=model.corpus_total_words,
        epochs=epochs,
    )
    return Trained(time.perf_counter() - start, model.wv.index_to_key, model.wv.vectors)


def gensim_queue(text: Path, task: Task, epochs: int, seed: int, threads: int) -> Trained:
    """gensim's path for any iterable: sentences in a queue."""
    from gensim.models.word2vec import LineSentence

    model = _gensim_model(task, epochs, seed, threads)
    sentences = LineSentence(str(text))
    model.build_vocab(sentences)
    start = time.perf_counter()
    model.train(sentences, total_examples=model.corpus_count, epochs=epochs)
    return Trained(time.perf_counter() - start, model.wv.index_to_key, model.wv.vectors)


def _gensim_model(task: Task, epochs: int, seed: int, threads: int):  # type: ignore[no-untyped-def]
    from gensim.models import Word2Vec

    tree = task.output == "hierarchical"
    return Word2Vec(
        vector_size=DIMENSION,
        window=WINDOW,
        negative=0 if tree else NEGATIVES,
        hs=int(tree),
        sg=int(task.method == "skipgram"),
        sample=SAMPLE,
        min_count=MIN_COUNT,
        alpha=RATES[task.method],
        epochs=epochs,
        seed=seed,
        workers=threads,
    )


def fasttext(text: Path, task: Task, epochs: int, seed: int, threads: int) -> Trained:
    """fastText without subwords. It counts words in the same call: what a call without epochs takes is taken off."""
    preparation = _fasttext_seconds(text, task, 0, seed, threads)[0]
    seconds, model = _fasttext_seconds(text, task, epochs, seed, threads)
    words = [word for word in model.get_words() if word != "</s>"]
    matrix = np.array([model.get_word_vector(word) for word in words], dtype=np.float32)
    return Trained(max(seconds - preparation, 1e-9), words, matrix)


def _fasttext_seconds(text: Path, task: Task, epochs: int, seed: int, threads: int):  # type: ignore[no-untyped-def]
    import fasttext as library

    library.FastText.unsupervised_default["seed"] = seed  # the function itself does not take it
    start = time.perf_counter()
    model = library.train_unsupervised(
        str(text),
        model=task.method,
        dim=DIMENSION,
        ws=WINDOW,
        neg=NEGATIVES,
        loss="hs" if task.output == "hierarchical" else "ns",
        t=SAMPLE,
        minCount=MIN_COUNT,
        lr=RATES[task.method],
        epoch=epochs,
        thread=threads,
        minn=0,
        maxn=0,
        bucket=0,
        verbose=0,
    )
    return time.perf_counter() - start, model


CONTENDERS: dict[str, Contender] = {
    OURS: carousel,
    "gensim corpus_file": gensim_file,
    "gensim queue": gensim_queue,
    "fastText": fasttext,
}
MODULES = {"gensim corpus_file": "gensim", "gensim queue": "gensim", "fastText": "fasttext"}


def train(name: str, text: Path, task: Task, epochs: int, seed: int, threads: int) -> Trained:
    """Let a contender train, with nothing left over from the one before."""
    gc.collect()
    return CONTENDERS[name](text, task, epochs, seed, threads)
