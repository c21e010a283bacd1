"""Augmentation of images whose targets are maps: what moves an image moves its mask in the same way."""

from typing import Literal

import tensorflow as tf

from recipes.data.augment.elastic import elastic
from recipes.data.augment.geometric import random_move
from recipes.data.augment.pipeline import Augmentation, augmentation
from zoo.arguments import Count, Whole, checked

ALONE = ("rand_augment", "mixup", "cutmix", "mosaic", "jittered_resize")  # steps that would move the image alone


class Joint(Augmentation):
    """Random changes to batches of (images, maps), by the names of `augmentation`; used like what that returns.

    Geometric steps and elastic move image and map together, the map by its nearest pixel; all others change the image.

    Args:
        steps: names as `recipes.data.augment.steps()` lists them, but for those that mix or move images alone.
        seed: of all draws.
        tile: side of a square that is cut out of each example at a random place first [pixels], or None for all of it.
        value_range, fill, fill_value: as `augmentation` has them.
        outside: what a map gets where `fill` is constant: the label that is ignored.
        interpolation: nearest for labels, bilinear for maps of numbers.
    Raises:
        ValueError: if a step cannot move the map along, or as `augmentation` says.
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
            if name in ALONE or not isinstance(step, str):
                raise ValueError(
                    f"augmentation: `steps` must move the mask with the image, and {name} does not; take flip, crop, "
                    "rotate, shift, zoom, shear or elastic, and any step that changes values alone."
                )
        # the steps are read as for images alone; what differs is what becomes of the targets
        vars(self).update(
            vars(augmentation(steps, seed=seed, value_range=value_range, fill=fill, fill_value=fill_value))
        )
        self.tile, self.outside, self.interpolation = tile, outside, interpolation

    @tf.autograph.experimental.do_not_convert
    def change(self, seed, images, targets, weights=None):
        """Changes one batch as `seed`, (2,) integers, has it.

        Args:
            images: (B, H, W, C) float.
            targets: (B, H, W) or (B, H, W, K).
            weights: (B,), of the examples; they stay as they are.
        """
        images, targets = tf.convert_to_tensor(images), tf.convert_to_tensor(targets)
        flat = targets.shape.rank == 3
        maps = tf.cast(targets[..., None] if flat else targets, "float32")
        if self.tile:
            own = tf.random.fold_in(seed, len(self.plan))
            images, maps = windows(images, own, self.tile), windows(maps, own, self.tile)
        for i, (name, amount) in enumerate(self.plan):
            own = tf.random.fold_in(seed, i)
            images = self.alone(name, amount, own, images)
            if name == "move":
                maps = random_move(maps, own, amount, self.fill, self.outside, self.interpolation)
            elif name == "elastic":
                maps = elastic(maps, own, amount, self.interpolation)
        maps = tf.cast(maps[..., 0] if flat else maps, targets.dtype)
        return (images, maps) if weights is None else (images, maps, weights)


def windows(images, seed, side):
    """A square of `side` pixels out of each image, at a random place, the same for the same seed.

    Raises:
        ValueError: if the images are known to be smaller.
    """
    if any(s is not None and s < side for s in images.shape[1:3]):
        raise ValueError(f"augmentation: `tile` must be at most {min(images.shape[1:3])} [pixels], got {side}.")
    size = tf.shape(images)
    room = tf.cast(size[1:3] - side + 1, "float32")
    start = tf.cast(tf.random.stateless_uniform([size[0], 2], seed) * room, "int32")
    for axis in (1, 2):
        places = start[:, axis - 1, None] + tf.range(side)[None]
        images = tf.gather(images, places, axis=axis, batch_dims=1)
    return images
