"""Saved runs: load them, predict with them, evaluate them."""
