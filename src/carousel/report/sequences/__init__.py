"""The page of a run on sequences: its numbers, and what is drawn of them."""
