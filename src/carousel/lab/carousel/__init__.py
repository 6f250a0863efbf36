"""The constant error carousel: the gradient over 1,000 steps, and the backward formulas of the lecture."""
