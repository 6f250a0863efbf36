"""Language modelling for the loop: the model that a configuration names, its windows, and its loss."""

from typing import Any

import torch
from torch import Tensor

from carousel.losses import linear_cross_entropy
from carousel.models.predictor import Predictor, model_class
from carousel.training.config import Config
from carousel.training.epochs import Epochs
from carousel.training.evaluation import Part
from carousel.training.loop import Loop

_OF_ALL = ("hidden", "layers", "embedding", "one_hot", "tie", "uniform")
_DROPOUT = ("dropout", "locked_dropout", "embedding_dropout")
_OWN = {"rnn": ("cell", "weight_drop", "recurrent_dropout"), "tdnn": ("context", "direct")}


def build_model(config: Config, vocabulary_size: int) -> Predictor:
    """The model that `config` names, with first weights from torch's random state."""
    names = (*_OF_ALL, *_DROPOUT, *_OWN[config.model])
    options = {name: getattr(config, name) for name in names}
    if options.get("context", 0) is None:  # the model's own
        del options["context"]
    model: Predictor = model_class(config.model)(vocabulary_size, **options)
    return model


def build_loop(config: Config, vocabulary_size: int, train: Part) -> Loop[Predictor]:
    """A loop that learns the part `train`.

    Everything random follows from `config.seed`: building two of these gives the same weights twice.
    """
    torch.manual_seed(config.seed)
    batches = Epochs(train.ids, config.batch, config.bptt, config.seed, train.ends)
    return Loop(config, build_model(config, vocabulary_size), batches, next_symbol)


def next_symbol(model: Any, window: tuple[Tensor, ...], state: Any) -> tuple[Tensor, Any]:
    """The objective of a language model: minus the mean log probability of what came next.

    window: inputs and targets, (T, B) int64 each. The output layer and the loss are one operation, so that the
    logits of a whole window never exist.
    """
    inputs, targets = window
    features, state = model.features(inputs, state)
    return linear_cross_entropy(features, model.head.weight, targets, model.head.bias), state
