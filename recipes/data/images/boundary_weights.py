"""U-Net's weights of pixels, which are large between things that nearly touch."""

import numpy as np

from recipes.losses import IGNORE
from zoo.arguments import NonNegative, Positive, checked


@checked
def boundary_weights(instances: np.ndarray, w0: NonNegative = 10.0, sigma: Positive = 5.0) -> np.ndarray:
    """U-Net's weights: 1, and between things that nearly touch w0 exp(-(d1 + d2)^2 / (2 sigma^2)) more.

    (H, W) whole numbers  ->  (H, W) float32.

    Args:
        instances: 0 for the background, and a number for each thing.
        w0: what is added where two things touch.
        sigma: distance over which that fades [pixels].
    Returns:
        Weights; d1 and d2 are the distances of a background pixel to the nearest and the second nearest thing
        [pixels]. Inside the things it is 1, as it is everywhere where there are fewer than two.

    Source: Ronneberger, Fischer, Brox 2015, https://arxiv.org/abs/1505.04597, eq. 2.
    Differs: the weights w_c(x) of the classes are `class_weight`; here they are 1.
    """
    from scipy.ndimage import distance_transform_edt, find_objects

    weights = np.ones(instances.shape, np.float32)
    reach = int(np.ceil(4 * sigma)) + 1  # e^-8: beyond, what is added is under a thousandth of w0
    nearest, second = (np.full(instances.shape, np.inf, np.float32) for _ in range(2))
    for label, place in enumerate(find_objects(instances.astype(np.int32)), 1):
        if place is None:
            continue
        around = tuple(slice(max(0, s.start - reach), s.stop + reach) for s in place)
        distance = distance_transform_edt(instances[around] != label).astype(np.float32)
        first = nearest[around]
        second[around] = np.minimum(second[around], np.maximum(first, distance))
        nearest[around] = np.minimum(first, distance)
    outside = (instances == 0) & np.isfinite(second)
    weights[outside] += w0 * np.exp(-((nearest[outside] + second[outside]) ** 2) / (2 * sigma**2))
    return weights


def pixel_weights(mask):
    """(H, W) float32 U-Net's weights of a mask, whose things are what hangs together of each class but the first."""
    from scipy.ndimage import label

    things, count = np.zeros(mask.shape, np.int32), 0
    for value in np.unique(mask):
        if value not in (0, IGNORE):
            found, more = label(mask == value)
            things[found > 0] = found[found > 0] + count
            count += more
    return boundary_weights(things)
