"""The fast gradient sign method: one step that changes every number of the input equally far."""

import keras
import numpy as np

from zoo.arguments import Count, NonNegative, Whole, checked
from zoo.explain.attacks.attack import Attack
from zoo.introspect.output_activation import as_logits


@checked
def fgsm(
    model: keras.Model,
    inputs: np.ndarray,
    labels: tuple[Whole, ...] | None = None,
    *,
    epsilon: NonNegative,
    targeted: bool = False,
    low: tuple[float, ...] | None = None,
    high: tuple[float, ...] | None = None,
    batch_size: Count = 64,
) -> np.ndarray:
    """Adversarial inputs: every number moved by `epsilon` to where the loss of the right class grows.

    (N, H, W, C) float  ->  (N, H, W, C) float; likewise (N, T, F) and (N, F).

    Args:
        model: functional or Sequential classifier with one input; the loss is the cross-entropy of its logits.
        inputs: what the model takes, after preprocessing.
        labels: the right class from 0, or one for each example; None for the predicted class.
        epsilon: how far each number moves, in the inputs' unit.
        targeted: whether `labels` are the classes to reach instead.
        low: smallest value that an input may have, one number or one for each band; None for no limit.
        high: the largest.
        batch_size: examples in one call of the model.
    Returns:
        Inputs whose largest change is `epsilon`, less only where a limit stops them or the loss has no gradient.
    Raises:
        ValueError: if the model, the inputs, the labels or the limits do not suit.

    Source: Goodfellow, Shlens, Szegedy 2015, https://arxiv.org/abs/1412.6572, section 4.
    Differs: none
    """
    attack = Attack("fgsm", model, inputs, labels, targeted, low, high, batch_size)
    return moved(attack, directions(attack), epsilon)


def directions(attack):
    """The sign of the loss's gradient, of the inputs' shape.

    Args:
        attack: an `Attack`.
    """
    import tensorflow as tf

    score = attack.score
    with as_logits(score.model):
        compute = tf.function(
            lambda x, labels: tf.sign(attack.ascent(x, labels)),
            input_signature=[score.spec(), tf.TensorSpec((None,), "int32")],
        ).get_concrete_function()
    rows = score.batches(len(attack.inputs))
    return np.concatenate([compute(tf.constant(attack.inputs[r]), tf.constant(attack.labels[r])) for r in rows])


def moved(attack, directions, epsilon):
    """The inputs, moved by epsilon within their limits.

    Args:
        attack: an `Attack`.
        directions: -1, 0 or 1, of the inputs' shape.
        epsilon: in the inputs' unit.
    """
    return np.clip(attack.inputs + attack.inputs.dtype.type(epsilon) * directions, attack.low, attack.high)
