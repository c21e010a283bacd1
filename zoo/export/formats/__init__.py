"""Formats of an export besides the plain SavedModel."""
