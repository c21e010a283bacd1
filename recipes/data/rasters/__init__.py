"""Readers of georeferenced rasters."""
