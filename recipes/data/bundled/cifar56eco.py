"""The ecology lecture's CIFAR-100: its 56 classes of animals, plants and landscapes, through two libraries."""

import dataclasses
import os
from pathlib import Path

import numpy as np

from recipes.data.assemble import Pool, assemble
from recipes.data.tfds import HOST, PATIENCE, reachable
from zoo.arguments import suggestion

TORONTO = "https://www.cs.toronto.edu"  # where Keras gets the archive
WAYS = {"keras": TORONTO, "tfds": HOST}
INSTEAD = "bundled:animal-silhouettes"
CLASSES = {  # fine label of CIFAR-100 -> name
    3: "bear", 4: "beaver", 6: "bee", 7: "beetle", 14: "butterfly", 15: "camel", 18: "caterpillar", 19: "cattle",
    21: "chimpanzee", 24: "cockroach", 26: "crab", 27: "crocodile", 29: "dinosaur", 30: "dolphin", 31: "elephant",
    32: "flatfish", 33: "forest", 34: "fox", 36: "hamster", 38: "kangaroo", 42: "leopard", 43: "lion", 44: "lizard",
    45: "lobster", 47: "maple_tree", 49: "mountain", 50: "mouse", 51: "mushroom", 52: "oak_tree", 54: "orchid",
    55: "otter", 56: "palm_tree", 59: "pine_tree", 62: "poppy", 63: "porcupine", 64: "possum", 65: "rabbit",
    66: "raccoon", 67: "ray", 72: "seal", 73: "shark", 74: "shrew", 75: "skunk", 77: "snail", 78: "snake",
    79: "spider", 80: "squirrel", 82: "sunflower", 88: "tiger", 91: "trout", 92: "tulip", 93: "turtle", 95: "whale",
    96: "willow_tree", 97: "wolf", 99: "worm",
}  # fmt: skip


def read_cifar56eco(way, options):
    """`Data` of 28,000 training and 5,600 test images, (32, 32, 3) uint8; validation comes from the training images.

    Args:
        way: keras (`keras.datasets.cifar100`, 161 MiB) or tfds (`cifar100` of TensorFlow Datasets); both download once.
        options: `Options`.
    Returns:
        `Data`.
    Raises:
        ValueError: if there is no such way, or the images are not on this machine and cannot be fetched; a bundled set
            that would do is named.

    Source: Krizhevsky 2009, https://www.cs.toronto.edu/~kriz/cifar.html.
    """
    if way not in WAYS:
        raise ValueError(
            f"load: `cifar56eco:` must be followed by {' or '.join(WAYS)}, got {way!r}.{suggestion(way, WAYS)}"
        )
    options.refuse_tables(f"cifar56eco:{way}", "missing", "group")
    pools = []
    for part, (x, y) in (_keras() if way == "keras" else _tfds()).items():
        kept, places = chosen(np.asarray(y).reshape(-1))
        pools.append(Pool(np.asarray(x)[kept], places, part, kept))
    options = dataclasses.replace(options, task="classification", classes=options.classes or tuple(CLASSES.values()))
    return assemble(
        pools, options, name=f"cifar56eco:{way}", kind="image", shape=(32, 32, 3), dtype="uint8",
        source="https://www.cs.toronto.edu/~kriz/cifar.html",
        description="56 of CIFAR-100's classes: animals, plants and landscapes, 32 x 32 pixels.",
    )  # fmt: skip


def chosen(labels):
    """(places of the images that belong to `CLASSES`, their class counted from 0)."""
    known = np.array(list(CLASSES))
    kept = np.flatnonzero(np.isin(labels, known))
    return kept, np.searchsorted(known, labels[kept])


def _keras():
    import keras

    archive = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "datasets"  # as Keras decides
    _verify_there("keras", archive, any(archive.glob("cifar-100-python*")))
    try:
        train, test = keras.datasets.cifar100.load_data()
    except Exception as error:  # a download fails in many ways; each is told to the user
        raise ValueError(_told("keras", f"could not be fetched: {str(error).splitlines()[0]}")) from error
    return {"train": train, "test": test}


def _tfds():
    import tensorflow_datasets as tfds

    builder = tfds.builder("cifar100")
    _verify_there("tfds", builder.data_dir, builder.is_prepared())
    try:
        builder.download_and_prepare()
    except Exception as error:  # as above
        raise ValueError(_told("tfds", f"could not be prepared: {str(error).splitlines()[0]}")) from error
    names = builder.info.features["label"].names
    # Numbers stand for names that are not on this machine
    if any(names[i] not in (name, str(i)) for i, name in CLASSES.items()):
        raise ValueError(_told("tfds", "has its classes in another order than CIFAR-100's own"))
    return {
        part: tuple(np.stack(column) for column in zip(*_rows(builder, part), strict=True))
        for part in ("train", "test")
    }


def _rows(builder, part):
    return tuple(builder.as_dataset(split=part, as_supervised=True, shuffle_files=False).as_numpy_iterator())


def _verify_there(way, place, there):
    if not there and not reachable(WAYS[way]):
        raise ValueError(
            _told(way, f"needs CIFAR-100, which is not in {place}, and {WAYS[way]} did not answer within {PATIENCE} s")
        )


def _told(way, what):
    return f"load: cifar56eco:{way} {what}; `{INSTEAD}` travels in a package and would do."
