"""Weights that others trained -> our weights: a reader of their files, a table of their names, and transposes."""
