"""The sizes of images, in memory or in files."""

import os

import numpy as np

from recipes.data.examples import Examples
from recipes.data.images.image_decoding import read_header
from recipes.data.images.image_files import read_pixels


def image_sizes(inputs, count):
    """Returns (N, 2) height and width of images [pixels], upright.

    Args:
        inputs: as `Run.predict` takes them: an array, a list of images, `Examples`, the path of a file, or a list of
            paths.
        count: N, the number of images.
    """
    if isinstance(inputs, Examples):
        inputs = inputs.inputs
        sizes = getattr(inputs, "sizes", None)
        if sizes is not None:
            return np.asarray(sizes)
        if hasattr(inputs, "read"):
            return np.array([inputs.read(i).shape[:2] for i in range(count)])
    if isinstance(inputs, str | os.PathLike):
        inputs = [inputs]
    if isinstance(inputs, list | tuple):
        return np.array([_size(image) for image in inputs])
    shape = np.shape(inputs)
    return np.tile(shape[1:3] if len(shape) == 4 else shape[:2], (count, 1))


def _size(image):
    if not isinstance(image, str | os.PathLike):
        return np.shape(image)[:2]
    header = read_header(os.path.expanduser(image))
    return header[0] if header else read_pixels(os.path.expanduser(image)).shape[:2]
