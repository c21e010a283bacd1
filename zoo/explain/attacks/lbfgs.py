"""L-BFGS: the smallest change of an input after which the model answers the class that one wants."""

import keras
import numpy as np

from zoo.arguments import Count, Whole, checked
from zoo.explain.attacks.attack import Attack
from zoo.introspect.output_activation import as_logits

DECADES = range(-4, 9)  # powers of ten of the weight c, tried from the smallest


@checked
def lbfgs(
    model: keras.Model,
    inputs: np.ndarray,
    target: tuple[Whole, ...],
    *,
    low: tuple[float, ...] | None = None,
    high: tuple[float, ...] | None = None,
    steps: Count = 100,
    searches: Count = 10,
) -> np.ndarray:
    """Adversarial inputs: the nearest that the model takes for the class `target`, within limits.

    (N, H, W, C) float  ->  (N, H, W, C) float; likewise (N, T, F) and (N, F).

    Each example is searched by itself. Minimised is |r|² + c times the cross-entropy of the target at x + r; c grows
    tenfold until the target is reached and is then halved in, on a scale of logarithms, to the smallest that does.

    Args:
        model: functional or Sequential classifier with one input.
        inputs: what the model takes, after preprocessing.
        target: the class from 0 to reach, or one for each example.
        low: smallest value that an input may have, one number or one for each band; None for no limit.
        high: the largest.
        steps: iterations of each minimisation.
        searches: halvings of c.
    Returns:
        The adversarial inputs; an input that is the target already comes back as it is, and one for which the target
        was not reached as NaN.
    Raises:
        ValueError: if the model, the inputs, the target or the limits do not suit.

    Source: Szegedy et al. 2014, https://arxiv.org/abs/1312.6199, section 4.1.
    Differs: the square of the length stands beside the loss, as the length itself has no gradient at r = 0, and c
        stands before the loss.
    """
    import tensorflow as tf

    attack = Attack("lbfgs", model, inputs, target, True, low, high, 1, "target")
    with as_logits(model):
        compute = tf.function(
            lambda x, label: _differentiate(attack, x, label),
            input_signature=[attack.score.spec(), tf.TensorSpec((None,), "int32")],
        ).get_concrete_function()
    return np.stack([_nearest(attack, compute, i, steps, searches) for i in range(len(attack.inputs))])


def _differentiate(attack, x, label):
    """(loss, its gradient, logits) of one example."""
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(x)
        logits = attack.score.logits(x)
        loss = attack.loss(logits, label)
    gradient = tape.gradient(loss, x)
    if gradient is None:
        raise ValueError(f"lbfgs: the answer of {attack.score.model.name} has no gradient with respect to its input.")
    return loss[0], tf.cast(gradient[0], x.dtype), logits[0]


def _nearest(attack, compute, row, steps, searches):
    """The adversarial input of one example, NaN where there is none."""
    import tensorflow as tf
    from scipy.optimize import minimize

    x, label = attack.inputs[row], attack.labels[row : row + 1]
    box = [np.broadcast_to(limit, x.shape).ravel().astype("float64") for limit in (attack.low, attack.high)]

    def asked(flat):
        place = flat.reshape(x.shape).astype(x.dtype)
        return [part.numpy() for part in compute(tf.constant(place[None]), tf.constant(label))]

    def objective(flat, weight):
        loss, gradient, _ = asked(flat)
        change = flat - x.ravel()
        return change @ change + weight * float(loss), 2 * change + weight * gradient.ravel().astype("float64")

    def solve(weight, first):
        limits = list(zip(*box, strict=True))
        options = {"maxiter": steps, "ftol": 1e-5}  # finer steps would follow the rounding of float32
        found = minimize(objective, first, (weight,), "L-BFGS-B", jac=True, bounds=limits, options=options).x
        found = found.astype(x.dtype)
        return found, asked(found)[2].argmax() == label[0]

    flat = x.ravel().astype("float64")
    if asked(flat)[2].argmax() == label[0]:
        return x
    failed, place, best = None, flat, None
    for decade in DECADES:
        place, reached = solve(10.0**decade, place)
        if reached:
            best, reaching = place, float(decade)
            break
        failed = float(decade)
    if best is None:
        return np.full(x.shape, np.nan, x.dtype)
    failed = reaching - 1 if failed is None else failed
    for _ in range(searches):
        middle = (failed + reaching) / 2
        place, reached = solve(10.0**middle, best)
        if not reached:
            failed = middle
            continue
        reaching = middle
        if np.linalg.norm(place - flat) < np.linalg.norm(best - flat):
            best = place
    return best.reshape(x.shape)
