"""Architectures for rows of a table: (F,) -> (outputs,)."""
