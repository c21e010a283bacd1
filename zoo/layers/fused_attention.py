"""Multi-head attention with fewer operations than Keras' layer."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("zoo")
class FusedAttention(layers.MultiHeadAttention):
    """Computes Keras' multi-head attention, with the same weights and outputs, in fewer operations.

    (B, T, D), (B, S, D)  ->  (B, T, D).

    Every projection is one matrix product, and the query kernel contains the scale. Keras' implementation is used for
    other attention axes, keys other than the values, gates, sliding windows, dropout of the scores, masks that Keras
    propagates, and quantized or LoRA kernels.

    Args:
        num_heads: number of attention heads.
        key_dim: size of each head's queries and keys.
        **kwargs: passed to `keras.layers.MultiHeadAttention`.

    Source: Vaswani et al. 2017, https://arxiv.org/abs/1706.03762, section 3.2.
    """

    def __init__(self, num_heads, key_dim, **kwargs):
        super().__init__(num_heads, key_dim, **kwargs)
        config = self.get_config()
        self.has_default_options = config["attention_axes"] in (None, (1,), [1]) and not any(
            config.get(name) for name in ("dropout", "use_gate", "sliding_window")
        )

    def call(
        self,
        query,
        value,
        key=None,
        query_mask=None,
        value_mask=None,
        key_mask=None,
        attention_mask=None,
        return_attention_scores=False,
        training=None,
        use_causal_mask=False,
    ):
        masks = (query_mask, value_mask, key_mask)
        projections = (self.query_dense, self.key_dense, self.value_dense, self.output_dense)
        if not (
            self.has_default_options
            and (key is None or key is value)
            and len(query.shape) == len(value.shape) == 3
            and all(mask is None for mask in masks)
            and not any(p.quantization_mode or p.lora_enabled for p in projections)
        ):
            return super().call(
                query,
                value,
                key,
                *masks,
                attention_mask=attention_mask,
                return_attention_scores=return_attention_scores,
                training=training,
                use_causal_mask=use_causal_mask,
            )
        steps = query.shape[1] or ops.shape(query)[1]
        q = self._project_heads(query, self.query_dense, self.key_dim**-0.5)
        k, v = (self._project_heads(value, projection) for projection in (self.key_dense, self.value_dense))
        scores = ops.einsum("bhtd,bhsd->bhts", q, k)
        mask = self._compute_attention_mask(
            query, value, attention_mask=attention_mask, use_causal_mask=use_causal_mask
        )
        is_half_precision = scores.dtype in ("float16", "bfloat16")
        scores = ops.cast(scores, "float32") if is_half_precision else scores
        if mask is not None:
            scores = ops.where(ops.expand_dims(mask, 1), scores, -1e30)
        weights = ops.cast(ops.softmax(scores), v.dtype)
        y = ops.transpose(ops.matmul(weights, v), (0, 2, 1, 3))
        y = _matmul(y, self.output_dense, y.shape[2] * y.shape[3])
        y = ops.reshape(y, (-1, steps, y.shape[-1]))
        return (y, weights) if return_attention_scores else y

    def _project_heads(self, x, projection, scale=None):
        """Projects (B, T, D)  ->  (B, heads, T, size), times `scale`."""
        heads, size = projection.kernel.shape[1:]
        y = _matmul(x, projection, x.shape[-1], scale)
        return ops.transpose(ops.reshape(y, (-1, x.shape[1] or ops.shape(x)[1], heads, size)), (0, 2, 1, 3))


def _matmul(x, projection, width, scale=None):
    """Applies a projection as one matrix product: (..., `width` elements)  ->  (N, output elements)."""
    kernel = ops.reshape(projection.kernel, (width, -1))
    kernel = kernel if scale is None else kernel * scale
    y = ops.matmul(ops.reshape(x, (-1, width)), kernel)
    if projection.bias is None:
        return y
    bias = ops.reshape(projection.bias, (-1,))
    return y + (bias if scale is None else bias * scale)
