"""Grad-CAM: the location of the evidence for a class on a feature map."""

import contextlib
import math

import keras
import numpy as np

from zoo.arguments import Count, Whole, checked, suggestion
from zoo.explain.model_requirements import no_gradient_reason, unsupported_reason
from zoo.explain.score import Score, target_logits
from zoo.introspect import last_spatial
from zoo.introspect.layers import leaf_layers
from zoo.introspect.output_activation import replaced_attribute


@checked
def gradcam(
    model: keras.Model,
    inputs: np.ndarray,
    target: tuple[Whole, ...] | None = None,
    *,
    mask: np.ndarray | None = None,
    layer: str | None = None,
    batch_size: Count = 32,
) -> np.ndarray:
    """Sum of a feature map's channels, weighted by the mean gradient of a class's logit; negative sums become 0.

    (N, H, W, C) float  ->  (N, H, W) float32, at least 0; (N, T, F)  ->  (N, T).

    By default the layer is chosen automatically. For a model with one prediction per example it is the one that
    `last_spatial` returns; in a ViT the patch embeddings. For a model with a dense output it is the last of the
    coarsest feature maps before the last layer with weights, such as a U-Net's bottleneck: closer to the output, the
    map would be the output itself. In a map of zeros, nothing supports the class.

    Args:
        model: functional or Sequential model with one input; a final softmax or sigmoid is removed.
        inputs: inputs of the model, after preprocessing: images or series.
        target: class (or output) from 0, or one for each example; None for the predicted class, for a dense output the
            class with the largest mean logit.
        mask: for a model with a dense output, the positions to explain, nonzero where they count; None for all. It has
            the size of the output.
        layer: name of another layer with a feature map, also in a nested model.
        batch_size: examples in one call of the model.
    Returns:
        ReLU(sum_k a_k A_k), where a_k is the mean of d logit / d A_k over the map, resized bilinearly to the input; not
        rescaled to 1. After global average pooling and a dense head it is ReLU(sum_k w_k A_k) / (h w).
    Raises:
        ValueError: if the model, the inputs, the target, the mask or the layer do not fit, or there is no spatial
            feature map.

    Source: Selvaraju et al. 2016, https://arxiv.org/abs/1610.02391, eq. 1 and 2; for dense outputs Vinogradova, Dibrov,
        Myers 2020, https://arxiv.org/abs/2002.11434, eq. 2.
    Differs: for dense outputs the mean logit over the region, where Vinogradova et al. use the sum.
    """
    import tensorflow as tf

    score = Score("gradcam", model, inputs, target, batch_size, dense=True, mask=mask)
    reason = gradcam_unsupported_reason(model)
    if reason:
        raise ValueError(f"gradcam: {reason}.")
    if layer is not None:
        candidates = [_find_layer(model, layer)]
    elif score.position_axes:
        candidates = list(leaf_layers(model).values())
    else:
        candidates = [last_spatial(model).layer]
    compute = score.compile_function(
        f"gradcam {layer}",
        lambda x, target: _weighted_map(score, candidates, x, target),
        tf.TensorSpec((None,), "int32"),
    )
    x, targets = score.inputs, score.targets
    maps = [compute(tf.constant(x[rows]), tf.constant(targets[rows])).numpy() for rows in score.batch_slices(len(x))]
    return np.concatenate(maps)


def gradcam_unsupported_reason(model):
    """Returns the reason why Grad-CAM does not work on a model; "" if it does."""
    reason = unsupported_reason(model, dense=True) or no_gradient_reason(model)
    if reason:
        return reason
    try:
        last_spatial(model)
    except ValueError as error:
        return str(error).rstrip(".")
    if len(model.inputs[0].shape) not in (3, 4):
        return f"`model` must take images (B, H, W, C) or series (B, T, F), got {tuple(model.inputs[0].shape)}"
    return ""


def _find_layer(model, name):
    layers = {layer.name: layer for layer in model._flatten_layers(include_self=False)}
    if name not in layers:
        raise ValueError(f"gradcam: `layer` must be a layer of {model.name}, got {name!r}.{suggestion(name, layers)}")
    return layers[name]


def _weighted_map(score, candidates, x, target):
    """Returns ReLU(sum_k a_k A_k) at the size of the input, (B, H, W) or (B, T)."""
    import tensorflow as tf

    records = []  # (layer, its feature map or None), in the order of the calls

    def recording(layer):
        compute = layer.call

        def call(*args, **kwargs):
            output = compute(*args, **kwargs)
            maps = [t for t in tf.nest.flatten(output) if len(t.shape) == len(x.shape) and t.dtype.is_floating]
            if maps:
                tape.watch(maps[-1])
            records.append((layer, maps[-1] if maps else None))
            return output

        return replaced_attribute(layer, "call", call)

    with tf.GradientTape() as tape:
        with contextlib.ExitStack() as stack:
            for layer in candidates:
                stack.enter_context(recording(layer))
            logits = score.logits(x)
        logit = target_logits(logits, target)
    layer, feature_map = records[-1] if len(candidates) == 1 else _coarsest_map(records)
    if feature_map is None:
        shape = "(B, H, W, C)" if len(x.shape) == 4 else "(B, T, C)"
        raise ValueError(f"gradcam: the layer {layer.name} has no feature map {shape} as its output.")
    gradient = tape.gradient(logit, feature_map)
    if gradient is None:
        raise ValueError(
            f"gradcam: the output of {score.model.name} has no gradient with respect to the output of {layer.name}."
        )
    axes = list(range(1, len(x.shape) - 1))
    weights = tf.reduce_mean(tf.cast(gradient, "float32"), axes, keepdims=True)
    coarse = tf.nn.relu(tf.reduce_sum(weights * tf.cast(feature_map, "float32"), axis=-1))
    if len(axes) == 1:  # a series is resized as an image of height 1
        return tf.image.resize(coarse[:, None, :, None], (1, tf.shape(x)[1]))[:, 0, :, 0]
    return tf.image.resize(coarse[..., None], tf.shape(x)[1:3])[..., 0]


def _coarsest_map(records):
    """Returns the last of the maps with the fewest cells, but more than one, before the last layer with weights."""
    end = max((n for n, (layer, _) in enumerate(records) if layer.weights), default=len(records))
    maps = [(layer, values) for layer, values in records[:end] if values is not None and _cell_count(values) > 1]
    if not maps:
        return next((layer, values) for layer, values in reversed(records) if values is not None)
    fewest = min(_cell_count(values) for _, values in maps)
    return [record for record in maps if _cell_count(record[1]) == fewest][-1]


def _cell_count(feature_map):
    """Returns the number of cells of a feature map; infinity if a size is unknown."""
    return math.prod(math.inf if side is None else side for side in feature_map.shape[1:-1])
