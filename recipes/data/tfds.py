"""TensorFlow Datasets by name, with a quick answer where there is no network."""

import dataclasses
import threading
import urllib.error
import urllib.request

import numpy as np

from recipes.data.assemble import assemble
from recipes.data.streams import read_stream
from recipes.data.text.labelled_texts import from_texts, is_texts
from zoo.arguments import suggestion

HOST = "https://storage.googleapis.com"  # where TensorFlow Datasets keeps most of its files
PATIENCE = 5  # seconds; TensorFlow Datasets itself tries for minutes
INSTEAD = {"image": "bundled:mnist-5k", "table": "bundled:penguins", "vector": "bundled:satimage"}


def read_tfds(name, options):
    """`Data` from a data set of TensorFlow Datasets with its own splits, downloaded where it is not there yet.

    Args:
        name: as `tfds.load` takes it: "mnist", "penguins/processed", "oxford_flowers102:2.1.1".
        options: `Options`.
    Returns:
        `Data`; what its own splits lack of validation and test comes from its train split.
    Raises:
        ValueError: if there is no such data set (the nearest is offered), it has no target, or it is not on this
            machine and the network cannot be reached.
    """
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder(name)
    except tfds.core.registered.DatasetNotFoundError:
        known = tfds.list_builders(with_community_datasets=False)
        raise ValueError(f"load: TensorFlow Datasets has no {name!r}.{suggestion(name.split('/')[0], known)}") from None
    features, keys = builder.info.features, builder.info.supervised_keys
    if not keys or len(keys) != 2:
        raise ValueError(f"load: tfds:{name} must have an input and a target, got {', '.join(sorted(features))}.")
    _prepare(builder, name)
    own = [s for s in ("train", "validation", "test") if s in builder.info.splits] or ["train"]
    pools = []
    for split in own:
        stream = builder.as_dataset(split=split, as_supervised=True, shuffle_files=False)
        pools.append(read_stream(stream, split if len(own) > 1 else None))
    notes = [f"the {p.part} split has no labels: left out" for p in pools if (p.y == -1).all()]
    pools = [p for p in pools if not (p.y == -1).all()]  # what TensorFlow Datasets writes for a label that is kept back
    if isinstance(features[keys[1]], tfds.features.ClassLabel):
        names = tuple(features[keys[1]].names)
        options = dataclasses.replace(options, task="classification", classes=options.classes or names)
    told = {
        "notes": notes,
        "source": builder.info.homepage or f"tensorflow_datasets {builder.info.full_name}",
        "description": (builder.info.description or "").split(". ")[0],
    }
    title = f"tfds:{name}"
    if isinstance(pools[0].inputs, dict):
        from recipes.data.tables.table import read_pools

        _name_codes(pools, features)
        return read_pools(pools, options, name=title, **told)
    if is_texts(pools[0].inputs):
        return from_texts(pools, options, name=title, **told)
    from recipes.data.arrays import facts

    options.refuse_tables(title, "missing", "group")
    kind, shape, dtype = facts(pools[0].inputs)
    return assemble(pools, options, name=title, kind=kind, shape=shape, dtype=dtype, **told)


def _name_codes(pools, features):
    """Columns that hold the index of a class get the classes' names, so that they are categories."""
    for pool in pools:
        for column, values in pool.inputs.items():
            if names := getattr(features[column], "names", None):
                pool.inputs[column] = np.array([names[i] if 0 <= i < len(names) else "" for i in values], dtype=object)


def _prepare(builder, name):
    """Downloads and prepares the data set where it is not prepared; a ValueError at once where that cannot be."""
    if builder.is_prepared():
        return
    image = any(type(f).__name__ == "Image" for f in builder.info.features.values())
    kind = "image" if image else "table"
    help_ = f"`{INSTEAD[kind]}` travels in a package and would do."
    if not reachable():
        raise ValueError(
            f"load: tfds:{name} is not in {builder.data_dir}, and {HOST} did not answer within {PATIENCE} s; {help_}"
        )
    try:
        builder.download_and_prepare()
    except Exception as error:  # a download fails in many ways; each is told to the user
        raise ValueError(f"load: tfds:{name} could not be prepared: {str(error).splitlines()[0]}; {help_}") from error


def reachable(host=HOST, patience=PATIENCE):
    """Whether `host` answers, whatever it says, within `patience` seconds, name look-up included."""
    answered = threading.Event()

    def ask():
        try:
            urllib.request.urlopen(host, timeout=patience).close()
        except urllib.error.HTTPError:
            pass  # it answered
        except (OSError, ValueError):
            return
        answered.set()

    asking = threading.Thread(target=ask, daemon=True)  # a name look-up knows no time-out, and must not hold us up
    asking.start()
    asking.join(patience)
    return answered.is_set()
