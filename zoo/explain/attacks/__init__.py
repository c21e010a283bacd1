"""Adversarial attacks, adversarial training and robustness curves."""
