"""Losses over time: their weights, their index, and truncated backpropagation."""
