"""Image classifiers: (H, W, C) -> (classes,)."""
