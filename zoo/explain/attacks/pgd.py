"""Projected gradient descent: many small steps uphill that never leave a ball around the input."""

from typing import Literal

import keras
import numpy as np

from zoo.arguments import Count, NonNegative, Positive, Whole, checked
from zoo.explain.attacks.attack import Attack
from zoo.introspect.output_activation import as_logits

Norm = Literal["inf", "l2"]


@checked
def pgd(
    model: keras.Model,
    inputs: np.ndarray,
    labels: tuple[Whole, ...] | None = None,
    *,
    epsilon: NonNegative,
    norm: Norm = "inf",
    steps: Count = 20,
    step_size: Positive | None = None,
    start: bool = True,
    targeted: bool = False,
    low: tuple[float, ...] | None = None,
    high: tuple[float, ...] | None = None,
    batch_size: Count = 64,
    seed: Whole = 0,
) -> np.ndarray:
    """Adversarial inputs: the loss of the right class climbed in steps, within `epsilon` of each input.

    (N, H, W, C) float  ->  (N, H, W, C) float; likewise (N, T, F) and (N, F).

    All steps of a batch are one compiled call.

    Args:
        model: functional or Sequential classifier with one input; the loss is the cross-entropy of its logits.
        inputs: what the model takes, after preprocessing.
        labels: the right class from 0, or one for each example; None for the predicted class.
        epsilon: radius of the ball, in the inputs' unit.
        norm: inf, where each number changes by at most epsilon, or l2, where all changes together have that length.
        steps: gradients that are followed.
        step_size: length of a step in that norm; None for 2.5 epsilon / steps, with which every place can be reached.
        start: whether the first step leaves from a random place in the ball instead of the input.
        targeted: whether `labels` are the classes to reach instead.
        low: smallest value that an input may have, one number or one for each band; None for no limit.
        high: the largest.
        batch_size: examples in one call of the model.
        seed: of the random start; each example has its own, whatever the batch.
    Returns:
        Inputs after the last step. With inf, one step and no random start they are those of `fgsm`.
    Raises:
        ValueError: if the model, the inputs, the labels or the limits do not suit.

    Source: Madry et al. 2018, https://arxiv.org/abs/1706.06083, section 2.1; its repository has 2.5 epsilon / steps.
    Differs: none
    """
    attack = Attack("pgd", model, inputs, labels, targeted, low, high, batch_size)
    return climbed(attack, climb(attack, norm, steps), epsilon, norm, step_size or 2.5 * epsilon / steps, start, seed)


def climb(attack, norm, steps):
    """The compiled climb: (x, first place, labels, epsilon, rate)  ->  last place; one for all epsilons.

    Args:
        attack: an `Attack`.
        norm: inf or l2.
        steps: how many.
    """
    import tensorflow as tf

    score = attack.score
    number = tf.TensorSpec((), attack.inputs.dtype)

    def step(x, place, labels, epsilon, rate):
        gradient = attack.ascent(place, labels)
        if norm == "inf":
            place = x + tf.clip_by_value(place + rate * tf.sign(gradient) - x, -epsilon, epsilon)
        else:
            change = place + rate * tf.math.divide_no_nan(gradient, _length(gradient)) - x
            place = x + change * tf.minimum(tf.constant(1, x.dtype), tf.math.divide_no_nan(epsilon, _length(change)))
        return tf.clip_by_value(place, attack.low, attack.high)

    def run(x, place, labels, epsilon, rate):
        body = lambda place: (tf.ensure_shape(step(x, place, labels, epsilon, rate), place.shape),)  # noqa: E731
        return tf.while_loop(lambda _: True, body, (place,), maximum_iterations=steps)[0]

    with as_logits(score.model):
        signature = [score.spec(), score.spec(), tf.TensorSpec((None,), "int32"), number, number]
        return tf.function(run, input_signature=signature, autograph=False).get_concrete_function()


def climbed(attack, run, epsilon, norm, step_size, start, seed):
    """The inputs at the end of the climb.

    Args:
        attack: an `Attack`.
        run: what `climb` answered.
        epsilon: radius of the ball.
        norm: inf or l2.
        step_size: length of a step.
        start: whether to leave from a random place.
        seed: of that place.
    """
    import tensorflow as tf

    x, dtype = attack.inputs, attack.inputs.dtype
    place = np.clip(x + _start(x, epsilon, norm, seed), attack.low, attack.high) if start else x
    numbers = tf.constant(epsilon, dtype), tf.constant(step_size, dtype)
    found = [
        run(tf.constant(x[r]), tf.constant(place[r]), tf.constant(attack.labels[r]), *numbers)
        for r in attack.score.batches(len(x))
    ]
    return np.concatenate(found)


def _start(x, epsilon, norm, seed):
    """A random place in the ball for each example, all places being equally likely."""
    found = np.empty(x.shape, x.dtype)
    for i in range(len(x)):
        draw = np.random.default_rng((seed, i))
        if norm == "inf":
            found[i] = draw.uniform(-epsilon, epsilon, x.shape[1:])
        else:
            way = draw.standard_normal(x.shape[1:])
            found[i] = epsilon * draw.uniform() ** (1 / way.size) * way / np.linalg.norm(way)
    return found


def _length(x):
    """The L2 norm of each row, (B, 1, ..., 1)."""
    import tensorflow as tf

    return tf.sqrt(tf.reduce_sum(tf.square(x), axis=list(range(1, len(x.shape))), keepdims=True))
