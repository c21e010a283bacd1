"""SimCLR: features of images without labels, in which two views of an image are alike and other images differ."""

import math
import weakref
from typing import ClassVar

import keras
import numpy as np

from recipes.data.augment import Augmentation, augmentation
from recipes.data.augment.steps import MIXING
from recipes.reports.pretraining_figures import neighbours_figure, views_figure
from recipes.tasks.contrastive_model import ContrastiveModel, nt_xent
from recipes.tasks.self_supervised import SelfSupervised, sample_images
from recipes.training.schedules import Optimizer, Schedule
from recipes.training.task import task
from zoo.arguments import Count, Positive
from zoo.backbones.backbone import load_feature_backbone
from zoo.registry import entry

COLOR_STEPS = ("resized_crop:0.08", "flip", "color_jitter:0.5", "gray:0.2")
OTHER_STEPS = ("resized_crop:0.08", "flip", "brightness:0.3", "contrast:0.5")  # for any bands
SHOWN = 8  # images of a figure
PREPROCESSING = weakref.WeakKeyDictionary()  # encoder -> its preprocessing, for the views of held-out images


@task
class Contrastive(SelfSupervised):
    """SimCLR: an encoder learns from photos without labels to recognize two random views of the same photo.

    Each image of a batch is augmented twice. The features of both views pass a projection head of two dense layers.
    The NT-Xent loss is the cross-entropy of finding the other view among all other views of the batch. Of the result
    the projection head is left out. Larger batches, which have more other images, and long trainings help.

    `fit` takes for `model` any classifier of images, by name or built; its head is removed.

    >>> run = recipes.Contrastive(epochs=100).fit("resnet_cifar", "folder:photos?labels=false", out="runs/features")
    >>> recipes.FineTuning(weights="runs/features").fit("resnet_cifar", "folder:labelled")

    Args:
        temperature: number that the cosine similarities are divided by (tau).
        projection: number of outputs of the projection head; its hidden layer has as many units as there are features.
        augment: steps of both views, as `recipes.data.augment.steps()` lists them. () takes random crops in the size
            of the image, flips, color jitter and gray for photos of three bands, and changes of brightness and contrast
            in place of the colors for others. Leave out "flip" for digits and others that may not be mirrored; "blur"
            helps for large photos.
        batch_size: images per step, each in two views; None takes 256, or less for fewer than 2,048 images.
        **kwargs: as `SelfSupervised` has them.

    Source: Chen et al. 2020, https://arxiv.org/abs/2002.05709.
    Differs: the paper trains with LARS and batches of 4,096, and 0.5 is its temperature for small images; Adam is the
        default here. No batch normalization in the projection head.
    """

    epochs: Count = 100
    learning_rate: Positive = 1e-3
    optimizer: Optimizer = "adam"
    schedule: Schedule = "cosine"
    temperature: Positive = 0.5
    projection: Count = 128

    largest_batch_size: ClassVar[int] = 256
    baseline_name: ClassVar[str] = "a constant output"

    def __post_init__(self):
        super().__post_init__()
        if self.batch_size == 1:
            raise ValueError("Contrastive: `batch_size` must be 2 or more, so that there are other images, got 1.")
        mixing = [s for s in self.augment if isinstance(s, str) and s.partition(":")[0] in MIXING]
        if mixing:
            raise ValueError(f"Contrastive: `augment` must not mix images, got {mixing[0]}.")

    def head_arguments(self, name, data):
        """Returns the arguments of a head, which is removed."""
        if entry(name).task != "classify":
            raise ValueError(
                f"Contrastive: `model` must be a classifier of images, got {name} ({entry(name).task}); "
                "zoo.names('classify') lists them, and masked_image_modelling trains mae_small."
            )
        return {"classes": 2, "activation": None}

    def build_model(self, model, data, **arguments):
        """Returns a new encoder: the model without its head, with maps and tokens averaged."""
        if isinstance(model, keras.Model) and len(model.inputs) != 1:
            raise ValueError(f"Contrastive: `model` must have one input, got {model.name} with {len(model.inputs)}.")
        return load_feature_backbone("Contrastive", super().build_model(model, data, **arguments))

    def check_model(self, model, data):
        """Raises a ValueError if the encoder does not take images of one size."""
        if len(model.input_shape) != 4 or None in model.input_shape[1:]:
            raise ValueError(
                f"Contrastive: `model` must take images of one size, got {model.name} with {model.input_shape[1:]}; "
                "set `input_shape`."
            )

    def preprocessing(self, data, model):
        """Returns the `keras.Model` that turns raw images into inputs of the encoder."""
        PREPROCESSING[model] = preprocess = super().preprocessing(data, model)
        return preprocess

    def wrap_model(self, model, data):
        """Returns the `ContrastiveModel` that trains the encoder."""
        return super().wrap_model(ContrastiveModel(model, self.projection, self.temperature, self.seed), data)

    def encoder(self, model):
        """Returns a copy of the encoder of a `ContrastiveModel`."""
        copy = keras.models.clone_model(model.encoder)
        copy.set_weights(model.encoder.get_weights())
        return copy

    def augmentation(self, preprocessing, classes=None):
        """Returns the augmentation of batches of images to two views of each."""
        value_range, bands = self.value_range(preprocessing), preprocessing.output_shape[-1]
        steps = self.augment or (COLOR_STEPS if value_range and bands == 3 else OTHER_STEPS)
        middle = sum(value_range) / 2 if value_range else 0.0
        views = augmentation(steps, seed=self.seed, value_range=value_range, fill_value=middle)
        return TwoViews(views)

    def map_batches(self, batches, model):
        """Returns the training batches as they are, and those of held-out images in two views, without the last one.

        It may be smaller, and the loss depends on the number of images in a batch.
        """
        if isinstance(batches.element_spec, dict):
            return batches
        views = self.augmentation(PREPROCESSING[model.encoder])
        count = int(batches.cardinality())
        batches = batches.take(count - 1) if count > 1 else batches
        return batches.enumerate().map(lambda i, batch: views.fixed(i, batch[0]))

    def baseline_loss(self, data):
        """Returns the loss of a constant output, log(2 N - 1) for N images per batch."""
        return math.log(2 * self.batch_size - 1)

    def image_losses(self, model, images, preprocessing):
        """Returns (loss, loss of a constant output) of each image of whole batches, (N,) each."""
        views = self.augmentation(preprocessing)
        size = min(self.batch_size, len(images))
        losses = []
        for i in range(len(images) // size):
            pair = views.fixed(i, images[i * size : (i + 1) * size])
            rows = np.asarray(nt_xent(model(pair, training=False), self.temperature))
            losses.append((rows[:size] + rows[size:]) / 2)
        losses = np.concatenate(losses)
        return losses, np.full(len(losses), math.log(2 * size - 1))

    def figures(self, run, split):
        """Returns pairs of views, and the training images whose features are nearest to held-out ones."""
        images = sample_images(run, split, SHOWN)
        pair = {name: np.asarray(x) for name, x in self.augmentation(run.preprocessing).fixed(0, images).items()}
        value_range = self.value_range(run.preprocessing)
        return [
            ("Two views of each image", "Image, first view, second view.", views_figure(images, pair, value_range)),
            neighbours_figure(run, images, sample_images(run, "train"), value_range),
        ]


class TwoViews(Augmentation):
    """Augments batches of images to {"first": view of each, "second": another view of each}, without their targets.

    Args:
        views: `Augmentation` of both views.
    """

    def __init__(self, views):
        super().__init__([], views.seed, None, None, "reflect", 0.0)
        self.views, self.plan = views, views.plan

    @property
    def only_flips(self):
        """False: no view is the image as it is read."""
        return False

    def change(self, seed, images, *targets):
        """Returns both views of a batch, with the random numbers of `seed`, (2,) integers."""
        import tensorflow as tf

        seeds = tf.unstack(tf.random.split(seed, 2))
        return {name: self.views.change(s, images) for name, s in zip(("first", "second"), seeds, strict=True)}

    def fixed(self, number, images):
        """Returns both views of the batch of that number, the same ones at each call."""
        import tensorflow as tf

        return self.change(tf.stack([tf.constant(self.seed, "int64"), tf.cast(number, "int64")]), images)
