"""Time and place of a photo, from its EXIF."""

import contextlib
import datetime
import typing
import warnings

from recipes.data.rasters.geotiff import WARNINGS_LOCK

EXIF_IFD, GPS_IFD = 0x8769, 0x8825
ORIGINAL_TIME, CHANGE_TIME = 0x9003, 0x0132  # DateTimeOriginal, DateTime
LATITUDE, LONGITUDE = (1, 2), (3, 4)  # tags of the hemisphere and of degrees, minutes, seconds
TIME_FORMAT = "%Y:%m:%d %H:%M:%S"


class PhotoExif(typing.NamedTuple):
    """When and where a photo was taken.

    Args:
        time: `datetime.datetime` of the camera's clock, without a time zone; None where the EXIF has none.
        latitude, longitude: WGS 84 [degrees], north and east positive; None where the EXIF has none.
    """

    time: datetime.datetime | None = None
    latitude: float | None = None
    longitude: float | None = None


def read_exif(path):
    """Returns the `PhotoExif` of an image file; all None for a file without EXIF, or that cannot be read."""
    from PIL import Image

    with contextlib.suppress(Exception):  # a broken file may raise anything in a decoder
        with WARNINGS_LOCK, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large images, and of broken tags
            with Image.open(path) as image:
                exif = Image.Image.getexif(image)  # that of PNG files would decode the pixels
                main, details, gps = dict(exif), exif.get_ifd(EXIF_IFD), exif.get_ifd(GPS_IFD)
        place = _degrees(gps, *LATITUDE, 90), _degrees(gps, *LONGITUDE, 180)
        return PhotoExif(
            _time(details.get(ORIGINAL_TIME) or main.get(CHANGE_TIME)), *(place if None not in place else ())
        )
    return PhotoExif()


def _time(text):
    """Returns the time of an EXIF text; None for the zeros of a clock that was not set."""
    try:
        return datetime.datetime.strptime(str(text).strip("\0 "), TIME_FORMAT)
    except ValueError:
        return None


def _degrees(gps, hemisphere, numbers, limit):
    try:
        degrees, minutes, seconds = map(float, gps[numbers])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    value = degrees + minutes / 60 + seconds / 3600
    if not value <= limit:  # also NaN, of 0 / 0
        return None
    return round(-value if str(gps.get(hemisphere, "")).strip("\0 ").upper() in ("S", "W") else value, 7)
