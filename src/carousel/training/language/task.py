"""Language modelling for the loop and its session: model, windows, loss, scores."""

import math
from inspect import signature
from typing import Any

from torch import Tensor

from carousel.atomic import write_atomic
from carousel.losses import linear_cross_entropy
from carousel.models.architectures import ARCHITECTURES
from carousel.models.memory import check_memory
from carousel.models.predictor import Predictor
from carousel.nn.random_numbers import seeded
from carousel.training.language.config import WORDS, LanguageConfig
from carousel.training.language.corpus import Corpus
from carousel.training.language.evaluation import Part, evaluate
from carousel.training.language.row import Row
from carousel.training.language.samples import write_samples
from carousel.training.language.score import Score
from carousel.training.language.windows import TextWindows
from carousel.training.loop.loop import Loop
from carousel.training.run.folder import RunFolder

EVALUATED = 65_536  # tokens of the valid part scored while training; the whole part at the end


def build_model(config: LanguageConfig, vocabulary_size: int) -> Predictor:
    """The model that `config` names, with first weights from torch's random state."""
    kind = ARCHITECTURES[config.model]
    names = [name for name in signature(kind).parameters if name != "vocabulary_size"]
    options = {name: getattr(config, name) for name in names}
    if options.get("context", 0) is None:  # the model's own
        del options["context"]
    check_memory(lambda: kind(vocabulary_size, **options))
    return kind(vocabulary_size, **options)


def build_loop(
    config: LanguageConfig, vocabulary_size: int, train: Part, weights: dict[str, Tensor] | None = None
) -> Loop[Predictor]:
    """A loop that learns the part `train`, from `weights` on if there are some.

    Everything random follows from `config.seed`: building two of these gives the same weights twice.
    """
    batches = TextWindows(train.ids, config.batch, config.bptt, config.seed, train.ends)
    with seeded(config.seed):
        model = build_model(config, vocabulary_size)
    if weights is not None:
        model.load_state_dict(weights)
    return Loop(config, model, batches, next_symbol)


def next_symbol(model: Any, window: tuple[Tensor, ...], state: Any) -> tuple[Tensor, Any]:
    """The objective of a language model: minus the mean log probability of what came next.

    window: inputs and targets, (T, B) int64 each. The output layer and the loss are one operation, so that the
    logits of a whole window never exist.
    """
    inputs, targets = window
    features, state = model.features(inputs, state)
    return linear_cross_entropy(features, model.head.weight, targets, model.head.bias), state


class LanguageTask:
    """A language model and its corpus, as `carousel.training.run.task.Task` says.

    `warm_start`: whether the run begins with the weights of another run. `weights`: these weights, until there is a
    checkpoint.
    """

    what = "text"
    speed_unit = "tokens"
    rows = Row

    def __init__(
        self, corpus: Corpus, warm_start: bool = False, weights: dict[str, Tensor] | None = None
    ) -> None:
        self.corpus, self.warm_start, self.weights = corpus, warm_start, weights

    @property
    def fingerprint(self) -> str:
        return self.corpus.fingerprint

    @property
    def contents(self) -> str:
        return f"{self.corpus.vocabulary.size:,} symbols, {self.corpus.train.tokens:,} train tokens"

    def in_words(self, score: Score) -> str:
        """Bits per character, or perplexity where unknown words hide their characters."""
        if self.corpus.vocabulary.level in WORDS:
            return f"perplexity {score.perplexity:.1f}"
        return f"{score.bits_per_character:.3f} bits/char"

    def begin(self, folder: RunFolder) -> None:
        self.corpus.vocabulary.save(folder.vocabulary)
        if text := self.corpus.piped:
            write_atomic(folder.text, text)

    def loop(self, config: LanguageConfig) -> Loop[Predictor]:
        loop = build_loop(config, self.corpus.vocabulary.size, self.corpus.train, self.weights)
        loop.model.vocabulary = self.corpus.vocabulary
        return loop

    def evaluate(self, model: Predictor, *, sample: bool = False) -> Score:
        return evaluate(model, self.corpus.valid, limit=EVALUATED if sample else None)

    def is_guess(self, score: Score) -> bool:
        """Whether all symbols equally likely would do as well, or the weights that the run began with might."""
        return self.warm_start or score.bits >= math.log2(self.corpus.vocabulary.size) * score.tokens

    def train_score(self, nats: float) -> Score:
        part = self.corpus.train
        return Score(nats / math.log(2) * part.tokens, part.tokens, part.characters)

    def seen_by_monitor(self, window: tuple[Tensor, ...], instances: int) -> tuple[Any, ...]:
        return (window[0][:, :instances],)

    def finish(self, folder: RunFolder, model: Predictor, config: LanguageConfig) -> tuple[Score, Score]:
        """Draws the samples."""
        write_samples(folder.samples, model, config.seed)
        return evaluate(model, self.corpus.valid), evaluate(model, self.corpus.test)
