"""Preprocessing as Keras layers: the training pipeline applies them, and an export has them in front of the model."""

import keras
import numpy as np
from keras import layers

from zoo.arguments import Shape, checked
from zoo.layers.carry_forward import CarryForward
from zoo.layers.impute import Impute

STATISTICS_ROWS = 1024  # rows per batch when computing statistics; of tiles read on demand, all that are used


@checked
def preprocessing(data, input_shape: Shape | None = None, *, raw: bool = False, photo_moments=None) -> keras.Model:
    """Returns the model from a raw batch to a model's input, with statistics of the training split only.

    (B, *data.shape) or, for a table, a dict of columns, each (B, 1)  ->  (B, *input_shape) float32.

    8-bit images and videos are divided by 255. Sound stays as it is, as its spectrogram is a layer of the model. Other
    images and series are normalized band by band, vectors and the numbers of a table feature by feature, to mean 0 and
    variance 1. Steps after a series' end (`missing` is pad) become 0. Images are then resized (bilinear, antialiased,
    not cropped) where the model has another size. Gaps are imputed where `data.missing` is impute: in a series by the
    value before, else by the training split's median; features with gaps there get an indicator. Each category becomes
    one-hot; a level that training did not have is all zeros, so that no untrained weight takes part in its prediction.

    Args:
        data: `Data`.
        input_shape: of the model, without the batch; None keeps the inputs' own.
        raw: whether the model has its own preprocessing inside, as a pretrained backbone has: images keep their values
            and are only resized, and the band of grayscale images is repeated to the three of a backbone of photos.
        photo_moments: (mean, deviation) of red, green and blue from 0 to 255, by which a pretrained encoder normalizes
            8-bit photos; None for the range from 0 to 1.
    Returns:
        `keras.Model` called preprocessing, without trainable weights, in float32 whatever the policy.
    Raises:
        ValueError: if the bands, the features or the sizes do not fit; except for `raw` grayscale images, nothing is
            cut or repeated to fit.
    """
    if not len(data.train):
        raise ValueError(f"preprocessing: the training split of {data.name} must have examples, got none.")
    if data.kind == "text":
        raise ValueError(
            f"preprocessing: `data` must be numbers, got the texts of {data.name}; the recipes for them are "
            "`text_classification` and `language_model`."
        )
    if data.kind == "question":
        raise ValueError(
            f"preprocessing: `data` must have one input, got images with questions in {data.name}; the recipe for them "
            "is `question_answering`."
        )
    if data.kind == "table":
        model = _table_model(data)
    elif data.kind == "image":
        model = _image_model(data, input_shape, raw, photo_moments)
    elif data.kind == "video":
        inputs = layers.Input(data.shape, dtype=data.dtype, name="video")
        model = _model(inputs, layers.Rescaling(1 / 255, dtype="float32", name="rescaling")(inputs))
    elif data.kind == "sound":
        inputs = layers.Input(data.shape, dtype="float32", name="sound")
        model = _model(inputs, layers.Rescaling(1.0, dtype="float32", name="rescaling")(inputs))
    else:
        inputs = layers.Input(data.shape, dtype=data.dtype, name=data.kind)
        model = _model(inputs, _normalized(inputs, data.train.inputs, data))
    output_shape = tuple(model.output_shape[1:])
    if input_shape is not None and (
        len(output_shape) != len(input_shape)
        or any(None not in (a, b) and a != b for a, b in zip(output_shape, input_shape, strict=True))
    ):
        raise ValueError(f"preprocessing: `input_shape` must be {output_shape} for {data.name}, got {input_shape}.")
    return model


def moments(data):
    """Returns (mean, variance) by which `preprocessing` normalizes each feature of a series or vector, or each band."""
    medians = _medians(data.train.inputs, data) if data.missing == "impute" else None
    return _moments(data.train.inputs, medians, data.missing == "pad")


def fill_nodata(preprocessing):
    """Returns a preprocessing for images with NaN, of a run that was trained without: those pixels are 0 after it.

    Args:
        preprocessing: `keras.Model` of images that keeps their size.
    """
    raw = preprocessing.inputs[0]
    inputs = layers.Input(raw.shape[1:], dtype="float32", name=raw.name)
    is_gap = keras.ops.isnan(inputs)
    outputs = preprocessing(keras.ops.cast(keras.ops.where(is_gap, 0.0, inputs), raw.dtype))
    return _model(inputs, keras.ops.where(keras.ops.any(is_gap, axis=-1, keepdims=True), 0.0, outputs))


def _model(inputs, outputs):
    return keras.Model(inputs, outputs, name="preprocessing")


