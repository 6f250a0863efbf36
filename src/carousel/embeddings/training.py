"""Training word vectors, block by block."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from carousel import _core
from carousel.embeddings.config import EmbeddingConfig
from carousel.embeddings.corpus import Corpus
from carousel.embeddings.progress import Evaluated, Observer, Started, Stepped
from carousel.embeddings.weights import Weights

BLOCK = 4096  # tokens that one thread takes at a time, with a sequence of random numbers of their own
TURN = 0.1  # seconds between two looks at progress
MOST_HELD_OUT = 20_000
_GOLDEN = 0x9E3779B97F4A7C15
_WORD = (1 << 64) - 1


@dataclass
class Position:
    """Where training stands, and what it has seen of the held-out loss."""

    epoch: int = 0
    block: int = 0
    seconds: float = 0.0
    history: list[tuple[float, float]] = field(default_factory=list)  # (epochs, held-out loss)
    stopped: bool = False


class Trainer:
    """A corpus, weights and a position; `run` goes on from there to the end."""

    def __init__(self, config: EmbeddingConfig, corpus: Corpus, weights: Weights, position: Position) -> None:
        self.config, self.corpus, self.weights, self.position = config, corpus, weights, position
        self.blocks = _core.embedding.cut_blocks(corpus.ids, BLOCK)
        self.tokens = len(corpus.ids)
        self.job = self._job()
        share = min(config.held_out, MOST_HELD_OUT / max(self.tokens, 1))
        self.sentences = _core.embedding.held_out_sentences(self.job, MOST_HELD_OUT) if share else []
        self.best: np.ndarray | None = None
        self._speed = 1e6

    def _job(self) -> Any:
        c, vocabulary = self.config, self.corpus.vocabulary
        hierarchical = c.output == "hierarchical"
        begin, path = vocabulary.paths() if hierarchical else (None, None)
        share = min(c.held_out, MOST_HELD_OUT / max(self.tokens, 1))
        return _core.embedding.Job(
            ids=self.corpus.ids,
            blocks=self.blocks,
            keep=vocabulary.keep(c.sample),
            noise=None if hierarchical else vocabulary.noise(c.noise_exponent),
            path_begin=begin,
            path=path,
            input=self.weights.input,
            output=self.weights.output,
            cbow=c.method == "cbow",
            mean=c.combine == "mean",
            shared=c.shared_negatives,
            window=c.window,
            negatives=c.negatives,
            lr=c.learning_rate,
            total=max(1, self.tokens * c.epochs),
            held_out_seed=_seed(c.seed, -1),
            held_out=int(share * 2**32),
        )

    def run(self, on_event: Observer) -> str:
        """Train to the end; why it ended."""
        p, c = self.position, self.config
        begun, begun_tokens = time.perf_counter(), self._done()
        on_event(
            Started(len(self.corpus.vocabulary), self.tokens, c.epochs, c.team, begun_tokens / self._total())
        )
        while p.epoch < c.epochs:
            for first, last in self._turns():
                self._train(first, last)
                spent = time.perf_counter() - begun
                speed = (self._done() - begun_tokens) / max(spent, 1e-9)
                on_event(self._stepped(speed))
                if last in self._milestones():
                    self._evaluate(on_event)
            p.epoch, p.block = p.epoch + 1, 0
        p.seconds += time.perf_counter() - begun
        return "epochs"

    def _turns(self) -> Iterator[tuple[int, int]]:
        """Blocks to train on in one call: as many as fill a turn, never across an evaluation."""
        while self.position.block < len(self.blocks) - 1:
            first = self.position.block
            wanted = max(self.config.team, round(self._speed * TURN / BLOCK))
            yield first, min(first + wanted, next(m for m in self._milestones() if m > first))

    def _milestones(self) -> list[int]:
        """Blocks after which the held-out loss is estimated, the last of the epoch among them."""
        blocks, n = len(self.blocks) - 1, self.config.evaluations
        return sorted({math.ceil(blocks * k / n) for k in range(1, n + 1)})

    def _train(self, first: int, last: int) -> None:
        p = self.position
        start = time.perf_counter()
        _core.embedding.train(
            self.job,
            first,
            last,
            position=p.epoch * self.tokens,
            seed=_seed(self.config.seed, p.epoch),
            threads=self.config.team,
        )
        spent = time.perf_counter() - start
        self._speed = (self.blocks[last] - self.blocks[first]) / max(spent, 1e-6)
        p.block = last

    def _evaluate(self, on_event: Observer) -> None:
        if not self.sentences:
            return
        loss = _core.embedding.held_out_loss(self.job, self.sentences, threads=self.config.team)
        epoch = self._done() / max(self.tokens, 1)
        best = all(loss < earlier for _, earlier in self.position.history)
        self.position.history.append((epoch, loss))
        on_event(Evaluated(epoch, loss, best))

    def _done(self) -> int:
        return self.position.epoch * self.tokens + int(self.blocks[self.position.block])

    def _total(self) -> int:
        return max(1, self.tokens * self.config.epochs)

    def _stepped(self, speed: float) -> Stepped:
        done, total = self._done(), self._total()
        lr = self.config.learning_rate * max(1 - done / total, 1e-4)
        loss = self.position.history[-1][1] if self.position.history else None
        left = (total - done) / max(speed, 1e-9)
        return Stepped(done, total, done / max(self.tokens, 1), speed, lr, loss, left)


def _seed(seed: int, epoch: int) -> int:
    """A 64-bit seed for an epoch; -1 is what the held-out sentences are chosen by."""
    return ((seed + 1) * _GOLDEN + (epoch + 2) * 0xD1B54A32D192ED03) & _WORD
