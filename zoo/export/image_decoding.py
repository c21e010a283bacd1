"""Image files decoded in the graph; a file that claims more pixels than a server should hold is refused unread."""

MOST = 2**26  # pixels: 8192 x 8192, 192 MiB in three bands
KINDS = "PNG, JPEG, GIF or BMP"


def decode(data, bands):
    """The (H, W, bands) uint8 of one file; the first frame of an animation.

    Args:
        data: () string tensor, the content of a PNG, JPEG, GIF or BMP file.
        bands: 1, 3 or 4; grey becomes colour and the other way round.
    Raises:
        tf.errors.InvalidArgumentError: (in the graph) if it is no such file, is broken, or has more than `MOST` pixels.
    """
    import tensorflow as tf

    with tf.control_dependencies(_refusals(data)):
        data = tf.identity(data)

    def accurate():  # as training reads photos, and Pillow; the operation for every kind is rougher
        return tf.io.decode_jpeg(data, channels=bands, dct_method="INTEGER_ACCURATE")

    def any_kind():
        return tf.io.decode_image(data, channels=bands, expand_animations=False)

    photo = tf.equal(tf.strings.substr(data, 0, 3), b"\xff\xd8\xff")
    image = any_kind() if bands == 4 else tf.cond(photo, accurate, any_kind)
    image.set_shape((None, None, bands))
    return image


def _refusals(data):
    """Assertions on the size that the file's header states."""
    import tensorflow as tf

    def starts(magic):
        return tf.equal(tf.strings.substr(data, 0, len(magic)), magic)

    def sides(offset, width, big):
        """Height times width from two numbers of `width` bytes each."""
        read = tf.cast(tf.io.decode_raw(tf.strings.substr(data, offset, 2 * width), "uint8"), "int64")
        order = range(width - 1, -1, -1) if big else range(width)
        powers = tf.constant([256**i for i in order], "int64")
        # BMP states a height below 0 for rows from the top, which no file of a sane size comes near to otherwise.
        both = tf.reduce_sum(tf.reshape(read, (2, width)) * powers, axis=-1)
        both = tf.where((width == 4) & (both >= 2**31), 2**32 - both, both)
        return tf.reduce_prod(tf.minimum(both, 2**31))

    def jpeg():
        return tf.reduce_prod(tf.cast(tf.image.extract_jpeg_shape(data)[:2], "int64"))

    known = [
        (starts(b"\x89PNG\r\n\x1a\n"), lambda: sides(16, 4, True)),
        (starts(b"\xff\xd8\xff"), jpeg),
        (starts(b"GIF8"), lambda: sides(6, 2, False)),
        (starts(b"BM"), lambda: sides(18, 4, False)),
    ]
    length = tf.strings.length(data)
    whole = tf.debugging.Assert(
        (length > 32) & tf.reduce_any([found for found, _ in known]),
        [f"image_bytes must be the content of a {KINDS} image file, got", length, "bytes that are none"],
    )
    with tf.control_dependencies([whole]):
        pixels = tf.case(known, default=lambda: tf.constant(0, "int64"), exclusive=True)
    small = tf.debugging.Assert(
        pixels <= MOST, [f"image_bytes must be an image of at most {MOST} pixels, this one states", pixels]
    )
    return [whole, small]
