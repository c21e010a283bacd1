"""Prediction of rasters of any size, tile by tile."""
