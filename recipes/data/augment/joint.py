"""Augmentation of images with masks or maps as targets, which geometric steps transform together."""

from typing import Literal

import tensorflow as tf

from recipes.data.augment.elastic import elastic
from recipes.data.augment.geometric import random_transform
from recipes.data.augment.pipeline import Augmentation, augmentation
from zoo.arguments import Count, Whole, checked

IMAGE_ONLY = ("rand_augment", "mixup", "cutmix", "mosaic", "jittered_resize")  # would transform the image alone


class Joint(Augmentation):
    """Augments batches of (images, maps) with the steps of `augmentation`; it is used like an `Augmentation`.

    Geometric steps and elastic transform image and map together, the map by its nearest pixel. All others change the
    image only.

    Args:
        steps: names as `recipes.data.augment.steps()` lists them, except those that mix images or transform the image
            alone.
        seed: of all random numbers.
        tile: side of a square crop at a random position, which is taken first [pixels]; None is the whole image.
        value_range, fill, fill_value: as `augmentation` has them.
        outside: value of a map outside the image where `fill` is constant: the ignored label.
        interpolation: nearest for labels, bilinear for maps of numbers.
    Raises:
        ValueError: if a step cannot transform the map, or as `augmentation` documents.
    """

    @checked
    def __init__(
        self,
        steps: tuple,
        *,
        seed: Whole,
        tile: Count | None = None,
        value_range: tuple[float, float] | None = None,
        fill: Literal["reflect", "nearest", "constant"] = "reflect",
        fill_value: float = 0.0,
        outside: float = 255.0,
        interpolation: Literal["nearest", "bilinear"] = "nearest",
    ):
        for step in steps:
            name = step.partition(":")[0].strip() if isinstance(step, str) else type(step).__name__
            if name in IMAGE_ONLY or not isinstance(step, str):
                raise ValueError(
                    f"augmentation: `steps` must transform the mask with the image, got {name}, which does not; use "
                    "flip, crop, rotate, shift, zoom, shear or elastic, and steps that change values only."
                )
        # The steps are parsed as for images alone; only the treatment of targets differs
        vars(self).update(
            vars(augmentation(steps, seed=seed, value_range=value_range, fill=fill, fill_value=fill_value))
        )
        self.tile, self.outside, self.interpolation = tile, outside, interpolation

    @tf.autograph.experimental.do_not_convert
    def change(self, seed, images, targets, weights=None):
        """Augments one batch with the random numbers of `seed`, (2,) integers.

        Args:
            images: (B, H, W, C) float.
            targets: (B, H, W) or (B, H, W, K).
            weights: (B,), of the examples; they stay as they are.
        """
        images, targets = tf.convert_to_tensor(images), tf.convert_to_tensor(targets)
        flat = targets.shape.rank == 3
        maps = tf.cast(targets[..., None] if flat else targets, "float32")
        if self.tile:
            step_seed = tf.random.fold_in(seed, len(self.plan))
            images, maps = random_crop(images, step_seed, self.tile), random_crop(maps, step_seed, self.tile)
        for i, (name, amount) in enumerate(self.plan):
            step_seed = tf.random.fold_in(seed, i)
            images = self.apply_step(name, amount, step_seed, images)
            if name == "transform":
                maps = random_transform(maps, step_seed, amount, self.fill, self.outside, self.interpolation)
            elif name == "elastic":
                maps = elastic(maps, step_seed, amount, self.interpolation)
        maps = tf.cast(maps[..., 0] if flat else maps, targets.dtype)
        return (images, maps) if weights is None else (images, maps, weights)


def random_crop(images, seed, side):
    """Returns a square of `side` pixels of each image, at a random position; equal seeds give equal positions.

    Raises:
        ValueError: if the images have a known size that is smaller.
    """
    if any(s is not None and s < side for s in images.shape[1:3]):
        raise ValueError(f"augmentation: `tile` must be at most {min(images.shape[1:3])} [pixels], got {side}.")
    size = tf.shape(images)
    room = tf.cast(size[1:3] - side + 1, "float32")
    start = tf.cast(tf.random.stateless_uniform([size[0], 2], seed) * room, "int32")
    for axis in (1, 2):
        indices = start[:, axis - 1, None] + tf.range(side)[None]
        images = tf.gather(images, indices, axis=axis, batch_dims=1)
    return images
