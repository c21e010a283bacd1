"""The input schema of a trained model, and the matching of new data to it by name."""

from zoo.inputs.bands import band_range_notes, match_bands
from zoo.inputs.match import Match, match, match_frame, match_sound, match_texts
from zoo.inputs.ranges import feature_range_notes, target_range_notes, unit_notes
from zoo.inputs.schema import Band, Column, InputSchema, read_schema

__all__ = [
    "Band",
    "Column",
    "InputSchema",
    "Match",
    "band_range_notes",
    "feature_range_notes",
    "match",
    "match_bands",
    "match_frame",
    "match_sound",
    "match_texts",
    "read_schema",
    "target_range_notes",
    "unit_notes",
]
