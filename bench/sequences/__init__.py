"""Models of sequences on data sets that others have measured, each beside a network without recurrence."""
