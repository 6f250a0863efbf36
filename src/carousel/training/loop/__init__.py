"""The optimisation of any model: windows, steps, learning rates."""
