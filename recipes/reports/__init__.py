"""The HTML report, the model card, and the figures in them."""
