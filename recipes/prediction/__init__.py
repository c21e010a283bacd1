"""Prediction with a trained run: batches, files of any number, and files of predictions."""
