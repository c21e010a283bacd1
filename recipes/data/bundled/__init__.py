"""Reader of data that packages carry."""
