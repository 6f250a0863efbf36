"""Words as vectors: one-hot, projected, and learned by language models."""
