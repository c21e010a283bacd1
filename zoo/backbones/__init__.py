"""Trained backbones under new heads: what they take, their bands, features, phases of training, and those of TF Hub."""
