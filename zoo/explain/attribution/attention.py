"""Attention weights of transformers, and attention rollout over all blocks."""

import typing

import keras
import numpy as np
from keras import layers

from zoo.arguments import Whole, checked
from zoo.explain.layer_outputs import record_outputs
from zoo.explain.model_inputs import check_inputs
from zoo.introspect.layers import leaf_layers


@checked
def attention(model: keras.Model, inputs: typing.Any) -> dict:
    """Returns the attention weights of every multi-head attention layer in a model.

    (N, H, W, C) float, or any input of the model  ->  for each layer (N, heads, queries, keys); rows sum to 1.

    The last block of `zoo.vit` computes attention for the class token only: one query. `zoo.attention_maps` has the
    weights of that block for all tokens.

    Args:
        model: a built Keras model with keras.layers.MultiHeadAttention, from the zoo or not, with any number of inputs.
        inputs: inputs of the model, after preprocessing; a dict or a list of arrays for several inputs.
    Returns:
        A dict from the layers' paths, in the order of the calls, to float32 arrays; a second call is `path:2`.
    Raises:
        ValueError: if the inputs do not fit, or no layer is a MultiHeadAttention.

    Source: Vaswani et al. 2017, https://arxiv.org/abs/1706.03762, eq. 1.
    Differs: none
    """
    inputs = check_inputs("attention", model, inputs)
    attention_layers = {
        path: layer for path, layer in leaf_layers(model).items() if isinstance(layer, layers.MultiHeadAttention)
    }
    if not attention_layers:
        raise ValueError(f"attention: `{model.name}` has no layer of the class keras.layers.MultiHeadAttention.")
    recorded_weights = []

    def with_weights(compute):
        def call(*args, **kwargs):
            output, weights = compute(*args, **{**kwargs, "return_attention_scores": True})
            recorded_weights.append(keras.ops.convert_to_numpy(keras.ops.cast(weights, "float32")))
            return (output, weights) if kwargs.get("return_attention_scores") else output

        return call

    _, outputs = record_outputs(model, inputs, attention_layers, with_weights)
    weights_by_path, calls = {}, {}
    for (path, _), weights in zip(outputs, recorded_weights, strict=True):
        calls[path] = calls.get(path, 0) + 1
        weights_by_path[path if calls[path] == 1 else f"{path}:{calls[path]}"] = weights
    return weights_by_path


@checked
def attention_rollout(model: keras.Model, inputs: typing.Any, token: Whole | None = None) -> np.ndarray:
    """Returns the fraction of each input token in the output token, over all blocks of a transformer.

    (N, H, W, C) float  ->  (N, H, W) float32, at least 0; other inputs  ->  (N, tokens), each row summing to 1.

    In every block, half of a token comes from itself (the skip connection) and half from the tokens it attends to, by
    the mean over the heads. The result does not depend on a class, and ignores the layers between the attentions.

    Args:
        model: a built Keras model with MultiHeadAttention layers in sequence, from the zoo or not.
        inputs: inputs of the model, after preprocessing; a dict or a list of arrays for several inputs.
        token: index of the output token; a ViT's class token is 0. None for the mean over all tokens, as for a model
            that pools them. If the last block computes attention for one token only, as in `zoo.vit`, None is that one.
    Returns:
        For images the fraction of each patch, resized bilinearly to the image (without the class token, so the patches
        need not sum to 1). Otherwise the fraction of each token; for a series, of each step.
    Raises:
        ValueError: if the inputs do not fit, the model has no self-attention, the token does not exist, or an image's
            tokens are not a grid of patches.

    Source: Abnar and Zuidema 2020, https://arxiv.org/abs/2005.00928, section 3, eq. 1.
    Differs: none
    """
    weights_by_path = attention(model, inputs)
    rollout = None
    for path, weights in weights_by_path.items():
        mean = weights.mean(axis=1)
        queries, keys = mean.shape[1:]
        single_query = queries == 1 and rollout is not None and keys == rollout.shape[-1]
        if (queries != keys and not single_query) or (rollout is not None and rollout.shape[1] != keys):
            raise ValueError(
                "attention_rollout: every layer must be self-attention with the same tokens, "
                f"got {queries} queries and {keys} keys in {path}."
            )
        mean = 0.5 * mean + 0.5 * np.eye(queries, keys, dtype="float32")
        rollout = mean if rollout is None else mean @ rollout
    rollout = rollout / rollout.sum(axis=-1, keepdims=True)
    if token is not None and token >= rollout.shape[1]:
        raise ValueError(f"attention_rollout: `token` must be from 0 to {rollout.shape[1] - 1}, got {token}.")
    fractions = rollout.mean(axis=1) if token is None else rollout[:, token]
    shape = np.shape(inputs) if not isinstance(inputs, dict | list | tuple) else ()
    return _resize_to_image(fractions, shape[1:3]) if len(shape) == 4 else fractions


def _resize_to_image(fractions, size):
    """Maps (N, tokens) to (N, H, W); the tokens are patches row by row, optionally after a class token."""
    import tensorflow as tf

    for class_tokens in (0, 1):
        patches = fractions.shape[1] - class_tokens
        rows = round((patches * size[0] / size[1]) ** 0.5)
        columns = patches // rows if rows else 0
        if rows and rows * columns == patches and rows * size[1] == columns * size[0]:
            grid = fractions[:, class_tokens:].reshape(-1, rows, columns, 1)
            return tf.image.resize(grid, size)[..., 0].numpy()
    got = f"{fractions.shape[1]} tokens for images of {size[0]} x {size[1]}"
    raise ValueError(
        f"attention_rollout: an image's tokens must be a grid of patches and at most one class token, got {got}."
    )
