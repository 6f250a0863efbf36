"""Divergences between what a network says and what it should say."""

from carousel.losses.cross_entropy import cross_entropy

__all__ = ["cross_entropy"]
