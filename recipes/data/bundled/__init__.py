"""Data sets that travel in packages."""
