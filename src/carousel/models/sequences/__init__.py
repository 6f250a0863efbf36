"""Models of sequences that are not text."""
