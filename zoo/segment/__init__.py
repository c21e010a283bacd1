"""(H, W, C) -> (H, W, classes)."""
