"""Placeholder until the branch of series is merged."""


def future_windows(*a):
    raise NotImplementedError


def forecast_table(*a):
    raise NotImplementedError
