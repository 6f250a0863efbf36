"""How a model is used: axes, inputs, loss and optimizer. What is wrong here causes what `verdicts` finds in layers."""
