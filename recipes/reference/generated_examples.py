"""Examples that a generative model made, to learn from: what a classifier gains or loses by them."""

import dataclasses

import numpy as np

from recipes.data import Data, Examples
from recipes.tasks.classification import Classification
from recipes.tasks.generation import Generation
from zoo.arguments import Count, Whole, checked

MOVES = ("rotate:0.03", "shift:0.08", "zoom:0.1")  # what a lecture would try first


@checked
def generate_examples(model, images, labels, count: Count, *, seed: Whole = 0):
    """Images of each class out of a generative model.

    A model that knows classes is asked for them. A VAE, or another model with a code, decodes places between the codes
    of two images of one class, drawn anew each time, at a share drawn evenly from 0 to 1 of the way.

    Args:
        model: a trained model of `zoo`: `conditional_gan`, `vae`, `autoencoder`, ...
        images: (N, H, W, C) in the model's range.
        labels: (N,) class of each.
        count: how many are made of each class.
        seed: for the same images again.
    Returns:
        (images, labels): (classes * count, H, W, C) float32 in the model's range, and (classes * count,) int32.
    Raises:
        ValueError: if the model neither knows classes nor has a code, or images and labels are not as many.

    Source: DeVries and Taylor 2017, https://arxiv.org/abs/1702.05538, eq. 2 (interpolation, the share drawn here).
    """
    images, labels = np.asarray(images), np.asarray(labels)
    if len(images) != len(labels) or not len(images):
        raise ValueError(f"generate_examples: `labels` must be one an image, got {len(labels)} for {len(images)}.")
    wanted = np.repeat(np.unique(labels), count).astype("int32")
    if getattr(model, "classes", None):
        return np.asarray(model.sample(len(wanted), seed=seed, labels=wanted)), wanted
    if not hasattr(model, "decoder") or not hasattr(model, "encoder"):
        raise ValueError(f"generate_examples: `model` must know classes or have a code, got {model.name}.")
    codes = model.encode(images) if hasattr(model, "encode") else model.encoder.predict(images, verbose=0)
    rng = np.random.default_rng(seed)
    pairs = np.stack([rng.choice(np.flatnonzero(labels == c), 2) for c in wanted])
    share = rng.uniform(size=(len(wanted), *[1] * (codes.ndim - 1))).astype("float32")
    between = (1 - share) * codes[pairs[:, 0]] + share * codes[pairs[:, 1]]
    return model.decoder.predict(between, verbose=0), wanted


@checked
def gain_from_generated(
    data: Data,
    model: str = "vae",
    *,
    few: Count = 20,
    made: Count = 100,
    seeds: Count = 3,
    steps: Count = 600,
    epochs: Count = 150,
    **arguments,
):
    """What a small CNN gains, or loses, by learning from a generative model's images beside few labelled ones.

    For each seed some images of every class are drawn from the training part; the generative model is trained on these
    alone and makes more. The same CNN then learns for as many steps from the few, from the few moved at random, from
    the few with what was made, and from these moved. All are measured on the test part.

    Args:
        data: `Data` of 8-bit images of one size with a class each, and a test part.
        model: a generative architecture that knows classes or has a code.
        few: labelled images of each class.
        made: images of each class that are made of them.
        seeds: how many draws.
        steps: training steps of the CNN, 32 images each.
        epochs: of the generative model.
        **arguments: of its builder.
    Returns:
        Dict from what was learnt from (few, moved, made, made and moved) to a dict: accuracy (mean over the seeds),
        accuracies (each), gain (mean over the seeds of the difference from few) and gains (each).
    Raises:
        ValueError: if a class has too few images, or the data are no such images.
    """
    if data.task != "classification" or data.dtype != "uint8" or not isinstance(data.train.inputs, np.ndarray):
        raise ValueError(f"gain_from_generated: `data` must be 8-bit images with a class each, got {data!r}.")
    smallest = int(np.bincount(data.train.targets, minlength=len(data.classes)).min())
    if few > smallest or not len(data.test):
        raise ValueError(
            f"gain_from_generated: `few` must be at most {smallest}, the images of the smallest class, and there must be a "
            f"test part, got {few} and {len(data.test)} test images."
        )
    found = {"few": [], "moved": [], "made": [], "made and moved": []}
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        chosen = [rng.permutation(np.flatnonzero(data.train.targets == c))[:few] for c in range(len(data.classes))]
        small = alone(data, data.train.take(np.concatenate(chosen)))
        run = Generation(epochs=epochs, batch_size=32, seed=seed).fit(model, small, verbose=False, **arguments)
        prepared = run.preprocessing.predict(small.train.inputs, verbose=0)
        images, labels = generate_examples(run.model, prepared, small.train.targets, made, seed=seed)
        shares = (images - run.model.low) / (run.model.high - run.model.low)
        more = np.round(np.clip(shares, 0, 1) * 255).astype(np.uint8)
        both = Examples(np.concatenate([small.train.inputs, more]), np.concatenate([small.train.targets, labels]))
        for name, part, augment in (
            ("few", small.train, ()),
            ("moved", small.train, MOVES),
            ("made", both, ()),
            ("made and moved", both, MOVES),
        ):
            recipe = Classification(
                epochs=max(1, steps // (len(part) // 32)), batch_size=32, learning_rate=2e-3, seed=seed, augment=augment
            )
            sizes = {"filters": (16, 32), "units": (64,), "dropout": 0.2}
            learnt = recipe.fit("cnn", alone(data, part), verbose=False, **sizes)
            found[name].append(learnt.evaluate("test")["accuracy"])
    return {
        name: {
            "accuracy": float(np.mean(each)),
            "accuracies": each,
            "gain": float(np.mean(np.subtract(each, found["few"]))),
            "gains": np.subtract(each, found["few"]).tolist(),
        }
        for name, each in found.items()
    }


def alone(data, examples):
    """`data` with another training part and no validation part."""
    return dataclasses.replace(data, train=examples, validation=data.validation.take(slice(0, 0)))
