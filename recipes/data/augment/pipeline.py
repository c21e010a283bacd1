"""Augmentation: named steps as a function of batches."""

from typing import Literal

import keras
import tensorflow as tf

from recipes.data.augment import keras_cv_steps, mixing, photo_steps, pixel_values
from recipes.data.augment.elastic import elastic
from recipes.data.augment.first_epoch import first_epoch
from recipes.data.augment.geometric import FLIPS, random_flips, random_transform
from recipes.data.augment.rand_augment import rand_augment
from recipes.data.augment.steps import GEOMETRIC, MIXING, parse
from zoo.arguments import Count, Whole, checked

NEED_VALUE_RANGE = ("rand_augment", "jpeg_quality", "color_jitter")


@checked
def augmentation(
    steps: tuple[str | keras.layers.Layer, ...],
    *,
    seed: Whole,
    classes: Count | None = None,
    value_range: tuple[float, float] | None = None,
    fill: Literal["reflect", "nearest", "constant"] = "reflect",
    fill_value: float = 0.0,
):
    """Returns a random augmentation of batches of images: `augment = augmentation(("flip", "rotate:0.05"), seed=1)`.

    `augment.over(dataset)` is the dataset of augmented batches: in parallel, different in each epoch, and equal for
    equal seeds. `augment(images, targets)` augments one batch, and `dataset.map(augment)` each of a dataset. Its random
    state advances with each call, so that only a sequential map is repeatable.

    Geometric steps (flip, flip_vertical, crop, rotate, shift, zoom, shear) become one transform of each image, at the
    position of the first of them. All others act in the order given.

    Args:
        steps: names as `recipes.data.augment.steps()` lists them, with an amount as in "rotate:0.05" or without, or
            Keras layers, which act on the images with randomness of their own.
        seed: of all random numbers but those of Keras layers.
        classes: number of classes, where targets are class indices and a step mixes them.
        value_range: smallest and largest value of the images, to which values are clipped; None (standardized images,
            or others without bounds) does not clip. rand_augment, jpeg_quality and color_jitter need it.
        fill: pixels from outside the image: the mirrored image (reflect), its border (nearest), or `fill_value`.
        fill_value: of constant, cutout and grid_mask, in the images' units.
    Returns:
        `Augmentation`.
    Raises:
        ValueError: if a step is unknown (the nearest is offered), its amount is out of range, it is named twice, or it
            needs `value_range`.
    """
    if value_range and not value_range[0] < value_range[1]:
        raise ValueError(f"augmentation: `value_range` must rise, got {value_range}.")
    plan = []
    for step in steps:
        if isinstance(step, str):
            plan.append(parse(step))
        elif isinstance(step, keras.layers.MixUp | keras.layers.CutMix):
            raise ValueError(
                f"augmentation: `steps` takes {type(step).__name__} by name, as {type(step).__name__.lower()!r}."
            )
        elif isinstance(step, keras.layers.Layer):
            plan.append((step, None))
        else:
            raise ValueError(f"augmentation: `steps` must be names or Keras layers, got {step!r}.")
    names = [name for name, _ in plan if isinstance(name, str)]
    for name in names:
        if names.count(name) > 1 and name in GEOMETRIC:
            raise ValueError(f"augmentation: `steps` must contain {name} once, got it {names.count(name)} times.")
        if name in NEED_VALUE_RANGE and not value_range:
            raise ValueError(f"augmentation: `value_range` must be given for {name}, as in (0, 1), got None.")
    return Augmentation(plan, seed, classes, value_range, fill, fill_value)


