"""The divergences, each with a sequence that it can judge, and each step's value by a hand in float64."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from carousel import losses

T, B, K = 5, 3, 4


@dataclass(frozen=True)
class Divergence:
    """A loss, outputs (T, B, K) and targets for it in float64, and the definition of one step's divergence."""

    loss: Callable[..., Tensor]
    outputs: Tensor
    targets: Tensor
    definition: Callable[[Tensor, Tensor], Tensor]  # of one output (K,) and its target -> scalar
    options: dict[str, bool]

    def __call__(self, outputs: Tensor, targets: Tensor, **options: object) -> Tensor:
        return self.loss(outputs, targets, **self.options, **options)

    def each(self) -> Tensor:
        """(T, B): the definition at every step."""
        return torch.stack(
            [
                torch.stack([self.definition(self.outputs[t, b], self.targets[t, b]) for b in range(B)])
                for t in range(T)
            ]
        )


def divergences() -> dict[str, Divergence]:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(T, B, K, dtype=torch.float64, generator=generator)
    others = torch.randn(T, B, K, dtype=torch.float64, generator=generator)
    indices = torch.randint(K, (T, B), generator=generator)
    shares, distributions = others.sigmoid(), others.softmax(-1)
    distributions[0, 0] = torch.tensor([0.0, 1.0, 0.0, 0.0])
    said = {True: lambda y: y, False: lambda y: y.exp() / y.exp().sum()}
    yes = {True: lambda y: y, False: lambda y: 1 / (1 + (-y).exp())}

    def entropy(d: Tensor) -> Tensor:
        return torch.stack([-p * p.log() for p in d if p > 0]).sum()

    found = {
        "squared_error": Divergence(
            losses.squared_error,
            logits,
            others,
            lambda y, d: sum((a - b) ** 2 for a, b in zip(y, d, strict=True)),
            {},
        )
    }
    for given in (False, True):
        options, name = {"probabilities": given}, "probabilities" if given else "logits"
        y = logits.softmax(-1) if given else logits
        p = said[given]
        found |= {
            f"cross_entropy of an index, {name}": Divergence(
                losses.cross_entropy, y, indices, lambda y, d, p=p: -p(y)[d].log(), options
            ),
            f"cross_entropy of a distribution, {name}": Divergence(
                losses.cross_entropy, y, distributions, lambda y, d, p=p: -(d * p(y).log()).sum(), options
            ),
            f"kl_divergence, {name}": Divergence(
                losses.kl_divergence, y, distributions,
                lambda y, d, p=p: -(d * p(y).log()).sum() - entropy(d), options,
            ),
            f"kl_divergence of an index, {name}": Divergence(
                losses.kl_divergence, y, indices, lambda y, d, p=p: -p(y)[d].log(), options
            ),
            f"bernoulli, {name}": Divergence(
                losses.bernoulli, logits.sigmoid() if given else logits, shares,
                lambda y, d, p=yes[given]: -(d * p(y).log() + (1 - d) * (1 - p(y)).log()).sum(), options,
            ),
        }  # fmt: skip
    return found
