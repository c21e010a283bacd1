"""From raw inputs to a model's inputs, as layers: the pipeline applies them, and export puts them before the model."""

import keras
import numpy as np
from keras import layers

from zoo.arguments import Shape, checked
from zoo.layers.carry_forward import CarryForward
from zoo.layers.impute import Impute

ROWS = 1024  # examples that statistics are taken of at once; of tiles that are read on demand, all that are taken


@checked
def preprocessing(data, input_shape: Shape | None = None, *, raw: bool = False) -> keras.Model:
    """The model that turns a raw batch into a model's input; its statistics are those of the training part alone.

    (B, *data.shape) or, for a table, a dict of columns, each (B, 1)  ->  (B, *input_shape) float32.

    8-bit images and videos are divided by 255; other images and series are normalised band by band, vectors and the
    numbers of a table feature by feature, to mean 0 and variance 1; steps after a series' end (`missing` is pad) become
    0. Images are then resized (bilinear, antialiased, not cropped) where the model wants another size. Gaps are
    imputed where `data.missing` is impute: in a series by the value before, else by the training part's median;
    features with gaps there get an indicator. Each category becomes one-hot, with a place for what training never saw.

    Args:
        data: `Data`.
        input_shape: what the model takes, without the batch; None takes the inputs as they come.
        raw: whether the model has its own preprocessing inside, as a trained backbone has: images keep their numbers and
            are only resized, and the one band of grey images is repeated to the three that a backbone of photos takes.
    Returns:
        `keras.Model` called preprocessing, without trainable weights, in float32 whatever the policy.
    Raises:
        ValueError: if the bands, the features or the sizes do not go together; but for `raw` grey images, nothing is
            cut or repeated to fit.
    """
    if not len(data.train):
        raise ValueError(f"preprocessing: the training part of {data.name} must have examples, got none.")
    if data.kind == "text":
        raise ValueError(
            f"preprocessing: `data` must be numbers, got the texts of {data.name}; the recipes for them are "
            "`text_classification` and `language_model`."
        )
    if data.kind == "table":
        model = _table(data)
    elif data.kind == "image":
        model = _image(data, input_shape, raw)
    elif data.kind == "video":
        inputs = layers.Input(data.shape, dtype=data.dtype, name="video")
        model = _model(inputs, layers.Rescaling(1 / 255, dtype="float32", name="rescaling")(inputs))
    else:
        inputs = layers.Input(data.shape, dtype=data.dtype, name=data.kind)
        model = _model(inputs, _normalised(inputs, data.train.inputs, data))
    got = tuple(model.output_shape[1:])
    if input_shape is not None and (
        len(got) != len(input_shape)
        or any(None not in (a, b) and a != b for a, b in zip(got, input_shape, strict=True))
    ):
        raise ValueError(f"preprocessing: `input_shape` must be {got} for {data.name}, got {input_shape}.")
    return model


def feature_names(data):
    """What each of the F features is that `preprocessing` makes of a table's row.

    Args:
        data: `Data` of kind table.
    Returns:
        List of F strings: `age`, `age missing`, `island=Biscoe`, `island=other`.
    """
    names = _columns(data, "number")
    if names and data.missing == "impute":
        names += [f"{names[i]} missing" for i in _with_gaps(_numbers(data))]
    for column, known in _levels(data).items():
        names += [f"{column}=other", *(f"{column}={level}" for level in known)]
    return names


def _model(inputs, outputs):
    return keras.Model(inputs, outputs, name="preprocessing")


def _image(data, input_shape, raw):
    """Scaled, then resized: in that order nothing is rounded to whole grey levels."""
    height, width, bands = data.shape
    grey = raw and bands == 1 and input_shape is not None and tuple(input_shape[2:]) == (3,)
    if input_shape is not None:
        if len(input_shape) != 3:
            raise ValueError(f"preprocessing: `input_shape` must be (H, W, {bands}) for images, got {input_shape}.")
        if input_shape[-1] != bands and not grey:
            raise ValueError(
                f"preprocessing: `input_shape` must have the {bands} bands of {data.name}, got {input_shape}; build "
                "the model for as many, or change the images."
            )
    elif None in data.shape:
        raise ValueError(
            f"preprocessing: `input_shape` must be given, as the photos of {data.name} differ in size, got None."
        )
    x = inputs = layers.Input(data.shape, dtype=data.dtype, name="image")
    if raw and data.missing == "impute":
        raise ValueError(f"preprocessing: `missing` of {data.name} must be error for a trained backbone, got impute.")
    if raw or data.dtype == "uint8":
        x = layers.Rescaling(1.0 if raw else 1 / 255, dtype="float32", name="rescaling")(x)
    else:
        x = _normalised(x, data.train.inputs, data)
    if input_shape is not None and None not in input_shape and tuple(input_shape[:2]) != (height, width):
        size = {"height": input_shape[0], "width": input_shape[1], "data_format": "channels_last"}
        x = layers.Resizing(**size, antialias=True, dtype="float32", name="resizing")(x)
    if grey:
        x = layers.Concatenate(dtype="float32", name="grey-repeated")([x, x, x])
    return _model(inputs, x)


