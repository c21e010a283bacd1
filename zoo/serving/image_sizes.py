"""Limits of the image files of one request, which may be thousands of files of a few bytes that state many pixels."""

import struct

MAX_FILES = 512
MAX_PIXELS = 2**28  # of all files together, such as 22 photos of 12 megapixels; the graph itself limits each file


def check_image_files(contents):
    """Raises ValueError where the files of a request are too many, or their headers state too many pixels together.

    Args:
        contents: the files, a list of bytes.
    """
    if len(contents) > MAX_FILES:
        raise ValueError(f"a request may have at most {MAX_FILES} image files, this one has {len(contents)}.")
    pixels = sum(map(stated_pixels, contents)) if len(contents) > 1 else 0
    if pixels > MAX_PIXELS:
        raise ValueError(f"the images of a request may have at most {MAX_PIXELS} pixels, these state {pixels}.")


def stated_pixels(content):
    """Returns the number of pixels that the header of a PNG, JPEG, GIF or BMP file states; 0 for other content."""
    formats = [(b"\x89PNG\r\n\x1a\n", ">II", 16), (b"GIF8", "<HH", 6), (b"BM", "<ii", 18)]
    for magic, layout, offset in formats:
        if content.startswith(magic) and len(content) >= offset + struct.calcsize(layout):
            height, width = struct.unpack_from(layout, content, offset)
            return abs(height * width)  # BMP states a negative height for rows from the top
    if content.startswith(b"\xff\xd8\xff"):
        import tensorflow as tf

        height, width, _ = tf.image.extract_jpeg_shape(content).numpy()
        return int(height) * int(width)
    return 0
