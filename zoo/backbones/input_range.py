"""The range of values that a backbone was trained on, and a check of images against it."""

import re
import typing

import keras
import numpy as np

from zoo.arguments import checked
from zoo.layers.backbone_input import BackboneInput

# Mean and standard deviation of ImageNet's training images: red, green, blue from 0 to 255
IMAGENET = {"mean": (123.675, 116.28, 103.53), "deviation": (58.395, 57.12, 57.375)}

# The modes of keras.applications.imagenet_utils.preprocess_input as BackboneInput arguments. With `inside`, the
# network's own first layers scale the images.
INPUT_RANGES = {
    "caffe": {"mean": (123.68, 116.779, 103.939), "reverse": True},
    "torch": IMAGENET,
    "tf": {"mean": (127.5,), "deviation": (127.5,)},
    "inside": {},
}
# Models of keras.applications: pattern of the model's name, name of a layer that it has, input range
APPLICATIONS = (
    (r"vgg1[69]", "block1_conv1", "caffe"),
    (r"resnet(50|101|152)", "conv1_conv", "caffe"),
    (r"resnet(50|101|152)v2", "conv1_conv", "tf"),
    (r"densenet(121|169|201)", "conv1_conv", "torch"),
    (r"mobilenet_[\d.]+_\d+", "conv1", "tf"),
    (r"mobilenetv2_[\d.]+_\d+", "Conv1", "tf"),
    (r"nasnet(_\w+)?|NASNet", "stem_conv1", "tf"),
    (r"inception_v3", "mixed10", "tf"),
    (r"inception_resnet_v2", "conv_7b", "tf"),
    (r"xception", "block1_conv1", "tf"),
    (r"efficientnetb\d", "stem_conv", "inside"),
    (r"efficientnetv2-\w+", "stem_conv", "inside"),
    (r"MobileNetV3(Small|Large)", "conv", "inside"),
    (r"convnext_\w+", None, "inside"),
)
# Largest distance of an observed mean from the recorded one [standard deviations], and ratio of the deviations
MAX_DEVIATIONS, MAX_RATIO = 10, 20


class RangeError(ValueError):
    """Images are outside of the range that the backbone was trained on."""


def applications_input_range(model):
    """Returns the input range, one of `INPUT_RANGES`, of a model of `keras.applications`; None for other models."""
    names = {layer.name for layer in model.layers}
    for pattern, landmark, input_range in APPLICATIONS:
        if re.fullmatch(pattern, model.name) and (landmark is None or landmark in names) and "stem" not in names:
            scales = any(isinstance(x, keras.layers.Rescaling | keras.layers.Normalization) for x in model.layers)
            # built with include_preprocessing=False, the model takes the range of `tf`
            return "tf" if input_range == "inside" and not scales else input_range
    return None


def backbone_input_layer(model):
    """Returns the `BackboneInput` layer of a model, which records its input range, or None."""
    return next((layer for layer in model.layers if isinstance(layer, BackboneInput)), None)


@checked
def verify_range(model: keras.Model, inputs: typing.Any) -> keras.Model:
    """Checks that images are in the range that the model's backbone was trained on.

    It finds, for instance, images from 0 to 1 where 0 to 255 is needed, and digital numbers in place of reflectances.
    All values must lie in the recorded range, with a tolerance of 1 % of its width. Their own range must cover at least
    2 % of it, and must go below 0 where the recorded range does. If only statistics of the bands are recorded, the
    observed mean may be up to 10 standard deviations from the recorded one, and the observed standard deviation up to
    20 times smaller or larger. A model that records nothing passes. Pass some dozens of images: a single one may be all
    black.

    Args:
        model: returned by `zoo.transfer`, `zoo.adapt_bands` or `zoo.fusion`.
        inputs: images as the model takes them, (N, H, W, C); for several inputs a dict of arrays by name; or a
            tf.data.Dataset of batches, of which the first is checked.
    Returns:
        The same model.
    Raises:
        RangeError: (a ValueError) with the range of the images and the range of the backbone.
    """
    if hasattr(inputs, "element_spec"):
        inputs = next(iter(inputs))
        inputs = inputs[0] if isinstance(inputs, tuple) else inputs
    if isinstance(inputs, dict):
        for name, values in inputs.items():
            backbone = next((x for x in model.layers if x.name == f"{name}_backbone"), None)
            if backbone is not None:
                verify_range(backbone, values)
        return model
    layer = backbone_input_layer(model)
    if layer is not None:
        _verify_images(layer, np.asarray(inputs), model.name)
    return model


def _verify_images(layer, images, name):
    if not np.isfinite(images).any():
        raise RangeError(f"{name}: images must have finite numbers, got none in {images.shape}.")
    if None in (layer.low, layer.high):
        return _verify_statistics(layer, images, name)
    low, high, width = float(np.nanmin(images)), float(np.nanmax(images)), layer.high - layer.low
    outside = low < layer.low - width / 100 or high > layer.high + width / 100
    if outside or high - low < width / 50 or (layer.low < 0 <= low):
        raise RangeError(
            f"{name}: the backbone was trained on images from {layer.low:g} to {layer.high:g}, and these go from "
            f"{low:g} to {high:g}. Give them as they are in the file, unscaled; the model has its own preprocessing."
        )


def _verify_statistics(layer, images, name):
    pixels = images.reshape(-1, images.shape[-1]).astype("float64")
    means, deviations = np.nanmean(pixels, axis=0), np.nanstd(pixels, axis=0)
    mean, deviation = (np.broadcast_to(v, means.shape) for v in (layer.mean, layer.deviation))
    wrong = np.abs(means - mean) > MAX_DEVIATIONS * deviation
    wrong |= (deviations > MAX_RATIO * deviation) | (deviations * MAX_RATIO < deviation)
    if wrong.any():
        i = int(np.argmax(wrong))
        band = layer.bands[i] if layer.bands else i
        raise RangeError(
            f"{name}: the statistics of band {band} are a mean of {mean[i]:g} and a standard deviation of "
            f"{deviation[i]:g}, and these images have {means[i]:g} and {deviations[i]:g}. Give them in the units of "
            "the statistics."
        )
