"""CNN-LSTM: an image classifier as the backbone for every image, and an LSTM over time."""

import keras
from keras import layers, ops

from zoo.arguments import Activation, Count, Rate, Shape, series_shape
from zoo.blocks import head
from zoo.classify.features import last_features
from zoo.registry import register
from zoo.series.recurrent import recurrent_stack


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
    """CNN-LSTM: the same backbone extracts features of every image, and an LSTM reads them in order.

    (B, T, H, W, C) float  ->  (B, outputs) probabilities, or (B, T, outputs) with `every_step`.

    Args:
        input_shape: (T, H, W, C): number of images, their size [pixels] and bands; none may be None.
        outputs: number of outputs: classes, or numbers with `activation="linear"`.
        backbone: name of a classifier. The LSTM reads its last feature map, averaged over the image.
        units: number of units of each LSTM layer, first layer first.
        bidirectional: whether each layer also reads its input backward; both outputs are concatenated.
        every_step: whether there is an output for every image, or else only for the last state.
        dropout: dropout rate of the output of each LSTM layer.
        activation: of the output: softmax, sigmoid, linear; None for logits.
        name: the model's name.
    Returns:
        Uncompiled functional model.
    Raises:
        ValueError: if `input_shape` contains None or is too small for the backbone, the backbone is unknown, or `units`
            is empty.

    Source: Donahue et al. 2014, https://arxiv.org/abs/1411.4389, section 3 (LRCN) and figure 3.
    Differs: the LSTM reads the backbone's averaged last map, in the paper a dense layer of its CaffeNet. The prediction
        is that of the last state, in the paper the average over all images.
    """
    t, *image = series_shape(name, input_shape, sizes="(T, H, W, C)", fixed=True)
    if not units:
        raise ValueError(f"{name}: `units` must have at least one entry, got none.")
    inputs = layers.Input(input_shape, name="images")
    x = ops.reshape(inputs, (-1, *image))  # (B * T, H, W, C): batch statistics are over all images
    x = layers.GlobalAveragePooling2D(name="pool")(last_features(name, backbone, x))
    x = ops.reshape(x, (-1, t, x.shape[-1]))
    x = recurrent_stack(x, layers.LSTM, units, bidirectional, every_step, dropout)
    return keras.Model(inputs, head(x, outputs, activation), name=name)
