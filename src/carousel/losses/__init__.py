"""Divergences between the outputs of a network and its targets, over the steps of sequences."""

from carousel.losses.adaptive_softmax import AdaptiveSoftmax
from carousel.losses.bernoulli import bernoulli
from carousel.losses.cross_entropy import cross_entropy
from carousel.losses.gaussian import gaussian
from carousel.losses.kl_divergence import kl_divergence
from carousel.losses.linear_cross_entropy import linear_cross_entropy
from carousel.losses.squared_error import squared_error

__all__ = [
    "AdaptiveSoftmax",
    "bernoulli",
    "cross_entropy",
    "gaussian",
    "kl_divergence",
    "linear_cross_entropy",
    "squared_error",
]
