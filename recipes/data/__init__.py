"""Data sources: one reader per kind of data, and `load`, which chooses the reader by a string or an object."""

from recipes.data.examples import Data, Examples
from recipes.data.readers import as_source_spec, load, reopen, sources
from recipes.data.source_spec import SourceSpec

__all__ = ["Data", "Examples", "SourceSpec", "as_source_spec", "load", "reopen", "sources"]
