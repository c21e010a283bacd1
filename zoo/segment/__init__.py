"""Semantic segmentation: (H, W, C) -> (H, W, classes)."""
