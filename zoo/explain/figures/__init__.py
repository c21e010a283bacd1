"""Figures of explanations, layers and losses."""
