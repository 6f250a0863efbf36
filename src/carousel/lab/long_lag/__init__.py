"""Long lags: adding, temporal order and copying with plain and gated cells."""
