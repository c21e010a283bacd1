"""Two frames (H, W, C) -> (H, W, 2)."""
