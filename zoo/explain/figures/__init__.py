"""Figures of layers, kernels, losses and attributions."""
