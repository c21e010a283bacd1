"""SHAP: the answer's distance from its mean over a background, shared out over the inputs."""

import contextlib
import copy
import warnings

import keras
import numpy as np

from zoo.arguments import Count, Whole, checked
from zoo.explain.score import Score, missing, over_bands, resolved, without_gradients
from zoo.introspect.output_activation import as_logits


@checked
def shap_values(
    model: keras.Model,
    inputs: np.ndarray,
    target: tuple[Whole, ...] | None = None,
    *,
    background: np.ndarray | None = None,
    samples: Count | None = None,
    mask: np.ndarray | None = None,
    batch_size: Count = 64,
    seed: Whole = 0,
) -> np.ndarray:
    """What each input adds to the logit of a class, compared with a background of other inputs.

    (N, H, W, C) float  ->  (N, H, W) float32, of either sign; (N, T, F)  ->  (N, T); (N, F)  ->  (N, F).

    Images and series: `shap.GradientExplainer`, integrated gradients from points drawn from the background; the sum
    over an example comes near F(input) - mean F(background) as `samples` grow. Tables: `shap.KernelExplainer`, which
    puts the background's values in for features; there the sum is that difference, and that is checked.
    `shap.DeepExplainer` is not used: where it fails it leaves TensorFlow's gradients broken (see `kept_gradients`).

    Args:
        model: functional or Sequential model with one input; a final softmax or sigmoid is undone.
        inputs: what the model takes, after preprocessing.
        target: class (or output) from 0, or one for each example; None for the predicted class.
        background: (M, ...) inputs to compare with, some dozens of training examples say; None for one of zeros.
        samples: points drawn for an image or series, None for 200; of a table sets of features that are replaced, None
            for 2 F + 2048; fewer than all the sets there are make it an estimate.
        mask: of a model that answers for every place, true where its answer is explained; None for everywhere.
        batch_size: points in one call of the model.
        seed: of the points or orders.
    Returns:
        Attributions [logit], summed over the bands.
    Raises:
        ValueError: if the model, the inputs, the target, the mask or the background do not suit.
        ModuleNotFoundError: if the package shap is not installed.

    Source: Lundberg and Lee 2017, https://arxiv.org/abs/1705.07874, eq. 4; of images and series Erion et al. 2019,
        https://arxiv.org/abs/1906.10670, eq. 3, expected gradients.
    Differs: none
    """
    score = Score("shap_values", model, inputs, target, batch_size, dense=True, mask=mask)
    reason = without_gradients(model)
    if reason:
        raise ValueError(f"shap_values: {reason}.")
    x = score.inputs.astype("float32")
    origin = np.zeros_like(x[:1]) if background is None else np.asarray(background)
    if origin.shape[1:] != x.shape[1:] or not len(origin) or origin.dtype.kind not in "fiub":
        wanted = f"numbers of shape (M, {', '.join(map(str, x.shape[1:]))})"
        raise ValueError(f"shap_values: `background` must be {wanted}, got {origin.dtype} {origin.shape}.")
    origin = origin.astype("float32")
    if not np.isfinite(origin).all():
        raise ValueError("shap_values: `background` must be finite, got NaN or infinity.")
    shap = _engine()
    targets = resolved(score.targets, score.values(score.inputs))
    found = np.zeros(x.shape)
    state = np.random.get_state()  # noqa: NPY002 (the package seeds NumPy's own generator)
    try:
        with kept_gradients():
            for chosen in np.unique(targets):
                rows = targets == chosen
                explain = _of_table if x.ndim == 2 else _expected_gradients
                found[rows] = explain(shap, score, int(chosen), x[rows], origin, samples, seed)
    finally:
        np.random.set_state(state)  # noqa: NPY002
    return over_bands(found, np.sum)


def _engine():
    reason = missing("shap")
    if reason:
        raise ModuleNotFoundError(f"shap_values: {reason}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)  # it asks Matplotlib for what is about to change
        import shap
    return shap


def _expected_gradients(shap, score, target, x, origin, samples, seed):
    """The mean over points of the gradient there times the way from the background."""
    from keras import layers

    class Logit(layers.Layer):
        """One logit, (B, 1); not called twice by the symbolic model that shap asks for."""

        def call(self, inputs):
            return score.logits(inputs)[:, target : target + 1]

        def compute_output_shape(self, shape):
            return (shape[0], 1)

    with as_logits(score.model):
        inputs = layers.Input(x.shape[1:], dtype=score.model.inputs[0].dtype)
        single = keras.Model([inputs], Logit(dtype="float32", autocast=False)(inputs))  # it will be called on a list
        points = samples or 200
        even = -(-points // -(-points // score.batch_size))  # batches of one size are traced once
        explainer = shap.GradientExplainer(single, origin, batch_size=even)
        return explainer.shap_values(x, nsamples=points, rseed=seed)[..., 0]


def _of_table(shap, score, target, x, origin, samples, seed):
    """Kernel SHAP, each row's sum being F(x) - mean F(background), up to rounding."""

    def logit(rows):
        return score.values(np.asarray(rows, score.inputs.dtype))[:, target].astype("float64")

    np.random.seed(seed)  # noqa: NPY002
    explainer = shap.KernelExplainer(logit, origin)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "Linear regression equation is singular")
            # l1_reg=0 takes away its limit on how many features count, which is 10 by itself.
            values = explainer.shap_values(x, nsamples=samples or "auto", l1_reg=0, silent=True)
    except UserWarning:
        told = f"got {samples} for {x.shape[1]} features"
        raise ValueError(f"shap_values: `samples` must be some multiple of the features, {told}.") from None
    start, ends = logit(origin), logit(x)
    missed = np.abs(values.sum(axis=1) - (ends - start.mean()))
    if (missed > 1e-3 * (np.abs(ends) + np.abs(start).mean() + np.abs(values).sum(axis=1))).any():
        worst = int(np.argmax(missed))
        raise ValueError(
            f"shap_values: the attributions of a row sum to {values[worst].sum():.4g}, which is not F(input) - "
            f"mean F(background) = {ends[worst] - start.mean():.4g}: does the model answer a row otherwise each time?"
        )
    return values


@contextlib.contextmanager
def kept_gradients():
    """While it lasts, code may replace TensorFlow's gradients, as `shap.DeepExplainer` does; then they are as before.

    An explainer that fails within leaves nothing behind; without it, the next `model.fit` of the process fails too.

    >>> import zoo
    >>> with zoo.explain.kept_gradients():
    ...     pass  # shap.DeepExplainer(model, background).shap_values(inputs)
    """
    from tensorflow.python.eager import execute
    from tensorflow.python.framework import ops

    registry = ops.gradient_registry._registry
    before = {name: copy.copy(entry) for name, entry in registry.items()}
    record = execute.record_gradient
    try:
        yield
    finally:
        execute.record_gradient = record
        for name in list(registry):
            if name not in before:
                del registry[name]
        for name, entry in before.items():
            registry[name].clear()
            registry[name].update(entry)
