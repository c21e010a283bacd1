"""Fast gradient sign method (FGSM): one step that changes every number of the input by the same amount."""

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
    """Adversarial inputs: every number is changed by `epsilon` in the direction that increases the loss.

    (N, H, W, C) float  ->  (N, H, W, C) float; likewise (N, T, F) and (N, F).

    Args:
        model: functional or Sequential classifier with one input; the loss is the cross-entropy of its logits.
        inputs: inputs of the model, after preprocessing.
        labels: the true class from 0, or one for each example; None for the predicted class.
        epsilon: change of each number, in the inputs' unit.
        targeted: whether `labels` are the classes to reach instead.
        low: lower limit of the inputs, one number or one for each band; None for no limit.
        high: upper limit of the inputs, likewise.
        batch_size: examples in one call of the model.
    Returns:
        Inputs changed by `epsilon`, or by less where a limit is reached or the loss has no gradient.
    Raises:
        ValueError: if the model, the inputs, the labels or the limits do not fit.

    Source: Goodfellow, Shlens, Szegedy 2015, https://arxiv.org/abs/1412.6572, section 4.
    Differs: none
    """
    attack = Attack("fgsm", model, inputs, labels, targeted, low, high, batch_size)
    return perturb(attack, gradient_signs(attack), epsilon)


def gradient_signs(attack):
    """Returns the sign of the loss's gradient, in the shape of the inputs.

    Args:
        attack: an `Attack`.
    """
    import tensorflow as tf

    score = attack.score
    with as_logits(score.model):
        compute = tf.function(
            lambda x, labels: tf.sign(attack.ascent_direction(x, labels)),
            input_signature=[score.input_spec(), tf.TensorSpec((None,), "int32")],
            autograph=False,
        ).get_concrete_function()
    batches = score.batch_slices(len(attack.inputs))
    return np.concatenate(
        [compute(tf.constant(attack.inputs[rows]), tf.constant(attack.labels[rows])) for rows in batches]
    )


def perturb(attack, signs, epsilon):
    """Returns the inputs, changed by epsilon and clipped to their limits.

    Args:
        attack: an `Attack`.
        signs: -1, 0 or 1, in the shape of the inputs.
        epsilon: in the inputs' unit.
    """
    return np.clip(attack.inputs + attack.inputs.dtype.type(epsilon) * signs, attack.low, attack.high)
