"""Training batches of a few labelled and many unlabelled images, augmented weakly and strongly."""

import numpy as np

from recipes.data.augment import Augmentation, augmentation
from recipes.data.unlabelled import join_inputs
from recipes.training.pipeline import endless_passes, reader_of, without_autotuning

RAND_AUGMENT = ("rand_augment:0.5", "cutout:0.5")  # of gray or color images of known range
WITHOUT_RANGE = (
    "rotate:0.083",
    "shear:0.15",
    "zoom:0.15",
    "contrast:0.5",
    "brightness:0.3",
    "noise:0.05",
    "cutout:0.5",
)


def few_labels_batches(task, examples, preprocess, classes):
    """Returns a tf.data.Dataset of the training batches that `SemiSupervised` takes, `task.steps_per_epoch` of them.

    Labelled and unlabelled images are read in passes of their own, in random orders that continue from epoch to epoch;
    the unlabelled ones include the labelled ones, as in the papers. Files are read and resized when they are needed.

    Args:
        task: `FewLabels`.
        examples: `Examples` of the training split.
        preprocess: `keras.Model` from raw inputs to the model's inputs.
        classes: number of classes.
    """
    import tensorflow as tf

    weak = task.augmentation(preprocess, classes)
    labelled = read_passes(task, examples.inputs, examples.targets, preprocess, task.seed, task.batch_size)
    labelled = labelled.map(lambda x, y: (x, tf.one_hot(y, classes) if task.has_soft_targets() else y))
    labelled = weak.over(labelled) if weak else labelled
    if task.method == "supervised":
        pairs = labelled.map(lambda x, y: ({"labelled": x}, {"labelled": y}))
        return without_autotuning(pairs.prefetch(2))
    inputs = join_inputs([examples.inputs, examples.unlabelled.inputs])
    targets = np.concatenate([examples.targets, examples.unlabelled.targets]).astype(np.int32)
    size = task.unlabelled_ratio * task.batch_size
    unlabelled = read_passes(task, inputs, targets, preprocess, task.seed + 1, size)
    strong = None if task.method == "pseudo_label" else strong_augmentation(task, preprocess)
    unlabelled = Views(task.seed + 1, weak, strong).over(unlabelled)

    def merge(first, second):
        (x, y), (images, hidden) = first, second
        return {"labelled": x, **images}, {"labelled": y, "hidden": hidden}

    return without_autotuning(tf.data.Dataset.zip((labelled, unlabelled)).map(merge).prefetch(2))


def read_passes(task, inputs, targets, preprocess, seed, batch_size):
    """Returns a tf.data.Dataset of (preprocessed images, targets) batches, in passes of random orders without end.

    Args:
        task: `FewLabels`.
        inputs: array or `ImageFiles`.
        targets: (N,) whole numbers.
        preprocess: as `few_labels_batches` has it.
        seed: of the orders.
        batch_size: images per batch; above their number some are more than once in a batch.
    """
    import tensorflow as tf

    reader, preprocess = reader_of(inputs, preprocess)
    targets = tf.constant(targets)
    data = endless_passes(len(targets), seed, batch_size, task.steps_per_epoch)
    data = data.map(lambda i: (reader.read_tensors(i), tf.gather(targets, i)), 2, deterministic=True)
    if preprocess is None:
        return data
    return data.map(lambda x, y: (preprocess(x, training=False), y), tf.data.AUTOTUNE, deterministic=True)


def strong_augmentation(task, preprocess):
    """Returns the `Augmentation` of strongly augmented images: `task.strong_augment`, or what suits the images.

    That is the weak augmentation, then RandAugment and Cutout with gray, as in FixMatch; for images of other bands than
    one or three, or without a fixed range of values, changes of geometry, contrast, brightness and noise instead.

    Args:
        task: `FewLabels`.
        preprocess: as `few_labels_batches` has it.
    """
    value_range, bands = task.value_range(preprocess), preprocess.output_shape[-1]
    steps = task.strong_augment
    if steps is None:
        names = [step.partition(":")[0] for step in task.augment if isinstance(step, str)]
        suited = RAND_AUGMENT if value_range and bands in (1, 3) else WITHOUT_RANGE
        steps = (*task.augment, *(step for step in suited if step.partition(":")[0] not in names))
    middle = sum(value_range) / 2 if value_range else 0.0
    return augmentation(steps, seed=task.seed + 1, value_range=value_range, fill_value=middle)


class Views(Augmentation):
    """Augments batches of (images, hidden classes) to ({"weak": images, "strong": images}, hidden classes).

    Args:
        seed: of all random numbers.
        weak: `Augmentation`, or None for the images as they are.
        strong: `Augmentation`, or None for no `strong`.
    """

    def __init__(self, seed, weak, strong):
        super().__init__([], seed, None, None, "reflect", 0.0)
        self.views = {"weak": weak, "strong": strong}
        self.plan = [step for view in (weak, strong) if view for step in view.plan]

    def change(self, seed, images, hidden):
        """Returns the views of one batch, with the random numbers of `seed`, (2,) integers."""
        import tensorflow as tf

        seeds = tf.unstack(tf.random.split(seed, 2))
        views = {"weak": images}
        for (name, view), view_seed in zip(self.views.items(), seeds, strict=True):
            if view:
                views[name] = view.change(view_seed, images)
        return views, hidden
