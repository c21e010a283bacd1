"""Adapts backbones to other bands, by band names and band statistics."""

import typing
from typing import Literal

import keras
import numpy as np
from keras import layers

from zoo.arguments import Shape, checked
from zoo.backbones.backbone import copy_model, load_backbone, model_inputs, preprocessing_layer
from zoo.backbones.input_range import IMAGENET, backbone_input_layer
from zoo.backbones.sensors import common_names
from zoo.layers.backbone_input import BackboneInput
from zoo.published_weights import find_published
from zoo.registry import entries

RGB = ("red", "green", "blue")
# Layers before the first convolution that scale the image, as the band statistics do in the adapted model.
SCALING_LAYERS = (BackboneInput, layers.Rescaling, layers.Normalization)


class BandStatistics(typing.NamedTuple):
    """Mean and standard deviation of each band, in the units of the images."""

    mean: tuple
    deviation: tuple


@checked
def band_statistics(images: typing.Any) -> BandStatistics:
    """Returns the mean and standard deviation of every band, over all finite pixels.

    Args:
        images: of the training split: (N, H, W, C), or a list of (H, W, C) of different sizes.
    Returns:
        `BandStatistics(mean, deviation)`, C numbers each, in the units of the images.
    Raises:
        ValueError: if a band has no finite number, or only one value.

    Source: Chan, Golub, LeVeque 1983, for merging the images one at a time.
    """
    count, mean, squares = 0.0, 0.0, 0.0
    for image in images:
        pixels = np.asarray(image, "float64").reshape(-1, np.shape(image)[-1])
        finite = np.isfinite(pixels)
        image_count = finite.sum(0)
        image_mean = np.where(finite, pixels, 0).sum(0) / np.maximum(image_count, 1)
        image_squares = (np.where(finite, pixels - image_mean, 0) ** 2).sum(0)
        total = np.maximum(count + image_count, 1)
        difference = image_mean - mean
        squares = squares + image_squares + difference**2 * (count * image_count / total)
        mean, count = mean + difference * (image_count / total), count + image_count
    constant = np.flatnonzero(np.atleast_1d(np.asarray(squares) <= 0))
    if constant.size:
        raise ValueError(f"band_statistics: every band of `images` must vary, and band {constant[0]} does not.")
    return BandStatistics(tuple(mean.tolist()), tuple(np.sqrt(squares / count).tolist()))


