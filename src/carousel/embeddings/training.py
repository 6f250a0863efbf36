"""The training loop of word vectors: block by block, until the last epoch or until patience ends it."""

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from carousel import _core
from carousel.embeddings.checkpoint import Position
from carousel.embeddings.config import EmbeddingConfig
from carousel.embeddings.corpus import Corpus
from carousel.embeddings.progress import Evaluated, MissingResult, Started, Stepped
from carousel.embeddings.weights import Weights
from carousel.errors import CarouselError
from carousel.interrupt import deferred_interrupt
from carousel.progress import Note, Observer

BLOCK = 4096  # tokens that one thread takes at a time, with a sequence of random numbers of their own
TURN = 0.1  # seconds between two progress events
MOST_HELD_OUT = 20_000
MOST_SHARE = 0.1  # of a text with few sentences, held out so that there is a loss at all
PART = 100  # tokens of the parts into which the long sentences of such a text are cut


class Trainer:
    """Trains the weights on a corpus; `run` goes on from the position to the end.

    Every random choice in a block follows from the seed, the epoch and the number of the block alone. On one thread,
    training that is stopped between two blocks and resumed therefore gives the same bits.
    """

    def __init__(
        self,
        config: EmbeddingConfig,
        corpus: Corpus,
        weights: Weights,
        position: Position,
        on_progress: Observer,
    ) -> None:
        self.config, self.weights, self.position = config, weights, position
        self.on_progress = on_progress
        self.sentences: list[int]
        self._hold_out(corpus)
        if position.block >= len(self.blocks) - 1:
            raise CarouselError(
                f"a checkpoint must stand at one of the {len(self.blocks) - 1:,} blocks of the text; this one is at "
                f"{position.block:,}. It is damaged: use another copy, or train anew."
            )
        blocks = len(self.blocks) - 1
        n = min(config.evaluations, blocks)  # between blocks alone
        self.milestones = sorted({math.ceil(blocks * k / n) for k in range(1, n + 1)})
        self._speed = 1e6  # tokens per second, of the last turn

    def run(self, on_save: Callable[[], None] | None = None) -> None:
        """Train to the end. `on_save` is called between blocks from time to time, and before Ctrl-C ends it."""
        p, c = self.position, self.config
        self.on_progress(
            Started(len(self.corpus.vocabulary), self.tokens, c.passes, c.team, self.done / self.total)
        )
        self._begun = saved = time.perf_counter()
        self._earlier, self._done_before = p.seconds, self.done
        with deferred_interrupt() as interrupt:
            while p.reason is None:
                self._turn()
                if interrupt.requested:
                    if on_save:
                        on_save()
                    raise KeyboardInterrupt
                if on_save and p.reason is None and time.perf_counter() - saved > c.checkpoint_seconds:
                    on_save()
                    saved = time.perf_counter()
        if not np.isfinite(self.weights.input).all():
            raise self._diverged("some vectors are not finite")

    def _hold_out(self, corpus: Corpus) -> None:
        """Choose the sentences for the loss; of a text with few ones a larger share, and parts of long ones."""
        share = min(self.config.held_out, MOST_HELD_OUT / max(len(corpus.ids), 1))
        self._cut_into_blocks(corpus, share)
        if share and not self.sentences:
            parts, share = corpus.cut(PART), max(share, 1 / len(corpus.ids))
            while not self.sentences and share < MOST_SHARE:
                self._cut_into_blocks(parts, share)
                share *= 2
            if count := len(self.sentences):
                self.on_progress(Note(f"the text has few sentences; {count:,} are held out for the loss"))
        if share and not self.sentences:
            self._cut_into_blocks(corpus, 0)
            self._no_loss("the text has too few sentences to hold one out")
        elif share and not self._held_out_loss()[1]:
            self.sentences = []
            self._no_loss("subsampling leaves no two neighbouring words in the held-out sentences")

    def _cut_into_blocks(self, corpus: Corpus, share: float) -> None:
        """Cut the text into blocks, and choose its held-out sentences."""
        self.corpus, self.tokens = corpus, len(corpus.ids)
        self.blocks = _core.embedding.cut_blocks(corpus.ids, BLOCK)
        self.job = self._job(share)
        self.sentences = _core.embedding.held_out_sentences(self.job, MOST_HELD_OUT)

    def _no_loss(self, reason: str) -> None:
        """Report that there will be no held-out loss, which is an error with patience."""
        if self.config.patience:
            raise CarouselError(
                f"patience needs a held-out loss; {reason}. Give more text, or leave patience out."
            )
        self.on_progress(MissingResult(f"there is no held-out loss: {reason}"))

    def _turn(self) -> None:
        """Train on as many blocks as take TURN seconds, never across an estimate of the loss."""
        p, c = self.position, self.config
        wanted = max(c.team, round(self._speed * TURN / BLOCK))
        milestone = next(m for m in self.milestones if m > p.block)
        self._train(min(p.block + wanted, milestone))
        if p.block == milestone:
            self._evaluate()
        if p.block == self.milestones[-1]:
            p.epoch, p.block = p.epoch + 1, 0
        p.seconds = self._earlier + time.perf_counter() - self._begun
        self.on_progress(self._stepped())
        if c.patience and p.waited >= c.patience:
            p.reason = "patience"
        elif p.epoch >= c.passes:
            p.reason = "epochs"
        if p.reason and p.best is not None:
            p.best.copy_to(self.weights)
            p.best = None

    def _train(self, last: int) -> None:
        p = self.position
        start = time.perf_counter()
        _core.embedding.train(
            self.job,
            p.block,
            last,
            position=p.epoch * self.tokens,
            seed=_seed(self.config.seed, p.epoch),
            threads=self.config.team,
        )
        spent = time.perf_counter() - start
        self._speed = (self.blocks[last] - self.blocks[p.block]) / max(spent, 1e-6)
        p.block = last

    def _evaluate(self) -> None:
        if not self.sentences:
            return
        p = self.position
        loss, count = self._held_out_loss()
        loss /= count
        if not math.isfinite(loss):
            raise self._diverged(f"the held-out loss is {loss}")
        p.history.append((self.done / self.tokens, loss))
        if self.config.patience and p.waited == 0:
            if p.best is None:
                p.best = Weights.of(self.weights.vectors, self.weights.output[:, : self.weights.dimension])
            else:
                self.weights.copy_to(p.best)
        self.on_progress(Evaluated(*p.history[-1], p.waited == 0))

    def _held_out_loss(self) -> tuple[float, int]:
        """(the sum over all predictions of the held-out sentences, their number), with the same windows every time."""
        return _core.embedding.held_out_loss(self.job, self.sentences, threads=self.config.team)

    def _diverged(self, what: str) -> CarouselError:
        epochs = self.done / self.tokens
        return CarouselError(f"training has diverged: {what} after {epochs:.2f} epochs. Give a smaller lr.")

    @property
    def done(self) -> int:
        """Tokens trained on."""
        return self.position.epoch * self.tokens + int(self.blocks[self.position.block])

    @property
    def total(self) -> int:
        """Tokens of all epochs."""
        return max(1, self.tokens * self.config.passes)

    def _stepped(self) -> Stepped:
        done, total, raw = self.done, self.total, self.corpus.tokens
        speed = (done - self._done_before) / max(time.perf_counter() - self._begun, 1e-9)
        lr = self.config.learning_rate * max(1 - done / total, 1e-4)
        loss = self.position.history[-1][1] if self.position.history else None
        return Stepped(
            tokens=done,
            total=total,
            epoch=done / max(self.tokens, 1),
            words_per_second=speed * raw / max(self.tokens, 1),
            lr=lr,
            loss=loss,
            seconds_left=(total - done) / max(speed, 1e-9),
        )

    def _job(self, share: float) -> Any:
        c, vocabulary = self.config, self.corpus.vocabulary
        hierarchical = c.output == "hierarchical"
        begin, path = vocabulary.paths() if hierarchical else (None, None)
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
            total=self.total,
            held_out_seed=_seed(c.seed, -1),
            held_out=int(share * 2**32),
        )


def _seed(seed: int, epoch: int) -> int:
    """A 64-bit seed for an epoch; -1 is what the held-out sentences are chosen by."""
    return ((seed + 1) * 0x9E3779B97F4A7C15 + (epoch + 2) * 0xD1B54A32D192ED03) & (2**64 - 1)
