"""The linear recurrence, its eigenvalues, and what they do not tell."""
