"""From named steps to a function of batches."""

from typing import Literal

import keras
import tensorflow as tf

from recipes.data.augment import colours, keras_cv_steps, mixing
from recipes.data.augment.elastic import elastic
from recipes.data.augment.geometric import random_move
from recipes.data.augment.rand_augment import rand_augment
from recipes.data.augment.steps import GEOMETRIC, MIXING, parse
from zoo.arguments import Count, Whole, checked

RANGED = ("rand_augment", "jpeg_quality")


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
    """Random changes to batches of images: `augment = augmentation(("flip", "rotate:0.05"), seed=1)`.

    `augment.over(dataset)` is the dataset of changed batches: parallel, anew in each epoch, and the same again for the
    same seed. `augment(images, targets)` changes one batch, and `dataset.map(augment)` each; its random state moves on
    with each call, so the same again needs a map that is not parallel.

    Geometric steps (flip, flip_vertical, crop, rotate, shift, zoom, shear) become one move of each image, in the place
    of the first of them; all others act in the order given.

    Args:
        steps: names as `recipes.data.augment.steps()` lists them, with an amount as in "rotate:0.05" or without, or
            Keras layers, which act on the images with randomness of their own.
        seed: of all draws but those of Keras layers.
        classes: how many classes there are, where targets are class indices and a step mixes them.
        value_range: smallest and largest value of the images, which values are kept to; None (standardised images, or
            others that have no bounds) lets them pass. rand_augment and jpeg_quality need it.
        fill: what moves bring in from outside: the image mirrored at its border, its border, or `fill_value`.
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
            raise ValueError(f"augmentation: `steps` must name {name} once, got it {names.count(name)} times.")
        if name in RANGED and not value_range:
            raise ValueError(f"augmentation: `value_range` must be given for {name}, as in (0, 1), got None.")
    return Augmentation(plan, seed, classes, value_range, fill, fill_value)


class Augmentation:
    """What `augmentation` returns: a function of batches, (images), (images, targets) or (images, targets, weights)."""

    def __init__(self, plan, seed, classes, value_range, fill, fill_value):
        moves = {name: amount for name, amount in plan if name in GEOMETRIC}
        first = next((i for i, (name, _) in enumerate(plan) if name in GEOMETRIC), None)
        self.plan = [step for i, step in enumerate(plan) if i == first or step[0] not in GEOMETRIC]
        if moves:
            self.plan[first] = ("move", moves)
        self.seed, self.classes, self.value_range = seed, classes, value_range
        self.fill, self.fill_value = fill, fill_value
        self.layers = {name: keras_cv_steps.layer(name) for name, _ in plan if name in keras_cv_steps.NAMES}
        with tf.device("CPU"):  # where tf.data reads it
            self.generator = tf.random.Generator.from_seed(seed)

    def __call__(self, images, targets=None, weights=None):
        """Changes one batch.

        Args:
            images: (B, H, W, C) float.
            targets: whatever belongs to the images; only steps that mix change it.
            weights: (B,), of the examples.
        Returns:
            What came in, changed.
        Raises:
            ValueError: if a step cannot act on such images or targets.
        """
        return self.change(self.generator.make_seeds()[:, 0], images, targets, weights)

    def over(self, dataset):
        """`dataset`, of batches, with each batch changed: anew in each epoch, the same again for the same seed."""
        with tf.device("CPU"):
            epochs = tf.Variable(0, dtype="int64")

        def count(_):
            return epochs.assign_add(1)

        def seeds(epoch):
            start = tf.stack([tf.constant(self.seed, "int64"), epoch])
            return tf.data.Dataset.counter().map(lambda batch: tf.random.fold_in(start, batch))

        def change(seed, batch):
            return self.change(seed, *(batch if isinstance(batch, tuple) else (batch,)))

        # tf.data's own random dataset would depend on the global seed too, and a generator on how far batches are
        # prepared ahead
        numbered = tf.data.Dataset.zip((tf.data.Dataset.range(1).map(count).flat_map(seeds), dataset))
        if dataset.cardinality() != tf.data.UNKNOWN_CARDINALITY:
            numbered = numbered.apply(tf.data.experimental.assert_cardinality(dataset.cardinality()))
        layers = any(not isinstance(name, str) for name, _ in self.plan)  # their state must see batches in order
        return numbered.map(change, num_parallel_calls=None if layers else tf.data.AUTOTUNE)

    @tf.autograph.experimental.do_not_convert
    def change(self, seed, images, targets=None, weights=None):
        """Changes one batch as `seed`, (2,) integers, has it; arguments and answer as of a call."""
        if isinstance(images, dict):
            raise ValueError(f"augmentation: batches must be (images, targets), got a dict of {', '.join(images)}.")
        images = tf.convert_to_tensor(images)
        _verify_images(images)
        for i, (name, amount) in enumerate(self.plan):
            own = tf.random.fold_in(seed, i)
            if name in MIXING:
                targets = mixing.mixable(None if targets is None else tf.convert_to_tensor(targets), self.classes)
                if name == "mosaic":
                    mixed = keras_cv_steps.mosaic(images, targets, weights, own, amount, self.layers[name])
                else:
                    mixed = getattr(mixing, name)(images, targets, weights, own, amount)
                images, targets, weights = mixed
            else:
                images = self.alone(name, amount, own, images)
        if targets is None:
            return images
        return (images, targets) if weights is None else (images, targets, weights)

    def alone(self, name, amount, seed, images):
        """One step that leaves the targets as they are."""
        if not isinstance(name, str):
            return name(images, training=True)
        _verify_bands(name, images.shape[-1])
        outside = {"fill": self.fill, "value": self.fill_value}
        if name == "move":
            return random_move(images, seed, amount, **outside)
        if name == "elastic":
            return elastic(images, seed, amount)
        if name == "rand_augment":
            return rand_augment(images, seed, amount, self.value_range, **outside)
        if name in ("cutout", "grid_mask"):
            return getattr(colours, name)(images, seed, amount, self.fill_value)
        if name == "channel_shuffle":
            return keras_cv_steps.channel_shuffle(images, seed, self.layers[name])
        if name == "jittered_resize":
            return keras_cv_steps.jittered_resize(images, seed, amount, self.layers[name])
        return getattr(colours, name)(images, seed, amount, self.value_range)


def _verify_images(images):
    if images.shape.rank != 4 or images.shape[-1] is None:
        raise ValueError(f"augmentation: images must be a batch (B, H, W, C) with C known, got {tuple(images.shape)}.")
    if images.dtype != tf.float32:
        raise ValueError(f"augmentation: images must be float32, scaled already, got {images.dtype.name}.")


def _verify_bands(name, bands):
    wrong = {
        "rand_augment": bands not in (1, 3),
        "jpeg_quality": bands not in (1, 3),
        "channel_shuffle": bands < 2,
    }
    if wrong.get(name):
        needed = "2 bands or more" if name == "channel_shuffle" else "1 band or 3"
        raise ValueError(f"augmentation: `{name}` needs images of {needed}, got {bands}.")
