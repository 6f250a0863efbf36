"""Training and evaluation of language models on text."""
