"""TensorFlow Datasets by name, with an immediate error where there is no network."""

import threading
import urllib.error
import urllib.request
from typing import Literal

import numpy as np

from recipes.data.arrays import kind_shape_dtype
from recipes.data.assemble import assemble
from recipes.data.examples import SPLITS, Data
from recipes.data.in_memory import is_texts
from recipes.data.source_spec import with_source_spec
from recipes.data.split import SplitOptions
from recipes.data.streams import read_stream
from recipes.data.tables.table import from_table_pools
from recipes.data.text.labelled_texts import from_texts
from zoo.arguments import Fraction, Positive, Whole, checked, suggestion

HOST = "https://storage.googleapis.com"  # where TensorFlow Datasets keeps most of its files
TIMEOUT = 5  # seconds; TensorFlow Datasets itself tries for minutes
ALTERNATIVES = {"image": "bundled:mnist-5k", "table": "bundled:penguins"}


@checked
def read_tfds(
    name: str,
    *,
    task: Literal["classification", "multilabel", "regression"] | None = None,
    group: str | None = None,
    block: tuple[str, str, Positive] | None = None,
    missing: Literal["error", "drop", "impute"] | None = None,
    categorical: tuple[str, ...] = (),
    columns: tuple[str, ...] = (),
    drop_columns: tuple[str, ...] = (),
    validation: Fraction = 0.15,
    test: Fraction = 0.15,
    seed: Whole = 0,
) -> Data:
    """Reads a data set of TensorFlow Datasets with its own splits; it is downloaded if it is not on this machine.

    Validation and test splits that the data set lacks are drawn from its train split.

    Args:
        name: as `tfds.load` takes it: "mnist", "penguins/processed", "oxford_flowers102:2.1.1".
        task: classification, multilabel or regression; from the data set's features or its targets if None.
        group, block, missing, categorical, columns, drop_columns: for tables, as `read_table` has them.
        validation, test: fractions of the train split, 0 to 1.
        seed: seed of the split.
    Returns:
        `Data`.
    Raises:
        ValueError: if there is no such data set (the nearest is offered), it has no target, or it is not on this
            machine and the network cannot be reached.
    """
    arguments = dict(locals())
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder(name)
    except tfds.core.registered.DatasetNotFoundError:
        names = tfds.list_builders(with_community_datasets=False)
        raise ValueError(f"TensorFlow Datasets has no {name!r}.{suggestion(name.split('/')[0], names)}") from None
    features, keys = builder.info.features, builder.info.supervised_keys
    if not keys or len(keys) != 2:
        raise ValueError(f"tfds:{name} must have an input and a target, got {', '.join(sorted(features))}.")
    _prepare(builder, name)
    splits = [s for s in SPLITS if s in builder.info.splits] or ["train"]
    pools = []
    for split in splits:
        dataset = builder.as_dataset(split=split, as_supervised=True, shuffle_files=False)
        pools.append(read_stream(dataset, split if len(splits) > 1 else None))
    notes = [f"the {p.split} split has no labels: left out" for p in pools if (p.y == -1).all()]
    pools = [p for p in pools if not (p.y == -1).all()]  # TensorFlow Datasets writes -1 for labels that are withheld
    classes = ()
    if isinstance(features[keys[1]], tfds.features.ClassLabel):
        task, classes = "classification", tuple(features[keys[1]].names)
    split_options = SplitOptions(validation, test, seed)
    common = {
        "name": f"tfds:{name}",
        "task": task,
        "classes": classes,
        "missing": missing,
        "notes": notes,
        "source": builder.info.homepage or f"tensorflow_datasets {builder.info.full_name}",
        "description": (builder.info.description or "").split(". ")[0],
    }
    table_options = {
        "group": group, "block": block, "categorical": categorical, "columns": columns, "drop_columns": drop_columns,
    }  # fmt: skip
    if isinstance(pools[0].inputs, dict):
        _name_codes(pools, features)
        data = from_table_pools(pools, split_options, **common, **table_options)
    else:
        kind = "text" if is_texts(pools[0].inputs) else "image"
        _refuse_table_options(name, table_options if kind == "text" else {**table_options, "missing": missing})
        if kind == "text":
            data = from_texts(pools, split_options, **common)
        else:
            kind, shape, dtype = kind_shape_dtype(pools[0].inputs)
            data = assemble(pools, split_options, kind=kind, shape=shape, dtype=dtype, **common)
    return with_source_spec(data, "tfds", arguments, is_path=False)


def _refuse_table_options(name, options):
    for option, value in options.items():
        if value not in (None, (), "error"):
            raise ValueError(f"`{option}` is for tables, got it for tfds:{name}, which is none.")


def _name_codes(pools, features):
    """Replaces class indices in columns by the classes' names, so that the columns are categories."""
    for pool in pools:
        for column, values in pool.inputs.items():
            if names := getattr(features[column], "names", None):
                pool.inputs[column] = np.array([names[i] if 0 <= i < len(names) else "" for i in values], dtype=object)


def _prepare(builder, name):
    """Downloads and prepares the data set if it is not prepared; raises a ValueError where it cannot."""
    if builder.is_prepared():
        return
    image = any(type(f).__name__ == "Image" for f in builder.info.features.values())
    alternative = f"`{ALTERNATIVES['image' if image else 'table']}` needs no download of its own."
    if not is_reachable():
        raise ValueError(
            f"tfds:{name} is not in {builder.data_dir}, and {HOST} did not respond within {TIMEOUT} s; {alternative}"
        )
    try:
        builder.download_and_prepare()
    except Exception as error:  # a download fails in many ways; the first line of each is in the message
        raise ValueError(f"tfds:{name} could not be prepared: {str(error).splitlines()[0]}; {alternative}") from error


def is_reachable(host=HOST, timeout=TIMEOUT):
    """Whether `host` responds, with whatever status, within `timeout` seconds, name resolution included."""
    responded = threading.Event()

    def request():
        try:
            urllib.request.urlopen(host, timeout=timeout).close()
        except urllib.error.HTTPError:
            pass  # a response
        except (OSError, ValueError):
            return
        responded.set()

    thread = threading.Thread(target=request, daemon=True)  # name resolution has no time-out of its own
    thread.start()
    thread.join(timeout)
    return responded.is_set()
