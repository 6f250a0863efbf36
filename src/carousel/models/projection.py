"""A model that begins with word vectors instead of random ones."""

from __future__ import annotations

from torch import nn

from carousel.embeddings.projection import Loaded, Symbols, load_into, projection_of
from carousel.embeddings.vectors import Vectors


def load_projection(
    model: nn.Module, vectors: Vectors, vocabulary: Symbols, *, freeze: bool = False, rescale: bool = False
) -> Loaded:
    """Let the projection of a language model or TDNN start from word vectors, and say how many symbols have one.

    Symbols without a vector keep their first values. The model must have been made with `embedding` equal
    to the vectors' dimension.

    Args:
        vocabulary: the one that the model was made with.
        freeze: keep these vectors as they are while the rest is trained.
        rescale: multiply all vectors by one number, so that values are as large as the model's own were.

    Raises CarouselError for a model that reads one-hot symbols, sizes that do not fit, and if no symbol has a
    vector.

    >>> import numpy as np
    >>> from carousel.models import LanguageModel
    >>> model = LanguageModel(vocabulary_size=4, hidden_size=8, embedding=2)
    >>> vectors = Vectors(["the", "cat"], np.eye(2))
    >>> print(load_projection(model, vectors, ["<eod>", "<unk>", " the", " Cat"]))
    2 of 4 symbols have a vector; without: '<eod>', '<unk>'
    """
    layer = projection_of(model)
    loaded = load_into(layer, vectors, vocabulary, rescale=rescale)
    if freeze:
        layer.weight.requires_grad_(False)
    return loaded