def _image_model(data, input_shape, raw, photo_moments):
    """Scales, then resizes: in that order nothing is rounded to whole gray levels."""
    height, width, bands = data.shape
    repeat = raw and bands == 1 and input_shape is not None and tuple(input_shape[2:]) == (3,)
    if input_shape is not None:
        if len(input_shape) != 3:
            raise ValueError(f"preprocessing: `input_shape` must be (H, W, {bands}) for images, got {input_shape}.")
        if input_shape[-1] != bands and not repeat:
            raise ValueError(
                f"preprocessing: `input_shape` must have the {bands} bands of {data.name}, got {input_shape}; build "
                "the model for as many, or change the images."
            )
    elif None in data.shape:
        raise ValueError(
            f"preprocessing: `input_shape` must be given, as the images of {data.name} differ in size, got None."
        )
    x = inputs = layers.Input(data.shape, dtype=data.dtype, name="image")
    if raw and data.missing == "impute":
        raise ValueError(f"preprocessing: `missing` of {data.name} must be error for a trained backbone, got impute.")
    if photo_moments is not None:
        if data.dtype != "uint8" or bands != 3:
            raise ValueError(
                f"preprocessing: the weights of a pretrained encoder are for 8-bit photos of three bands, got {bands} "
                f"bands of {data.dtype} in {data.name}; train without `encoder_weights`."
            )
        mean, deviation = (np.array(moment) for moment in photo_moments)
        scale, offset = (1 / deviation).tolist(), (-mean / deviation).tolist()
        x = layers.Rescaling(scale, offset, dtype="float32", name="rescaling")(x)
    elif raw or data.dtype == "uint8":
        x = layers.Rescaling(1.0 if raw else 1 / 255, dtype="float32", name="rescaling")(x)
    else:
        x = _normalized(x, data.train.inputs, data)
    if input_shape is not None and None not in input_shape and tuple(input_shape[:2]) != (height, width):
        size = {"height": input_shape[0], "width": input_shape[1], "data_format": "channels_last"}
        x = layers.Resizing(**size, antialias=True, dtype="float32", name="resizing")(x)
    if repeat:
        x = layers.Concatenate(dtype="float32", name="grey-repeated")([x, x, x])
    return _model(inputs, x)


def without_resizing(preprocess):
    """Returns the preprocessing of 8-bit images for images that have the model's size already.

    Args:
        preprocess: returned by `preprocessing` for 8-bit images.
    """
    x = inputs = layers.Input((*preprocess.output_shape[1:3], preprocess.input_shape[-1]), dtype="uint8", name="image")
    for layer in preprocess.layers[1:]:
        if not isinstance(layer, layers.Resizing):
            x = layer([x] * len(layer.input)) if isinstance(layer.input, list) else layer(x)
    return _model(inputs, x)


def only_scale(preprocess):
    """Returns the number by which a preprocessing multiplies images, where it does nothing else but resize; or None."""
    kinds = [type(layer) for layer in preprocess.layers[1:]]
    if kinds not in ([layers.Rescaling], [layers.Rescaling, layers.Resizing]) or np.any(preprocess.layers[1].offset):
        return None
    return preprocess.layers[1].scale


def _normalized(x, inputs, data, prefix=""):
    """Returns `x` imputed where `missing` is impute, and normalized along its last axis by the training `inputs`."""
    medians, indicator, padded = None, (), data.missing == "pad"
    if data.missing == "impute":
        medians, indicator = _medians(inputs, data), _features_with_gaps(inputs)
        x = _imputed(x, medians.tolist(), indicator, prefix, data.kind == "series")
    mean, variance = _moments(inputs, medians, padded)
    too_large = np.flatnonzero(variance > np.finfo(np.float32).max)
    if too_large.size:
        first = int(too_large[0])
        feature = data.bands[first] if len(data.bands) == len(variance) else f"feature {first + 1} of {len(variance)}"
        raise ValueError(
            f"preprocessing: features of {data.name} must have a variance that float32 can hold, got values around "
            f"{variance[first] ** 0.5:.2g} in {feature}; if that is a marker of missing values, name it when the data "
            "are read."
        )
    # A constant feature is only centered, and the indicators stay 0 and 1
    mean = [*mean.tolist(), *[0.0] * len(indicator)]
    variance = [*np.where(variance > 0, variance, 1).tolist(), *[1.0] * len(indicator)]
    scale = layers.Normalization(axis=-1, mean=mean, variance=variance, dtype="float32", name=f"{prefix}normalization")
    x = scale(x)
    # Steps after a series' end are then all 0, which `mask_value=0` of the recurrent networks skips
    return Impute([0.0] * x.shape[-1], dtype="float32", name=f"{prefix}padding")(x) if padded else x