@checked
def adapt_bands(
    backbone: typing.Any,
    bands: typing.Any,
    *,
    statistics: typing.Any = None,
    strategy: Literal["by_band", "repeat_scaled", "zero_extra"] = "by_band",
    sensor: str | None = None,
    weights: str | None = "bundled",
    input_shape: Shape | None = None,
    input_range: str | None = None,
) -> keras.Model:
    """Returns a copy of a network for red, green and blue images, or for other named bands, that takes these bands.

    (B, H, W, len(bands)) float, raw  ->  output of the backbone.

    Weights of `zoo.weights.table` with other bands than red, green and blue, such as torchgeo/SENTINEL2_ALL_MOCO, come
    with the normalization of each band. Every band must then be one of theirs; the kernels of their other bands are
    left out, as if these bands were at the mean of the table. What follows is of networks for red, green and blue.

    The copy standardizes each band by its statistics, which are saved with the model. It then scales the band to the
    mean and standard deviation that the backbone was trained on: ImageNet's after the backbone's own preprocessing
    where that is recorded, else 0 and 1. The first convolution's kernel for a band depends on `strategy`:

    - `by_band`: the kernel of its color for red, green and blue; the mean of the three for any other band.
    - `zero_extra`: the kernel of its color; zero for any other band, which has no effect until it is trained.
    - `repeat_scaled`: the kernels of red, green, blue, red, ... in the order of the bands, times 3 / len(bands).

    With red, green and blue alone, the first two strategies give the outputs of the backbone on images that are scaled
    alike. More bands can cost accuracy: an RGB stem, and its statistics, repeated over 7 bands made 16 of 17 results of
    frozen probing worse (by 3.9 points on average, 21.1 at worst; torchgeo-bench, pull request 85). Therefore match
    bands by name, use the statistics of each band, compare with the three bands alone, and train the stem where there
    are labels for it. With `by_band`, the sums of the first convolution also grow with the number of bands, which a
    frozen batch normalization does not compensate.

    Args:
        backbone: a model of the zoo, of `keras.applications` or another, or a registered name.
        bands: names in order, of a sensor (B04) or common names (red, green, blue, nir, ...); or a dict from custom
            names to common names, or to None for a band without one, as in {"my_red": "red", "slope": None}.
        statistics: (mean, deviation), each with one number per band, in the units of the images, as `band_statistics`
            returns them for the training split. Required for networks for red, green and blue; None for weights with
            other bands, whose table has the mean and the deviation, in the units of the images.
        strategy: by_band, zero_extra or repeat_scaled.
        sensor: sentinel2_l2a or landsat8; None for the one that has all the bands.
        weights: for a name, as `zoo.load` takes them.
        input_shape: (H, W, 3) for a name; None for that of the paper.
        input_range: caffe, torch, tf or inside, as in `zoo.transfer`, for a backbone that does not record it; as_is for
            no preprocessing; None for the recorded one.
    Returns:
        `keras.Model`. The backbone itself is not changed.
    Raises:
        ValueError: if the statistics are missing or do not match the bands, a band is unknown or none of those of the
            weights, no band is red, green or blue where `strategy` needs one, or the backbone does not begin with a
            convolution of three bands.

    Source: Sentinel-2's and Landsat 8's bands as ESA and USGS document them, in zoo/backbones/sensors.py.
    """
    published = _published_bands(backbone, weights)
    if published is not None:
        return _select_bands(published, bands, statistics, sensor, input_shape)
    names = common_names("adapt_bands", bands, sensor)
    statistics = _verify_statistics(statistics, list(names))
    if strategy != "repeat_scaled" and not set(RGB) & set(names.values()):
        raise ValueError(
            f"adapt_bands: `strategy` {strategy} needs a band that is red, green or blue, got {', '.join(names)}; "
            "repeat_scaled needs none."
        )
    model, bundled_range = load_backbone("adapt_bands", backbone, weights, input_shape)
    output = model.outputs[0] if len(model.outputs) == 1 else model.output
    model = keras.Model(model_inputs(model), output, name=model.name)
    before_stem, stem = _stem(model)
    preprocessing = preprocessing_layer("adapt_bands", model, bundled_range, input_range)
    center, spread = _training_moments(model, preprocessing, before_stem)
    order = RGB
    if any(isinstance(x, BackboneInput) and x.reverse for x in (preprocessing, *before_stem)):
        order = RGB[::-1]  # the stem was trained on blue, green, red
    scaling = BackboneInput(
        **statistics._asdict(),
        centre=_for_bands(center, names, order, strategy),
        spread=_for_bands(spread, names, order, strategy),
        bands=tuple(names),
        name="backbone_input",
    )
    kernel = _adapt_kernel(np.asarray(stem.get_weights()[0]), names, order, strategy)
    skipped = {x.name for x in before_stem if isinstance(x, SCALING_LAYERS)}
    return copy_model(model, preprocessing=scaling, bands=len(names), skipped=skipped, kernels={stem.name: kernel})


def _published_bands(backbone, weights):
    """Returns the `PublishedWeights` of a name if their bands are not red, green and blue, else None."""
    if not isinstance(backbone, str) or backbone not in entries or weights in ("bundled", None):
        return None
    published = find_published(backbone, weights)
    return published if published is not None and not {*published.bands} <= {*RGB} else None


def _select_bands(published, bands, statistics, sensor, input_shape):
    """Returns a network with published weights that takes some of its bands, in any order."""
    if statistics is not None:
        raise ValueError(
            f"adapt_bands: `statistics` must be None for {published.name}, whose table has them: give the images in "
            "the units of `zoo.weights.table`."
        )
    sequence = [bands] if isinstance(bands, str) else list(bands)
    of_weights = not isinstance(bands, dict) and sensor is None and {*sequence} <= {*published.bands}
    names = dict(zip(sequence, sequence, strict=True)) if of_weights else common_names("adapt_bands", bands, sensor)
    absent = [band for band, name in names.items() if name not in published.bands]
    if absent or len(set(names.values())) < len(sequence):
        what = f"{', '.join(absent)} is none of them" if absent else f"got {', '.join(sequence)}"
        raise ValueError(
            f"adapt_bands: `bands` must be different bands of {published.name}: {', '.join(published.bands)}; {what}."
        )
    band_indices = [published.bands.index(name) for name in names.values()]
    size = (*input_shape[:2], len(published.bands)) if input_shape else None
    model, _ = load_backbone("adapt_bands", published.architecture, published.name, size)
    stem = model.get_layer("stem")
    scaling = BackboneInput(
        mean=tuple(published.mean[i] for i in band_indices),
        deviation=tuple(published.deviation[i] for i in band_indices),
        bands=tuple(names),
        name="backbone_input",
    )
    kernel = np.asarray(stem.get_weights()[0])[:, :, band_indices]
    return copy_model(model, preprocessing=scaling, bands=len(names), kernels={stem.name: kernel})


