"""A backbone that knows three bands, on any bands: by their names, with the statistics of each."""

import typing
from typing import Literal

import keras
import numpy as np
from keras import layers

from zoo.arguments import Shape, checked
from zoo.backbones.backbone import load_backbone, preprocessed, rebuild, structure
from zoo.backbones.input_range import IMAGENET, recorded_range
from zoo.backbones.sensors import matched_bands
from zoo.layers.backbone_input import BackboneInput

COLOURS = ("red", "green", "blue")
# What may stand between the image and the first convolution; the first three scale, and the statistics do that now
SCALING = (BackboneInput, layers.Rescaling, layers.Normalization)


class BandStatistics(typing.NamedTuple):
    """What each band's numbers are, in the units of the images."""

    mean: tuple
    deviation: tuple


@checked
def band_statistics(images: typing.Any) -> BandStatistics:
    """Mean and standard deviation of every band, over all pixels that are not NaN.

    Args:
        images: those of the training part: (N, H, W, C), or a list of (H, W, C) that differ in size.
    Returns:
        `Statistics(mean, deviation)`, C numbers each, in the units of the images.
    Raises:
        ValueError: if a band has no number, or only one value.
    """
    count, mean, squares = 0.0, 0.0, 0.0
    for image in images:  # one at a time: merged as Chan, Golub, LeVeque 1983 do
        rows = np.asarray(image, "float64").reshape(-1, np.shape(image)[-1])
        held = np.isfinite(rows)
        own = held.sum(0)
        centre = np.where(held, rows, 0).sum(0) / np.maximum(own, 1)
        spread = (np.where(held, rows - centre, 0) ** 2).sum(0)
        total = np.maximum(count + own, 1)
        away = centre - mean
        squares = squares + spread + away**2 * (count * own / total)
        mean, count = mean + away * (own / total), count + own
    flat = np.flatnonzero(np.atleast_1d(np.asarray(squares) <= 0))
    if flat.size:
        raise ValueError(f"band_statistics: every band of `images` must vary, and band {flat[0]} does not.")
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
    """A copy of a network for red, green and blue that takes other bands: a new first convolution, and statistics.

    (B, H, W, len(bands)) float, raw  ->  what the backbone answers.

    Each band is brought to mean 0 and standard deviation 1 by its statistics, which travel in the saved model, and then
    to what the backbone saw in its training: ImageNet's moments behind the backbone's own preprocessing where that is
    recorded, else 0 and 1. The first convolution's kernel for a band is

    - `by_band`: that of its colour, for red, green and blue; the mean of the three for any other band;
    - `zero_extra`: that of its colour; zero for any other, which then says nothing until it is trained;
    - `repeat_scaled`: red's, green's, blue's, red's, ... in the order of the bands, each times 3 / bands.

    With red, green and blue alone, the first two answer exactly as the backbone does on images that are scaled alike. The
    cost of more bands is real: an RGB stem, and its statistics, repeated over 7 bands made 16 of 17 results of frozen
    probing worse (by 3.9 points on average, 21.1 at worst; torchgeo-bench, pull request 85). So match bands by name,
    use each band's own statistics, compare with the three bands alone, and let the stem train where there are labels
    for it. `by_band` also makes the first convolution's sums grow with the number of bands, which a frozen batch
    normalisation does not know of.

    Args:
        backbone: a model (ours, of `keras.applications`, or another) or a registered name.
        bands: names in their order, of a sensor (B04) or shared ones (red, green, blue, nir, ...); or a dict from your
            own names to shared ones, None being what no table has, as in {"my_red": "red", "slope": None}.
        statistics: (mean, deviation), each with one number a band, in the units of the images, as `band_statistics`
            takes them from the training part. There is no default: unknown statistics are an error.
        strategy: by_band, zero_extra or repeat_scaled.
        sensor: sentinel2_l2a or landsat8; None for the one that has all the bands.
        weights: for a name, as `zoo.load` takes them.
        input_shape: (H, W, 3) for a name; None for the paper's.
        input_range: caffe, torch, tf or inside: how the backbone's images were prepared, where it does not record it; as_is for
            not at all, None as it is recorded.
    Returns:
        `keras.Model`; the backbone itself stays as it is.
    Raises:
        ValueError: if the statistics are not given or not as many, a band is unknown, no band is red, green or blue
            where names decide, or the backbone does not begin with a convolution of three bands.

    Source: Sentinel-2's and Landsat 8's bands as ESA and USGS document them, in zoo/backbones/sensors.py.
    """
    sees = matched_bands("adapt_bands", bands, sensor)
    statistics = _verified(statistics, list(sees))
    if strategy != "repeat_scaled" and not set(COLOURS) & set(sees.values()):
        raise ValueError(
            f"adapt_bands: `strategy` {strategy} needs a band that is red, green or blue, got {', '.join(sees)}; "
            "repeat_scaled needs none."
        )
    model, known = load_backbone("adapt_bands", backbone, weights, input_shape)
    model = keras.Model(
        structure(model), model.outputs[0] if len(model.outputs) == 1 else model.output, name=model.name
    )
    before, stem = _stem(model)
    front = preprocessed("adapt_bands", model, known, input_range)
    centre, spread = _moments(model, front, before)
    order = COLOURS
    if any(isinstance(x, BackboneInput) and x.reverse for x in (front, *before)):
        order = COLOURS[::-1]  # the stem was trained on blue, green, red
    scale = BackboneInput(
        **statistics._asdict(),
        centre=_each(centre, sees, order, strategy),
        spread=_each(spread, sees, order, strategy),
        bands=tuple(sees),
        name="backbone_input",
    )
    kernel = _kernel(np.asarray(stem.get_weights()[0]), sees, order, strategy)
    skipped = {x.name for x in before if isinstance(x, SCALING)}
    return rebuild(model, front=scale, bands=len(sees), skipped=skipped, kernels={stem.name: kernel})


