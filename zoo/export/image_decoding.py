"""Decodes image files in the graph to the pixels that training reads, or refuses them with a sentence.

Where TensorFlow's decoders would return other pixels than the training reader, they are corrected here: the orientation
of the EXIF, transparency on white, 16 bits. A file whose header states too many pixels is refused before it is decoded.
"""

from zoo.export import exif_orientation
from zoo.export.file_segments import byte_numbers, gif_frame, jpeg_segments, padded_substr, png_chunks

MAX_PIXELS = 2**26  # 8192 x 8192, 192 MiB in three bands
FILE_FORMATS = "PNG, JPEG, GIF or BMP"
PNG_GRAYSCALE, PNG_ALPHA = (0, 4), (4, 6)  # color types in the header
BMP_MASKS = bytes.fromhex("0000ff00 00ff0000 ff000000")  # of red, green and blue, in the order that TensorFlow reads
BMP_GRAY_PALETTE = b"".join(bytes((i, i, i, 0)) for i in range(256))


def decode_image(data, bands, dtype="uint8"):
    """Decodes one image file to (H, W, bands); of an animation the first frame.

    The orientation in the EXIF is applied, transparency is laid on white, and grayscale is repeated to three bands.
    16 bits are kept for uint16, and else become 8: (value + 128) // 257. Four bands are those of an RGBA file as they
    are.

    Args:
        data: () string tensor, the content of a PNG, JPEG, GIF or BMP file.
        bands: 1, 3 or 4.
        dtype: uint8, or uint16 for PNG files of 16 bits only.
    Returns:
        (H, W, bands) uint8 or uint16.
    Raises:
        tf.errors.InvalidArgumentError: (in the graph) if it is no such file, is broken, has more than `MAX_PIXELS`
            pixels, or is of a kind whose pixels would differ from those in training.
    """
    import tensorflow as tf

    magic = [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"BM"]
    matches = tf.stack([tf.equal(tf.strings.substr(data, 0, len(m)), m) for m in magic])
    length = tf.strings.length(data)
    is_image = _check(
        (length > 32) & tf.reduce_any(matches),
        f"image_bytes must be the content of a {FILE_FORMATS} image file, got",
        length,
        "bytes of another format",
    )
    with tf.control_dependencies([is_image]):
        index = tf.argmax(matches, output_type="int32")
    decoders = [_decode_png, _decode_jpeg, _decode_gif, _decode_bmp]
    image = tf.switch_case(index, [lambda d=decode: d(data, bands, dtype) for decode in decoders])
    return tf.ensure_shape(image, (None, None, bands))


def _check(condition, *message):
    """An assertion whose message is made of strings and int32 tensors."""
    import tensorflow as tf

    return tf.debugging.Assert(condition, list(message))


def _check_size(height, width):
    """The assertion on the size that a header states, () int64 each."""
    import tensorflow as tf

    pixels = tf.minimum(height, 2**31) * tf.minimum(width, 2**31)
    return tf.debugging.Assert(
        pixels <= MAX_PIXELS, [f"image_bytes must be an image of at most {MAX_PIXELS} pixels, this one states", pixels]
    )


def _check_bands(bands, is_grayscale):
    """The assertion that a model of grayscale images gets no color file."""
    return _check(
        is_grayscale if bands == 1 else True, "image_bytes must be grayscale, as the training images, got a color file"
    )


def _check_8bit_format(bands, dtype, name):
    """The assertion that a model takes files of a format without 16 bits and without a fourth band."""
    expected = "a PNG file with 16 bits per band" if dtype == "uint16" else "a PNG file with four bands"
    return _check(
        dtype != "uint16" and bands != 4, f"image_bytes must be {expected}, as the training images, got a {name} file"
    )


def _check_complete(is_complete):
    """The assertion that a file's segments have been read to their end."""
    return _check(is_complete, "image_bytes has too many segments before or after the image; save the file again")


