"""Training settings that others published, as numbers: what to train with where there is the machine for it."""

import typing
from typing import Literal

from recipes.tasks.classification import Classification
from recipes.training.task import Recipe
from zoo.arguments import Count, checked


class PublishedSettings(typing.NamedTuple):
    """A published setting; `setting.recipe.fit(setting.model, setting.data, **setting.arguments)` runs it."""

    recipe: Recipe
    model: str
    data: str  # what it was published for
    arguments: dict  # of the model's builder
    accuracy: float  # published, on that data's test (or validation) part with that model; not ours
    source: str


def _he2015_cifar(examples):
    steps = examples // 128
    epochs = round(64_000 / steps)
    recipe = Classification(
        epochs=epochs,
        batch_size=128,
        learning_rate=0.1,
        optimizer="momentum",
        schedule="piecewise",
        decay_boundaries=tuple(at / (steps * epochs) for at in (32_000, 48_000)),
        weight_decay=1e-3,  # 1e-4 / (1 - momentum), as the docstring says
        augment=("crop:4", "flip"),
    )
    return PublishedSettings(recipe, "resnet20", "tfds:cifar10", {}, 0.9125, "https://arxiv.org/abs/1512.03385")


def _deit(examples):
    batch, epochs = 1024, 300
    recipe = Classification(
        epochs=epochs,
        batch_size=batch,
        learning_rate=5e-4 * batch / 512,
        optimizer="adamw",
        schedule="cosine",
        warmup=5 / epochs,
        weight_decay=0.05,
        augment=("flip", "rand_augment:0.9", "mixup:0.8", "cutmix:1.0", "cutout:0.25"),
        label_smoothing=0.1,
    )
    return PublishedSettings(
        recipe, "vit_tiny_16", "tfds:imagenet2012", {"drop_path": 0.1}, 0.722, "https://arxiv.org/abs/2012.12877"
    )


def _ecology_lecture(examples):
    recipe = Classification(epochs=30, batch_size=128, learning_rate=1e-3, optimizer="rmsprop", schedule="constant")
    arguments = {
        "filters": (32, 64, 128, 256),
        "convolutions": 1,
        "units": (512,),
        "max_norm": None,
        "dropout": 0.5,
    }
    return PublishedSettings(
        recipe, "cnn", "cifar56eco:tfds?validation=0.2", arguments, 0.42, "https://www.cs.toronto.edu/~kriz/cifar.html"
    )


SETTINGS = {
    "he2015_cifar": (_he2015_cifar, 45_000),
    "deit": (_deit, 1_281_167),
    "ecology_lecture": (_ecology_lecture, 22_400),
}


@checked
def published_settings(
    name: Literal["he2015_cifar", "deit", "ecology_lecture"], *, examples: Count | None = None
) -> PublishedSettings:
    """A published training setting: the recipe, the model with its arguments, the data and the published result.

    >>> setting = recipes.published_settings("he2015_cifar")
    >>> run = setting.recipe.fit("resnet20", "bundled:animal-silhouettes", **setting.arguments)

    he2015_cifar (He et al. 2015, section 4.2): batches of 128, momentum 0.9, rate 0.1 divided by 10 after 32,000 and
    48,000 of 64,000 steps, weight decay 1e-4, images padded by 4, cropped and mirrored. The paper's weight decay is
    part of the gradient and so goes through the momentum; a recipe's acts on the weights alone, and is therefore 1e-4 /
    (1 - 0.9). A recipe counts epochs: they are rounded to come nearest to 64,000 steps. What a recipe cannot say: the
    mean image is not subtracted (8-bit images are divided by 255); ResNet-110's first steps at a rate of 0.01. The
    result is ResNet-20's.

    deit (Touvron et al. 2020, table 9): AdamW, batches of 1024, 300 epochs, rate 5e-4 * batch / 512, 5 epochs of
    warm-up, cosine, weight decay 0.05, RandAugment 9, mixup 0.8, cutmix 1.0, label smoothing 0.1, drop path 0.1 (in
    `arguments`). What a recipe cannot say: RandAugment's 0.5, by which its magnitude varies; mixup or cutmix for a
    batch (here one follows the other); random erasing of a quarter of the images with noise (here every image loses a
    rectangle of a quarter of each side); random crops resized to 224 pixels; each image three times in a batch; a rate
    that ends at 1e-5 and starts at 1e-6, not at 0; averaged weights; weight decay that spares biases and
    normalisations; images normalised by ImageNet's mean. The result is DeiT-Ti's, on the validation images.

    ecology_lecture: the network of 941,944 parameters of a lecture in ecology on 56 classes of CIFAR-100, with RMSprop
    at its default rate, batches of 128, 30 epochs and a fifth for validation. What a recipe cannot say: nothing. The
    result is about 0.42 by the lecture's own account. It is the worked recipe `cnn_cifar56eco` too, and
    `resnet14_cifar56eco` is meant to go well past it for no more multiply-accumulates.

    Args:
        name: he2015_cifar, deit or ecology_lecture.
        examples: training examples, which decide how many epochs 64,000 steps are; None for as many as in the source.
    Returns:
        `Published`: recipe, model, data, arguments, accuracy (as published, not measured by us), source.
    Raises:
        ValueError: if there is no such setting, or there are fewer than 128 examples for he2015_cifar.

    Source: He et al. 2015, https://arxiv.org/abs/1512.03385; Touvron et al. 2020, https://arxiv.org/abs/2012.12877.
    """
    make, own = SETTINGS[name]
    if examples is not None and examples < 128:
        raise ValueError(f"published: `examples` must be a whole number of at least 128, one batch, got {examples}.")
    return make(own if examples is None else examples)