def _normalised(x, inputs, data, prefix=""):
    """`x` imputed where that is the policy, and normalised along its last axis by the training part's `inputs`."""
    medians, indicator, padded = None, (), data.missing == "pad"
    if data.missing == "impute":
        medians, indicator = _medians(inputs, data), _with_gaps(inputs)
        x = _imputed(x, medians.tolist(), indicator, prefix, data.kind == "series")
    mean, variance = _moments(inputs, medians, padded)
    # A feature that does not vary is only centred, and the indicators stay 0 and 1.
    mean = [*mean.tolist(), *[0.0] * len(indicator)]
    variance = [*np.where(variance > 0, variance, 1).tolist(), *[1.0] * len(indicator)]
    scale = layers.Normalization(axis=-1, mean=mean, variance=variance, dtype="float32", name=f"{prefix}normalization")
    x = scale(x)
    # Steps after a series' end are all 0 then, which `mask_value=0` of the recurrent networks skips
    return Impute([0.0] * x.shape[-1], dtype="float32", name=f"{prefix}padding")(x) if padded else x


def _imputed(x, medians, indicator, prefix, series):
    """`x` with medians (in a series, the value before) in its gaps; then where they are, for the indicator."""
    if not series:
        return Impute(medians, indicator, dtype="float32", name=f"{prefix}impute")(x)
    filled = CarryForward(dtype="float32", name=f"{prefix}carry-forward")(x)
    filled = Impute(medians, dtype="float32", name=f"{prefix}impute")(filled)
    if not indicator:
        return filled
    shown = Impute(medians, indicator, dtype="float32", name=f"{prefix}gaps")(x)[..., len(medians) :]
    return layers.Concatenate(dtype="float32", name=f"{prefix}with-gaps")([filled, shown])


def moments(data):
    """(mean, variance) by which `preprocessing` normalises each feature of a series, a vector or an image's bands."""
    medians = _medians(data.train.inputs, data) if data.missing == "impute" else None
    return _moments(data.train.inputs, medians, data.missing == "pad")


def _batches(inputs):
    """The inputs in float64, some examples at a time."""
    if isinstance(inputs, np.ndarray):
        for i in range(0, len(inputs), ROWS):
            yield inputs[i : i + ROWS].astype(np.float64)
    elif hasattr(inputs, "read"):  # the split has drawn their order
        for i in range(min(ROWS, len(inputs))):
            yield inputs.read(i)[None].astype(np.float64)
    else:
        for x in inputs.as_numpy_iterator():
            yield x[None].astype(np.float64)


def _moments(inputs, medians=None, padded=False):
    """(mean, variance) of every feature of the last axis, in float64 and in one pass (Chan, Golub, LeVeque 1983)."""
    count, mean, squares = 0, 0.0, 0.0
    for batch in _batches(inputs):
        rows = batch.reshape(-1, batch.shape[-1])
        if medians is not None:
            rows = np.where(np.isnan(rows), medians, rows)
        elif padded:
            rows = rows[~np.isnan(rows).all(-1)]
        centre, total = rows.mean(0), count + len(rows)
        away = centre - mean
        squares = squares + ((rows - centre) ** 2).sum(0) + away**2 * (count * len(rows) / total)
        mean, count = mean + away * (len(rows) / total), total
    return mean, squares / count


def _medians(inputs, data):
    """The median of every feature of the training part, without its gaps."""
    inputs = inputs.reshape(-1, inputs.shape[-1])
    empty = np.isnan(inputs).all(0)
    if empty.any():
        place = int(np.argmax(empty))
        name = _columns(data, "number")[place] if data.columns else place
        raise ValueError(
            f"preprocessing: the training part must have a value of `{name}`, got only gaps; leave it out."
        )
    return np.nanmedian(inputs, axis=0).astype(np.float64)


def _with_gaps(inputs):
    return tuple(np.flatnonzero(np.isnan(inputs.reshape(-1, inputs.shape[-1])).any(0)).tolist())


def _columns(data, kind):
    return [c for c, k in data.columns.items() if k == kind]


def _numbers(data):
    """The training part's columns of numbers side by side, (N, F)."""
    return np.stack([data.train.inputs[c] for c in _columns(data, "number")], axis=1)


def _levels(data):
    """The categories of each column of categories that the training part has, in order."""
    return {c: np.unique(data.train.inputs[c]).tolist() for c in _columns(data, "category")}


def _table(data):
    """Numbers first, then their indicators, then the one-hot categories, each in the columns' order."""
    types = {"number": "float32", "category": "string"}
    # A hyphen is in no column's name, so the names of these layers are no input's.
    inputs = {c: layers.Input((1,), dtype=types[kind], name=c) for c, kind in data.columns.items()}
    made = []
    if numbers := _columns(data, "number"):
        x = _concatenated([inputs[c] for c in numbers], "numbers-joined")
        made.append(_normalised(x, _numbers(data), data, "numbers-"))
    for c, known in _levels(data).items():
        look_up = layers.StringLookup(vocabulary=known, output_mode="one_hot", num_oov_indices=1, name=f"levels-of-{c}")
        made.append(look_up(inputs[c]))
    return _model(inputs, _concatenated(made, "features-joined"))


def _concatenated(tensors, name):
    return tensors[0] if len(tensors) == 1 else layers.Concatenate(dtype="float32", name=name)(tensors)
