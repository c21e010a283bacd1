"""Preprocessing of the images that questions are about."""

import dataclasses

import numpy as np

from recipes.data.examples import Examples
from recipes.data.preprocessing import moments, preprocessing

PHOTO_BANDS = 3


def image_preprocessing(data, input_shape, photo_moments=None):
    """Returns the model from raw images to a model's input, with statistics of the images of the training split.

    8-bit images of three bands are normalized band by band, to mean 0 and variance 1, as from values near 0 the product
    of image and question is learned faster.

    Args:
        data: `Data` of kind question.
        input_shape: (H, W, C) of the model's image.
        photo_moments: as `preprocessing` has them; None for those of the training images.
    """
    images = data.train.inputs.with_used_images().images
    train = Examples(images, np.zeros(len(images), np.int32))
    data = dataclasses.replace(data, kind="image", train=train)
    if photo_moments is None and data.dtype == "uint8" and data.shape[-1] == PHOTO_BANDS:
        mean, variance = moments(data)
        photo_moments = mean, np.sqrt(np.maximum(variance, 1.0))
    return preprocessing(data, input_shape, photo_moments=photo_moments)
