"""An image classifier on the spectrogram of a sound."""

from typing import Literal

import keras
from keras import layers, ops

from zoo.arguments import Activation, Count, Rate, Shape, series_shape
from zoo.blocks import head
from zoo.classify.features import last_features
from zoo.layers.attention_pooling import AttentionPooling
from zoo.layers.spec_augment import SpecAugment
from zoo.layers.spectrogram import spectrogram_layer
from zoo.registry import register

SIDE = 32  # multiple to which spectrograms are padded for classifiers that do not take any size


@register(
    task="sound",
    source="https://arxiv.org/abs/1609.09430",
    example={"input_shape": (15360, 1), "classes": 527, "sample_rate": 16000, "backbone": "resnet50",
             "spectrogram": {"bands": 64, "window": 0.025, "hop": 0.01, "low": 125.0, "high": 7500.0}},
)  # fmt: skip
def spectrogram_classifier(
    input_shape: Shape,
    classes: Count,
    *,
    sample_rate: Count = 16000,
    backbone: str = "cnn",
    backbone_arguments: dict | None = None,
    spectrogram: dict | None = None,
    pooling: Literal["average", "time", "attention"] = "average",
    spec_augment: Rate = 0.0,
    dropout: Rate = 0.2,
    activation: Activation = "softmax",
    name: str = "spectrogram_classifier",
) -> keras.Model:
    """An image classifier on the spectrogram of a sound, whose rows are bands of frequency and columns steps of time.

    (B, N, C) float, samples from -1 to 1  ->  (B, classes) probabilities.

    The spectrogram is the layer `spectrogram` of the model, so that training, export and prediction compute the same.

    Args:
        input_shape: (N, C) of one sound: number of samples, and channels.
        classes: number of classes.
        sample_rate: samples per second [Hz].
        backbone: name of an image classifier, one of `zoo.names("classify")`; its last feature map is pooled.
        backbone_arguments: arguments of the image classifier that shape its feature maps, such as {"filters": (16, 32)}
            for cnn; None for its defaults.
        spectrogram: arguments of `zoo.layers.Spectrogram`: bands (64), window (0.032 s), hop (0.01 s), low (50 Hz),
            high (half of the sample rate), compression (log, pcen or none).
        pooling: average is over frequency and time. time averages over time alone and keeps the frequencies apart,
            which suits small backbones. attention does so with weights that are learnt, for labels that hold somewhere
            in the sound.
        spec_augment: largest fraction of the bands and of the steps that are masked in training; 0 masks none.
        dropout: dropout rate before the head.
        activation: of the output: softmax, sigmoid for several labels, linear; None for logits.
        name: the model's name.
    Returns:
        Uncompiled functional model.
    Raises:
        ValueError: if a size is None, the sound is too short for the window or the backbone, or the backbone or an
            option of the spectrogram is unknown.

    Source: Hershey et al. 2016, https://arxiv.org/abs/1609.09430, section 3: classifiers of images on log-mel
        spectrograms of 0.96 s, 64 bands from 125 to 7500 Hz, windows of 25 ms every 10 ms.
    Differs: batch normalization of the spectrogram. Strides are those of the image classifier, where the paper changes
        those of the first layer of ResNet-50 and Inception. Padded to multiples of 32 where the backbone needs it.
    """
    series_shape(name, input_shape, sizes="(N, C)", fixed=True)
    inputs = layers.Input(input_shape, name="sound")
    x = spectrogram_layer(name, sample_rate, spectrogram, input_shape)(inputs)
    x = layers.BatchNormalization(momentum=0.9, dtype="float32", name="norm")(x)
    if spec_augment:
        x = SpecAugment(spec_augment, name="spec_augment")(x)
    try:
        x = last_features(name, backbone, x, backbone_arguments)
    except ValueError as error:
        if "does not accept the images" not in str(error):
            raise
        x = last_features(name, backbone, _pad_to_multiple(x, SIDE), backbone_arguments)
    if pooling == "average":
        x = layers.GlobalAveragePooling2D(name="pool")(x)
    else:
        x = ops.transpose(x, (0, 2, 1, 3))
        x = layers.Reshape((x.shape[1], x.shape[2] * x.shape[3]), name="steps")(x)
        x = (AttentionPooling if pooling == "attention" else layers.GlobalAveragePooling1D)(name="pool")(x)
    if dropout:
        x = layers.Dropout(dropout, name="dropout")(x)
    return keras.Model(inputs, head(x, classes, activation), name=name)


def _pad_to_multiple(x, side):
    """Returns a spectrogram padded with zeros at high frequencies and at the end, to multiples of `side`."""
    rows, columns = (-size % side for size in x.shape[1:3])
    return layers.ZeroPadding2D(((0, rows), (0, columns)), name="padding")(x)
