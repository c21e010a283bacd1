"""Images with colored rectangles, and a stand-in for a detector that finds them."""

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from recipes.data.images.image_files import resize_image
from tests.box_images import COLORS

SIDE = 64  # of the image that the stand-in detector sees [pixels]
TRUNCATED = 300  # bytes


def rectangles(run, images):
    """A stand-in for a trained detector, which sees an image as `SIDE` x `SIDE` pixels: a box around each rectangle.

    The score is 0.9; of rectangles of less than 5 pixels there, 0.3.
    """
    outputs = np.full((len(images), 20, 6), -1, "float32")
    for rows, image in zip(outputs, images, strict=True):
        small = resize_image(np.asarray(image), (SIDE, SIDE)).astype(int)
        n = 0
        for label, color in enumerate(COLORS.values()):
            components, _ = ndimage.label((np.abs(small - color) < 60).all(-1))
            for y, x in ndimage.find_objects(components):
                corners = np.array([x.start, y.start, x.stop, y.stop]) / SIDE
                rows[n] = *corners, 0.9 if (y.stop - y.start) * (x.stop - x.start) >= 5 else 0.3, label
                n += 1
    return outputs


def scene(size, boxes):
    """Pixels of an image of a size (height, width) with rectangles: {(x1, y1, x2, y2): color}."""
    pixels = np.random.default_rng(0).integers(90, 110, (*size, 3)).astype(np.uint8)
    for (x1, y1, x2, y2), color in boxes.items():
        pixels[y1:y2, x1:x2] = COLORS[color]
    return pixels


def save_photo(path, size, boxes=None, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(scene(size, boxes or {})).save(path, **options)
    return path


def save_raster(path, pixels, transform=(0.5, 0, 600_000, 0, -0.5, 5_000_000), crs="EPSG:32632", **profile):
    rasterio = pytest.importorskip("rasterio")
    height, width, count = pixels.shape
    options = {"driver": "GTiff", "height": height, "width": width, "count": count, "dtype": "uint8"} | profile
    if transform:
        options |= {"crs": crs, "transform": rasterio.Affine(*transform)}
    with rasterio.open(path, "w", **options) as file:
        file.write(np.moveaxis(pixels, -1, 0))
    return path


def boxes_of(frame):
    return frame.dropna(subset="score")[["x1", "y1", "x2", "y2"]].to_numpy()
