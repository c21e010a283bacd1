"""Augmentation of images with boxes: flips move the boxes, other steps change the values of the image."""

import tensorflow as tf

from recipes.data.augment.geometric import FLIPS, random_flips
from recipes.data.augment.pipeline import Augmentation, augmentation
from recipes.data.augment.steps import GEOMETRIC, MIXING

MIRRORED = 6  # column of the targets
IMAGE_ONLY = {*GEOMETRIC, *MIXING, "elastic", "rand_augment", "jittered_resize"} - set(FLIPS)


class WithBoxes(Augmentation):
    """Augments batches of (images, targets); targets are (B, N, 5 or more), relative corners x1, y1, x2, y2 and class.

    A seventh column says how the image is mirrored, for its masks: 1 left to right, plus 2 top to bottom.

    Args:
        steps: names as `recipes.data.augment.steps()` lists them: flip, flip_vertical, and steps that change values
            only.
        seed: of all random numbers.
        value_range: as `augmentation` has it.
    Raises:
        ValueError: if a step would move pixels without their boxes, or as `augmentation` documents.
    """

    def __init__(self, steps, *, seed, value_range=None):
        for step in steps:
            name = step.partition(":")[0].strip() if isinstance(step, str) else type(step).__name__
            if name in IMAGE_ONLY or not isinstance(step, str):
                raise ValueError(
                    f"augmentation: `steps` must move the boxes with the image, got {name}, which does not; use flip, "
                    "flip_vertical, and steps that change values only."
                )
        vars(self).update(vars(augmentation(tuple(steps), seed=seed, value_range=value_range)))

    @property
    def only_flips(self):
        """False: images may not be flipped without their boxes."""
        return False

    @tf.autograph.experimental.do_not_convert
    def change(self, seed, images, targets, weights=None):
        """Augments one batch with the random numbers of `seed`, (2,) integers; arguments as the class has them."""
        images, targets = tf.convert_to_tensor(images), tf.convert_to_tensor(targets)
        for i, (name, amount) in enumerate(self.plan):
            step_seed = tf.random.fold_in(seed, i)
            if name == "transform":
                flips = random_flips(step_seed, tf.shape(images)[0], amount)
                images, targets = flip(images, targets, flips)
            else:
                images = self.apply_step(name, amount, step_seed, images)
        return (images, targets) if weights is None else (images, targets, weights)


def flip(images, targets, flips):
    """Returns images and boxes, mirrored left to right and top to bottom where `flips`, (B, 2) bool, is true."""
    for axis, flipped in enumerate(tf.unstack(flips, axis=1)):
        images = tf.where(flipped[:, None, None, None], tf.reverse(images, [2 - axis]), images)
        low, high = targets[..., axis], targets[..., axis + 2]
        is_moved = flipped[:, None] & (targets[..., 4] >= 0)
        columns = tf.unstack(targets, axis=-1)
        columns[axis], columns[axis + 2] = tf.where(is_moved, 1 - high, low), tf.where(is_moved, 1 - low, high)
        if len(columns) > MIRRORED:
            bit = 2.0**axis
            is_mirrored = tf.math.floormod(tf.floor(columns[MIRRORED] / bit), 2.0)
            columns[MIRRORED] += tf.where(flipped[:, None], bit * (1 - 2 * is_mirrored), 0.0)
        targets = tf.stack(columns, axis=-1)
    return images, targets
