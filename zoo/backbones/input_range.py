"""What a backbone's images were when it was trained, and whether those at hand are such."""

import re
import typing

import keras
import numpy as np

from zoo.arguments import checked
from zoo.layers.backbone_input import BackboneInput

# Mean and standard deviation of ImageNet's training photos: red, green, blue from 0 to 255
IMAGENET = {"mean": (123.675, 116.28, 103.53), "deviation": (58.395, 57.12, 57.375)}

# keras.applications.imagenet_utils.preprocess_input's three ways; `inside` is done by the network's own first layers
INPUT_RANGES = {
    "caffe": {"mean": (123.68, 116.779, 103.939), "reverse": True},
    "torch": IMAGENET,
    "tf": {"mean": (127.5,), "deviation": (127.5,)},
    "inside": {},
}
# keras.applications: how a model is called, a layer that it has, and its way
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
# (mean, deviation) may be that far from what is seen
DEVIATIONS, RATIO = 10, 20


class RangeError(ValueError):
    """Images are not what the backbone was trained on."""


def input_range_of(model):
    """How a model of `keras.applications` wants its pixels, one of `WAYS`; None where it is not known to be one."""
    held = {layer.name for layer in model.layers}
    for pattern, landmark, way in APPLICATIONS:
        if re.fullmatch(pattern, model.name) and (landmark is None or landmark in held) and "stem" not in held:
            scales = any(isinstance(x, keras.layers.Rescaling | keras.layers.Normalization) for x in model.layers)
            # built with include_preprocessing=False, it wants what `tf` makes
            return "tf" if way == "inside" and not scales else way
    return None


def recorded_range(model):
    """The layer of a model that records what its images must be, or None."""
    return next((layer for layer in model.layers if isinstance(layer, BackboneInput)), None)


@checked
def verify_range(model: keras.Model, inputs: typing.Any) -> keras.Model:
    """Refuses images that are not in the range that a backbone was trained on, as the model records it.

    Images from 0 to 1 where 0 to 255 is needed, digital numbers where reflectances are, and the like. The range must
    hold every number, but for a hundredth of its width; what is seen must fill a fiftieth of it and, where numbers
    below 0 are needed, have some. Where only each band's statistics are recorded, the mean seen may be up to 10
    standard deviations from the one recorded, and the deviation seen up to 20 times smaller or larger. A model that
    records nothing passes. Take some dozens of images: one may well be all black.

    Args:
        model: what `zoo.transfer`, `zoo.adapt_bands` or `zoo.fusion` gave.
        inputs: images as the model takes them, (N, H, W, C); for several inputs a dict of arrays by name; or a
            tf.data.Dataset of batches, of which the first is looked at.
    Returns:
        The same model.
    Raises:
        RangeError: (a ValueError) if they are not: the range seen and the range needed.
    """
    if hasattr(inputs, "element_spec"):
        inputs = next(iter(inputs))
        inputs = inputs[0] if isinstance(inputs, tuple) else inputs
    if isinstance(inputs, dict):
        for name, values in inputs.items():
            inner = next((x for x in model.layers if x.name == f"{name}_backbone"), None)
            if inner is not None:
                verify_range(inner, values)
        return model
    layer = recorded_range(model)
    if layer is not None:
        _verify(layer, np.asarray(inputs), model.name)
    return model


def _verify(layer, images, name):
    if not np.isfinite(images).any():
        raise RangeError(f"{name}: images must hold finite numbers, got none in {images.shape}.")
    if None in (layer.low, layer.high):
        return _verify_statistics(layer, images, name)
    seen, width = (float(np.nanmin(images)), float(np.nanmax(images))), layer.high - layer.low
    outside = seen[0] < layer.low - width / 100 or seen[1] > layer.high + width / 100
    if outside or seen[1] - seen[0] < width / 50 or (layer.low < 0 <= seen[0]):
        raise RangeError(
            f"{name}: the backbone was trained on images from {layer.low:g} to {layer.high:g}, and these go from "
            f"{seen[0]:g} to {seen[1]:g}. Give them as they are in the file, unscaled; the model has its own "
            "preprocessing."
        )


def _verify_statistics(layer, images, name):
    flat = images.reshape(-1, images.shape[-1]).astype("float64")
    means, deviations = np.nanmean(flat, axis=0), np.nanstd(flat, axis=0)
    wanted = [np.broadcast_to(v, means.shape) for v in (layer.mean, layer.deviation)]
    far = np.abs(means - wanted[0]) > DEVIATIONS * wanted[1]
    far |= (deviations > RATIO * wanted[1]) | (deviations * RATIO < wanted[1])
    if far.any():
        i = int(np.argmax(far))
        band = layer.bands[i] if layer.bands else i
        raise RangeError(
            f"{name}: the statistics of band {band} are a mean of {wanted[0][i]:g} and a standard deviation of "
            f"{wanted[1][i]:g}, and these images have {means[i]:g} and {deviations[i]:g}. Give them in the units of "
            "the statistics."
        )
