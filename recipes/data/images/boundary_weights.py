"""U-Net's pixel weights, which are large between instances that nearly touch."""

import numpy as np

from recipes.data.images.mask_labels import IGNORE
from zoo.arguments import NonNegative, Positive, checked


@checked
def boundary_weights(instances: np.ndarray, w0: NonNegative = 10.0, sigma: Positive = 5.0) -> np.ndarray:
    """Returns U-Net's weights: 1, and between instances that nearly touch w0 exp(-(d1 + d2)^2 / (2 sigma^2)) more.

    (H, W) whole numbers  ->  (H, W) float32.

    Args:
        instances: 0 for the background, and a number for each instance.
        w0: weight that is added where two instances touch.
        sigma: distance over which it decays [pixels].
    Returns:
        Weights; d1 and d2 are the distances of a background pixel to the nearest and the second nearest instance
        [pixels]. The weight is 1 inside the instances, and everywhere where there are fewer than two.

    Source: Ronneberger, Fischer, Brox 2015, https://arxiv.org/abs/1505.04597, eq. 2.
    Differs: the weights w_c(x) of the classes are `class_weight`; here they are 1.
    """
    from scipy.ndimage import distance_transform_edt, find_objects

    weights = np.ones(instances.shape, np.float32)
    extent = int(np.ceil(4 * sigma)) + 1  # e^-8: beyond, the added weight is below a thousandth of w0
    nearest, second = (np.full(instances.shape, np.inf, np.float32) for _ in range(2))
    for label, box in enumerate(find_objects(instances.astype(np.int32)), 1):
        if box is None:
            continue
        around = tuple(slice(max(0, s.start - extent), s.stop + extent) for s in box)
        distance = distance_transform_edt(instances[around] != label).astype(np.float32)
        first = nearest[around]
        second[around] = np.minimum(second[around], np.maximum(first, distance))
        nearest[around] = np.minimum(first, distance)
    outside = (instances == 0) & np.isfinite(second)
    weights[outside] += w0 * np.exp(-((nearest[outside] + second[outside]) ** 2) / (2 * sigma**2))
    return weights


def pixel_weights(mask):
    """Returns U-Net's weights of a mask, (H, W) float32.

    The instances are the connected components of every class but the first.
    """
    from scipy.ndimage import label

    instances, count = np.zeros(mask.shape, np.int32), 0
    for value in np.unique(mask):
        if value not in (0, IGNORE):
            components, number = label(mask == value)
            instances[components > 0] = components[components > 0] + count
            count += number
    return boundary_weights(instances)