def _lay_on_white(image, alpha):
    """Blends (H, W, C) uint8 or uint16 with white by its opacity (H, W, 1), rounded to the nearest value."""
    import tensorflow as tf

    wide, white = ("int32", 255) if image.dtype == tf.uint8 else ("int64", 65535)
    color, alpha = tf.cast(image, wide), tf.cast(alpha, wide)
    return tf.cast((color * alpha + white * (white - alpha) + white // 2) // white, image.dtype)


def _decode_png(data, bands, dtype):
    """The image in a PNG file."""
    import tensorflow as tf

    header = byte_numbers(padded_substr(data, 16, 16), 16)
    powers = tf.constant([2**24, 2**16, 2**8, 1], "int64")
    depth, color = tf.cast(header[8], "int32"), tf.cast(header[9], "int32")
    is_grayscale = tf.reduce_any(color == PNG_GRAYSCALE)
    chunks = png_chunks(data)
    has_alpha = chunks.has_transparency | tf.reduce_any(color == PNG_ALPHA)
    checks = [
        _check_size(tf.reduce_sum(header[:4] * powers), tf.reduce_sum(header[4:8] * powers)),
        _check_complete(chunks.is_complete),
        _check(
            ~chunks.has_compressed_metadata,
            "image_bytes has its orientation in compressed text, which is not supported; save the file again",
        ),
    ]
    if bands == 4:
        checks.append(
            _check(
                color == 6,
                "image_bytes must be a PNG file with four bands, as the training images, got color type",
                color,
            )
        )
    else:
        checks.append(_check_bands(bands, is_grayscale))
    if dtype == "uint16":
        checks.append(
            _check(depth == 16, "image_bytes must have 16 bits per band, as the training images, got", depth, "bits")
        )
    with tf.control_dependencies(checks):
        data = tf.identity(data)

    def decode(dtype):
        """The bands; TensorFlow fills an alpha channel that the file lacks with wrong values below 8 bits."""
        if bands == 4:
            return tf.io.decode_png(data, 4, dtype=dtype)

        def transparent():
            image = tf.io.decode_png(data, 4, dtype=dtype)
            return _lay_on_white(image[..., :bands], image[..., 3:])

        return tf.cond(has_alpha, transparent, lambda: tf.io.decode_png(data, bands, dtype=dtype))

    def reduce_depth():
        return tf.cast((tf.cast(decode("uint16"), "int32") + 128) // 257, "uint8")

    image = decode("uint16") if dtype == "uint16" else tf.cond(depth == 16, reduce_depth, lambda: decode("uint8"))
    orientation = exif_orientation.orientation(chunks.exif.content(data), chunks.xmp.content(data))
    return exif_orientation.turn_upright(tf.ensure_shape(image, (None, None, bands)), orientation)


def _decode_jpeg(data, bands, dtype):
    """The image in a JPEG file."""
    import tensorflow as tf

    with tf.control_dependencies([_check_8bit_format(bands, dtype, "JPEG")]):
        shape = tf.image.extract_jpeg_shape(data)
    segments = jpeg_segments(data)
    checks = [
        _check_size(*tf.unstack(tf.cast(shape[:2], "int64"))),
        _check_complete(segments.is_complete),
        _check(shape[2] != 4, "image_bytes must be grayscale or RGB, got a CMYK JPEG file; convert it to RGB"),
        _check_bands(bands, shape[2] == 1),
    ]
    if bands == 4 or dtype == "uint16":
        return tf.zeros((0, 0, bands), dtype)
    with tf.control_dependencies(checks):
        # Exact as in training and in Pillow; decode_image uses a faster, less exact transform.
        image = tf.io.decode_jpeg(data, bands, dct_method="INTEGER_ACCURATE")
    orientation = exif_orientation.orientation(segments.exif.content(data), segments.xmp.content(data))
    return exif_orientation.turn_upright(image, orientation)


def _decode_gif(data, bands, dtype):
    """The first frame of a GIF file; its transparent color becomes white."""
    import tensorflow as tf

    if bands == 4 or dtype == "uint16":
        with tf.control_dependencies([_check_8bit_format(bands, dtype, "GIF")]):
            return tf.zeros((0, 0, bands), dtype)
    frame = gif_frame(data)
    sizes = tf.cast(
        tf.bitcast(tf.reshape(tf.io.decode_raw(padded_substr(data, 6, 4), "uint8"), (2, 2)), "uint16"), "int64"
    )
    area = padded_substr(data, frame.descriptor + 1, 8)
    whole = tf.strings.join([bytes(4), padded_substr(data, 6, 4)])
    checks = [
        _check_size(sizes[1], sizes[0]),
        _check_complete(frame.is_complete & (frame.controls <= 1)),
        _check(
            tf.equal(area, whole),
            "image_bytes is a GIF file whose first frame is smaller than the image; save it again",
        ),
        _check(
            ~tf.strings.regex_full_match(data, r"\C*tiff:Orientation\C*"),
            "image_bytes is a GIF file with an orientation, which is not supported; save it as PNG",
        ),
    ]
    flags = byte_numbers(padded_substr(data, frame.control + 3, 1), 1)[0]
    color = byte_numbers(padded_substr(data, frame.control + 6, 1), 1)[0]
    is_transparent = (frame.controls > 0) & (flags % 2 == 1)

    def opaque_on_white():
        opaque = _splice(data, frame.control + 3, b"\0")
        white = _splice(opaque, frame.palette + 3 * color, b"\xff\xff\xff")
        return tf.where(color < frame.colors, white, opaque)

    with tf.control_dependencies(checks):
        content = tf.cond(is_transparent, opaque_on_white, lambda: data)
        image = tf.io.decode_image(content, 3, expand_animations=False)
    return _gray_band(image) if bands == 1 else image


def _splice(data, position, content):
    """Returns `data` with the bytes from `position` replaced."""
    import tensorflow as tf

    zero, length = tf.constant(0, "int64"), tf.cast(tf.strings.length(data), "int64")
    end = tf.minimum(position + len(content), length)
    return tf.strings.join([tf.strings.substr(data, zero, position), content, tf.strings.substr(data, end, length)])


def _gray_band(image):
    """Returns the first band of an image (H, W, 3) whose bands must be equal."""
    import tensorflow as tf

    first = image[..., :1]
    with tf.control_dependencies([_check_bands(1, tf.reduce_all(image == first))]):
        return tf.identity(first)


def _decode_bmp(data, bands, dtype):
    """The image in a BMP file of 24 or 32 bits, or of 8 bits of gray."""
    import tensorflow as tf

    if bands == 4 or dtype == "uint16":
        with tf.control_dependencies([_check_8bit_format(bands, dtype, "BMP")]):
            return tf.zeros((0, 0, bands), dtype)

    header = tf.cast(tf.io.decode_raw(padded_substr(data, 14, 56), "int32"), "int64")  # 14 numbers of 4 bytes
    size, width, height, compression = header[0], header[1], header[2], header[4]
    bits = tf.cast(header[3] // 2**16, "int32")
    masks, alpha_mask = padded_substr(data, 54, 12), header[13] % 2**32
    has_masks = (compression == 3) & (bits == 32) & tf.equal(masks, BMP_MASKS)
    has_alpha = has_masks & (size >= 56) & (alpha_mask == 0xFF000000)
    has_masks &= (size < 56) | (alpha_mask == 0) | has_alpha
    is_gray = (bits == 8) & tf.equal(padded_substr(data, 14 + size, 1024), BMP_GRAY_PALETTE)
    is_gray &= (header[8] == 0) | (header[8] == 256)
    is_plain = (compression == 0) & ((bits == 24) | (bits == 32) | is_gray)
    checks = [
        _check_size(tf.abs(height), tf.abs(width)),
        _check(
            (size >= 40) & (is_plain | has_masks),
            "image_bytes must be a BMP file of 24 or 32 bits without compression, or of 8 bits of gray, got",
            bits,
            "bits of another kind; save it as PNG",
        ),
    ]
    with tf.control_dependencies(checks):
        image = tf.io.decode_bmp(data)
    image = tf.switch_case(
        tf.where(has_alpha, 2, tf.where(is_gray, 1, 0)),
        [
            lambda: image[..., :3],
            lambda: tf.repeat(image[..., :1], 3, axis=-1),
            lambda: _lay_on_white(image[..., :3], image[..., 3:]),
        ],
    )
    return _gray_band(image) if bands == 1 else image


def resize_image(image, size, dtype):
    """Resizes the pixels of a file to the size of a run's raw inputs: bilinear, antialiased, not cropped.

    Args:
        image: (H, W, C) array or tensor.
        size: (H, W) in pixels.
        dtype: of the returned tensor; integers are rounded.
    """
    import tensorflow as tf

    image = tf.image.resize(image, size, antialias=True)
    return tf.saturate_cast(tf.round(image) if "int" in dtype else image, dtype)
