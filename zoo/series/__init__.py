"""Models of time series, token sequences and image sequences: (T, F) -> (outputs,) or (T, outputs)."""
