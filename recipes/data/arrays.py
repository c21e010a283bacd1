"""Arrays as the user has them: (x, y), or the parts of a split that was made already."""

import numpy as np

from recipes.data.assemble import Pool, assemble
from recipes.data.split import content_keys
from recipes.data.streams import read_stream
from recipes.data.tables.frames import verify_doubles
from recipes.data.targets import R_NA, gaps
from recipes.data.text.labelled_texts import from_texts, is_texts, text_pairs

PARTS = {1: (None,), 2: ("train", "test"), 3: ("train", "validation", "test")}


def read_arrays(source, options):
    """`Data` from (x, y), from two or three such pairs, or from tf.data.Datasets.

    Args:
        source: (x, y); (train, test) or (train, validation, test), each a pair or a tf.data.Dataset; or one of these.
        options: `Options`.
    Returns:
        `Data`.
    Raises:
        ValueError: if the arrays do not fit together, or have gaps without a policy.
    """
    import tensorflow as tf

    texts = text_pairs(source)
    pairs = texts or (list(source) if _in_parts(source) else [source])
    if len(pairs) not in PARTS:
        raise ValueError(f"load: `source` must be one to three parts of (x, y), got {len(pairs)}.")
    if texts:
        pools = [_texts(x, y, part, options) for (x, y), part in zip(texts, PARTS[len(texts)], strict=True)]
        return from_texts(pools, options, name="texts")
    if options.task == "segmentation":
        return _with_masks(pairs, options)
    pools, notes = [], []
    for pair, part in zip(pairs, PARTS[len(pairs)], strict=True):
        if isinstance(pair, tf.data.Dataset):
            pools.append(read_stream(pair, part))
        else:
            pools.append(_pool(*pair, part, options, notes))
    if isinstance(pools[0].inputs, dict):
        from recipes.data.tables.table import read_pools

        return read_pools(pools, options, name="arrays")
    if is_texts(pools[0].inputs):
        return from_texts(pools, options, name="texts", notes=notes)
    options.refuse_tables("arrays")
    shapes = [facts(pool.inputs) for pool in pools]
    if len(set(shapes)) > 1:
        raise ValueError(
            f"load: the inputs of all parts must have one shape and dtype, got {sorted(set(shapes), key=str)}."
        )
    kind, shape, dtype = shapes[0]
    if options.missing == "impute" and kind != "vector":
        raise ValueError(f"load: `missing` must be 'error' or 'drop' for inputs of kind {kind}, got 'impute'.")
    return assemble(pools, options, name="arrays", kind=kind, shape=shape, dtype=dtype, notes=notes)


def without_names(source):
    """(x, y) of R's list(x = , y = ), or parts of list(train = , test = ) of such; anything else as it is."""
    import pandas as pd

    if not isinstance(source, dict):
        return source
    x = source.get("x")
    if set(source) == {"x", "y"} and (isinstance(x, dict | pd.DataFrame) or (isinstance(x, np.ndarray) and x.ndim > 1)):
        return x, source["y"]
    parts = [without_names(source[part]) for part in PARTS[3] if part in source]
    if len(parts) == len(source) and all(isinstance(part, tuple | list) and len(part) == 2 for part in parts):
        return parts
    return source


def _with_masks(pairs, options):
    """`Data` whose targets are masks; a stream is read into memory."""
    import tensorflow as tf

    from recipes.data.images.masks import read_mask_arrays

    read = []
    for part, pair in zip(PARTS[len(pairs)], pairs, strict=True):
        if isinstance(pair, tf.data.Dataset):
            pool = read_stream(pair, part)
            if not isinstance(pool.inputs, np.ndarray):
                raise ValueError("load: the images of a tf.data.Dataset must have one size and fit in memory.")
            pair = pool.inputs, pool.y
        read.append((part, *pair))
    return read_mask_arrays(read, options)


def _in_parts(source):
    """Whether `source` is several (x, y), not one: its entries are streams, or pairs that begin with an array."""
    import pandas as pd
    import tensorflow as tf

    def is_part(entry):
        if isinstance(entry, tf.data.Dataset):
            return True
        arrays = (np.ndarray, dict, pd.DataFrame, tf.Tensor)
        return isinstance(entry, tuple | list) and len(entry) == 2 and isinstance(entry[0], arrays)

    return isinstance(source, tuple | list) and len(source) > 0 and all(is_part(entry) for entry in source)


