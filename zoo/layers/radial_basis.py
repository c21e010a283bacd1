"""The Euclidean radial basis output of LeNet-5."""

import keras
import numpy as np
from keras import layers, ops


@keras.saving.register_keras_serializable("zoo")
class RadialBasis(layers.Layer):
    """Returns the negative squared distance from the input to the fixed code of each class, as logits.

    (B, F) float  ->  (B, len(codes)) float.

    Args:
        codes: F numbers per class, which are not trained.
        **kwargs: passed to `keras.layers.Layer`.

    Source: LeCun et al. 1998, eq. 7 (there y, the distance itself).
    """

    def __init__(self, codes, **kwargs):
        super().__init__(**kwargs)
        self.codes = tuple(tuple(row) for row in codes)

    def build(self, input_shape):
        codes = np.array(self.codes, "float32")
        if codes.shape[1] != input_shape[-1]:
            raise ValueError(
                f"RadialBasis: `codes` must have {input_shape[-1]} numbers per class, got {codes.shape[1]}."
            )
        self.weight = self.add_weight(
            shape=codes.shape, initializer=keras.initializers.Constant(codes), trainable=False, name="codes"
        )

    def call(self, x):
        return -ops.sum(ops.square(x[:, None, :] - self.weight), axis=-1)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], len(self.codes))

    def macs(self, input_shape):
        """Multiply-accumulates of one input: the square of each difference."""
        return input_shape[-1] * len(self.codes)

    def get_config(self):
        return {**super().get_config(), "codes": self.codes}
