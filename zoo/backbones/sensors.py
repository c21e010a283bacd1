"""The bands of satellite sensors: names, common names and wavelengths."""

import typing

from zoo.arguments import suggestion


class Band(typing.NamedTuple):
    """One band of a sensor."""

    common_name: str  # as in STAC, the same for corresponding bands of all sensors
    center_wavelength: float  # [nm]
    bandwidth: float  # [nm]
    pixel_size: float  # [m]


SENSORS = {
    # Sentinel-2A's centers and bandwidths in ESA's Sentinel-2 user guide, MSI spatial and spectral resolution,
    # https://sentiwiki.copernicus.eu/web/s2-mission; Level-2A has no B10
    "sentinel2_l2a": {
        "B01": Band("coastal", 442.7, 21, 60),
        "B02": Band("blue", 492.4, 66, 10),
        "B03": Band("green", 559.8, 36, 10),
        "B04": Band("red", 664.6, 31, 10),
        "B05": Band("red_edge1", 704.1, 15, 20),
        "B06": Band("red_edge2", 740.5, 15, 20),
        "B07": Band("red_edge3", 782.8, 20, 20),
        "B08": Band("nir", 832.8, 106, 10),
        "B8A": Band("nir_narrow", 864.7, 21, 20),
        "B09": Band("water_vapour", 945.1, 20, 60),
        "B11": Band("swir1", 1613.7, 91, 20),
        "B12": Band("swir2", 2202.4, 175, 20),
    },
    # Landsat 8 OLI and TIRS: the middle and the width of the ranges in USGS, band designations,
    # https://www.usgs.gov/faqs/what-are-band-designations-landsat-satellites; TIRS is delivered at 30 m
    "landsat8": {
        "B1": Band("coastal", 440, 20, 30),
        "B2": Band("blue", 480, 60, 30),
        "B3": Band("green", 560, 60, 30),
        "B4": Band("red", 655, 30, 30),
        "B5": Band("nir_narrow", 865, 30, 30),
        "B6": Band("swir1", 1610, 80, 30),
        "B7": Band("swir2", 2200, 180, 30),
        "B8": Band("pan", 590, 180, 15),
        "B9": Band("cirrus", 1370, 20, 30),
        "B10": Band("thermal1", 10895, 590, 100),
        "B11": Band("thermal2", 12005, 1010, 100),
    },
}
COMMON_NAMES = tuple(dict.fromkeys(band.common_name for table in SENSORS.values() for band in table.values()))


def common_names(caller, bands, sensor=None):
    """Returns {band: its common name, or None for a band without one}.

    Args:
        caller: function name for error messages.
        bands: band names in order, of one sensor or common names (red, green, nir); or {custom name: common name or
            None}.
        sensor: one of `SENSORS`, or None for the only one that has all the bands.
    Raises:
        ValueError: if a name is unknown or occurs twice, or several sensors have the bands.
    """
    if isinstance(bands, dict):
        for name, common_name in bands.items():
            if common_name is not None and common_name not in COMMON_NAMES:
                raise ValueError(
                    f"{caller}: `bands`: {name!r} must be one of {', '.join(COMMON_NAMES)} or None, got "
                    f"{common_name!r}.{suggestion(common_name, COMMON_NAMES)}"
                )
        return dict(bands)
    bands = (bands,) if isinstance(bands, str) else tuple(bands)
    if not bands or not all(isinstance(b, str) for b in bands) or len(set(bands)) < len(bands):
        raise ValueError(f"{caller}: `bands` must be different names, at least one, got {bands}.")
    if sensor is not None and sensor not in SENSORS:
        raise ValueError(f"{caller}: `sensor` must be one of {', '.join(SENSORS)}, got {sensor!r}.")
    sensor_bands = [b for b in bands if b not in COMMON_NAMES]
    tables = [SENSORS[sensor]] if sensor else list(SENSORS.values())
    matches = [t for t in tables if all(b in t for b in sensor_bands)]
    if sensor_bands and len(matches) > 1:
        raise ValueError(f"{caller}: `sensor` must be given, as {', '.join(sensor_bands)} are bands of several.")
    if not matches:
        table = max(tables, key=lambda t: sum(b in t for b in sensor_bands))
        unknown = next(b for b in sensor_bands if b not in table)
        raise ValueError(
            f"{caller}: `bands`: no band is called {unknown!r}{f' in {sensor}' if sensor else ''}."
            f"{suggestion(unknown, [*table, *COMMON_NAMES])} For custom bands give a dict, as in "
            "{'my_red': 'red', 'slope': None}."
        )
    return {b: b if b in COMMON_NAMES else matches[0][b].common_name for b in bands}
