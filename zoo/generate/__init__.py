"""Models that make data, or learn what data are like: noise, an image or a label -> an image."""
