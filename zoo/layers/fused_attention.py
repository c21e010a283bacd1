"""Multi-head attention, computed in fewer steps than Keras' own."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("zoo")
class FusedAttention(layers.MultiHeadAttention):
    """Keras' multi-head attention, with its weights and its answers, in fewer steps.

    (B, T, D), (B, S, D)  ->  (B, T, D). Every projection is one product of two matrices, and the scale lies on the
    queries' kernel. What this way does not know goes Keras' way: other axes than the steps', keys that are not the
    values, gates, windows, dropout of the scores, the masks that Keras passes on, and quantized or adapted kernels.

    Args:
        num_heads: attention heads.
        key_dim: length of a head's queries and keys.
        **kwargs: as `keras.layers.MultiHeadAttention` has them.

    Source: Vaswani et al. 2017, https://arxiv.org/abs/1706.03762, section 3.2.
    """

    def __init__(self, num_heads, key_dim, **kwargs):
        super().__init__(num_heads, key_dim, **kwargs)
        told = self.get_config()
        self.plain = told["attention_axes"] in (None, (1,), [1]) and not any(
            told.get(name) for name in ("dropout", "use_gate", "sliding_window")
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
            self.plain
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
        q = self._heads(query, self.query_dense, self.key_dim**-0.5)
        k, v = (self._heads(value, projection) for projection in (self.key_dense, self.value_dense))
        scores = ops.einsum("bhtd,bhsd->bhts", q, k)
        mask = self._compute_attention_mask(
            query, value, attention_mask=attention_mask, use_causal_mask=use_causal_mask
        )
        half = scores.dtype in ("float16", "bfloat16")
        scores = ops.cast(scores, "float32") if half else scores
        if mask is not None:
            scores = ops.where(ops.expand_dims(mask, 1), scores, -1e30)
        shares = ops.cast(ops.softmax(scores), v.dtype)
        y = ops.transpose(ops.matmul(shares, v), (0, 2, 1, 3))
        y = _matmul(y, self.output_dense, y.shape[2] * y.shape[3])
        y = ops.reshape(y, (-1, steps, y.shape[-1]))
        return (y, shares) if return_attention_scores else y

    def _heads(self, x, projection, scale=None):
        """(B, T, D)  ->  (B, heads, T, size), times `scale`."""
        heads, size = projection.kernel.shape[1:]
        y = _matmul(x, projection, x.shape[-1], scale)
        return ops.transpose(ops.reshape(y, (-1, x.shape[1] or ops.shape(x)[1], heads, size)), (0, 2, 1, 3))


def _matmul(x, projection, width, scale=None):
    """(..., width in all)  ->  (N, ...): the projection as one product of two matrices."""
    kernel = ops.reshape(projection.kernel, (width, -1))
    kernel = kernel if scale is None else kernel * scale
    y = ops.matmul(ops.reshape(x, (-1, width)), kernel)
    if projection.bias is None:
        return y
    bias = ops.reshape(projection.bias, (-1,))
    return y + (bias if scale is None else bias * scale)
