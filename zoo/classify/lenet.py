"""LeNet-5: the version taught today and the version published in 1998."""

from typing import Literal

import keras
from keras import layers, ops

from zoo.arguments import Activation, Count, Shape, image_shape
from zoo.blocks import head
from zoo.layers.radial_basis import RadialBasis
from zoo.layers.subsampling import Subsampling
from zoo.layers.table_conv import TableConv2D
from zoo.registry import register

PAPER = "http://yann.lecun.com/exdb/publis/pdf/lecun-98.pdf"


@register(task="classify", source=PAPER, example={"input_shape": (28, 28, 1), "classes": 10})
def lenet5(
    input_shape: Shape,
    classes: Count,
    *,
    padding: Literal["same", "valid"] = "same",
    pooling: Literal["max", "average"] = "max",
    hidden_activation: Literal["relu", "tanh", "sigmoid"] = "relu",
    activation: Activation = "softmax",
    name: str = "lenet5",
) -> keras.Model:
    """LeNet-5 as it is taught today: C3 connected to all maps of S2, pooling without parameters, softmax.

    (B, H, W, C) float  ->  (B, classes) probabilities.

    Args:
        input_shape: (H, W, C) of one image [pixels]; usually 28 x 28 with same padding and 32 x 32 with valid padding.
        classes: number of classes.
        padding: of the first convolution: "same" or "valid".
        pooling: "max" or "average".
        hidden_activation: of all layers but the head: relu, tanh or sigmoid.
        activation: of the output: softmax, sigmoid, or None for logits.
        name: the model's name.
    Returns:
        Uncompiled functional model; 61,706 parameters on 28 x 28 x 1 with 10 classes.
    Raises:
        ValueError: if H or W is None, or below 12 (same padding) or 16 (valid padding).

    Source: LeCun, Bottou, Bengio, Haffner 1998, Gradient-based learning applied to document recognition, figure 2.
    Differs: C3 connected to all maps, pooling without parameters, ReLU and softmax. `lenet5_1998` has the paper's.
    """
    image_shape(name, input_shape, at_least=12 if padding == "same" else 16, fixed=True)
    inputs = layers.Input(input_shape, name="image")
    x = features(inputs, padding=padding, pooling=pooling, hidden_activation=hidden_activation)[-1]
    x = layers.Flatten(name="pool")(x)
    x = layers.Dense(120, activation=hidden_activation, name="c5")(x)
    x = layers.Dense(84, activation=hidden_activation, name="f6")(x)
    return keras.Model(inputs, head(x, classes, activation), name=name)


def features(x, *, padding="same", pooling="max", hidden_activation="relu"):
    """Returns S2 and S4, finest first: (B, H / 2, W / 2, 6) and (B, (H / 2 - 4) / 2, (W / 2 - 4) / 2, 16)."""
    pool = layers.MaxPooling2D if pooling == "max" else layers.AveragePooling2D
    x = layers.Conv2D(6, 5, padding=padding, activation=hidden_activation, name="c1")(x)
    s2 = pool(2, name="s2")(x)
    x = layers.Conv2D(16, 5, activation=hidden_activation, name="c3")(s2)
    return [s2, pool(2, name="s4")(x)]


# Table I of the paper: the maps of S2 that each map of C3 is connected to.
C3_TABLE = (
    *((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5)),
    *((0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5)),
    *((0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5)),
    (0, 1, 2, 3, 4, 5),
)

# The digits on 7 x 12 pixels, 84 numbers each. # is +1, . is -1.
DIGITS = """
.......  .......  .......  .......  .......  .......  .......  .......  .......  .......
..###..  ...##..  .#####.  .#####.  ....##.  #######  ..####.  #######  .#####.  .#####.
.##.##.  ..###..  ##...##  ##...##  ...###.  ##.....  .##....  ##...##  ##...##  ##...##
##...##  .####..  .....##  .....##  ..####.  ##.....  ##.....  .....##  ##...##  ##...##
##...##  ...##..  .....##  .....##  .##.##.  ##.....  ##.....  ....##.  ##...##  ##...##
##...##  ...##..  ....##.  ..####.  ##..##.  ######.  ######.  ....##.  .#####.  ##...##
##...##  ...##..  ...##..  .....##  ##..##.  .....##  ##...##  ...##..  ##...##  .######
##...##  ...##..  ..##...  .....##  #######  .....##  ##...##  ...##..  ##...##  .....##
##...##  ...##..  .##....  .....##  ....##.  .....##  ##...##  ..##...  ##...##  .....##
.##.##.  ...##..  ##.....  ##...##  ....##.  ##...##  ##...##  ..##...  ##...##  ....##.
..###..  .######  #######  .#####.  ....##.  .#####.  .#####.  ..##...  .#####.  .####..
.......  .......  .......  .......  .......  .......  .......  .......  .......  .......
"""


