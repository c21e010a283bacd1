"""Training settings of papers and of a lecture, for full-size data and hardware."""

import typing
from typing import Literal

from recipes.tasks.classification import Classification
from recipes.training.task import Task
from zoo.arguments import Count, checked


class PublishedSettings(typing.NamedTuple):
    """A published setting. Run it with `setting.task.fit(setting.model, setting.data, **setting.arguments)`."""

    task: Task
    model: str
    data: str  # of the publication
    arguments: dict  # of the model's builder
    accuracy: float  # published, on the test (or validation) split, from 0 to 1; not measured here
    source: str


def _he2015_cifar(examples):
    steps = examples // 128
    epochs = round(64_000 / steps)
    task = Classification(
        epochs=epochs,
        batch_size=128,
        learning_rate=0.1,
        optimizer="momentum",
        schedule="piecewise",
        decay_boundaries=tuple(step / (steps * epochs) for step in (32_000, 48_000)),
        weight_decay=1e-3,  # 1e-4 / (1 - momentum), see the docstring
        augment=("crop:4", "flip"),
    )
    return PublishedSettings(task, "resnet20", "tfds:cifar10", {}, 0.9125, "https://arxiv.org/abs/1512.03385")


def _deit(examples):
    batch_size, epochs = 1024, 300
    task = Classification(
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=5e-4 * batch_size / 512,
        optimizer="adamw",
        schedule="cosine",
        warmup=5 / epochs,
        weight_decay=0.05,
        augment=("flip", "rand_augment:0.9", "mixup:0.8", "cutmix:1.0", "cutout:0.25"),
        label_smoothing=0.1,
    )
    return PublishedSettings(
        task, "vit_tiny_16", "tfds:imagenet2012", {"drop_path": 0.1}, 0.722, "https://arxiv.org/abs/2012.12877"
    )


def _ecology_lecture(examples):
    task = Classification(epochs=30, batch_size=128, learning_rate=1e-3, optimizer="rmsprop", schedule="constant")
    arguments = {
        "filters": (32, 64, 128, 256),
        "convolutions": 1,
        "units": (512,),
        "max_norm": None,
        "dropout": 0.5,
    }
    return PublishedSettings(
        task, "cnn", "cifar56eco:tfds?validation=0.2", arguments, 0.42, "https://www.cs.toronto.edu/~kriz/cifar.html"
    )


SETTINGS = {  # name -> function of the number of training examples, and their number in the source
    "he2015_cifar": (_he2015_cifar, 45_000),
    "deit": (_deit, 1_281_167),
    "ecology_lecture": (_ecology_lecture, 22_400),
}


@checked
def published_settings(
    name: Literal["he2015_cifar", "deit", "ecology_lecture"], *, examples: Count | None = None
) -> PublishedSettings:
    """Returns a published training setting: task, model with its arguments, data and published accuracy.

    >>> setting = recipes.published_settings("he2015_cifar")
    >>> run = setting.task.fit("resnet20", "bundled:animal-silhouettes", **setting.arguments)

    he2015_cifar (He et al. 2015, section 4.2): batches of 128, momentum 0.9, learning rate 0.1 divided by 10 after
    32,000 and 48,000 of 64,000 steps, weight decay 1e-4, images padded by 4, cropped and mirrored. The paper adds the
    weight decay to the gradient, so it passes through the momentum. Here it is decoupled, and therefore 1e-4 / (1 -
    0.9). The number of epochs is rounded to the nearest to 64,000 steps. Not included: subtraction of the mean image
    (8-bit images are divided by 255), and ResNet-110's first steps at a learning rate of 0.01. The accuracy is that of
    ResNet-20.

    deit (Touvron et al. 2020, table 9): AdamW, batches of 1024, 300 epochs, learning rate 5e-4 * batch_size / 512, 5
    epochs of warm-up, cosine, weight decay 0.05, RandAugment 9, mixup 0.8, cutmix 1.0, label smoothing 0.1, drop path
    0.1 (in `arguments`). Not included: RandAugment's standard deviation of the magnitude, 0.5; mixup or cutmix for each
    batch (here one follows the other); random erasing of a quarter of the images with noise (here every image loses a
    rectangle of a quarter of each side); random crops resized to 224 pixels; each image three times in a batch; initial
    and final learning rates of 1e-6 and 1e-5 instead of 0; averaged weights; weight decay without biases and
    normalization layers; images normalized by ImageNet's mean. The accuracy is that of DeiT-Ti on the validation split.

    ecology_lecture: the network with 941,944 parameters of a lecture in ecology, on 56 classes of CIFAR-100: RMSprop at
    its default learning rate, batches of 128, 30 epochs and a fifth of the data for validation. Everything is included.
    The accuracy is about 0.42, as stated by the lecture. It is also the reference recipe `cnn_cifar56eco`;
    `resnet14_cifar56eco` has a higher accuracy with no more multiply-accumulates.

    Args:
        name: he2015_cifar, deit or ecology_lecture.
        examples: number of training examples, which determines the epochs of 64,000 steps; default that of the source.
    Returns:
        `PublishedSettings`: task, model, data, arguments, accuracy (published, not measured here), source.
    Raises:
        ValueError: if there is no such setting, or there are fewer than 128 examples for he2015_cifar.

    Source: He et al. 2015, https://arxiv.org/abs/1512.03385; Touvron et al. 2020, https://arxiv.org/abs/2012.12877.
    """
    build, default_examples = SETTINGS[name]
    if examples is not None and examples < 128:
        raise ValueError(
            f"published_settings: `examples` must be a whole number of at least 128, one batch, got {examples}."
        )
    return build(default_examples if examples is None else examples)
