"""The streetlight effect: how far the answer of a linearisation carries."""
