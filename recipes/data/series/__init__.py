"""Reader of time series."""