def _verify_statistics(statistics, names):
    if statistics is None:
        raise ValueError(
            f"adapt_bands: `statistics` must be given: mean and standard deviation of {', '.join(names)}, in the units "
            "of the images. `zoo.band_statistics(images)` computes them from training images."
        )
    try:
        mean, deviation = (tuple(float(v) for v in np.ravel(values)) for values in statistics)
    except (TypeError, ValueError):
        raise ValueError(f"adapt_bands: `statistics` must be (mean, deviation), got {statistics!r}.") from None
    for label, values in (("mean", mean), ("deviation", deviation)):
        if len(values) != len(names):
            raise ValueError(f"adapt_bands: `statistics`: {label} must have {len(names)} numbers, got {len(values)}.")
    return BandStatistics(mean, deviation)


def _stem(model):
    """Returns the layers before the first convolution, and the first convolution."""
    before, tensor = [], model_inputs(model)
    while True:
        users = [x for x in model.layers if any(t is tensor for t in keras.tree.flatten(getattr(x, "input", None)))]
        if len(users) != 1 or not isinstance(users[0], (*SCALING_LAYERS, layers.ZeroPadding2D)):
            break
        before.append(users[0])
        tensor = users[0].output
    stem = users[0] if len(users) == 1 else None
    if type(stem) is not layers.Conv2D or stem.groups != 1 or stem.kernel.shape[2] != 3:
        first = "several layers" if stem is None else f"{stem.name} ({type(stem).__name__})"
        raise ValueError(
            f"adapt_bands: `backbone` must begin with a convolution of 3 bands; {model.name} begins with {first}"
            f"{f' of {tensor.shape[-1]} bands' if stem is not None else ''}."
        )
    return before, stem


def _training_moments(model, preprocessing, before_stem):
    """Returns mean and standard deviation of the stem's inputs in the backbone's training, in the stem's band order."""
    scaling = [x for x in (preprocessing, *before_stem) if isinstance(x, SCALING_LAYERS)]
    standardized = scaling and isinstance(scaling[-1], layers.Normalization)
    if not scaling or (standardized and preprocessing is None and backbone_input_layer(model) is None):
        return np.zeros(3), np.ones(3)
    if not isinstance(scaling[0], BackboneInput) or scaling[0].high is None:
        raise ValueError(
            f"adapt_bands: `input_range` must say how the images of {model.name} were prepared, as it scales them "
            "itself."
        )
    # The layers are affine in each band, so two points determine them.
    points = np.zeros((2, 1, 1, 3), "float32")
    points[0, 0, 0], points[1, 0, 0] = IMAGENET["mean"], np.add(IMAGENET["mean"], IMAGENET["deviation"])
    for layer in scaling:
        points = layer(points)
    points = keras.ops.convert_to_numpy(points).astype("float64")[:, 0, 0]
    return points[0], np.abs(points[1] - points[0])


def _for_bands(numbers, names, order, strategy):
    """Returns for each band the number of the color whose kernel it gets; the mean of the three for other bands."""
    if strategy == "repeat_scaled":
        return tuple(float(numbers[order.index(RGB[i % 3])]) for i in range(len(names)))
    return tuple(float(numbers[order.index(n)] if n in order else np.mean(numbers)) for n in names.values())


def _adapt_kernel(kernel, names, order, strategy):
    """Returns the stem's kernel for the new bands: (h, w, 3, F) -> (h, w, bands, F)."""
    color_kernels = {color: kernel[:, :, order.index(color)] for color in RGB}
    if strategy == "repeat_scaled":
        kernels = [color_kernels[RGB[i % 3]] * (3 / len(names)) for i in range(len(names))]
    else:
        other = np.zeros_like(kernel[:, :, 0]) if strategy == "zero_extra" else kernel.mean(axis=2)
        kernels = [color_kernels.get(n, other) for n in names.values()]
    return np.stack(kernels, axis=2).astype(kernel.dtype)
