"""The fused output layer and loss beside torch, and a whole training step beside the same model in plain torch."""
