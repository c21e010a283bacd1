"""M5: one-dimensional convolutions on the samples of a sound, without a spectrogram."""

import keras
from keras import layers

from zoo.arguments import Activation, Count, Shape, series_shape
from zoo.blocks import head
from zoo.registry import register

STRIDE, POOL, FIRST_KERNEL = 4, 4, 80


@register(task="sound", source="https://arxiv.org/abs/1610.00087", example={"input_shape": (32000, 1), "classes": 10})
def m5(
    input_shape: Shape,
    classes: Count,
    *,
    filters: tuple[Count, ...] = (128, 128, 256, 512),
    activation: Activation = "softmax",
    name: str = "m5",
) -> keras.Model:
    """M5: convolutions over 80 samples, then 3, each followed by max pooling over 4, and an average over time.

    (B, N, C) float, samples from -1 to 1  ->  (B, classes) probabilities.

    The first kernel is 10 ms at the paper's 8 kHz.

    Args:
        input_shape: (N, C) of one sound: number of samples, and channels.
        classes: number of classes.
        filters: number of filters of each convolution.
        activation: of the output: softmax, sigmoid for several labels, linear; None for logits.
        name: the model's name.
    Returns:
        Uncompiled functional model; 559,114 trainable parameters at the defaults for one channel and 10 classes.
    Raises:
        ValueError: if a size is None, there are no filters, or the sound is too short for so many poolings.

    Source: Dai et al. 2016, https://arxiv.org/abs/1610.00087, table 1.
    Differs: none
    """
    shape = series_shape(name, input_shape, sizes="(N, C)", fixed=True)
    if not filters:
        raise ValueError(f"{name}: `filters` must have at least one entry, got none.")
    shortest = STRIDE * POOL ** len(filters)
    if shape[0] < shortest:
        raise ValueError(f"{name}: `input_shape` must have {shortest} samples or more, got {shape}.")
    x = inputs = layers.Input(input_shape, name="sound")
    for i, width in enumerate(filters):
        options = {"strides": 1 if i else STRIDE, "padding": "same", "name": f"conv{i}"}
        x = layers.Conv1D(width, 3 if i else FIRST_KERNEL, **options)(x)
        x = layers.BatchNormalization(momentum=0.9, name=f"norm{i}")(x)
        x = layers.ReLU(name=f"relu{i}")(x)
        x = layers.MaxPooling1D(POOL, name=f"pool{i}")(x)
    x = layers.GlobalAveragePooling1D(name="pool")(x)
    return keras.Model(inputs, head(x, classes, activation), name=name)
