"""The input schema of a trained model, and the matching of new data to it by name."""

from zoo.inputs.match import Match, band_range_notes, match, match_bands, match_frame
from zoo.inputs.schema import Band, Column, InputSchema, read_schema

__all__ = [
    "Band",
    "Column",
    "InputSchema",
    "Match",
    "band_range_notes",
    "match",
    "match_bands",
    "match_frame",
    "read_schema",
]
