"""Writers of image files for tests: PNGs of any depth, and georeferenced TIFFs."""

import struct
import zlib

import numpy as np

from recipes.data.images.image_decoding import read_image

RNG = np.random.default_rng(0)
ORIENTATION = 0x0112


def photo(*shape, dtype="uint8"):
    return RNG.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def save_and_read(path, image, **options):
    image.save(path, **options)
    return read_image(path)


def png(pixels, color_type, depth=16, key=None, width=None):
    """Bytes of a PNG of any color type and depth; rows of fewer than 8 bits are packed already."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height, width = len(pixels), width or pixels.shape[1]
    rows = b"".join(b"\0" + row.astype(">u2" if depth == 16 else "u1").tobytes() for row in pixels)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, 0))
    transparent = b"" if key is None else chunk(b"tRNS", struct.pack(f">{len(key)}H", *key))
    start = b"\x89PNG\r\n\x1a\n" + header + transparent
    return start + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def chip(rasterio, path, values, names=(), scales=None, offsets=None, **options):
    """Writes a georeferenced TIFF of (C, H, W)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    size = {"count": len(values), "height": values.shape[1], "width": values.shape[2], "dtype": values.dtype}
    options = {"crs": "EPSG:32633", "transform": rasterio.Affine(10, 0, 0, 0, -10, 0), **options}
    with rasterio.open(path, "w", driver="GTiff", **size, **options) as file:
        file.write(values)
        for i, name in enumerate(names, 1):
            file.set_band_description(i, name)
        if scales:
            file.scales = scales
        if offsets:
            file.offsets = offsets
    return path
