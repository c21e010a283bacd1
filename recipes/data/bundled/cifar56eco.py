"""56 classes of CIFAR-100, animals, plants and landscapes, downloaded through one of two libraries."""

import os
from pathlib import Path
from typing import Literal

import numpy as np

from recipes.data.assemble import Pool, assemble
from recipes.data.examples import Data
from recipes.data.source_spec import with_source_spec
from recipes.data.split import SplitOptions
from recipes.data.tfds import HOST, TIMEOUT, is_reachable
from zoo.arguments import Fraction, Whole, checked

TORONTO = "https://www.cs.toronto.edu"  # where Keras downloads the archive from
HOSTS = {"keras": TORONTO, "tfds": HOST}
ALTERNATIVE = "bundled:animal-silhouettes"
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


@checked
def read_cifar56eco(
    source: Literal["keras", "tfds"],
    *,
    validation: Fraction = 0.15,
    test: Fraction = 0.15,
    seed: Whole = 0,
) -> Data:
    """Reads 28,000 training and 5,600 test images, (32, 32, 3) uint8; validation is drawn from the training images.

    Args:
        source: keras (`keras.datasets.cifar100`, 161 MiB) or tfds (`cifar100` of TensorFlow Datasets); both download
            once.
        validation: fraction of the training images, 0 to 1.
        test: not used; the test images are CIFAR-100's own.
        seed: seed of the split.
    Returns:
        `Data`.
    Raises:
        ValueError: if the images are not on this machine and cannot be downloaded; a bundled alternative is named.

    Source: Krizhevsky 2009, https://www.cs.toronto.edu/~kriz/cifar.html.
    """
    arguments = dict(locals())
    pools = []
    for split, (x, y) in (_read_keras() if source == "keras" else _read_tfds()).items():
        indices, labels = select_classes(np.asarray(y).reshape(-1))
        pools.append(Pool(np.asarray(x)[indices], labels, split, indices))
    data = assemble(
        pools, SplitOptions(validation, test, seed), name=f"cifar56eco:{source}", kind="image", shape=(32, 32, 3),
        dtype="uint8", task="classification", classes=tuple(CLASSES.values()),
        source="https://www.cs.toronto.edu/~kriz/cifar.html",
        description="56 of CIFAR-100's classes: animals, plants and landscapes, 32 x 32 pixels.",
    )  # fmt: skip
    return with_source_spec(data, "cifar56eco", arguments, is_path=False)


def select_classes(labels):
    """Returns (indices of the images of `CLASSES`, their class counted from 0)."""
    fine_labels = np.array(list(CLASSES))
    indices = np.flatnonzero(np.isin(labels, fine_labels))
    return indices, np.searchsorted(fine_labels, labels[indices])


def _read_keras():
    import keras

    folder = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "datasets"  # as Keras decides
    _verify_available("keras", folder, any(folder.glob("cifar-100-python*")))
    try:
        train, test = keras.datasets.cifar100.load_data()
    except Exception as error:  # a download fails in many ways; the first line of each is in the message
        raise ValueError(_message("keras", f"could not be downloaded: {str(error).splitlines()[0]}")) from error
    return {"train": train, "test": test}


def _read_tfds():
    import tensorflow_datasets as tfds

    builder = tfds.builder("cifar100")
    _verify_available("tfds", builder.data_dir, builder.is_prepared())
    try:
        builder.download_and_prepare()
    except Exception as error:  # as above
        raise ValueError(_message("tfds", f"could not be prepared: {str(error).splitlines()[0]}")) from error
    names = builder.info.features["label"].names
    # Where the names are not on this machine, TensorFlow Datasets has numbers instead
    if any(names[i] not in (name, str(i)) for i, name in CLASSES.items()):
        raise ValueError(_message("tfds", "has its classes in another order than CIFAR-100's own"))
    return {
        split: tuple(np.stack(column) for column in zip(*_rows(builder, split), strict=True))
        for split in ("train", "test")
    }


def _rows(builder, split):
    return tuple(builder.as_dataset(split=split, as_supervised=True, shuffle_files=False).as_numpy_iterator())


def _verify_available(source, folder, available):
    host = HOSTS[source]
    if not available and not is_reachable(host):
        raise ValueError(
            _message(
                source, f"needs CIFAR-100, which is not in {folder}, and {host} did not respond within {TIMEOUT} s"
            )
        )


def _message(source, problem):
    return f"cifar56eco:{source} {problem}; `{ALTERNATIVE}` needs no such download."
