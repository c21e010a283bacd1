"""Images in files that are decoded when they are read, and matched to the bands and depth that a run expects."""

import dataclasses
from pathlib import Path

import numpy as np

from recipes.data.images.decoded_image import UnreadableImageError
from recipes.data.images.fast_resize import resize_fast
from recipes.data.images.image_decoding import JPEG_MAGIC, decode_plain, read_image
from recipes.data.on_demand import dataset_on_demand
from zoo.arguments import suggestion
from zoo.export import image_decoding

SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".gif", ".tif", ".tiff", ".webp")
SCALE_16 = 257  # 65535 / 255


@dataclasses.dataclass(frozen=True, eq=False)
class ImageFiles:
    """Images in files, decoded when they are read.

    Args:
        paths: (N,) of the files.
        orientations: (N,) EXIF orientation of the files that `decode_plain` decodes, which is faster; 0 for others.
        shape: (H, W, C) of every image; H and W are None where they differ.
        dtype: of every image: uint8, uint16 or float32.
        bands: names of the bands; files that name theirs are read in this order. () where the bands have no names.
        gaps: whether a pixel may be nodata, which is NaN in float32.
        size: (H, W) that every image is resized to; None keeps the file's.
        sizes: (N, 2) height and width of the files' images, upright; None where they are unknown.
    """

    paths: np.ndarray
    orientations: np.ndarray
    shape: tuple
    dtype: str = "uint8"
    bands: tuple = ()
    gaps: bool = False
    size: tuple | None = None
    sizes: np.ndarray | None = None

    def __len__(self):
        return len(self.paths)

    def take(self, indices):
        """Returns the files at `indices`."""
        sizes = None if self.sizes is None else self.sizes[indices]
        return dataclasses.replace(
            self, paths=self.paths[indices], orientations=self.orientations[indices], sizes=sizes
        )

    def read(self, index):
        """Returns the image at `index`: (H, W, C) of `dtype`; a ValueError names a file that cannot be read or fit."""
        image = self._decode(index)
        return image if self.size is None else resize_image(image, self.size)

    def read_resized(self, index, size):
        """Returns the 8-bit image at `index` in another size: (H, W, C) uint8, for training.

        As `resize_image`, within about one gray level on average on photos, and several times as fast. A JPEG of twice
        the size or more is reduced by its decoder first.

        Args:
            index: of the file.
            size: (H, W).
        """
        return resize_fast(self._decode(index, size), size)

    def _decode(self, index, size=None):
        """Returns the image at `index`; with `size`, a JPEG may be reduced, to twice that size or more."""
        path, orientation = str(self.paths[index]), int(self.orientations[index])
        if orientation:
            with open(path, "rb") as file:
                content = file.read()
            reducible = size is not None and self.sizes is not None and content.startswith(JPEG_MAGIC)
            reduction = self._reduction(index, size) if reducible else 1
            image = decode_plain(content, self.shape[-1], orientation, reduction)
            if image is not None:
                return image
        return fit_image(read_image(path), path, self.shape[-1], self.dtype, self.bands, self.gaps)

    def _reduction(self, index, size):
        """Returns 1, 2, 4 or 8: the largest that leaves twice `size`, which is then resized antialiased."""
        largest = (self.sizes[index] / (2 * np.asarray(size))).min()
        return max(r for r in (1, 2, 4, 8) if r == 1 or r <= largest)

    def dataset(self):
        """Returns a tf.data.Dataset of single images, (H, W, C) of `dtype`, in the files' order."""
        return dataset_on_demand(self, self.shape, self.dtype)


