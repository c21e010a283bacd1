"""Images of any size for a network that halves them: mirrored up to the next size that divides, and cut back after."""

import keras
from keras import layers, ops

from zoo.arguments import Count, convert


@keras.saving.register_keras_serializable("zoo")
class PadToMultiple(layers.Layer):
    """An image mirrored at its lower and right border until both sides are multiples of a number.

    (B, H, W, C)  ->  (B, ceil(H / m) m, ceil(W / m) m, C).

    Args:
        multiple: m [pixels].
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
            place = ops.arange((side + self.multiple - 1) // self.multiple * self.multiple, dtype="int32")
            place = ops.mod(place, 2 * side)
            x = ops.take(x, ops.minimum(place, 2 * side - 1 - place), axis=axis)
        return x

    def compute_output_shape(self, input_shape):
        sides = (None if s is None else -(-s // self.multiple) * self.multiple for s in input_shape[1:3])
        return (input_shape[0], *sides, *input_shape[3:])

    def macs(self, shapes):
        """Copies count nothing."""
        return 0

    def get_config(self):
        return {**super().get_config(), "multiple": self.multiple}


@keras.saving.register_keras_serializable("zoo")
class CutToSize(layers.Layer):
    """The upper left part of a map that has the size of an image; the call is `CutToSize()([map, image])`.

    (B, h, w, K) and (B, H, W, C)  ->  (B, H, W, K), where h is at least H and w at least W.

    Args:
        **kwargs: passed to `keras.layers.Layer`.
    """

    def call(self, inputs):
        answer, image = inputs
        _, height, width, _ = ops.shape(image)
        return answer[:, :height, :width]

    def compute_output_shape(self, input_shape):
        answer, image = input_shape
        return (*image[:3], answer[-1])

    def macs(self, shapes):
        """Copies count nothing."""
        return 0


def any_size(model):
    """`model` behind padding and before cutting, so that it answers images of any size at their own size.

    Args:
        model: (B, H, W, C) -> (B, H, W, K), H and W being None; as it is where it needs no padding or has a fixed size.
    Returns:
        `keras.Model` with the same weights and name.
    Raises:
        ValueError: if its answer has not the size of the image, whatever that is.
    """
    if None not in model.input_shape[1:3]:
        return model
    unit = multiple(model)
    if unit == 1:
        return model
    inputs = layers.Input(model.input_shape[1:], dtype=model.inputs[0].dtype, name="image")
    answer = model(PadToMultiple(unit, name="pad")(inputs))
    cut = CutToSize(name="cut", dtype="float32")([answer, inputs])  # the head's precision, whatever the policy
    return keras.Model(inputs, cut, name=model.name)


class Traced(layers.Layer):
    """A model whose symbolic call traces its operations: Keras' own lets shapes pass that `Concatenate` cannot join."""

    def __init__(self, model):
        super().__init__(dtype=model.dtype_policy)
        self.model = model

    def call(self, x):
        return self.model(x, training=False)


def multiple(model, most=128):
    """What both sides of an image must be multiples of, read from the graph by trying 1, 2, 4, ...

    Raises:
        ValueError: if no multiple up to `most` gives an answer of the image's size.
    """
    unit, traced = 1, Traced(model)
    while unit <= most:
        sides = (3 * unit, 5 * unit)
        try:
            answer = traced(keras.KerasTensor((1, *sides, model.input_shape[-1]), dtype=model.inputs[0].dtype))
        except Exception:  # each layer refuses in its own way
            answer = None
        if answer is not None and tuple(answer.shape[1:3]) == sides:
            return unit
        unit *= 2
    raise ValueError(
        f"`model` must answer every pixel of an image, got {model.name}, whose answer has another size than the image "
        f"(tried multiples of 1 to {most} pixels); a U-Net does with padding='same'."
    )
