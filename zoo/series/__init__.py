"""Series, tokens and images through time: (T, F) -> (outputs,) or (T, outputs)."""
