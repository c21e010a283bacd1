"""Smaller or faster formats of an export."""
