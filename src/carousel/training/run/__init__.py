"""A run from its folder to its last checkpoint, for any task."""
