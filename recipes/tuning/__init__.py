"""Search for better hyperparameters, and for a learning rate."""
