"""Gradients through a deep feed-forward network of 19 hidden layers."""
