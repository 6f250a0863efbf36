"""The time-delay language model: each symbol is predicted from the past N alone."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from carousel.data.vocabularies import BOUNDARY
from carousel.errors import CarouselError
from carousel.models.initial import initialise_ends, initialise_uniform
from carousel.models.predictor import Predictor, State

DEFAULT_CONTEXT = 4


class TDNNLanguageModel(Predictor):
    """N past symbols -> their vectors side by side -> hidden layers -> logits (Bengio et al. 2003).

    The same weights read every place of the text, as in the time-delay network of Waibel et al. 1989. The
    state is the last N symbols, (N, B) int64, oldest first; before a text there are N boundaries.

    Args:
        vocabulary_size: V.
        context: N, the number of past symbols a prediction is made from.
        hidden_size: H, units of each hidden layer (tanh).
        num_layers: number of hidden layers.
        embedding: E, the size of the projection PW of each symbol; None: 60, or H if that is smaller or `tie`.
        one_hot: no projection; the first hidden layer reads N one-hot vectors of size V.
        tie: the vectors are the output weights too; E must be H.
        direct: the output layer reads the last hidden layer and the N vectors themselves.
        dropout: share of values dropped on the way in and after each hidden layer.
        locked_dropout, embedding_dropout, uniform: as in `LanguageModel`.

    Raises CarouselError for sizes below 1 and options that exclude each other.

    >>> model = TDNNLanguageModel(vocabulary_size=50, context=3, hidden_size=16, direct=True)
    >>> logits, state = model(torch.zeros(7, 2, dtype=torch.int64))
    >>> logits.shape, state.shape
    (torch.Size([7, 2, 50]), torch.Size([3, 2]))
    >>> model.features(torch.zeros(7, 2, dtype=torch.int64))[0].shape  # H, and N vectors of E = 16
    torch.Size([7, 2, 64])
    """

    architecture = "tdnn"
    widest_embedding = 60

    def __init__(
        self,
        vocabulary_size: int,
        context: int = DEFAULT_CONTEXT,
        hidden_size: int = 512,
        num_layers: int = 1,
        embedding: int | None = None,
        one_hot: bool = False,
        tie: bool = False,
        direct: bool = False,
        dropout: float = 0.0,
        locked_dropout: bool = False,
        embedding_dropout: float = 0.0,
        uniform: float | None = None,
    ) -> None:
        super().__init__(locals())
        self.context = context
        width = context * (self.embedding_size or vocabulary_size)
        linears = [nn.Linear(hidden_size if k else width, hidden_size) for k in range(num_layers)]
        self.layers = nn.ModuleList(linears)
        self.head = nn.Linear(hidden_size + width if direct else hidden_size, vocabulary_size)
        if tie and self.embedding is not None:
            self.head.weight = self.embedding.weight
        self._initialise()

    @property
    def _linears(self) -> list[nn.Linear]:
        return [layer for layer in self.layers if isinstance(layer, nn.Linear)]

    def features(self, tokens: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        self.check_shape(tokens)
        if state is None:
            state = tokens.new_full((self.context, *tokens.shape[1:]), BOUNDARY)
        if not isinstance(state, Tensor) or state.shape != (self.context, *tokens.shape[1:]):
            raise CarouselError(
                f"the state of a TDNN is its last symbols, {(self.context, *tokens.shape[1:])}; "
                f"got {tuple(state.shape) if isinstance(state, Tensor) else type(state).__name__}."
            )
        seen = torch.cat([state, tokens])  # (N + T, B)
        if self.embedding is None:
            window, first = None, self._read_one_hot(seen[1:])
        else:
            vectors = self.drop(
                self.embed(seen[1:])
            )  # (N - 1 + T, B, E); step t reads those of t to t + N - 1
            window = (
                vectors.unfold(0, self.context, 1).transpose(2, 3).flatten(2)
            )  # (T, B, N E), oldest first
            first = self._linears[0](window)
        features = self.drop(torch.tanh(first))
        for layer in self._linears[1:]:
            features = self.drop(torch.tanh(layer(features)))
        if self.options["direct"] and window is not None:
            features = torch.cat([features, window], dim=-1)
        return features, seen[-self.context :]

    def _read_one_hot(self, seen: Tensor) -> Tensor:
        """The first hidden layer on N one-hot vectors: the sum of its columns of those symbols."""
        first = self._linears[0]
        columns = first.weight.T.unflatten(0, (self.context, self.vocabulary_size))  # (N, V, H)
        steps = len(seen) - self.context + 1
        with self.known(seen):
            parts = [F.embedding(seen[k : k + steps], columns[k]) for k in range(self.context)]
        return torch.stack(parts).sum(0) + first.bias

    def _initialise(self) -> None:
        """Glorot & Bengio 2010 for tanh; the output layer as in `carousel.models.initial`."""
        if self.options["uniform"] is not None:
            initialise_uniform(self, self.options["uniform"])
            return
        for layer in self._linears:
            nn.init.xavier_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
        initialise_ends(
            None if self.embedding is None else self.embedding.weight,
            None,
            self.head,
            tied=self.options["tie"],
        )
