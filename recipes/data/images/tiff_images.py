"""TIFF images: which are photos that Pillow reads, and the others as rasterio reads them, with all their bands."""

import os

import numpy as np

from recipes.data.images.decoded_image import DecodedImage, UnreadableImageError, verify_pixel_count
from recipes.data.rasters.geotiff import color_numbers, open_raster, raster_of, read_window

TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
BITS, PHOTOMETRIC, SAMPLES, EXTRA_SAMPLES, SAMPLE_FORMAT = 258, 262, 277, 338, 339  # tags
# Pixel scale, tie points, transformation, keys of GeoTIFF; GDAL's metadata and nodata
GEOREFERENCE = (33550, 33922, 34264, 34735, 42112, 42113)
COLOR_BANDS = {0: 1, 1: 1, 2: 3, 3: 1, 5: 4, 6: 3, 8: 3}  # photometric interpretation -> bands without extra samples
ALPHA_AS_BAND = ", which is labelled alpha, read as a band"
COLORS_ORDERED = "the bands that the file names red, green and blue are taken, in this order"
ALPHA = (1, 2)  # extra samples that are opacity
EXACT_INTEGERS = 2**24  # float32 has every integer up to here


def is_tiff_photo(image):
    """Whether an opened TIFF of Pillow is an 8-bit photo: gray, color, palette or CMYK without a georeference."""
    tags = image.tag_v2
    if any(tag in tags for tag in GEOREFERENCE):
        return False
    bits, extra, formats = (
        v if isinstance(v, tuple) else (v,)
        for v in (tags.get(BITS, (1,)), tags.get(EXTRA_SAMPLES, ()), tags.get(SAMPLE_FORMAT, (1,)))
    )
    bands = COLOR_BANDS.get(tags.get(PHOTOMETRIC))
    if bands is None or max(bits) > 8 or set(formats) != {1}:
        return False
    return tags.get(SAMPLES, 1) == bands + len(extra) and len(extra) <= 1 and set(extra) <= set(ALPHA)


def read_tiff(source):
    """Reads a TIFF with rasterio: all bands in the file's order and depth, with their names.

    Scale and offset are applied. Where any band of a pixel is nodata, all are NaN. Integers that are not uint8 or
    uint16, and floats of 64 bits, become float32. A band that is labelled alpha is a band.

    Args:
        source: path or bytes.
    Returns:
        `DecodedImage`.
    Raises:
        UnreadableImageError: if rasterio is absent, the file is broken, it has several pages, or its values are no
            image, such as NaN where the file has no nodata value.
    """
    try:
        import rasterio  # noqa: F401
    except ImportError:
        raise UnreadableImageError(
            source,
            "TIFF files of several bands, 16 bits, floats or with a georeference need rasterio: "
            "pip install 'fieldzoo[raster]'",
        ) from None
    conversions = []
    try:
        with open_raster(source, "read_image") as file:
            verify_pixel_count(source, file.width, file.height)
            raster = raster_of(file, source if isinstance(source, str | os.PathLike) else "bytes", caller="read_image")
            pixels, valid = read_window(file, raster, 0, 0, raster.height, raster.width)
            if len(file.subdatasets) > 1:
                raise UnreadableImageError(source, f"it has {len(file.subdatasets)} pages; save bands in one page")
            names = [(name or "").strip() for name in file.descriptions]
            colors = color_numbers(names, [color.name for color in file.colorinterp])
            if file.tags(ns="IMAGE_STRUCTURE").get("MINISWHITE") == "YES" and pixels.dtype.kind == "u":
                pixels = np.iinfo(pixels.dtype).max - pixels
                conversions.append("0 is white in the file, and read as the largest value")
            conversions += [
                f"band {i}{ALPHA_AS_BAND}"
                for i, interpretation in enumerate(file.colorinterp, 1)
                if interpretation.name == "alpha"
            ]
    except UnreadableImageError:
        raise
    except ValueError as error:
        is_broken = "readable to its end" in str(error)
        raise UnreadableImageError(source, "it is truncated or broken" if is_broken else str(error)) from None
    if pixels.dtype.kind == "f" and not raster.masked and not valid.all():
        raise UnreadableImageError(source, "it has NaN or infinity, and no nodata value")
    if raster.is_scaled:
        conversions.append("scale and offset of the file applied")
    pixels, depth = _in_three_depths(source, pixels, valid, conversions)
    places = tuple(number - 1 for number in colors) if colors else ()
    return DecodedImage(pixels, tuple(conversions), depth, raster.names, is_photo=False, colors=places)


def _in_three_depths(source, pixels, valid, conversions):
    """Returns (pixels, depth) in uint8, uint16 or float32, and NaN where a pixel is not valid."""
    values = pixels[valid]
    if not values.size:
        raise UnreadableImageError(source, "all its pixels are nodata")
    if pixels.dtype not in (np.uint8, np.uint16, np.float32):
        if pixels.dtype.kind in "ui" and np.abs(values.astype(np.int64)).max() > EXACT_INTEGERS:
            raise UnreadableImageError(source, f"its {pixels.dtype} values exceed {EXACT_INTEGERS:,}")
        conversions.append(f"{pixels.dtype} read as float32")
        pixels = pixels.astype(np.float32)
    depth = pixels.dtype.name
    if valid.all():
        return pixels, depth
    conversions.append("nodata read as gaps")
    return np.where(valid[..., None], pixels.astype(np.float32), np.float32(np.nan)), depth
