"""Bounded activations: bounded states, saturation, and what is left of the input."""
