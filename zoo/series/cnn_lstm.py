"""A convolutional backbone on every image, and an LSTM through time."""

import inspect
import sys

import keras
from keras import layers, ops

from zoo.arguments import Activation, Count, Rate, Shape, series_shape, suggestion
from zoo.blocks import head
from zoo.registry import entries, names, register
from zoo.series.recurrent import stack


@register(
    task="series",
    source="https://arxiv.org/abs/1411.4389",
    example={"input_shape": (16, 227, 227, 3), "outputs": 101, "backbone": "alexnet", "units": (256,)},
)
def cnn_lstm(
    input_shape: Shape,
    outputs: Count,
    *,
    backbone: str = "cnn",
    units: tuple[Count, ...] = (256,),
    bidirectional: bool = False,
    every_step: bool = False,
    dropout: Rate = 0.5,
    activation: Activation = "softmax",
    name: str = "cnn_lstm",
) -> keras.Model:
    """CNN-LSTM: the same backbone looks at every image, and an LSTM reads what it saw in order.

    (B, T, H, W, C) float  ->  (B, outputs) probabilities, or (B, T, outputs) with `every_step`.

    Args:
        input_shape: (T, H, W, C) images and their size [pixels], all given.
        outputs: number of classes (or of numbers, with `activation="linear"`).
        backbone: a classifier of the zoo; its last map, averaged over the image, is what the LSTM reads.
        units: cells of each LSTM layer, lowest first.
        bidirectional: whether a second LSTM reads each layer's input from its end; their states are joined.
        every_step: whether every image is answered; otherwise the last state answers.
        dropout: share of each LSTM layer's answer that training drops.
        activation: softmax, sigmoid, linear; None for logits.
        name: the model's name.
    Returns:
        Uncompiled functional model.
    Raises:
        ValueError: if the input shape is not fixed or too small for the backbone, the backbone is unknown, or `units` is
            empty.

    Source: Donahue et al. 2014, https://arxiv.org/abs/1411.4389, section 3 (LRCN) and figure 3.
    Differs: the backbone's last map is averaged, where the paper reads a dense layer of its CaffeNet; the last state
        answers, where the paper averages the answers to all images.
    """
    t, *image = series_shape(name, input_shape, sizes="(T, H, W, C)", fixed=True)
    if not units:
        raise ValueError(f"{name}: `units` must have a width for each layer, got none.")
    inputs = layers.Input(input_shape, name="images")
    x = ops.reshape(inputs, (-1, *image))  # (B * T, H, W, C): statistics of a batch are then over all images
    x = layers.GlobalAveragePooling2D(name="pool")(_last_map(x, backbone, name))
    x = ops.reshape(x, (-1, t, x.shape[-1]))
    x = stack(x, layers.LSTM, units, bidirectional, every_step, dropout)
    return keras.Model(inputs, head(x, outputs, activation), name=name)


def _last_map(x, backbone, name):
    """The last stage of the backbone's `features`, with the defaults of its builder."""
    known = names("classify")
    if backbone not in known:
        offered = suggestion(backbone, known)
        raise ValueError(f"{name}: `backbone` must be one of `zoo.names('classify')`, got {backbone!r}.{offered}")
    build = entries[backbone].build
    features = sys.modules[build.__module__].features
    defaults = inspect.signature(build).parameters
    options = {n: defaults[n].default for n in inspect.signature(features).parameters if n in defaults}
    try:
        return features(x, **options)[-1]
    except ValueError as error:
        shape = tuple(x.shape[1:])
        raise ValueError(
            f"{name}: the backbone {backbone} takes no images of {shape}, as `input_shape` has them."
        ) from error
