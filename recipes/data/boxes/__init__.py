"""Readers of images with boxes around objects."""
