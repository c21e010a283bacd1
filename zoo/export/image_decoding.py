"""Decodes image files in the graph; a file whose header states too many pixels is refused before it is decoded."""

MAX_PIXELS = 2**26  # 8192 x 8192, 192 MiB in three bands
FILE_FORMATS = "PNG, JPEG, GIF or BMP"


def decode_image(data, bands):
    """Decodes one image file to (H, W, bands) uint8; of an animation the first frame.

    Args:
        data: () string tensor, the content of a PNG, JPEG, GIF or BMP file.
        bands: 1, 3 or 4. Gray is converted to color and color to gray.
    Raises:
        tf.errors.InvalidArgumentError: (in the graph) if it is no such file, is broken, or has more than `MAX_PIXELS`
            pixels.
    """
    import tensorflow as tf

    with tf.control_dependencies(_header_assertions(data)):
        data = tf.identity(data)

    def decode_jpeg():  # exact as in training and in Pillow; decode_image uses a faster, less exact transform
        return tf.io.decode_jpeg(data, channels=bands, dct_method="INTEGER_ACCURATE")

    def decode_any():
        return tf.io.decode_image(data, channels=bands, expand_animations=False)

    is_jpeg = tf.equal(tf.strings.substr(data, 0, 3), b"\xff\xd8\xff")
    image = decode_any() if bands == 4 else tf.cond(is_jpeg, decode_jpeg, decode_any)
    image.set_shape((None, None, bands))
    return image


def _header_assertions(data):
    """Assertions on the file format and on the size that the file's header states."""
    import tensorflow as tf

    def starts_with(magic):
        return tf.equal(tf.strings.substr(data, 0, len(magic)), magic)

    def pixel_count(offset, width, big_endian):
        """Height times width from two numbers of `width` bytes each."""
        digits = tf.cast(tf.io.decode_raw(tf.strings.substr(data, offset, 2 * width), "uint8"), "int64")
        order = range(width - 1, -1, -1) if big_endian else range(width)
        powers = tf.constant([256**i for i in order], "int64")
        # BMP states a negative height for rows from the top, which no file of a sane size comes near to otherwise.
        sizes = tf.reduce_sum(tf.reshape(digits, (2, width)) * powers, axis=-1)
        sizes = tf.where((width == 4) & (sizes >= 2**31), 2**32 - sizes, sizes)
        return tf.reduce_prod(tf.minimum(sizes, 2**31))

    def jpeg_pixel_count():
        return tf.reduce_prod(tf.cast(tf.image.extract_jpeg_shape(data)[:2], "int64"))

    formats = [
        (starts_with(b"\x89PNG\r\n\x1a\n"), lambda: pixel_count(16, 4, True)),
        (starts_with(b"\xff\xd8\xff"), jpeg_pixel_count),
        (starts_with(b"GIF8"), lambda: pixel_count(6, 2, False)),
        (starts_with(b"BM"), lambda: pixel_count(18, 4, False)),
    ]
    length = tf.strings.length(data)
    valid_format = tf.debugging.Assert(
        (length > 32) & tf.reduce_any([matches for matches, _ in formats]),
        [f"image_bytes must be the content of a {FILE_FORMATS} image file, got", length, "bytes of another format"],
    )
    with tf.control_dependencies([valid_format]):
        pixels = tf.case(formats, default=lambda: tf.constant(0, "int64"), exclusive=True)
    valid_size = tf.debugging.Assert(
        pixels <= MAX_PIXELS, [f"image_bytes must be an image of at most {MAX_PIXELS} pixels, this one states", pixels]
    )
    return [valid_format, valid_size]
