"""Grad-CAM: where on a map of the network the evidence for a class lies."""

import contextlib
import math

import keras
import numpy as np

from zoo.arguments import Count, Whole, checked, suggestion
from zoo.explain.score import Score, chosen, refusal, without_gradients
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
    """A spatial map's channels, weighted by a class's mean gradient on each, where their sum is positive.

    (N, H, W, C) float  ->  (N, H, W) float32, at least 0; (N, T, F)  ->  (N, T).

    No layer needs to be named. Of a model with one answer the map is `last_spatial`'s; in a ViT it is the embedded
    patches. Of a model that answers for every place it is the last of the coarsest maps before the last layer with
    weights, a U-Net's bottleneck: closer to the answer, the map would be the answer itself. A map of zeros says that
    nothing on it speaks for the class.

    Args:
        model: functional or Sequential model with one input; a final softmax or sigmoid is undone.
        inputs: what the model takes, after preprocessing: images or series.
        target: class (or output) from 0, or one for each example; None for the predicted class, of a dense answer the
            one with the largest mean logit.
        mask: of a model that answers for every place, the size of its answer, true where it is explained; None for
            everywhere.
        layer: name of another layer that answers a map, in a model within the model too.
        batch_size: examples in one call of the model.
    Returns:
        ReLU(sum_k a_k A_k), a_k being the mean of d logit / d A_k over the map, resized bilinearly to the input; not
        scaled to 1. After global average pooling and a dense head it is ReLU(sum_k w_k A_k) / (h w).
    Raises:
        ValueError: if the model, the inputs, the target, the mask or the layer do not suit, or there is no spatial map.

    Source: Selvaraju et al. 2016, https://arxiv.org/abs/1610.02391, eq. 1 and 2; for dense answers Vinogradova,
        Dibrov, Myers 2020, https://arxiv.org/abs/2002.11434, eq. 2.
    Differs: of a dense answer the mean logit over the region, where Vinogradova et al. have the sum.
    """
    import tensorflow as tf

    score = Score("gradcam", model, inputs, target, batch_size, dense=True, mask=mask)
    reason = unmapped(model)
    if reason:
        raise ValueError(f"gradcam: {reason}.")
    if layer is not None:
        watched = [_named(model, layer)]
    elif score.places:
        watched = list(leaf_layers(model).values())
    else:
        watched = [last_spatial(model).layer]
    weigh = score.compiled(
        f"gradcam {layer}", lambda x, target: _weigh(score, watched, x, target), tf.TensorSpec((None,), "int32")
    )
    x, targets = score.inputs, score.targets
    return np.concatenate([weigh(tf.constant(x[s]), tf.constant(targets[s])).numpy() for s in score.batches(len(x))])


def unmapped(model):
    """Why a model can have no Grad-CAM; empty where it can."""
    reason = refusal(model, dense=True) or without_gradients(model)
    if reason:
        return reason
    try:
        last_spatial(model)
    except ValueError as error:
        return str(error).rstrip(".")
    if len(model.inputs[0].shape) not in (3, 4):
        return f"`model` must take images (B, H, W, C) or series (B, T, F), got {tuple(model.inputs[0].shape)}"
    return ""


def _named(model, name):
    parts = {part.name: part for part in model._flatten_layers(include_self=False)}
    if name not in parts:
        raise ValueError(f"gradcam: `layer` must be a layer of {model.name}, got {name!r}.{suggestion(name, parts)}")
    return parts[name]


def _weigh(score, watched, x, target):
    """ReLU(sum_k a_k A_k) at the input's size, (B, H, W) or (B, T)."""
    import tensorflow as tf

    seen = []  # (layer, the map it answered), in the order of the calls

    def watching(layer):
        compute = layer.call

        def call(*args, **kwargs):
            answer = compute(*args, **kwargs)
            maps = [t for t in tf.nest.flatten(answer) if len(t.shape) == len(x.shape) and t.dtype.is_floating]
            if maps:
                tape.watch(maps[-1])
            seen.append((layer, maps[-1] if maps else None))
            return answer

        return replaced_attribute(layer, "call", call)

    with tf.GradientTape() as tape:
        with contextlib.ExitStack() as stack:
            for layer in watched:
                stack.enter_context(watching(layer))
            logits = score.logits(x)
        logit = chosen(logits, target)
    layer, found = seen[-1] if len(watched) == 1 else _coarsest(seen)
    if found is None:
        shape = "(B, H, W, C)" if len(x.shape) == 4 else "(B, T, C)"
        raise ValueError(f"gradcam: the layer {layer.name} answers no map, {shape}.")
    gradient = tape.gradient(logit, found)
    if gradient is None:
        raise ValueError(f"gradcam: the answer of {score.model.name} has no gradient on the map of {layer.name}.")
    places = list(range(1, len(x.shape) - 1))
    weights = tf.reduce_mean(tf.cast(gradient, "float32"), places, keepdims=True)
    coarse = tf.nn.relu(tf.reduce_sum(weights * tf.cast(found, "float32"), axis=-1))
    if len(places) == 1:  # a series is a picture one pixel high
        return tf.image.resize(coarse[:, None, :, None], (1, tf.shape(x)[1]))[:, 0, :, 0]
    return tf.image.resize(coarse[..., None], tf.shape(x)[1:3])[..., 0]


def _coarsest(seen):
    """The last of the maps with the fewest cells, but more than one, before the last layer with weights."""
    last = max((n for n, (layer, _) in enumerate(seen) if layer.weights), default=len(seen))
    maps = [(layer, found) for layer, found in seen[:last] if found is not None and _cells(found) > 1]
    if not maps:
        return next((layer, found) for layer, found in reversed(seen) if found is not None)
    fewest = min(_cells(found) for _, found in maps)
    return [entry for entry in maps if _cells(entry[1]) == fewest][-1]


def _cells(found):
    """How many places a map has; unknown sizes count as many."""
    return math.prod(math.inf if side is None else side for side in found.shape[1:-1])
