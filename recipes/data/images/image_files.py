"""Image files of any mode, depth and orientation: read as 8-bit grayscale or RGB, or in their own depth."""

import dataclasses
import typing

import numpy as np

from zoo.arguments import suggestion

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
ARRAY_SUFFIXES = (*SUFFIXES, ".npy")
ORIENTATION = 0x0112  # the EXIF tag; 1 is upright


class DecodedImage(typing.NamedTuple):
    """One decoded image and the conversions that decoding took."""

    pixels: np.ndarray  # (H, W, 1) or (H, W, 3) uint8
    plain: bool  # whether TensorFlow's own decoder returns the same pixels
    conversions: tuple  # sentences
    brightest: int | None  # the largest value of a 16-bit image


def read_image(path):
    """Decodes an image file to its end, so that a truncated file is an error.

    Grayscale stays one band, everything else becomes RGB. Transparency is laid on white, 16 bits are divided by 257,
    the orientation in the EXIF is applied, and of an animation the first frame is read.

    Args:
        path: of a PNG, JPEG, BMP, GIF, TIFF or WebP file; the content decides, not the name.
    Returns:
        `DecodedImage`.
    Raises:
        Exception: of Pillow, for a broken file; ValueError for floats or 32 bits.
    """
    from PIL import Image, ImageOps

    conversions, brightest = [], None
    with Image.open(path) as image:
        upright = image.getexif().get(ORIENTATION, 1) == 1
        transparent = image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info
        plain = image.format in ("JPEG", "PNG") and image.mode in ("L", "RGB") and upright and not transparent
        if getattr(image, "is_animated", False):
            conversions.append("the first frame of an animation")
        image.load()
        if not upright:
            conversions.append("turned upright by its EXIF")
            image = ImageOps.exif_transpose(image)
        if image.mode == "F":
            raise ValueError("floating-point pixels are not supported here; pass arrays")
        if image.mode.startswith("I"):
            pixels = np.asarray(image)
            if pixels.min() < 0 or pixels.max() > 65535:
                raise ValueError("32-bit pixels are not supported here; pass arrays")
            brightest = int(pixels.max())
            conversions.append("16 bits divided by 257")
            return DecodedImage(
                _with_band_axis((pixels.astype("uint32") + 128) // 257), False, tuple(conversions), brightest
            )
        if transparent:
            conversions.append("transparency laid on white")
            grayscale = image.mode in ("L", "LA", "La", "1")
            layer = image.convert("RGBA")
            image = Image.new("RGBA", layer.size, "white")
            image.alpha_composite(layer)
            image = image.convert("L" if grayscale else "RGB")
        elif image.mode not in ("L", "RGB"):
            conversions.append({"1": "black and white", "P": "palette"}.get(image.mode, image.mode) + " converted")
            image = image.convert("L" if image.mode == "1" else "RGB")
        return DecodedImage(_with_band_axis(np.asarray(image)), plain, tuple(conversions), brightest)


def _with_band_axis(pixels):
    return pixels.astype("uint8", copy=False).reshape(*pixels.shape[:2], -1)


@dataclasses.dataclass(frozen=True, eq=False)
class ImageFiles:
    """Images in files, decoded when they are read.

    Args:
        paths: (N,) of the files.
        plain: (N,) bool, whether TensorFlow decodes the file to the same pixels as `read_image`; it is faster.
        shape: (H, W, C) of every image; H and W are None where they differ.
    """

    paths: np.ndarray
    plain: np.ndarray
    shape: tuple

    def __len__(self):
        return len(self.paths)

    def take(self, indices):
        """Returns the files at `indices`."""
        return ImageFiles(self.paths[indices], self.plain[indices], self.shape)

    def read(self, index):
        """Returns the image at `index`: (H, W, C) uint8."""
        return _repeat_bands(read_image(self.paths[index]).pixels, self.shape[-1])

    def dataset(self):
        """Returns a tf.data.Dataset of single images, (H, W, C) uint8, in the files' order."""
        import tensorflow as tf

        bands = self.shape[-1]

        def decode_plain(path):
            # The accurate transform is the one that Pillow has; PNG passes through the same operation.
            return tf.io.decode_jpeg(tf.io.read_file(path), bands, dct_method="INTEGER_ACCURATE")

        def decode_any(path):
            return tf.numpy_function(lambda p: _repeat_bands(read_image(p.decode()).pixels, bands), [path], tf.uint8)

        def decode(path, plain):
            if self.plain.all():
                return tf.ensure_shape(decode_plain(path), self.shape)
            image = tf.cond(plain, lambda: decode_plain(path), lambda: decode_any(path))
            return tf.ensure_shape(image, self.shape)

        paths = tf.data.Dataset.from_tensor_slices((self.paths.astype(object), self.plain))
        return paths.map(decode, tf.data.AUTOTUNE, deterministic=True)


def _repeat_bands(pixels, bands):
    return pixels if pixels.shape[-1] == bands else np.repeat(pixels, bands, axis=-1)


def files_by_stem(path):
    """Returns name without its ending -> path, of a folder's images or of one file.

    Args:
        path: `Path` of a folder or a file.
    Raises:
        ValueError: if there is no such folder or file, it has no images, or two of one name.
    """
    if path.is_file():
        return {path.stem: path}
    if not path.is_dir():
        nearest = suggestion(path.name, [p.name for p in path.parent.iterdir()]) if path.parent.is_dir() else ""
        raise ValueError(f"there is no folder or file {path}.{nearest}")
    files = {}
    for file in sorted(path.iterdir()):
        if file.suffix.lower() in ARRAY_SUFFIXES and not file.name.startswith("."):
            if file.stem in files:
                raise ValueError(f"names must differ beside their ending, got {files[file.stem]} and {file}.")
            files[file.stem] = file
    if not files:
        raise ValueError(f"{path} must have images ({', '.join(ARRAY_SUFFIXES)}), got none.")
    return files


def paired_files(images, labels, partner):
    """Returns [(image path, partner path), ...] of two folders with equal names, or of one file each.

    Args:
        images, labels: `Path`s of folders or files.
        partner: what an image's partner is, for the error: mask, partner.
    Raises:
        ValueError: if a file has no partner; it is named.
    """
    image_files, label_files = files_by_stem(images), files_by_stem(labels)
    if len(image_files) == len(label_files) == 1 and images.is_file():
        label_files = dict(zip(image_files, label_files.values(), strict=True))
    for name, path in {**label_files, **image_files}.items():
        missing, others = (partner, label_files) if name in image_files else ("image", image_files)
        if name not in others:
            raise ValueError(
                f"every image must have its {partner}, got {path} without {missing}.{suggestion(name, others)}"
            )
    return [(image_files[name], label_files[name]) for name in sorted(image_files)]


def read_pixels(path):
    """Returns (H, W, C) of an image in its own depth: 8 bits as `read_image` does, 16 bits and floats as they are.

    Raises:
        ValueError: if the file cannot be read to its end; it is named.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        if path.suffix.lower() == ".npy":
            pixels = np.load(path, allow_pickle=False)
        else:
            try:
                with Image.open(path) as image:
                    deep = image.mode[0] in "IF"
                    pixels = np.asarray(image) if deep else read_image(path).pixels
            except (UnidentifiedImageError, ValueError):  # kinds of TIFF that Pillow lacks
                pixels = decode_bytes(path.read_bytes())
    except Exception as error:  # a broken file may raise anything in a decoder
        raise ValueError(f"every image must be readable, got {path}: {error}") from None
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.ndim != 3 or pixels.dtype.kind not in "uif":
        raise ValueError(f"an image must be (H, W, C) numbers, got {pixels.shape} {pixels.dtype} in {path}.")
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise ValueError(f"an image must be finite, got NaN or infinity in {path}.")
    return pixels if pixels.dtype in (np.uint8, np.uint16) else pixels.astype(np.float32)


def decode_bytes(data):
    """Returns (H, W) or (H, W, C) from the bytes of an image file, as OpenCV reads it, in the order R, G, B."""
    import cv2

    logging = getattr(cv2.utils, "logging", cv2)  # where R's reticulate imports OpenCV, it lacks this part
    level = logging.setLogLevel(2)  # errors only; it would warn of the tags of a georeferenced TIFF
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    finally:
        logging.setLogLevel(level)
    if pixels is None:
        raise ValueError("it is no image, or broken")
    return pixels[..., [2, 1, 0, *range(3, pixels.shape[-1])]] if pixels.ndim == 3 else pixels
