"""Image restoration and super-resolution: (H, W, C) -> (rH, rW, C)."""
