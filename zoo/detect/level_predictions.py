"""The predictions for the anchors of one level of a pyramid, with the anchors themselves."""

import keras
import numpy as np
from keras import layers, ops

from zoo.arguments import Positive, convert
from zoo.detect.anchors import cell_anchors, grid_anchors


@keras.saving.register_keras_serializable("zoo")
class LevelPredictions(layers.Layer):
    """Joins the anchors of a level with their predictions. Call: `LevelPredictions(sizes)([logits, deltas, image])`.

    (B, h, w, A C), (B, h, w, A 4), (B, H, W, bands)  ->  (B, h w A, 8 + C) float32: anchor (x1, y1, x2, y2) [pixels],
    its deltas, and its logits. The map is a grid over the image; A is three aspect ratios times the number of sizes.

    Args:
        sizes: square root of each anchor's area [pixels].
        **kwargs: passed to `keras.layers.Layer`.
    """

    def __init__(self, sizes, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.sizes = convert(sizes, tuple[Positive, ...], "LevelPredictions: `sizes`")
        self.anchors = cell_anchors(self.sizes)

    def call(self, inputs):
        logits, deltas, image = inputs
        (batch, rows, columns, width), (_, image_height, image_width, _) = ops.shape(logits), ops.shape(image)
        anchors = grid_anchors(self.anchors, rows, columns, image_height, image_width)
        deltas = ops.reshape(deltas, (batch, -1, 4))
        logits = ops.reshape(logits, (batch, -1, width // len(self.anchors)))
        return ops.concatenate([ops.zeros_like(deltas) + anchors, deltas, logits], axis=-1)

    def compute_output_shape(self, input_shape):
        batch, rows, columns, width = input_shape[0]
        count = len(self.anchors)
        return (batch, None if None in (rows, columns) else rows * columns * count, 8 + width // count)

    def macs(self, shapes):
        """Copies are not counted."""
        return 0

    def get_config(self):
        return {**super().get_config(), "sizes": self.sizes}


def split_predictions(predictions):
    """Returns (anchors, deltas, logits) of predictions (B, A, 8 + C): (B, A, 4), (B, A, 4), (B, A, C)."""
    return predictions[..., :4], predictions[..., 4:8], predictions[..., 8:]


def octave_sizes(size):
    """Returns three sizes from `size` to below twice that, with equal ratios, as whole pixels [pixels]."""
    return tuple(int(size * np.float64(2) ** (i / 3)) for i in range(3))
