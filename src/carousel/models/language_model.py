"""The recurrent language model, which keeps the past in the state of its cells."""

from torch import Tensor, nn

from carousel.models.initial import initialise, initialise_ends, initialise_uniform
from carousel.models.predictor import Predictor, State
from carousel.models.recurrent import recurrent_layers


class LanguageModel(Predictor):
    """Symbol -> vector -> recurrent layers -> logits over the V symbols (Mikolov et al. 2010).

    The state is (L, B, H), for an LSTM a pair (h, c) of these.

    Args:
        vocabulary_size: V.
        cell: one of `carousel.models.CELLS`: "lstm", "gru", "rnn-tanh", "lstm-diagonal", ...
        hidden_size: H, units of each layer.
        num_layers: number of recurrent layers.
        embedding: E, size of the symbols' vectors; None: 128, or H if that is smaller or `tie`.
        one_hot: no vectors; the cell reads a symbol as a one-hot vector of size V.
        tie: the vectors are the output weights too (Press & Wolf 2017; Inan et al. 2017); E must be H.
        dropout: share of values dropped on the way in, between layers and on the way out, never from step
            to step (Zaremba et al. 2014).
        locked_dropout: `dropout` with one mask for all steps of a call (Gal & Ghahramani 2016).
        embedding_dropout: share of the symbols whose vectors are dropped, the same at all steps of a call.
        weight_drop: share of the numbers of the recurrent matrices dropped (Merity et al. 2018).
        recurrent_dropout: share of h that is dropped from recurrent products, with one mask for all steps of a call
            (Gal & Ghahramani 2016).
        uniform: every weight starts uniform in [-uniform, uniform], as in older papers. None: as
            `carousel.models.initial` describes.

    Raises CarouselError for sizes below 1, an unknown cell, and options that exclude each other.

    >>> import torch
    >>> model = LanguageModel(vocabulary_size=50, cell="gru", hidden_size=16)
    >>> logits, state = model(torch.zeros(7, 3, dtype=torch.int64))
    >>> logits.shape, state.shape
    (torch.Size([7, 3, 50]), torch.Size([1, 3, 16]))
    >>> features, state = model.features(torch.zeros(7, 3, dtype=torch.int64), state)
    >>> model.head(features).shape
    torch.Size([7, 3, 50])
    """

    architecture = "rnn"
    widest_embedding = 128

    def __init__(
        self,
        vocabulary_size: int,
        cell: str = "lstm",
        hidden_size: int = 512,
        num_layers: int = 1,
        embedding: int | None = None,
        one_hot: bool = False,
        tie: bool = False,
        dropout: float = 0.0,
        locked_dropout: bool = False,
        embedding_dropout: float = 0.0,
        weight_drop: float = 0.0,
        recurrent_dropout: float = 0.0,
        uniform: float | None = None,
    ) -> None:
        super().__init__(locals())
        self.recurrent = recurrent_layers(self.embedding_size or vocabulary_size, self.options)
        self.head = nn.Linear(hidden_size, vocabulary_size)
        if tie and self.embedding is not None:
            self.head.weight = self.embedding.weight
        if uniform is not None:
            initialise_uniform(self, uniform)
            return
        vectors = None if self.embedding is None else self.embedding.weight
        initialise_ends(vectors, self.recurrent, self.head, tied=tie)
        initialise(self.recurrent, one_hot=one_hot)

    def features(self, tokens: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        output, state = self.recurrent(self.drop(self.embed(tokens)), state)
        return self.drop(output), state
