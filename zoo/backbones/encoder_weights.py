"""Pretrained weights for the encoder of a detector or a segmentation model."""

import os

import keras

from zoo.arguments import checked
from zoo.backbones.input_range import IMAGENET
from zoo.published_weights import find_published
from zoo.weights import BUNDLED, load


@checked
def load_encoder_weights(model: keras.Model, encoder: str, weights: str | os.PathLike = "bundled"):
    """Sets the weights of a model's encoder to those of a trained classifier; all other weights stay.

    The model takes images as the classifier does: (pixels - mean) / deviation, with pixels from 0 to 255.

    Args:
        model: built with `encoder=...`, such as `zoo.unet`, `zoo.retinanet` or `zoo.faster_rcnn`, for images of three
            bands.
        encoder: the name that it was built with, such as efficientnet_lite0.
        weights: bundled, one of `zoo.weights.names(encoder)`, or a file of torchvision or timm, as `zoo.load` takes
            them. Those of a file are taken to be trained on images normalized by ImageNet's statistics.
    Returns:
        The same model. `zoo.encoder_moments` has the mean and the deviation.
    Raises:
        ValueError: if there are no such weights, or the model has no encoder of this name and these sizes.
    """
    _find_for_encoder("load_encoder_weights", encoder, os.fspath(weights))
    classifier = load(encoder, os.fspath(weights), head=False)
    layers = {layer.name: layer for layer in model.layers}
    features = [x for x in classifier.layers if x.weights and x.name != "head"]
    shared = [x for x in features if x.name in layers]
    differing = [x.name for x in shared if _shapes(x) != _shapes(layers[x.name])]
    if differing or len(shared) < len(features) / 2:  # an encoder may lack the last layers, whose maps are not used
        what = f"whose layer {differing[0]} has other sizes" if differing else "which lacks most of its layers"
        raise ValueError(
            f"load_encoder_weights: `model` must be built with encoder={encoder!r} for three bands, got {model.name}, "
            f"{what}."
        )
    for layer in shared:
        layers[layer.name].set_weights(layer.get_weights())
    return model


@checked
def encoder_moments(encoder: str, weights: str | os.PathLike = "bundled"):
    """Returns the mean and the deviation by which photos are normalized for an encoder's weights.

    Args:
        encoder, weights: as `zoo.load_encoder_weights` takes them.
    Returns:
        (mean, deviation) of red, green and blue from 0 to 255: two tuples of three numbers.
    Raises:
        ValueError: if the encoder has no such weights.
    """
    published = _find_for_encoder("encoder_moments", encoder, os.fspath(weights))
    if published is not None:
        return published.mean, published.deviation
    if weights != "bundled":
        return IMAGENET["mean"], IMAGENET["deviation"]
    if encoder not in BUNDLED:
        raise ValueError(
            f"encoder_moments: `weights` 'bundled' is available for {', '.join(BUNDLED)} only, not for {encoder}."
        )
    return (BUNDLED[encoder].mean,) * 3, (BUNDLED[encoder].deviation,) * 3


def _find_for_encoder(caller, encoder, weights):
    """Returns the `PublishedWeights` of a name, or None for other weights. Refuses those of another form."""
    published = find_published(encoder, weights) if weights != "bundled" else None
    name, arguments, bands = weights, {}, ("red", "green", "blue")
    if published is not None:
        name, arguments, bands = published.name, published.arguments, published.bands
    elif weights == "bundled" and encoder in BUNDLED:
        arguments = BUNDLED[encoder].arguments
    form = {k: v for k, v in arguments.items() if k not in ("input_shape", "classes")}
    if form or bands != ("red", "green", "blue"):
        needs = ", ".join([f"{k}={v!r}" for k, v in form.items()] or [f"the bands {', '.join(bands)}"])
        raise ValueError(
            f"{caller}: the weights {name} of {encoder} need {needs}, and encoders are built for red, green, blue with "
            "the encoder's defaults."
        )
    return published


def _shapes(layer):
    return [tuple(weight.shape) for weight in layer.weights]
