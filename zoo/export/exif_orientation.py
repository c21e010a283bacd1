"""Reads the orientation of JPEG and PNG files in the graph, and turns images upright.

As in Pillow: the tag 0x0112 of the EXIF's first directory, else `tiff:Orientation` of the XMP. Images with damaged EXIF
are upright.
"""

from zoo.export.file_segments import byte_numbers, padded_substr

ORIENTATION = 0x0112
UPRIGHT = 1
# The last one is that of BigTIFF, which Pillow reads like the others where the first byte of a number is the largest
TIFF_HEADERS = (b"II\x2a\x00", b"II\x00\x2a", b"MM\x00\x2a", b"MM\x2a\x00", b"MM\x00\x2b")
TYPE_SIZES = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 0)  # bytes of the field types of TIFF; 0 is no type
VALUE_SIZES = (0, 0, 0, 2, 4, 0, 1, 0, 2, 4, 0, 0, 0, 4, 0, 0, 0, 0)  # the same of the types of one whole number
XMP_ORIENTATION = r'\C*?tiff:Orientation(?:="|>)([0-9])\C*'


def orientation(exif, xmp):
    """Returns the orientation, () int32 from 1 to 8.

    Args:
        exif: () string, EXIF data that starts with its TIFF header, or "".
        xmp: () string, an XMP packet, or "".
    """
    import tensorflow as tf

    value = tf.cond(tf.strings.length(exif) >= 8, lambda: _exif_value(exif), lambda: tf.constant(-1, "int64"))
    value = tf.cond((value < 0) & (tf.strings.length(xmp) > 0), lambda: _xmp_value(xmp), lambda: value)
    return tf.cast(tf.where((value >= 1) & (value <= 8), value, UPRIGHT), "int32")


def turn_upright(image, orientation):
    """Returns an image (H, W, C) turned and flipped by its orientation; 5 to 8 exchange height and width."""
    import tensorflow as tf

    def turn():
        turned = tf.cond(orientation >= 5, lambda: tf.transpose(image, (1, 0, 2)), lambda: image)
        flips = [tf.reduce_any(orientation == values) for values in ((3, 4, 7, 8), (2, 3, 6, 7))]
        return tf.raw_ops.Reverse(tensor=turned, dims=tf.stack([*flips, False]))

    return tf.cond(orientation == UPRIGHT, lambda: image, turn)


def _exif_value(exif):
    """The orientation in EXIF data, () int64; -1 where there is none."""
    import tensorflow as tf

    has_prefix = tf.equal(tf.strings.substr(exif, 0, 6), b"Exif\0\0")  # once more, or in a PNG file
    skipped = tf.where(has_prefix, tf.constant(6, "int64"), 0)
    exif = tf.strings.substr(exif, skipped, tf.cast(tf.strings.length(exif), "int64"))
    length = tf.cast(tf.strings.length(exif), "int64")
    header = padded_substr(exif, 0, 8)
    is_tiff = tf.reduce_any(tf.strings.substr(header, 0, 4) == tf.constant(TIFF_HEADERS))
    is_little = tf.equal(tf.strings.substr(header, 0, 2), b"II")

    def number(digits):
        """A number from its bytes along the last axis."""
        digits = tf.where(is_little, tf.reverse(digits, (-1,)), digits)
        powers = tf.constant([256**i for i in range(digits.shape[-1] - 1, -1, -1)], "int64")
        return tf.reduce_sum(digits * powers, axis=-1)

    start = tf.where(is_tiff, number(byte_numbers(header, 8)[4:]), length)
    count = number(byte_numbers(padded_substr(exif, start, 2), 2))
    count = tf.clip_by_value(count, 0, tf.maximum((length - start - 2) // 12, 0))
    rows = tf.strings.substr(exif, tf.minimum(start + 2, length), 12 * count)
    rows = tf.cast(tf.reshape(tf.io.decode_raw(rows, "uint8"), (-1, 12)), "int64")
    tags, types, counts = number(rows[:, :2]), number(rows[:, 2:4]), number(rows[:, 4:8])

    sizes = counts * tf.gather(tf.constant(TYPE_SIZES, "int64"), tf.minimum(types, len(TYPE_SIZES) - 1))
    # As in Pillow: an entry whose data lies outside ends the reading, and one with more data than the EXIF is skipped.
    is_apart = sizes > 4
    is_too_large = is_apart & (tf.cumsum(tf.where(is_apart, sizes, 0)) > length)
    positions = tf.where(is_apart, number(rows[:, 8:]), start + 10 + 12 * tf.range(count))
    is_outside = is_apart & ~is_too_large & (positions + sizes > length)
    is_read = ~is_too_large & (tf.cumsum(tf.cast(is_outside, "int32")) == 0) & (sizes > 0)
    value_sizes = tf.gather(tf.constant(VALUE_SIZES, "int64"), tf.minimum(types, len(VALUE_SIZES) - 1))
    # The last row stands for an EXIF without orientation.
    index = tf.argmax(tf.concat([(tags == ORIENTATION) & is_read, [True]], 0))
    value_sizes = tf.where(counts == 1, value_sizes, 0)  # to Pillow several values are no orientation
    position, size = (tf.concat([numbers, [0]], 0)[index] for numbers in (positions, value_sizes))
    digits = byte_numbers(padded_substr(exif, position, 4), 4)
    value = tf.switch_case(
        tf.cast(size, "int32"),
        [lambda: tf.constant(0, "int64"), lambda: digits[0], lambda: number(digits[:2])],
        default=lambda: number(digits),
    )
    return tf.where(index < count, value, -1)


def _xmp_value(xmp):
    """The orientation in an XMP packet, () int64; -1 where there is none."""
    import tensorflow as tf

    return tf.cond(
        tf.strings.regex_full_match(xmp, XMP_ORIENTATION),
        lambda: tf.strings.to_number(tf.strings.regex_replace(xmp, rf"\A{XMP_ORIENTATION}\z", r"\1"), "int64"),
        lambda: tf.constant(-1, "int64"),
    )
