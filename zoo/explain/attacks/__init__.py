"""Adversarial examples and robustness."""