def digit_codes():
    """Returns the ten bitmaps as ten rows of 84 numbers, +1 or -1."""
    rows = [line.split() for line in DIGITS.split("\n") if line]
    return [[1.0 if pixel == "#" else -1.0 for row in rows for pixel in row[digit]] for digit in range(10)]


@keras.saving.register_keras_serializable("zoo")
def scaled_tanh(x):
    """Returns 1.7159 tanh(2/3 x), which is 1 at x = 1 (appendix A)."""
    return 1.7159 * ops.tanh(2 / 3 * x)


@register(task="classify", source=PAPER, example={"input_shape": (32, 32, 1), "classes": 10})
def lenet5_1998(
    input_shape: Shape, classes: Count = 10, *, activation: Activation = "softmax", name: str = "lenet5_1998"
) -> keras.Model:
    """LeNet-5 as published: trainable subsampling, the sparse C3, scaled tanh, and radial basis outputs.

    (B, H, W, C) float, background -0.1 and ink 1.175 as in the paper  ->  (B, classes) probabilities.

    The logits are the negative distances y of eq. 7. Cross-entropy on the output is therefore the paper's MAP criterion
    (eq. 9) without its constant for images that are not digits.

    Args:
        input_shape: (H, W, C) of one image [pixels]; H and W at least 16 and divisible by 4; 32 in the paper.
        classes: number of digits to classify, starting at 0; at most 10.
        activation: of the output: softmax, sigmoid, or None for the negative distances.
        name: the model's name.
    Returns:
        Uncompiled functional model; 60,000 trainable and 840 non-trainable parameters on (32, 32, 1) with 10 classes.
    Raises:
        ValueError: if H or W is None, too small or not divisible by 4, or there are more than ten classes.

    Source: LeCun, Bottou, Bengio, Haffner 1998, section II.B and appendix A.
    Differs: the bitmaps of the digits were redrawn on the paper's 7 x 12 grid.
    """
    image_shape(name, input_shape, at_least=16, multiple=4, fixed=True)
    if classes > 10:
        raise ValueError(f"{name}: `classes` must be at most 10, the number of fixed digit codes, got {classes}.")
    inputs = layers.Input(input_shape, name="image")
    bands = input_shape[-1]
    x = layers.Conv2D(6, 5, kernel_initializer=_uniform(25 * bands), activation=scaled_tanh, name="c1")(inputs)
    x = layers.Activation(scaled_tanh, name="s2_squash")(Subsampling(name="s2")(x))
    x = layers.Activation(scaled_tanh, name="c3_squash")(TableConv2D(C3_TABLE, 5, name="c3")(x))
    x = layers.Activation(scaled_tanh, name="s4_squash")(Subsampling(name="s4")(x))
    side = tuple(x.shape[1:3])  # 5 x 5 in the paper, so C5 is fully connected
    x = layers.Conv2D(
        120, side, kernel_initializer=_uniform(16 * side[0] * side[1]), activation=scaled_tanh, name="c5"
    )(x)
    x = layers.Flatten(name="pool")(x)
    x = layers.Dense(84, kernel_initializer=_uniform(120), activation=scaled_tanh, name="f6")(x)
    x = RadialBasis(digit_codes()[:classes], dtype="float32", name="head")(x)
    if activation not in (None, "linear"):
        x = layers.Activation(activation, dtype="float32", name="activation")(x)
    return keras.Model(inputs, x, name=name)


def _uniform(fan_in):
    return keras.initializers.RandomUniform(-2.4 / fan_in, 2.4 / fan_in)