def _pool(x, y, part, options, notes):
    """One (x, y), checked, with its gaps dealt with."""
    import pandas as pd

    y = y if isinstance(y, pd.DataFrame | pd.Series | pd.Categorical) else np.asarray(y)
    x = x if isinstance(x, dict | pd.DataFrame) else read_inputs(x, notes)
    table = not isinstance(x, np.ndarray)
    rows = len(next(iter(x.values()))) if isinstance(x, dict) else len(x)
    if rows != len(y):
        raise ValueError(f"load: x and y must have as many examples, got {rows:,} and {len(y):,}.")
    if table:
        return Pool({c: np.asarray(x[c]) for c in x}, y, part)
    groups = None if options.group is None or part not in (None, "train") else _groups(options.group, rows)
    policy = options.missing or "error"
    bad = ~np.isfinite(x).reshape(rows, -1).all(1) if x.dtype.kind == "f" else np.zeros(rows, bool)
    if bad.any() and (policy == "error" or (policy == "impute" and np.isinf(x).any())):
        raise ValueError(
            f"load: x has NaN or infinite numbers in {bad.sum():,} of {rows:,} examples; missing='drop' leaves those "
            "out, missing='impute' fills the NaN of vectors with the training part's medians."
        )
    out = {"error": np.zeros(rows, bool), "drop": bad | gaps(y), "impute": gaps(y)}[policy]
    names = np.arange(rows)
    if out.any():
        notes.append(f"left out {out.sum():,} of {rows:,} examples with gaps")
        x, y, names = x[~out], y[~out], names[~out]
        groups = None if groups is None else groups[~out]
    return Pool(x, y, part, names, content_keys(x), groups)


def _texts(x, y, part, options):
    """A pool of texts, as they are."""
    import pandas as pd

    y = y if isinstance(y, pd.DataFrame | pd.Series | pd.Categorical) else np.asarray(y)
    groups = None if options.group is None or part not in (None, "train") else _groups(options.group, len(x))
    return Pool(x, y, part, groups=groups)


def _groups(group, rows):
    if isinstance(group, str):
        raise ValueError(f"load: `group` must be one label an example where the inputs are arrays, got {group!r}.")
    groups = np.asarray(group)
    if groups.shape != (rows,):
        raise ValueError(f"load: `group` must have one label for each of {rows:,} examples, got shape {groups.shape}.")
    return groups


def read_inputs(x, notes):
    """`x` as an array that models take: float64 becomes float32, one feature and one band get an axis of their own."""
    try:
        x = np.asarray(x)
    except ValueError:
        raise ValueError(
            "load: x must be one array, got entries of different shapes; use folder: for photos."
        ) from None
    if x.dtype.kind not in "biuf" or not x.size:
        hint = " Text and factors are columns of a data frame." * (x.dtype.kind in "OUS")
        raise ValueError(f"load: x must be an array of numbers, got dtype {x.dtype} and shape {x.shape}.{hint}")
    if x.dtype.kind == "i" and (x == R_NA).any():
        x = np.where(x == R_NA, np.nan, x)
    if x.ndim not in (1, 2, 3, 4):
        raise ValueError(
            "load: x must have shape (N, F) for vectors, (N, T, F) for series or (N, H, W, C) for images, "
            f"got {x.shape}."
        )
    if x.dtype.kind == "b":
        x = x.astype(np.uint8)
    if x.dtype == np.float64:
        verify_doubles(x, "load: x")
    if x.dtype.itemsize == 8 or x.dtype == np.float16 or (x.ndim < 3 and x.dtype.kind in "iu"):
        with np.errstate(invalid="ignore"):  # R's NA is a NaN that signals
            x = x.astype(np.float32)
    if x.ndim == 1:
        x = x[:, None]
    if x.ndim == 3 and x.dtype == np.uint8:
        notes.append("8-bit inputs of shape (N, H, W) taken as images of one band")
        x = x[..., None]
    return np.ascontiguousarray(x)


def facts(inputs):
    """(kind, shape, dtype) of arrays or of a stream."""
    if isinstance(inputs, np.ndarray):
        shape, dtype = inputs.shape[1:], inputs.dtype.name
    else:
        shape, dtype = tuple(inputs.element_spec.shape), inputs.element_spec.dtype.name
    kinds = {1: "vector", 2: "series", 3: "image"}
    if len(shape) not in kinds:
        raise ValueError(f"load: an input must have shape (F,), (T, F) or (H, W, C), got {shape}.")
    return kinds[len(shape)], shape, dtype
