"""The map of words, as a page and as a still picture."""
