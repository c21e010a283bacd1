"""Padding and cropping by which a network with strides accepts images of any size."""

import keras
from keras import layers, ops

from zoo.arguments import Count, convert

MAX_MULTIPLE = 128  # the largest multiple that `size_multiple` tries [pixels]


@keras.saving.register_keras_serializable("zoo")
class PadToMultiple(layers.Layer):
    """Pads an image by reflection at its lower and right border, so that both sides are multiples of a number.

    (B, H, W, C)  ->  (B, ceil(H / m) m, ceil(W / m) m, C).

    Args:
        multiple: m, the number that both sides become multiples of [pixels].
        **kwargs: passed to `keras.layers.Layer`.
    """

    def __init__(self, multiple, **kwargs):
        super().__init__(**kwargs)
        self.multiple = convert(multiple, Count, "PadToMultiple: `multiple`")

    def call(self, x):
        for axis in (1, 2):
            side = ops.shape(x)[axis]
            if isinstance(side, int) and side % self.multiple == 0:
                continue
            index = ops.arange((side + self.multiple - 1) // self.multiple * self.multiple, dtype="int32")
            index = ops.mod(index, 2 * side)
            x = ops.take(x, ops.minimum(index, 2 * side - 1 - index), axis=axis)
        return x

    def compute_output_shape(self, input_shape):
        sides = (None if s is None else -(-s // self.multiple) * self.multiple for s in input_shape[1:3])
        return (input_shape[0], *sides, *input_shape[3:])

    def macs(self, shapes):
        """Copies are not counted."""
        return 0

    def get_config(self):
        return {**super().get_config(), "multiple": self.multiple}


@keras.saving.register_keras_serializable("zoo")
class CutToSize(layers.Layer):
    """Crops a map to the height and width of an image, from the upper left. Call: `CutToSize()([map, image])`.

    (B, h, w, K) and (B, H, W, C)  ->  (B, H, W, K), with h at least H and w at least W.

    Args:
        **kwargs: passed to `keras.layers.Layer`.
    """

    def call(self, inputs):
        x, image = inputs
        _, height, width, _ = ops.shape(image)
        return x[:, :height, :width]

    def compute_output_shape(self, input_shape):
        map_shape, image_shape = input_shape
        return (*image_shape[:3], map_shape[-1])

    def macs(self, shapes):
        """Copies are not counted."""
        return 0


def any_size(model):
    """Returns `model` between padding and cropping, so that it accepts images of any size.

    Args:
        model: (B, H, W, C) -> (B, H, W, K), with H and W None. A model that needs no padding or has a fixed size is
            returned unchanged.
    Returns:
        `keras.Model` with the same weights and name.
    Raises:
        ValueError: if the output of `model` does not have the size of the image.
    """
    if None not in model.input_shape[1:3]:
        return model
    multiple = size_multiple(model)
    if multiple == 1:
        return model
    inputs = layers.Input(model.input_shape[1:], dtype=model.inputs[0].dtype, name="image")
    x = model(PadToMultiple(multiple, name="pad")(inputs))
    x = CutToSize(name="cut", dtype="float32")([x, inputs])  # the precision of the head under every policy
    return keras.Model(inputs, x, name=model.name)


class TracedModel(layers.Layer):
    """Wraps a model so that a symbolic call traces its operations.

    The symbolic call of a Keras model accepts shapes that its `Concatenate` layers cannot join.
    """

    def __init__(self, model):
        super().__init__(dtype=model.dtype_policy)
        self.model = model

    def call(self, x):
        return self.model(x, training=False)


def size_multiple(model):
    """Returns the number that both sides of an image must be multiples of, by tracing the model with 1, 2, 4, ...

    Raises:
        ValueError: if no multiple up to 128 gives an output of the image's size.
    """
    multiple, traced = 1, TracedModel(model)
    while multiple <= MAX_MULTIPLE:
        sides = (3 * multiple, 5 * multiple)
        try:
            output = traced(keras.KerasTensor((1, *sides, model.input_shape[-1]), dtype=model.inputs[0].dtype))
        except Exception:  # layers raise different errors for shapes that they do not accept
            output = None
        if output is not None and tuple(output.shape[1:3]) == sides:
            return multiple
        multiple *= 2
    raise ValueError(
        f"`model` must have an output of the size of the image, got {model.name}, whose output has another size for "
        f"sides that are multiples of 1 to {MAX_MULTIPLE} pixels. Use padding='same' for a U-Net."
    )
