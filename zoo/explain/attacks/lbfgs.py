"""L-BFGS attack: the smallest change of an input that makes the model predict a target class."""

import keras
import numpy as np

from zoo.arguments import Count, Whole, checked
from zoo.explain.attacks.attack import Attack
from zoo.introspect.output_activation import as_logits

EXPONENTS = range(-4, 9)  # powers of ten of the weight c, tried in this order


@checked
def lbfgs(
    model: keras.Model,
    inputs: np.ndarray,
    target: tuple[Whole, ...],
    *,
    low: tuple[float, ...] | None = None,
    high: tuple[float, ...] | None = None,
    steps: Count = 100,
    binary_search_steps: Count = 10,
) -> np.ndarray:
    """Adversarial inputs: the nearest inputs, within limits, for which the model predicts the class `target`.

    (N, H, W, C) float  ->  (N, H, W, C) float; likewise (N, T, F) and (N, F).

    Each example is optimized separately. The objective is |r|² + c times the cross-entropy of the target at x + r. The
    weight c grows by factors of ten until the target is reached; a binary search over log c then finds the smallest c
    that reaches it.

    Args:
        model: functional or Sequential classifier with one input.
        inputs: inputs of the model, after preprocessing.
        target: the class from 0 to reach, or one for each example.
        low: lower limit of the inputs, one number or one for each band; None for no limit.
        high: upper limit of the inputs, likewise.
        steps: iterations of each optimization.
        binary_search_steps: steps of the binary search over c.
    Returns:
        The adversarial inputs. An input that is already predicted as the target is unchanged. An input for which the
        target is not reached is NaN.
    Raises:
        ValueError: if the model, the inputs, the target or the limits do not fit.

    Source: Szegedy et al. 2014, https://arxiv.org/abs/1312.6199, section 4.1.
    Differs: the squared length is used instead of the length, which has no gradient at r = 0; and c multiplies the
        loss.
    """
    import tensorflow as tf

    attack = Attack("lbfgs", model, inputs, target, True, low, high, 1, "target")
    with as_logits(model):
        compute = tf.function(
            lambda x, label: _differentiate(attack, x, label),
            input_signature=[attack.score.input_spec(), tf.TensorSpec((None,), "int32")],
            autograph=False,
        ).get_concrete_function()
    return np.stack(
        [_nearest_adversarial(attack, compute, i, steps, binary_search_steps) for i in range(len(attack.inputs))]
    )


def _differentiate(attack, x, label):
    """Returns (loss, its gradient, logits) of one example."""
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(x)
        logits = attack.score.logits(x)
        loss = attack.loss(logits, label)
    gradient = tape.gradient(loss, x)
    if gradient is None:
        raise ValueError(f"lbfgs: the output of {attack.score.model.name} has no gradient with respect to its input.")
    return loss[0], tf.cast(gradient[0], x.dtype), logits[0]


def _nearest_adversarial(attack, compute, row, steps, binary_search_steps):
    """Returns the adversarial input of one example, NaN if none is found."""
    import tensorflow as tf
    from scipy.optimize import minimize

    x, label = attack.inputs[row], attack.labels[row : row + 1]
    limits = [np.broadcast_to(limit, x.shape).ravel().astype("float64") for limit in (attack.low, attack.high)]
    bounds = list(zip(*limits, strict=True))

    def evaluate(flat):
        point = flat.reshape(x.shape).astype(x.dtype)
        return [value.numpy() for value in compute(tf.constant(point[None]), tf.constant(label))]

    def objective(flat, weight):
        loss, gradient, _ = evaluate(flat)
        change = flat - x.ravel()
        return change @ change + weight * float(loss), 2 * change + weight * gradient.ravel().astype("float64")

    def solve(weight, first):
        options = {"maxiter": steps, "ftol": 1e-5}  # a smaller tolerance is below the rounding of float32
        point = minimize(objective, first, (weight,), "L-BFGS-B", jac=True, bounds=bounds, options=options).x
        point = point.astype(x.dtype)
        return point, evaluate(point)[2].argmax() == label[0]

    flat = x.ravel().astype("float64")
    if evaluate(flat)[2].argmax() == label[0]:
        return x
    lower, upper, point, best = None, None, flat, None  # lower does not reach the target, upper does
    for exponent in EXPONENTS:
        point, reached = solve(10.0**exponent, point)
        if reached:
            best, upper = point, float(exponent)
            break
        lower = float(exponent)
    if best is None:
        return np.full(x.shape, np.nan, x.dtype)
    lower = upper - 1 if lower is None else lower
    for _ in range(binary_search_steps):
        middle = (lower + upper) / 2
        point, reached = solve(10.0**middle, best)
        if not reached:
            lower = middle
            continue
        upper = middle
        if np.linalg.norm(point - flat) < np.linalg.norm(best - flat):
            best = point
    return best.reshape(x.shape)
