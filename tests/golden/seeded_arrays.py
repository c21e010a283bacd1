"""Numbers that anyone can draw again from a name: golden files then need not hold the weights."""

import hashlib

import numpy as np


def seeded_array(name, shape):
    """float32 array that depends on the name and the shape alone: weights of unit gain, statistics near 1 and 0."""
    count = int(np.prod(shape))
    spread = np.frombuffer(hashlib.shake_256(name.encode()).digest(count), "int8").reshape(shape) / np.float32(128)
    if name.endswith(("running_var", "moving_variance", "gamma")) or (len(shape) == 1 and name.endswith("weight")):
        return 1 + spread / 2  # of a normalization
    if len(shape) < 2 or name.endswith("bias"):
        return 0.3 * spread
    if name.endswith("kernel"):  # Keras: inputs before outputs; a depthwise kernel is (H, W, C, 1)
        fan = shape[0] * shape[1] if len(shape) == 4 and shape[3] == 1 else count / shape[-1]
    else:
        fan = count / shape[0]
    return spread * np.float32(2.5 / fan**0.5)


def images(name, shape):
    """(B, H, W, C) of -1 to 1 in squares of 4 x 4 pixels, as float32."""
    b, h, w, c = shape
    rows, columns = -(-h // 4), -(-w // 4)
    coarse = np.frombuffer(hashlib.shake_256(name.encode()).digest(b * rows * columns * c), "int8")
    fine = coarse.reshape(b, rows, columns, c).repeat(4, 1).repeat(4, 2)[:, :h, :w]
    return fine / np.float32(128)


def seeded_detector_array(name, shape):
    """The same for detectors, whose last layers get smaller weights: probabilities between 0 and 1, boxes in images."""
    scales = {"cls_logits.weight": 1 / 16, "bbox_reg.weight": 1 / 64, "bn3.weight": 1 / 8}
    scales |= {"rpn.head.bbox_pred.weight": 1 / 64, "cls_score.weight": 1 / 16, "box_predictor.bbox_pred.weight": 1 / 4}
    scales |= {"mask_fcn_logits.weight": 1 / 2}
    scale = next((scale for ending, scale in scales.items() if name.endswith(ending)), 1)
    return seeded_array(name, shape) * np.float32(scale)
