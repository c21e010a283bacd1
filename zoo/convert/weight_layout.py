"""Converts an array of another library to the axes of a Keras weight."""

import numpy as np
from keras import layers, ops

from zoo.layers.class_token import ClassToken
from zoo.layers.position_embedding import PositionEmbedding
from zoo.layers.season_position import SeasonPosition


def to_keras_layout(array, weight, layer, layout):
    """Returns an array with the axes of a Keras weight. An array that cannot be converted keeps a wrong shape.

    Args:
        array: of the source.
        weight: Keras variable.
        layer: layer that owns the weight.
        layout: of the array, torch or keras.
    """
    kernel = weight.path.endswith("kernel")
    if layout == "torch" and kernel:
        array = _kernel_from_torch(array, layer)
    elif kernel and isinstance(layer, layers.Dense) and array.ndim == 4:
        array = array.reshape(-1, array.shape[-1])  # a convolution over the whole map
    if layout == "torch" and isinstance(layer, layers.MultiHeadAttention) and array.ndim == (2 if kernel else 1):
        shape = tuple(weight.shape)  # (D, heads, size), (heads, size, D), or (heads, size); heads are the slower axis
        fits = array.shape[0] == shape[0] or array.shape[-1] == shape[-1] or not kernel
        return array.reshape(shape) if fits and array.size == np.prod(shape) else array
    if isinstance(layer, ClassToken | PositionEmbedding | SeasonPosition):
        while array.ndim > len(weight.shape) and array.shape[0] == 1:
            array = array[0]  # the source has a batch axis of 1
    return array


def _kernel_from_torch(array, layer):
    """Returns a kernel of PyTorch with Keras' axes: outputs last, inputs before them."""
    if isinstance(layer, layers.DepthwiseConv2D):
        return array.transpose(2, 3, 0, 1) if array.ndim == 4 else array  # (C, 1, H, W) -> (H, W, C, 1)
    if isinstance(layer, layers.Conv2D | layers.Conv2DTranspose):  # whose O and I are exchanged in both libraries
        return array.transpose(2, 3, 1, 0) if array.ndim == 4 else array  # (O, I, H, W) -> (H, W, I, O)
    if isinstance(layer, layers.Dense) and array.ndim in (2, 4) and array.size:
        array = array.reshape(len(array), -1)  # of 4 axes: a convolution over the whole map
        map_shape = _flattened_map_shape(layer)
        if map_shape and int(np.prod(map_shape)) == array.shape[1]:
            h, w, c = map_shape  # PyTorch flattens a map in the order C, H, W, Keras in the order H, W, C
            array = array.reshape(-1, c, h, w).transpose(0, 2, 3, 1).reshape(len(array), -1)
    return array.T


def _flattened_map_shape(layer):
    """Returns (H, W, C) of the map that is flattened before a layer, or None."""
    previous = layer.input._keras_history.operation
    shape = previous.input.shape[1:] if isinstance(previous, layers.Flatten) else ()
    return tuple(shape) if len(shape) == 3 else None


def patch_grid(model):
    """Returns (rows, columns) of the patches of a vision transformer of the zoo; None for other models."""
    stem = next((layer for layer in model.layers if layer.name == "stem"), None)
    has_token = any(layer.name == "class_token" for layer in model.layers)
    return tuple(stem.output.shape[1:3]) if stem is not None and has_token else None


def resize_positions(table, tokens, grid):
    """Resizes position embeddings to another grid of patches by bicubic interpolation with antialiasing, as timm does.

    Args:
        table: (tokens + n * n, D), the embeddings of tokens without a position, then those of n x n patches.
        tokens: number of tokens without a position in the image.
        grid: (rows, columns) of patches in the new image.
    Returns:
        (tokens + rows * columns, D).
    Raises:
        ValueError: if the table's patches do not form a square.
    """
    side = round((len(table) - tokens) ** 0.5)
    if side * side != len(table) - tokens:
        raise ValueError(
            f"load_weights: {len(table)} positions, {tokens} of them for tokens, form no square, and cannot be resized."
        )
    image = table[tokens:].reshape(1, side, side, -1).astype("float32")
    image = ops.image.resize(image, grid, interpolation="bicubic", antialias=True, data_format="channels_last")
    return np.concatenate([table[:tokens], ops.convert_to_numpy(image).reshape(grid[0] * grid[1], -1)])
