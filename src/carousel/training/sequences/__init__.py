"""Training on sequences that are not text; the names are in `carousel.training`."""
