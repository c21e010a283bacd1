"""Readers of images: class folders, masks, pairs."""
