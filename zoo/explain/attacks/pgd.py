"""Projected gradient descent (PGD): many small steps that increase the loss inside a ball around the input."""

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
    random_start: bool = True,
    targeted: bool = False,
    low: tuple[float, ...] | None = None,
    high: tuple[float, ...] | None = None,
    batch_size: Count = 64,
    seed: Whole = 0,
) -> np.ndarray:
    """Adversarial inputs: the loss is increased in steps, within a distance of `epsilon` from each input.

    (N, H, W, C) float  ->  (N, H, W, C) float; likewise (N, T, F) and (N, F).

    All steps of a batch run in one compiled call.

    Args:
        model: functional or Sequential classifier with one input; the loss is the cross-entropy of its logits.
        inputs: inputs of the model, after preprocessing.
        labels: the true class from 0, or one for each example; None for the predicted class.
        epsilon: radius of the ball, in the inputs' unit.
        norm: inf limits the change of each number to epsilon, l2 the Euclidean length of the whole change.
        steps: number of gradient steps.
        step_size: length of a step in that norm; None for 2.5 epsilon / steps, which can reach every point of the ball.
        random_start: whether to start from a random point of the ball instead of the input.
        targeted: whether `labels` are the classes to reach instead.
        low: lower limit of the inputs, one number or one for each band; None for no limit.
        high: upper limit of the inputs, likewise.
        batch_size: examples in one call of the model.
        seed: seed of the random start; each example has its own, independent of the batch.
    Returns:
        Inputs after the last step. With inf, one step and no random start they are those of `fgsm`.
    Raises:
        ValueError: if the model, the inputs, the labels or the limits do not fit.

    Source: Madry et al. 2018, https://arxiv.org/abs/1706.06083, section 2.1; its repository has 2.5 epsilon / steps.
    Differs: none
    """
    attack = Attack("pgd", model, inputs, labels, targeted, low, high, batch_size)
    run = compile_pgd(attack, norm, steps)
    return run_pgd(attack, run, epsilon, norm, step_size or 2.5 * epsilon / steps, random_start, seed)


def compile_pgd(attack, norm, steps):
    """Compiles (inputs, first point, labels, epsilon, step size)  ->  last point; one function for all epsilons.

    Args:
        attack: an `Attack`.
        norm: inf or l2.
        steps: number of gradient steps.
    """
    import tensorflow as tf

    score = attack.score
    number = tf.TensorSpec((), attack.inputs.dtype)

    def step(x, point, labels, epsilon, step_size):
        gradient = attack.ascent_direction(point, labels)
        if norm == "inf":
            point = x + tf.clip_by_value(point + step_size * tf.sign(gradient) - x, -epsilon, epsilon)
        else:
            change = point + step_size * tf.math.divide_no_nan(gradient, _l2_norm(gradient)) - x
            point = x + change * tf.minimum(tf.constant(1, x.dtype), tf.math.divide_no_nan(epsilon, _l2_norm(change)))
        return tf.clip_by_value(point, attack.low, attack.high)

    def run(x, point, labels, epsilon, step_size):
        body = lambda point: (tf.ensure_shape(step(x, point, labels, epsilon, step_size), point.shape),)  # noqa: E731
        return tf.while_loop(lambda _: True, body, (point,), maximum_iterations=steps)[0]

    with as_logits(score.model):
        signature = [score.input_spec(), score.input_spec(), tf.TensorSpec((None,), "int32"), number, number]
        return tf.function(run, input_signature=signature, autograph=False).get_concrete_function()


def run_pgd(attack, run, epsilon, norm, step_size, random_start, seed):
    """Returns the inputs after the last step.

    Args:
        attack: an `Attack`.
        run: the function that `compile_pgd` returned.
        epsilon: radius of the ball.
        norm: inf or l2.
        step_size: length of a step.
        random_start: whether to start from a random point.
        seed: seed of that point.
    """
    import tensorflow as tf

    x, dtype = attack.inputs, attack.inputs.dtype
    point = np.clip(x + _random_changes(x, epsilon, norm, seed), attack.low, attack.high) if random_start else x
    numbers = tf.constant(epsilon, dtype), tf.constant(step_size, dtype)
    batches = [
        run(tf.constant(x[rows]), tf.constant(point[rows]), tf.constant(attack.labels[rows]), *numbers)
        for rows in attack.score.batch_slices(len(x))
    ]
    return np.concatenate(batches)


def _random_changes(x, epsilon, norm, seed):
    """Returns a uniformly distributed random point of the ball around 0 for each example."""
    changes = np.empty(x.shape, x.dtype)
    for i in range(len(x)):
        rng = np.random.default_rng((seed, i))
        if norm == "inf":
            changes[i] = rng.uniform(-epsilon, epsilon, x.shape[1:])
        else:
            direction = rng.standard_normal(x.shape[1:])
            radius = epsilon * rng.uniform() ** (1 / direction.size)
            changes[i] = radius * direction / np.linalg.norm(direction)
    return changes


def _l2_norm(x):
    """Returns the L2 norm of each row, (B, 1, ..., 1)."""
    import tensorflow as tf

    return tf.sqrt(tf.reduce_sum(tf.square(x), axis=list(range(1, len(x.shape))), keepdims=True))