class Augmentation:
    """A function of batches: (images), (images, targets) or (images, targets, weights). See `augmentation`."""

    def __init__(self, plan, seed, classes, value_range, fill, fill_value):
        geometric = {name: amount for name, amount in plan if name in GEOMETRIC}
        first = next((i for i, (name, _) in enumerate(plan) if name in GEOMETRIC), None)
        self.plan = [step for i, step in enumerate(plan) if i == first or step[0] not in GEOMETRIC]
        if geometric:
            self.plan[first] = ("transform", geometric)
        self.seed, self.classes, self.value_range = seed, classes, value_range
        self.fill, self.fill_value = fill, fill_value
        self.layers = {name: keras_cv_steps.layer(name) for name, _ in plan if name in keras_cv_steps.NAMES}
        with tf.device("CPU"):  # where tf.data reads it
            self.generator = tf.random.Generator.from_seed(seed)

    @property
    def only_flips(self):
        """Whether it does nothing but flip images, which whole images can be as they are read."""
        amounts = dict(self.plan).get("transform") or {}
        return len(self.plan) == 1 and bool(amounts) and set(amounts) <= set(FLIPS)

    def flips(self, seed, count):
        """Returns (count, 2) bool: which images `change` with this seed flips horizontally and vertically."""
        return random_flips(tf.random.fold_in(seed, 0), count, self.plan[0][1])

    def __call__(self, images, targets=None, weights=None):
        """Augments one batch.

        Args:
            images: (B, H, W, C) float.
            targets: of the images; only steps that mix images change them.
            weights: (B,), of the examples.
        Returns:
            The augmented arguments.
        Raises:
            ValueError: if a step cannot act on such images or targets.
        """
        return self.change(self.generator.make_seeds()[:, 0], images, targets, weights)

    def over(self, dataset, change=None):
        """Returns `dataset` with each batch augmented: different in each epoch, equal for equal seeds.

        Args:
            dataset: of batches.
            change: function of a seed, (2,) integers, and a batch's parts that returns the changed batch; None for
                `self.change`.
        """
        with tf.device("CPU"):
            epochs = tf.Variable(first_epoch(), dtype="int64")

        def next_epoch(_):
            return epochs.assign_add(1)

        def seeds(epoch):
            start = tf.stack([tf.constant(self.seed, "int64"), epoch])
            return tf.data.Dataset.counter().map(lambda batch: tf.random.fold_in(start, batch))

        def change_batch(seed, batch):
            return (change or self.change)(seed, *(batch if isinstance(batch, tuple) else (batch,)))

        # tf.data's own random dataset depends on the global seed too, and a generator on the prefetched batches
        numbered = tf.data.Dataset.zip((tf.data.Dataset.range(1).map(next_epoch).flat_map(seeds), dataset))
        if dataset.cardinality() != tf.data.UNKNOWN_CARDINALITY:
            numbered = numbered.apply(tf.data.experimental.assert_cardinality(dataset.cardinality()))
        layers = any(not isinstance(name, str) for name, _ in self.plan)  # their state must see batches in order
        return numbered.map(change_batch, num_parallel_calls=None if layers else tf.data.AUTOTUNE)

    @tf.autograph.experimental.do_not_convert
    def change(self, seed, images, targets=None, weights=None):
        """Augments one batch with the random numbers of `seed`, (2,) integers; arguments and result as of a call."""
        if isinstance(images, dict):
            raise ValueError(f"augmentation: batches must be (images, targets), got a dict of {', '.join(images)}.")
        images = tf.convert_to_tensor(images)
        _verify_images(images)
        for i, (name, amount) in enumerate(self.plan):
            step_seed = tf.random.fold_in(seed, i)
            if name in MIXING:
                targets = mixing.soft_targets(None if targets is None else tf.convert_to_tensor(targets), self.classes)
                if name == "mosaic":
                    mixed = keras_cv_steps.mosaic(images, targets, weights, step_seed, amount, self.layers[name])
                else:
                    mixed = getattr(mixing, name)(images, targets, weights, step_seed, amount)
                images, targets, weights = mixed
            else:
                images = self.apply_step(name, amount, step_seed, images)
        if targets is None:
            return images
        return (images, targets) if weights is None else (images, targets, weights)

    def apply_step(self, name, amount, seed, images):
        """Returns the images after one step that does not change the targets."""
        if not isinstance(name, str):
            return name(images, training=True)
        _verify_bands(name, images.shape[-1])
        outside = {"fill": self.fill, "value": self.fill_value}
        if name == "transform":
            return random_transform(images, seed, amount, **outside)
        if name == "elastic":
            return elastic(images, seed, amount)
        if name == "rand_augment":
            return rand_augment(images, seed, amount, self.value_range, **outside)
        if name in ("cutout", "grid_mask"):
            return getattr(pixel_values, name)(images, seed, amount, self.fill_value)
        if name in ("resized_crop", "gray", "blur"):
            return getattr(photo_steps, name)(images, seed, amount)
        if name == "color_jitter":
            return photo_steps.color_jitter(images, seed, amount, self.value_range)
        if name == "channel_shuffle":
            return keras_cv_steps.channel_shuffle(images, seed, self.layers[name])
        if name == "jittered_resize":
            return keras_cv_steps.jittered_resize(images, seed, amount, self.layers[name])
        return getattr(pixel_values, name)(images, seed, amount, self.value_range)


def _verify_images(images):
    if images.shape.rank != 4 or images.shape[-1] is None:
        raise ValueError(f"augmentation: images must be a batch (B, H, W, C) with C known, got {tuple(images.shape)}.")
    if images.dtype != tf.float32:
        raise ValueError(f"augmentation: images must be float32 after preprocessing, got {images.dtype.name}.")


def _verify_bands(name, bands):
    unsuitable = {
        "rand_augment": bands not in (1, 3),
        "jpeg_quality": bands not in (1, 3),
        "color_jitter": bands != 3,
        "gray": bands != 3,
        "channel_shuffle": bands < 2,
    }
    if unsuitable.get(name):
        others = {"channel_shuffle": "2 bands or more", "color_jitter": "3 bands", "gray": "3 bands"}
        expected = others.get(name, "1 band or 3")
        raise ValueError(f"augmentation: `{name}` needs images of {expected}, got {bands}.")
