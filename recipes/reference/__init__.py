"""Reference recipes with committed results, and published training settings."""
