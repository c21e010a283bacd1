"""Self-attention over the cells of a map, with one head."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("zoo")
class MapAttention(layers.Layer):
    """Applies self-attention to the cells of a map, with one head of C channels and without positions.

    (B, H, W, C) float  ->  (B, H, W, C) float.

    The output projection is initialized near zero, so that a residual branch with this layer initially adds nothing.

    Args:
        **kwargs: passed to `keras.layers.Layer`.
    Raises:
        ValueError: if H, W or C is None.

    Source: Ho et al. 2020, https://arxiv.org/abs/2006.11239, appendix B, and the authors' code,
        https://github.com/hojonathanho/diffusion.
    """

    def build(self, input_shape):
        if None in input_shape[1:]:
            raise ValueError(f"MapAttention: height, width and channels must be given, got {tuple(input_shape)}.")
        width = input_shape[-1]
        for name in ("query", "key", "value", "out"):
            initializer = keras.initializers.VarianceScaling(1e-10 if name == "out" else 1.0, "fan_avg", "uniform")
            dense = layers.Dense(width, kernel_initializer=initializer, dtype=self.dtype_policy, name=name)
            dense.build((None, None, width))
            setattr(self, name, dense)

    def call(self, x):
        h, w, c = x.shape[1:]
        cells = ops.reshape(x, (-1, h * w, c))
        scores = ops.einsum("bic,bjc->bij", self.query(cells) * c**-0.5, self.key(cells))
        # Keras warns about a softmax over one element, which a 1 x 1 map has. The second form avoids the warning.
        weights = ops.softmax(scores) if h * w > 1 else ops.exp(ops.log_softmax(scores))
        return ops.reshape(self.out(ops.einsum("bij,bjc->bic", weights, self.value(cells))), (-1, h, w, c))

    def compute_output_shape(self, input_shape):
        return input_shape
