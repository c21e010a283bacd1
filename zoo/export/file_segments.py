"""Walks the segments of JPEG files, the chunks of PNG files and the blocks of GIF files in the graph."""

import typing

MAX_SEGMENTS = 2**14  # bounds the loops; 128 MiB of PNG data in libpng's chunks of 8 KiB
XMP_PREFIX = b"http://ns.adobe.com/xap/1.0/\x00"
XMP_KEYWORD = r"XML:com\.adobe\.xmp\x00"


def byte_numbers(text, count):
    """Returns the bytes of a string of `count` bytes, (count,) int64."""
    import tensorflow as tf

    return tf.ensure_shape(tf.cast(tf.io.decode_raw(text, "uint8"), "int64"), (count,))


def padded_substr(data, start, length):
    """Returns `length` bytes from `start`, with zeros after the end of `data`."""
    import tensorflow as tf

    start = tf.minimum(tf.cast(start, "int64"), tf.cast(tf.strings.length(data), "int64"))
    content = tf.strings.substr(data, start, tf.constant(length, "int64"))
    return tf.strings.substr(tf.strings.join([content, bytes(length)]), 0, length)


class Segment(typing.NamedTuple):
    """Position and length of a segment's content; both 0 where a file has no such segment."""

    start: typing.Any  # () int64
    length: typing.Any  # () int64

    def content(self, data):
        """Returns the content, () string."""
        import tensorflow as tf

        start = tf.minimum(self.start, tf.cast(tf.strings.length(data), "int64"))
        return tf.strings.substr(data, start, tf.maximum(self.length, 0))


def _no_segment():
    import tensorflow as tf

    return Segment(tf.constant(0, "int64"), tf.constant(0, "int64"))


def _choose(condition, start, length, otherwise):
    """The segment of a position and length where a condition holds, else the other segment."""
    import tensorflow as tf

    return Segment(tf.where(condition, start, otherwise.start), tf.where(condition, length, otherwise.length))


class JpegSegments(typing.NamedTuple):
    """The metadata before the image of a JPEG file."""

    exif: Segment  # the first one, from its TIFF header
    xmp: Segment  # the last one
    is_complete: typing.Any  # () bool: the walk reached the image, or the file's end


def jpeg_segments(data):
    """Returns the `JpegSegments` of the content of a JPEG file, () string."""
    import tensorflow as tf

    length = tf.cast(tf.strings.length(data), "int64")
    padded = tf.strings.join([data, bytes(64)])
    # Bytes to move on by after 0xFF and each second byte, and whether the segment's length comes on top.
    bare = [0, 1, 0xC8, 0xCC, *range(0xD0, 0xD9), *range(0xF0, 0xFE)]
    has_length = tf.constant([int(marker not in (*bare, 0xFF)) for marker in range(256)], "int64")
    steps = tf.constant([1 if marker == 0xFF else 2 for marker in range(256)], "int64")

    def walk(position, exif, xmp):
        head = byte_numbers(tf.strings.substr(padded, position, 4), 4)
        marker, is_marker = head[1], head[0] == 0xFF
        size = tf.maximum(head[2] * 256 + head[3], 2)
        step = tf.where(is_marker, tf.gather(steps, marker) + tf.gather(has_length, marker) * size, 1)
        is_app1, content = is_marker & (marker == 0xE1), position + 4
        is_exif = is_app1 & tf.equal(tf.strings.substr(padded, content, 6), b"Exif\0\0") & (exif.start == 0)
        is_xmp = is_app1 & tf.equal(tf.strings.substr(padded, content, len(XMP_PREFIX)), XMP_PREFIX)
        exif = _choose(is_exif, content + 6, size - 8, exif)
        xmp = _choose(is_xmp, content + len(XMP_PREFIX), size - 2 - len(XMP_PREFIX), xmp)
        is_scan = is_marker & (marker == 0xDA)
        return tf.where(is_scan, length, position + step), exif, xmp

    position, exif, xmp = tf.while_loop(
        lambda position, *_: position + 4 <= length,
        walk,
        (tf.constant(2, "int64"), _no_segment(), _no_segment()),
        maximum_iterations=MAX_SEGMENTS,
        parallel_iterations=1,
    )
    return JpegSegments(exif, xmp, position + 4 > length)


