"""(H, W, C) -> (rH, rW, C)."""
