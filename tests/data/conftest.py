"""Fixtures of the tests of data."""

import pytest


@pytest.fixture
def rasterio():
    return pytest.importorskip("rasterio", reason="rasterio is in the extra `raster`")
