"""Readers of time series."""
