"""Attention: which tokens a transformer's tokens look at, and, rolled out, what reaches the answer."""

import typing

import keras
import numpy as np
from keras import layers as kinds

from zoo.arguments import Whole, checked
from zoo.explain.layer_outputs import fitting, record
from zoo.introspect.layers import leaf_layers


@checked
def attention(model: keras.Model, inputs: typing.Any) -> dict:
    """The weights of every multi-head attention in a model, as it computes them.

    (N, H, W, C) float, or whatever the model takes  ->  for each layer (N, heads, queries, keys); rows sum to 1.

    In the last block of `zoo.vit` the class token alone asks: one query. `zoo.attention_maps` has that block for all.

    Args:
        model: a built Keras model with keras.layers.MultiHeadAttention, ours or not, of any number of inputs.
        inputs: what it takes, after preprocessing; a dict or a list of arrays for several inputs.
    Returns:
        A dict from the layers' names, in the order of the calls, to float32 arrays; a second call is `name:2`.
    Raises:
        ValueError: if the inputs do not suit, or no layer is a MultiHeadAttention.

    Source: Vaswani et al. 2017, https://arxiv.org/abs/1706.03762, eq. 1.
    Differs: none
    """
    inputs = fitting("attention", model, inputs)
    asking = {path: layer for path, layer in leaf_layers(model).items() if isinstance(layer, kinds.MultiHeadAttention)}
    if not asking:
        raise ValueError(f"attention: `{model.name}` has no layer of the kind keras.layers.MultiHeadAttention.")
    weights = []

    def see(compute):
        def call(*args, **kwargs):
            answer, scores = compute(*args, **{**kwargs, "return_attention_scores": True})
            weights.append(keras.ops.convert_to_numpy(keras.ops.cast(scores, "float32")))
            return (answer, scores) if kwargs.get("return_attention_scores") else answer

        return call

    _, seen = record(model, inputs, asking, see)
    found, calls = {}, {}
    for (path, _), scores in zip(seen, weights, strict=True):
        calls[path] = calls.get(path, 0) + 1
        found[path if calls[path] == 1 else f"{path}:{calls[path]}"] = scores
    return found


@checked
def attention_rollout(model: keras.Model, inputs: typing.Any, token: Whole | None = None) -> np.ndarray:
    """How much of each token reaches the answer, all blocks of a transformer taken together.

    (N, H, W, C) float  ->  (N, H, W) float32, at least 0; other inputs  ->  (N, tokens), each row summing to 1.

    In every block half of a token is its own (the skip connection) and half is what it attends to, the mean over the
    heads. Nothing is said about a class, and nothing about the layers between the attentions.

    Args:
        model: a built Keras model whose MultiHeadAttention layers follow one another, ours or not.
        inputs: what it takes, after preprocessing; a dict or a list of arrays for several inputs.
        token: whose answer counts, the class token of a ViT being 0. None for the mean over all tokens, as where they
            are pooled; where in the last block one token alone asks, as in `zoo.vit`, for that one, the first.
    Returns:
        Of images the share of each patch, resized bilinearly to the image (without the class token, so the patches need
        not sum to 1); of others the share of each token: of a series, its steps.
    Raises:
        ValueError: if the inputs do not suit, the model has no attention, its tokens attend to others than themselves,
            there is no such token, or an image's tokens are no grid of patches.

    Source: Abnar and Zuidema 2020, https://arxiv.org/abs/2005.00928, section 3, eq. 1.
    Differs: none
    """
    found = attention(model, inputs)
    rolled = None
    for name, weights in found.items():
        mean = weights.mean(axis=1)
        queries, keys = mean.shape[1:]
        alone = queries == 1 and rolled is not None and keys == rolled.shape[-1]
        if (queries != keys and not alone) or (rolled is not None and rolled.shape[1] != keys):
            wanted = "attend to themselves, the same in every layer"
            raise ValueError(f"attention_rollout: the tokens must {wanted}; in {name}, {queries} ask {keys}.")
        mean = 0.5 * mean + 0.5 * np.eye(queries, keys, dtype="float32")
        rolled = mean if rolled is None else mean @ rolled
    rolled = rolled / rolled.sum(axis=-1, keepdims=True)
    if token is not None and token >= rolled.shape[1]:
        raise ValueError(f"attention_rollout: `token` must be one of {rolled.shape[1]} from 0, got {token}.")
    shares = rolled.mean(axis=1) if token is None else rolled[:, token]
    shape = np.shape(inputs) if not isinstance(inputs, dict | list | tuple) else ()
    return _on_image(shares, shape[1:3]) if len(shape) == 4 else shares


def _on_image(shares, size):
    """(N, tokens)  ->  (N, H, W), the tokens being patches row by row, perhaps after a class token."""
    import tensorflow as tf

    for extra in (0, 1):
        high = round(((shares.shape[1] - extra) * size[0] / size[1]) ** 0.5)
        wide = (shares.shape[1] - extra) // high if high else 0
        if high and high * wide == shares.shape[1] - extra and high * size[1] == wide * size[0]:
            grid = shares[:, extra:].reshape(-1, high, wide, 1)
            return tf.image.resize(grid, size)[..., 0].numpy()
    told = f"{shares.shape[1]} tokens of images of {size[0]} x {size[1]}"
    raise ValueError(
        f"attention_rollout: an image's tokens must be a grid of patches and at most one more, got {told}."
    )
