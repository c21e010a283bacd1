"""Generates training examples with a generative model, and measures what a classifier gains from them."""

import dataclasses

import numpy as np

from recipes.data import Data, Examples
from recipes.tasks.classification import Classification
from recipes.tasks.generation import Generation
from zoo.arguments import Count, Whole, checked

AUGMENT = ("rotate:0.03", "shift:0.08", "zoom:0.1")


@checked
def generate_examples(model, images, labels, count: Count, *, seed: Whole = 0):
    """Generates images of each class.

    A class-conditional model samples each class. A VAE, or another model with encoder and decoder, decodes
    interpolations between the latent codes of two random images of the same class, at a uniformly random fraction.

    Args:
        model: a trained model of `zoo`: `conditional_gan`, `vae`, `autoencoder`, ...
        images: (N, H, W, C) in the model's range.
        labels: (N,) class of each.
        count: images to generate per class.
        seed: of the random numbers.
    Returns:
        (images, labels): (classes * count, H, W, C) float32 in the model's range, and (classes * count,) int32.
    Raises:
        ValueError: if the model is neither class-conditional nor has an encoder and a decoder, or if images and labels
            differ in number.

    Source: DeVries and Taylor 2017, https://arxiv.org/abs/1702.05538, eq. 2 (interpolation, with a random fraction).
    """
    images, labels = np.asarray(images), np.asarray(labels)
    if len(images) != len(labels) or not len(images):
        raise ValueError(f"generate_examples: `labels` must be one per image, got {len(labels)} for {len(images)}.")
    new_labels = np.repeat(np.unique(labels), count).astype("int32")
    if getattr(model, "classes", None):
        return np.asarray(model.sample(len(new_labels), seed=seed, labels=new_labels)), new_labels
    if not hasattr(model, "decoder") or not hasattr(model, "encoder"):
        raise ValueError(
            f"generate_examples: `model` must be class-conditional, or have an encoder and a decoder, got {model.name}."
        )
    codes = model.code(images) if hasattr(model, "code") else model.encoder.predict(images, verbose=0)
    rng = np.random.default_rng(seed)
    pairs = np.stack([rng.choice(np.flatnonzero(labels == c), 2) for c in new_labels])
    fraction = rng.uniform(size=(len(new_labels), *[1] * (codes.ndim - 1))).astype("float32")
    between = (1 - fraction) * codes[pairs[:, 0]] + fraction * codes[pairs[:, 1]]
    return model.decoder.predict(between, verbose=0), new_labels


@checked
def gain_from_generated(
    data: Data,
    model: str = "vae",
    *,
    real_per_class: Count = 20,
    generated_per_class: Count = 100,
    seeds: Count = 3,
    steps: Count = 600,
    epochs: Count = 150,
    **arguments,
):
    """Measures the gain in accuracy of a small CNN from generated images, beside few real ones.

    For each seed some images of every class are drawn from the training split. The generative model is trained on these
    alone and generates more. The same CNN is then trained for the same number of steps on four data sets: the real
    images, the real images with augmentation, real and generated images, and these with augmentation. All accuracies
    are on the test split.

    Args:
        data: `Data` of 8-bit images of one size with a class each, and a test split.
        model: a class-conditional generative architecture, or one with encoder and decoder.
        real_per_class: real training images per class.
        generated_per_class: generated images per class.
        seeds: number of repetitions.
        steps: training steps of the CNN, 32 images each.
        epochs: of the generative model.
        **arguments: of its builder.
    Returns:
        Dict from training data (real, augmented, generated, generated and augmented) to a dict: accuracy (mean over
        the seeds), accuracies (one per seed), gain (mean difference from real) and gains (one per seed).
    Raises:
        ValueError: if a class has too few images, or the data are not such images.
    """
    if data.task != "classification" or data.dtype != "uint8" or not isinstance(data.train.inputs, np.ndarray):
        raise ValueError(f"gain_from_generated: `data` must be 8-bit images with a class each, got {data!r}.")
    smallest = int(np.bincount(data.train.targets, minlength=len(data.classes)).min())
    if real_per_class > smallest or not len(data.test):
        raise ValueError(
            f"gain_from_generated: `real_per_class` must be at most {smallest}, the size of the smallest class, and "
            f"there must be a test split, got {real_per_class} and {len(data.test)} test images."
        )
    accuracies = {"real": [], "augmented": [], "generated": [], "generated and augmented": []}
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        indices = [
            rng.permutation(np.flatnonzero(data.train.targets == c))[:real_per_class] for c in range(len(data.classes))
        ]
        real = with_training_split(data, data.train.take(np.concatenate(indices)))
        run = Generation(epochs=epochs, batch_size=32, seed=seed).fit(model, real, verbose=False, **arguments)
        inputs = run.preprocessing.predict(real.train.inputs, verbose=0)
        images, labels = generate_examples(run.model, inputs, real.train.targets, generated_per_class, seed=seed)
        images = np.clip((images - run.model.low) / (run.model.high - run.model.low), 0, 1)
        images = np.round(images * 255).astype(np.uint8)
        both = Examples(np.concatenate([real.train.inputs, images]), np.concatenate([real.train.targets, labels]))
        for name, examples, augment in (
            ("real", real.train, ()),
            ("augmented", real.train, AUGMENT),
            ("generated", both, ()),
            ("generated and augmented", both, AUGMENT),
        ):
            task = Classification(
                epochs=max(1, steps // (len(examples) // 32)),
                batch_size=32,
                learning_rate=2e-3,
                seed=seed,
                augment=augment,
            )
            cnn = {"filters": (16, 32), "units": (64,), "dropout": 0.2}
            classifier = task.fit("cnn", with_training_split(data, examples), verbose=False, **cnn)
            accuracies[name].append(classifier.evaluate("test")["accuracy"])
    return {
        name: {
            "accuracy": float(np.mean(values)),
            "accuracies": values,
            "gain": float(np.mean(np.subtract(values, accuracies["real"]))),
            "gains": np.subtract(values, accuracies["real"]).tolist(),
        }
        for name, values in accuracies.items()
    }


def with_training_split(data, examples):
    """Returns `data` with another training split and without validation split."""
    return dataclasses.replace(data, train=examples, validation=data.validation.take(slice(0, 0)))