def _verified(statistics, names):
    if statistics is None:
        raise ValueError(
            f"adapt_bands: `statistics` must be given: mean and standard deviation of {', '.join(names)}, in the units "
            "of the images. `zoo.band_statistics(images)` takes them from training images."
        )
    try:
        mean, deviation = (tuple(float(v) for v in np.ravel(part)) for part in statistics)
    except (TypeError, ValueError):
        raise ValueError(f"adapt_bands: `statistics` must be (mean, deviation), got {statistics!r}.") from None
    for label, part in (("mean", mean), ("deviation", deviation)):
        if len(part) != len(names):
            raise ValueError(f"adapt_bands: `statistics`: {label} must have {len(names)} numbers, got {len(part)}.")
    return BandStatistics(mean, deviation)


def _stem(model):
    """The layers before the first convolution, and that."""
    before, tensor = [], structure(model)
    while True:
        users = [x for x in model.layers if any(t is tensor for t in keras.tree.flatten(getattr(x, "input", None)))]
        if len(users) == 1 and isinstance(users[0], (*SCALING, layers.ZeroPadding2D)):
            before.append(users[0])
            tensor = users[0].output
            continue
        break
    stem = users[0] if len(users) == 1 else None
    if type(stem) is not layers.Conv2D or stem.groups != 1 or stem.kernel.shape[2] != 3:
        told = "several layers" if stem is None else f"{stem.name} ({type(stem).__name__})"
        raise ValueError(
            f"adapt_bands: `backbone` must begin with a convolution of 3 bands; {model.name} begins with {told}"
            f"{f' of {tensor.shape[-1]} bands' if stem is not None else ''}."
        )
    return before, stem


def _moments(model, front, before):
    """Mean and deviation of what the stem saw in training, in its own order of the bands."""
    scaling = [x for x in ([] if front is None else [front]) + before if isinstance(x, SCALING)]
    standardised = scaling and isinstance(scaling[-1], layers.Normalization)
    if not scaling or (standardised and front is None and recorded_range(model) is None):
        return np.zeros(3), np.ones(3)
    if not isinstance(scaling[0], BackboneInput) or scaling[0].high is None:
        raise ValueError(
            f"adapt_bands: `pixels` must say how the images of {model.name} were prepared, as it scales them itself."
        )
    # The layers are affine in each band: two points tell all.
    ends = np.zeros((2, 1, 1, 3), "float32")
    ends[0, 0, 0], ends[1, 0, 0] = IMAGENET["mean"], np.add(IMAGENET["mean"], IMAGENET["deviation"])
    for layer in scaling:
        ends = layer(ends)
    ends = keras.ops.convert_to_numpy(ends).astype("float64")[:, 0, 0]
    return ends[0], np.abs(ends[1] - ends[0])


def _each(numbers, sees, order, strategy):
    """The backbone's three numbers, for each band that which its kernel belongs to; their mean for other bands."""
    if strategy == "repeat_scaled":
        return tuple(float(numbers[order.index(COLOURS[i % 3])]) for i in range(len(sees)))
    return tuple(float(numbers[order.index(s)] if s in order else np.mean(numbers)) for s in sees.values())


def _kernel(kernel, sees, order, strategy):
    """(h, w, 3, F) -> (h, w, bands, F)."""
    own = {colour: kernel[:, :, order.index(colour)] for colour in COLOURS}
    if strategy == "repeat_scaled":
        parts = [own[COLOURS[i % 3]] * (3 / len(sees)) for i in range(len(sees))]
    else:
        other = np.zeros_like(kernel[:, :, 0]) if strategy == "zero_extra" else kernel.mean(axis=2)
        parts = [own.get(s, other) for s in sees.values()]
    return np.stack(parts, axis=2).astype(kernel.dtype)
