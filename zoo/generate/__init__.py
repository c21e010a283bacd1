"""Generative models: autoencoders, GANs, normalizing flows, Boltzmann machines, diffusion; their sample quality."""
