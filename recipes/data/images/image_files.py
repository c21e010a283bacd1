"""Photos as people have them: any mode, depth and orientation, read as 8-bit grey or RGB."""

import dataclasses
import typing

import numpy as np

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
ORIENTATION = 0x0112  # the EXIF tag; 1 is upright


class Photo(typing.NamedTuple):
    """One decoded photo and what decoding it took."""

    pixels: np.ndarray  # (H, W, 1) or (H, W, 3) uint8
    plain: bool  # whether TensorFlow's own decoder gives the same pixels
    done: tuple  # what was converted, in words
    brightest: int | None  # the largest value of a 16-bit photo


def read(path):
    """Decodes the whole file, so that a truncated one shows.

    Grey stays one band, all else becomes RGB; what is transparent is laid on white; 16 bits are divided by 257; a
    photo that says in its EXIF how it was held is turned upright; of an animation the first frame is taken.

    Args:
        path: of a PNG, JPEG, BMP, GIF, TIFF or WebP file; the content decides, not the name.
    Returns:
        `Photo`.
    Raises:
        Exception: whatever Pillow says of a broken file; ValueError for numbers that are no photo (floats, 32 bits).
    """
    from PIL import Image, ImageOps

    done, brightest = [], None
    with Image.open(path) as photo:
        upright = photo.getexif().get(ORIENTATION, 1) == 1
        transparent = photo.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in photo.info
        plain = photo.format in ("JPEG", "PNG") and photo.mode in ("L", "RGB") and upright and not transparent
        if getattr(photo, "is_animated", False):
            done.append("the first frame of an animation")
        photo.load()
        if not upright:
            done.append("turned upright by its EXIF")
            photo = ImageOps.exif_transpose(photo)
        if photo.mode == "F":
            raise ValueError("floating-point pixels are no photo; pass arrays")
        if photo.mode.startswith("I"):
            pixels = np.asarray(photo)
            if pixels.min() < 0 or pixels.max() > 65535:
                raise ValueError("32-bit pixels are no photo; pass arrays")
            brightest = int(pixels.max())
            done.append("16 bits divided by 257")
            return Photo(_bands((pixels.astype("uint32") + 128) // 257), False, tuple(done), brightest)
        if transparent:
            done.append("transparency laid on white")
            grey = photo.mode in ("L", "LA", "La", "1")
            layer = photo.convert("RGBA")
            photo = Image.new("RGBA", layer.size, "white")
            photo.alpha_composite(layer)
            photo = photo.convert("L" if grey else "RGB")
        elif photo.mode not in ("L", "RGB"):
            done.append({"1": "black and white", "P": "palette"}.get(photo.mode, photo.mode) + " converted")
            photo = photo.convert("L" if photo.mode == "1" else "RGB")
        return Photo(_bands(np.asarray(photo)), plain, tuple(done), brightest)


def _bands(pixels):
    return pixels.astype("uint8", copy=False).reshape(*pixels.shape[:2], -1)


@dataclasses.dataclass(frozen=True, eq=False)
class Files:
    """Photos that are decoded when they are asked for.

    Args:
        paths: (N,) of the files.
        plain: (N,) bool, whether TensorFlow decodes the file to the same pixels as `read`, which it does faster.
        shape: (H, W, C) of every photo; H and W are None where they differ.
    """

    paths: np.ndarray
    plain: np.ndarray
    shape: tuple

    def __len__(self):
        return len(self.paths)

    def take(self, indices):
        """The files at `indices`."""
        return Files(self.paths[indices], self.plain[indices], self.shape)

    def read(self, index):
        """The photo at `index`: (H, W, C) uint8."""
        return _widen(read(self.paths[index]).pixels, self.shape[-1])

    def dataset(self):
        """tf.data.Dataset of single photos, (H, W, C) uint8, in the files' order."""
        import tensorflow as tf

        bands = self.shape[-1]

        def fast(path):
            # The accurate transform is the one that Pillow has; PNG passes through the same operation.
            return tf.io.decode_jpeg(tf.io.read_file(path), bands, dct_method="INTEGER_ACCURATE")

        def any_kind(path):
            return tf.numpy_function(lambda p: _widen(read(p.decode()).pixels, bands), [path], tf.uint8)

        def decode(path, plain):
            if self.plain.all():
                return tf.ensure_shape(fast(path), self.shape)
            photo = tf.cond(plain, lambda: fast(path), lambda: any_kind(path))
            return tf.ensure_shape(photo, self.shape)

        paths = tf.data.Dataset.from_tensor_slices((self.paths.astype(object), self.plain))
        return paths.map(decode, tf.data.AUTOTUNE, deterministic=True)


def _widen(pixels, bands):
    return pixels if pixels.shape[-1] == bands else np.repeat(pixels, bands, axis=-1)
