"""The page of a language model's run: its numbers, and what is drawn of them."""
