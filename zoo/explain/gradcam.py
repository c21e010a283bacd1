"""Grad-CAM: where on the last map of the network the evidence for a class lies."""

import keras
import numpy as np

from zoo.anatomy import last_spatial
from zoo.arguments import Count, Whole, checked
from zoo.explain.score import Score, chosen, replaced, unsquashed


@checked
def gradcam(
    model: keras.Model, inputs: np.ndarray, target: tuple[Whole, ...] | None = None, *, batch: Count = 32
) -> np.ndarray:
    """The last spatial map's channels, weighted by a class's mean gradient on each, where their sum is positive.

    (N, H, W, C) float  ->  (N, H, W) float32, at least 0; (N, T, F)  ->  (N, T).

    The map is `last_spatial`'s, so no layer is named; in a ViT it is the embedded patches. A map of zeros says that
    nothing on it speaks for the class.

    Args:
        model: functional or Sequential classifier or regressor with one input; a final softmax or sigmoid is undone.
        inputs: what the model takes, after preprocessing.
        target: class from 0, or one for each example; None for the predicted class.
        batch: examples in one call of the model.
    Returns:
        ReLU(sum_k a_k A_k), a_k being the mean of d logit / d A_k over the map, resized bilinearly to the input; not
        scaled to 1. After global average pooling and a dense head it is ReLU(sum_k w_k A_k) / (h w).
    Raises:
        ValueError: if the model, the inputs or the target do not suit, or the model has no spatial map.

    Source: Selvaraju et al. 2016, https://arxiv.org/abs/1610.02391, eq. 1 and 2.
    Differs: none
    """
    import tensorflow as tf

    score = Score("gradcam", model, inputs, target, batch)
    layer = last_spatial(model).layer
    with unsquashed(model):
        weigh = tf.function(
            lambda x, target: _weigh(score, layer, x, target),
            input_signature=[score.spec(), tf.TensorSpec((None,), "int32")],
        ).get_concrete_function()
    x, targets = score.inputs, score.targets
    return np.concatenate([weigh(tf.constant(x[s]), tf.constant(targets[s])).numpy() for s in score.batches(len(x))])


def _weigh(score, layer, x, target):
    """ReLU(sum_k a_k A_k) at the input's size, (B, H, W) or (B, T)."""
    import tensorflow as tf

    seen = []
    compute = layer.call

    def call(*args, **kwargs):
        answer = compute(*args, **kwargs)
        maps = [t for t in tf.nest.flatten(answer) if len(t.shape) == len(x.shape)]
        tape.watch(maps[-1])
        seen.append(maps[-1])
        return answer

    with tf.GradientTape() as tape, replaced(layer, "call", call):
        logit = chosen(score.logits(x), target)
    gradient = tape.gradient(logit, seen[-1])
    if gradient is None:
        raise ValueError(f"gradcam: the answer of {score.model.name} has no gradient on the map of {layer.name}.")
    places = list(range(1, len(x.shape) - 1))
    weights = tf.reduce_mean(tf.cast(gradient, "float32"), places, keepdims=True)
    coarse = tf.nn.relu(tf.reduce_sum(weights * tf.cast(seen[-1], "float32"), axis=-1))
    if len(places) == 1:  # a series is a picture one pixel high
        return tf.image.resize(coarse[:, None, :, None], (1, tf.shape(x)[1]))[:, 0, :, 0]
    return tf.image.resize(coarse[..., None], tf.shape(x)[1:3])[..., 0]
