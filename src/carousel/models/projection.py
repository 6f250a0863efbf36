"""Start a model with word vectors instead of random vectors."""

from __future__ import annotations

from torch import nn

from carousel.embeddings.projection import Loaded, Symbols, load_into, projection_of
from carousel.embeddings.vectors import Vectors


def load_projection(
    model: nn.Module, vectors: Vectors, vocabulary: Symbols, *, freeze: bool = False, rescale: bool = False
) -> Loaded:
    """Set the vectors of a language model's symbols to word vectors; the result counts the symbols that have one.

    Symbols without a word vector keep their values. Make the model with `embedding` equal to the dimension of the word
    vectors.

    Args:
        model: a `LanguageModel` or `TDNNLanguageModel`.
        vectors: the word vectors.
        vocabulary: the vocabulary of the model.
        freeze: do not train these vectors.
        rescale: multiply all vectors by one number, so that their values are as large as those of the model were.

    Raises CarouselError for a model that reads one-hot symbols, for sizes that do not fit, and if no symbol has a
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