def open_images(paths, shape, dtype, bands=(), gaps=False, size=None):
    """Returns new image files, to be read as a run expects its raw inputs.

    `read(i)` of it returns (H, W, C) in the file's size. Bands are matched by name where run and file have names; extra
    bands are left out. Grayscale is repeated to color, and 16-bit photos such as PNG are scaled to 8 bits by
    (x + 128) // 257, as in training. Other differences in bands, depth or nodata are a ValueError that names the file.

    Args:
        paths: of the files.
        shape: (H, W, C) of the run's raw inputs; only C is used.
        dtype: of the run's raw inputs: uint8, uint16 or float32.
        bands: names of the run's bands, () where they have none.
        gaps: whether the run's images had nodata (`Data.missing` is pad).
        size: (H, W) that the images are resized to; None keeps the files'.
    Returns:
        `ImageFiles`.
    """
    paths, shape = np.array([str(path) for path in paths]), (*(size or (None, None)), shape[-1])
    return ImageFiles(paths, np.zeros(len(paths), np.uint8), shape, str(np.dtype(dtype)), tuple(bands), gaps, size)


def resize_image(image, size):
    """Returns an image (H, W, C) resized as an export resizes files: bilinear, antialiased, whole numbers rounded.

    Args:
        image: (H, W, C) array.
        size: (H, W).
    """
    if image.shape[:2] == tuple(size):
        return image
    return image_decoding.resize_image(image, size, image.dtype.name).numpy()


def fit_image(image, path, count, dtype, bands=(), gaps=False):
    """Returns the pixels of a decoded image, (H, W, count), as a run or the other images of a data set expect them.

    Args:
        image: `DecodedImage`.
        path: of the file, for an error.
        count: number of bands.
        dtype, bands, gaps: as `ImageFiles` has them.
    Raises:
        ValueError: if bands, depth or gaps differ in a way that has no exact conversion.
    """
    pixels = image.pixels
    if bands and image.bands:
        absent = [name for name in bands if name not in image.bands]
        if absent:
            raise ValueError(
                f"images must have the bands {', '.join(bands)}, got {', '.join(image.bands)} in {path}, without "
                f"{', '.join(absent)}.{suggestion(absent[0], image.bands)}"
            )
        if image.bands != tuple(bands):
            pixels = pixels[..., [image.bands.index(name) for name in bands]]
    elif not bands and image.colors and count == 3:
        pixels = pixels[..., list(image.colors)]
    if image.has_gaps and not gaps:
        raise ValueError(
            f"images must have a value in every pixel, as the others have, got {int(np.isnan(pixels[..., 0]).sum()):,} "
            f"nodata pixels in {path}."
        )
    if image.depth != dtype and not (gaps and dtype == "float32"):
        if (dtype, image.depth, image.is_photo) != ("uint8", "uint16", True):
            raise ValueError(f"images must be {dtype}, as the others are, got {image.depth} in {path}.")
        pixels = ((pixels.astype(np.uint32) + SCALE_16 // 2) // SCALE_16).astype(np.uint8)
    if pixels.shape[-1] == 1 and count == 3 and not bands:
        pixels = np.repeat(pixels, 3, axis=-1)
    if pixels.shape[-1] != count:
        raise ValueError(
            f"images must have {count} band{'s' * (count > 1)}, as the others have, got {pixels.shape[-1]} in {path}."
        )
    return pixels.astype(dtype, copy=False)


def read_pixels(path):
    """Returns (H, W, C) of an image in its own depth, as `read_image` does, or of a .npy file.

    Args:
        path: of the file.
    Raises:
        ValueError: if the file cannot be read to its end, or has gaps; it is named.
    """
    return read_pixels_and_bands(path)[0]


def read_pixels_and_bands(path):
    """Returns (pixels, names of the bands); `read_pixels` documents both."""
    path = Path(path)
    if path.suffix.lower() != ".npy":
        image = read_image(path)
        return fit_image(image, path, image.pixels.shape[-1], image.depth), image.bands
    try:
        pixels = np.load(path, allow_pickle=False)
    except Exception as error:  # a broken file may raise anything
        raise UnreadableImageError(path, str(error)) from None
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.ndim != 3 or pixels.dtype.kind not in "uif":
        raise ValueError(f"an image must be (H, W, C) numbers, got {pixels.shape} {pixels.dtype} in {path}.")
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise ValueError(f"an image must be finite, got NaN or infinity in {path}.")
    return (pixels if pixels.dtype in (np.uint8, np.uint16) else pixels.astype(np.float32)), ()
