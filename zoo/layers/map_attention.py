"""Self-attention over the places of a map, with one head."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("zoo")
class MapAttention(layers.Layer):
    """Every place of a map asks every other, with one head as wide as the map; positions are not told apart.

    (B, H, W, C) float  ->  (B, H, W, C) float. The projection of the answer starts near zero, so that as a residual
    branch it starts as none.

    Args:
        **kwargs: passed to `keras.layers.Layer`.
    Raises:
        ValueError: if H, W or C is not given.

    Source: Ho et al. 2020, https://arxiv.org/abs/2006.11239, appendix B, as the authors' code has it,
        https://github.com/hojonathanho/diffusion.
    """

    def build(self, input_shape):
        if None in input_shape[1:]:
            raise ValueError(f"MapAttention: height, width and channels must be given, got {tuple(input_shape)}.")
        width = input_shape[-1]
        for name in ("query", "key", "value", "out"):
            start = keras.initializers.VarianceScaling(1e-10 if name == "out" else 1.0, "fan_avg", "uniform")
            dense = layers.Dense(width, kernel_initializer=start, dtype=self.dtype_policy, name=name)
            dense.build((None, None, width))
            setattr(self, name, dense)

    def call(self, x):
        h, w, c = x.shape[1:]
        places = ops.reshape(x, (-1, h * w, c))
        scores = ops.einsum("bic,bjc->bij", self.query(places) * c**-0.5, self.key(places))
        # Keras warns of a softmax over one place, which is what a map of 1 x 1 has: there it is written out.
        shares = ops.softmax(scores) if h * w > 1 else ops.exp(ops.log_softmax(scores))
        return ops.reshape(self.out(ops.einsum("bij,bjc->bic", shares, self.value(places))), (-1, h, w, c))

    def compute_output_shape(self, input_shape):
        return input_shape