class PngChunks(typing.NamedTuple):
    """The chunks of a PNG file that change its pixels."""

    exif: Segment
    xmp: Segment  # with its keyword
    has_transparency: typing.Any  # () bool: a tRNS chunk before the image
    has_compressed_metadata: typing.Any  # () bool: EXIF as text, or compressed XMP
    is_complete: typing.Any  # () bool: the walk reached the file's end


def png_chunks(data):
    """Returns the `PngChunks` of the content of a PNG file, () string."""
    import tensorflow as tf

    length = tf.cast(tf.strings.length(data), "int64")
    padded = tf.strings.join([data, bytes(64)])

    def walk(position, exif, xmp, in_image, transparency, compressed):
        head = byte_numbers(tf.strings.substr(padded, position, 4), 4)
        size = tf.reduce_sum(head * tf.constant([2**24, 2**16, 2**8, 1], "int64"))
        kind, content = tf.strings.substr(padded, position + 4, 4), position + 8
        text = tf.strings.substr(padded, position + 4, 32)
        is_xmp = tf.strings.regex_full_match(text, rf"(tEXt{XMP_KEYWORD}|iTXt{XMP_KEYWORD}\x00)\C*")
        is_compressed = tf.strings.regex_full_match(
            text, rf"([tzi][ET]Xt|zTXt)Raw profile type exif\x00\C*|zTXt{XMP_KEYWORD}\C*|iTXt{XMP_KEYWORD}\x01\C*"
        )
        # The frames of an animation after the first are not read.
        is_end = tf.equal(kind, b"IEND") | tf.equal(kind, b"fdAT")
        return (
            tf.where(is_end, length, content + size + 4),
            _choose(tf.equal(kind, b"eXIf"), content, size, exif),
            _choose(is_xmp, content, size, xmp),
            in_image | tf.equal(kind, b"IDAT"),
            transparency | (tf.equal(kind, b"tRNS") & ~in_image),
            compressed | is_compressed,
        )

    start = (tf.constant(8, "int64"), _no_segment(), _no_segment(), *tf.unstack(tf.constant([False] * 3)))
    position, exif, xmp, _, transparency, compressed = tf.while_loop(
        lambda position, *_: position + 8 <= length,
        walk,
        start,
        maximum_iterations=MAX_SEGMENTS,
        parallel_iterations=1,
    )
    compressed &= exif.start == 0
    return PngChunks(exif, xmp, transparency, compressed, position + 8 > length)


class GifFrame(typing.NamedTuple):
    """Positions in a GIF file of what its first frame needs, () int64 each."""

    descriptor: typing.Any  # of the image descriptor
    control: typing.Any  # of the graphic control extension; 0 where there is none
    controls: typing.Any  # number of such extensions
    palette: typing.Any
    colors: typing.Any  # number of the palette's colors; 0 where there is no palette
    is_complete: typing.Any  # () bool: the walk reached the image descriptor


def gif_frame(data):
    """Returns the `GifFrame` of the content of a GIF file, () string."""
    import tensorflow as tf

    length = tf.cast(tf.strings.length(data), "int64")
    padded = tf.strings.join([data, bytes(64)])

    def byte(position):
        return byte_numbers(tf.strings.substr(padded, tf.minimum(tf.cast(position, "int64"), length), 1), 1)[0]

    def colors(flags):
        return tf.where(flags >= 128, tf.bitwise.left_shift(tf.constant(2, "int64"), flags % 8), 0)

    def walk(position, in_blocks, control, controls):
        first, label = byte(position), byte(position + 1)
        is_control = ~in_blocks & (label == 0xF9)
        return (
            position + tf.where(in_blocks, first + 1, 2),
            ~in_blocks | (first > 0),
            tf.where(is_control, position, control),
            controls + tf.cast(is_control, "int64"),
        )

    zero = tf.constant(0, "int64")
    global_colors = colors(byte(10))
    position, _, control, controls = tf.while_loop(
        lambda position, in_blocks, *_: (position + 1 < length) & (in_blocks | (byte(position) == 0x21)),
        walk,
        (13 + 3 * global_colors, tf.constant(False), zero, zero),
        maximum_iterations=MAX_SEGMENTS,
        parallel_iterations=1,
    )
    position = tf.minimum(position, length)
    local_colors = colors(byte(position + 9))
    return GifFrame(
        position,
        control,
        controls,
        tf.where(local_colors > 0, position + 10, 13),
        tf.where(local_colors > 0, local_colors, global_colors),
        byte(position) == 0x2C,
    )
