"""A softmax over many words that spends its time on the frequent ones, exact all the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from carousel.errors import CarouselError
from carousel.losses.cross_entropy import count_indices, in_range
from carousel.losses.linear_cross_entropy import linear_cross_entropy
from carousel.losses.steps import Steps


class AdaptiveSoftmax(nn.Module):
    """The adaptive softmax (Grave et al. 2017): a head of frequent words and of clusters, a tail for each cluster.

    Words must be numbered by falling frequency. P(word) is the probability of the head's entry, or P(cluster) P(word |
    cluster) for a word of a tail. These sum to one over the whole vocabulary, and the loss is exactly -log P(word). For
    a word of the head only the head is computed. Head and tails run as `carousel.losses.linear_cross_entropy`.

    Without `tie`, parameters and results are those of torch.nn.AdaptiveLogSoftmaxWithLoss without head bias, and
    `load_state_dict` works both ways. With `tie`, the output weight of a word is its row in the embedding, at full
    width, and `div_value` has no effect.

    Args:
        hidden: H, the width of what the layer reads.
        vocabulary_size: V.
        cutoffs: where clusters begin, rising, from 1 to V - 1. [2000, 10000] is a head of 2,000 words and two tails.
        div_value: tail i reads H / div_value^i projections of x (i = 1, 2, ...).
        tie: (V, H), the weight of the embedding.

    Raises CarouselError for cutoffs that do not rise within the vocabulary, and a `tie` of another shape.

    >>> softmax = AdaptiveSoftmax(16, 1000, cutoffs=[100, 400])
    >>> x, targets = torch.randn(5, 2, 16), torch.randint(1000, (5, 2))
    >>> log_probabilities = softmax.log_prob(x)
    >>> bool(torch.allclose(log_probabilities.exp().sum(-1), torch.ones(5, 2), atol=1e-5))
    True
    >>> picked = log_probabilities.gather(-1, targets[..., None])
    >>> bool(torch.allclose(softmax(x, targets), -picked.mean(), atol=1e-5))
    True
    """

    def __init__(
        self,
        hidden: int,
        vocabulary_size: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        tie: nn.Parameter | None = None,
    ) -> None:
        super().__init__()
        _check(hidden, vocabulary_size, cutoffs, div_value, tie)
        self.edges = [0, *cutoffs, vocabulary_size]
        if tie is not None:
            self.tied = tie
            self.clusters = nn.Parameter(torch.empty(len(cutoffs), hidden).uniform_(-0.1, 0.1))
            return
        self.head = nn.Linear(hidden, cutoffs[0] + len(cutoffs), bias=False)
        self.tail = nn.ModuleList()
        for i in range(1, len(self.edges) - 1):
            width = max(1, int(hidden // div_value**i))
            words = self.edges[i + 1] - self.edges[i]
            self.tail.append(
                nn.Sequential(nn.Linear(hidden, width, bias=False), nn.Linear(width, words, bias=False))
            )

    def forward(
        self,
        x: Tensor,
        targets: Tensor,
        *,
        weights: Tensor | None = None,
        lengths: Tensor | Iterable[int] | None = None,
        mask: Tensor | None = None,
        reduction: str = "mean",
        batch_first: bool = False,
    ) -> Tensor:
        """The loss: x (T, B, H), targets (T, B) int64, -100 for padding; the rest as in `linear_cross_entropy`."""
        steps = Steps(x.shape[:-1], x.device, weights, lengths, mask, reduction, batch_first)
        targets = in_range(count_indices(steps, x, targets), self.edges[-1]).reshape(-1)
        rows = x.reshape(-1, x.shape[-1])
        first, entries = self.edges[1], targets
        for i, (begin, end) in enumerate(zip(self.edges[1:-1], self.edges[2:], strict=True)):
            entries = torch.where((targets >= begin) & (targets < end), first + i, entries)
        losses = linear_cross_entropy(rows, self._head(), entries, reduction="none")
        for (project, weight), begin, end in zip(
            self._tails(), self.edges[1:-1], self.edges[2:], strict=True
        ):
            members = ((targets >= begin) & (targets < end)).nonzero().flatten()
            inner = linear_cross_entropy(
                project(rows[members]), weight, targets[members] - begin, reduction="none"
            )
            losses = losses.index_add(0, members, inner)
        return steps.reduce(losses.reshape(steps.frame))

    def log_prob(self, x: Tensor) -> Tensor:
        """log P of every word: (..., H) -> (..., V)."""
        head = F.log_softmax(F.linear(x, self._head()), dim=-1)
        first = self.edges[1]
        parts = [head[..., :first]]
        for i, (project, weight) in enumerate(self._tails()):
            inner = F.log_softmax(F.linear(project(x), weight), dim=-1)
            parts.append(head[..., first + i, None] + inner)
        return torch.cat(parts, dim=-1)

    def _head(self) -> Tensor:
        if hasattr(self, "tied"):
            return torch.cat([self.tied[: self.edges[1]], self.clusters])
        return self.head.weight

    def _tails(self) -> Iterator[tuple[nn.Module, Tensor]]:
        """How x is read and the weight of the words, for each tail."""
        if hasattr(self, "tied"):
            for begin, end in zip(self.edges[1:-1], self.edges[2:], strict=True):
                yield nn.Identity(), self.tied[begin:end]
        else:
            for tail in self.tail:
                project, words = tail.children()
                yield project, words.get_parameter("weight")


def _check(
    hidden: int, vocabulary_size: int, cutoffs: Sequence[int], div_value: float, tie: Tensor | None
) -> None:
    edges = [0, *cutoffs, vocabulary_size]
    if not cutoffs or any(one >= other for one, other in pairwise(edges)):
        raise CarouselError(
            f"cutoffs must rise, from 1 to {vocabulary_size - 1} for {vocabulary_size} words; got {list(cutoffs)}."
        )
    if div_value < 1:
        raise CarouselError(f"div_value must be at least 1; got {div_value}.")
    if tie is not None and tuple(tie.shape) != (vocabulary_size, hidden):
        raise CarouselError(
            f"tie must be (V, H), here {(vocabulary_size, hidden)}; got the shape {tuple(tie.shape)}."
        )
