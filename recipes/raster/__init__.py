"""Prediction for rasters of any size."""