def _imputed(x, medians, indicator, prefix, series):
    """Returns `x` with its gaps filled by medians (in a series, by the value before), then the indicator of gaps."""
    if not series:
        return Impute(medians, indicator, dtype="float32", name=f"{prefix}impute")(x)
    filled = CarryForward(dtype="float32", name=f"{prefix}carry-forward")(x)
    filled = Impute(medians, dtype="float32", name=f"{prefix}impute")(filled)
    if not indicator:
        return filled
    gaps = Impute(medians, indicator, dtype="float32", name=f"{prefix}gaps")(x)[..., len(medians) :]
    return layers.Concatenate(dtype="float32", name=f"{prefix}with-gaps")([filled, gaps])


def _batches(inputs):
    """Yields batches of the inputs in float64."""
    if isinstance(inputs, np.ndarray):
        for i in range(0, len(inputs), STATISTICS_ROWS):
            yield inputs[i : i + STATISTICS_ROWS].astype(np.float64)
    elif hasattr(inputs, "read"):  # in random order since the split
        for i in range(min(STATISTICS_ROWS, len(inputs))):
            yield inputs.read(i)[None].astype(np.float64)
    else:
        for x in inputs.as_numpy_iterator():
            yield x[None].astype(np.float64)


def _moments(inputs, medians=None, padded=False):
    """Returns (mean, variance) of every feature of the last axis, in float64.

    Computed in one pass (Chan, Golub, LeVeque 1983).
    """
    count, mean, squares = 0, 0.0, 0.0
    for batch in _batches(inputs):
        rows = batch.reshape(-1, batch.shape[-1])
        if medians is not None:
            rows = np.where(np.isnan(rows), medians, rows)
        elif padded:
            rows = rows[~np.isnan(rows).all(-1)]
        center, total = rows.mean(0), count + len(rows)
        offset = center - mean
        squares = squares + ((rows - center) ** 2).sum(0) + offset**2 * (count * len(rows) / total)
        mean, count = mean + offset * (len(rows) / total), total
    return mean, squares / count


def _medians(inputs, data):
    """Returns the median of every feature of the training split, without its gaps."""
    inputs = inputs.reshape(-1, inputs.shape[-1])
    empty = np.isnan(inputs).all(0)
    if empty.any():
        index = int(np.argmax(empty))
        name = _columns(data, "number")[index] if data.columns else index
        raise ValueError(
            f"preprocessing: the training split must have a value of `{name}`, got only gaps; leave it out."
        )
    return np.nanmedian(inputs, axis=0).astype(np.float64)


def _features_with_gaps(inputs):
    return tuple(np.flatnonzero(np.isnan(inputs.reshape(-1, inputs.shape[-1])).any(0)).tolist())


def _columns(data, kind):
    return [c for c, k in data.columns.items() if k == kind]


def _numbers(data):
    """Returns the numeric columns of the training split side by side, (N, F)."""
    return np.stack([data.train.inputs[c] for c in _columns(data, "number")], axis=1)


def _levels(data):
    """Returns the levels of each categorical column in the training split, in order."""
    return {c: np.unique(data.train.inputs[c]).tolist() for c in _columns(data, "category")}


def level_counts(data):
    """Returns the number of levels of each category of a table, in the order of their one-hot features."""
    return tuple(len(levels) for levels in _levels(data).values())


def _table_model(data):
    """Concatenates numbers, their indicators and the one-hot categories, each in the columns' order."""
    types = {"number": "float32", "category": "string"}
    # A hyphen is in no column's name, so the names of these layers are no input's
    inputs = {c: layers.Input((1,), dtype=types[kind], name=c) for c, kind in data.columns.items()}
    features = []
    if numbers := _columns(data, "number"):
        x = _concatenated([inputs[c] for c in numbers], "numbers-joined")
        features.append(_normalized(x, _numbers(data), data, "numbers-"))
    for c, levels in _levels(data).items():
        lookup = layers.StringLookup(vocabulary=levels, output_mode="one_hot", num_oov_indices=1, name=f"levels-of-{c}")
        # Without the entry of unknown levels, whose weights training would leave as they were drawn
        features.append(lookup(inputs[c])[..., 1:])
    return _model(inputs, _concatenated(features, "features-joined"))


def feature_names(schema):
    """Returns the names of a table's preprocessed features, in their order: `mass`, `mass is missing`, `sex = f`.

    Args:
        schema: `InputSchema` of kind table.
    """
    numbers = [column for column in schema.columns if column.kind == "number"]
    missing = [f"{c.source} is missing" for c in numbers if c.has_gaps and schema.missing == "impute"]
    levels = [f"{c.source} = {level or 'missing'}" for c in schema.columns for level in c.levels]
    return [*(column.source for column in numbers), *missing, *levels]


def _concatenated(tensors, name):
    return tensors[0] if len(tensors) == 1 else layers.Concatenate(dtype="float32", name=name)(tensors)
