"""Local response normalization (AlexNet)."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("zoo")
class LocalResponse(layers.Layer):
    """Divides each activation by (bias + alpha * sum of the squares of the `size` channels around it) ** beta.

    (..., C) float  ->  (..., C) float.

    TensorFlow's `depth_radius` is (size - 1) / 2. Caffe and PyTorch divide alpha by `size`. The paper and this layer do
    not.

    Args:
        size: number of adjacent channels in the sum, including the channel itself; odd.
        bias: constant, the paper's k.
        alpha: weight of the sum.
        beta: exponent.
        **kwargs: passed to `keras.layers.Layer`.

    Source: Krizhevsky et al. 2012, section 3.3.
    """

    def __init__(self, size=5, bias=2.0, alpha=1e-4, beta=0.75, **kwargs):
        super().__init__(**kwargs)
        if size % 2 != 1:
            raise ValueError(f"LocalResponse: `size` must be odd, got {size}.")
        self.size, self.bias, self.alpha, self.beta = size, bias, alpha, beta

    def call(self, x):
        channels, margin = x.shape[-1], self.size // 2
        x_float32 = ops.cast(x, "float32")  # bfloat16 would round 2 + 1e-4 to 2
        squares = ops.pad(ops.square(x_float32), [*[(0, 0)] * (len(x.shape) - 1), (margin, margin)])
        total = sum(squares[..., i : i + channels] for i in range(self.size))
        return ops.cast(x_float32 / ops.power(self.bias + self.alpha * total, self.beta), x.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        config = {"size": self.size, "bias": self.bias, "alpha": self.alpha, "beta": self.beta}
        return {**super().get_config(), **config}
