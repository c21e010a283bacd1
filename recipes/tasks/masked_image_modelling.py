"""MAE: features of images without labels, from which most of an image is predicted from a few of its patches."""

import inspect
from typing import ClassVar

from recipes.reports.pretraining_figures import neighbours_figure, reconstructions_figure
from recipes.tasks.self_supervised import PRETRAINED, SelfSupervised, sample_images
from recipes.training.schedules import Optimizer, Schedule
from recipes.training.task import task
from zoo.arguments import Count, NonNegative, Positive
from zoo.generate.mae import MAE
from zoo.registry import entries, entry

SHOWN = 8  # images of a figure


@task
class MaskedImageModelling(SelfSupervised):
    """A masked autoencoder learns from photos without labels to predict most patches of an image from a few of them.

    The encoder, a vision transformer, sees a quarter of the patches, a small decoder predicts the others, and of the
    result the decoder is left out. Features are the mean of the tokens of all patches. No pair of views is needed, so
    that it suits images for which no augmentation is known, of any number of bands.

    `fit` takes for `model` mae_small, for small images, or mae for photos, with their arguments, such as `patch=8`; the
    sides of the images must be divisible by `patch`.

    >>> run = recipes.MaskedImageModelling().fit("mae_small", "folder:photos?labels=false", out="runs/features")

    Args:
        augment: steps of the training images, as `recipes.data.augment.steps()` lists them; "flip" is left out for
            digits and others that may not be mirrored.
        weight_decay: of AdamW.
        **kwargs: as `SelfSupervised` has them.

    Source: He et al. 2021, https://arxiv.org/abs/2111.06377.
    Differs: the paper trains for 800 epochs of batches of 4,096 at a learning rate of 1.5e-4 for each 256 images, and
        warms up for a twentieth of them; beta_2 of its AdamW is 0.95.
    """

    epochs: Count = 100
    learning_rate: Positive = 1e-3
    optimizer: Optimizer = "adamw"
    schedule: Schedule = "cosine"
    weight_decay: NonNegative = 0.05
    augment: tuple = ("resized_crop:0.2", "flip")

    largest_batch_size: ClassVar[int] = 128
    baseline_name: ClassVar[str] = "the mean of each patch"

    def head_arguments(self, name, data):
        """Returns no arguments: a masked autoencoder has no head that depends on targets."""
        if not inspect.unwrap(entry(name).build).__module__.endswith("generate.mae"):
            names = [n for n, e in entries.items() if n == "mae" or e.parent == "mae"]
            raise ValueError(
                f"MaskedImageModelling: `model` must be one of {', '.join(names)}, got {name}; contrastive trains "
                "classifiers of images."
            )
        return {}

    def check_model(self, model, data):
        """Raises a ValueError if the model is no masked autoencoder."""
        if not isinstance(model, MAE):
            raise ValueError(
                f"MaskedImageModelling: `model` must be a masked autoencoder, such as mae_small, got {model.name}, "
                f"{type(model).__name__}."
            )

    def encoder(self, model):
        """Returns a copy of the encoder of a masked autoencoder."""
        return model.encoder()

    def map_batches(self, batches, model):
        """Returns batches of images alone."""
        return batches.map(lambda x, *_: x)

    def baseline_loss(self, data):
        """Returns None: the loss of the mean of each patch depends on the images."""
        return None

    def image_losses(self, model, images, preprocessing):
        """Returns (error of the masked patches, that of a constant) of each image, (N,) each."""
        return model.errors(images), model.baseline_errors(images)

    def figures(self, run, split):
        """Returns images, their visible patches and reconstructions, and the nearest training images.

        A run that was loaded has no decoder, and so no reconstructions.
        """
        images, value_range = sample_images(run, split, SHOWN), self.value_range(run.preprocessing)
        figures = [neighbours_figure(run, images, sample_images(run, "train"), value_range)]
        if (model := PRETRAINED.get(run.model)) is not None:
            return [reconstructions_figure(model, images, value_range), *figures]
        return figures
