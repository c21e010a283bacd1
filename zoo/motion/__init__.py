"""Optical flow: two frames (H, W, C) -> (H, W, 2)."""
