"""Reader of georeferenced rasters."""
