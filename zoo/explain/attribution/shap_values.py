"""SHAP values: the difference of a logit from its mean over a background, attributed to the inputs."""

import contextlib
import copy
import warnings

import keras
import numpy as np

from zoo.arguments import Count, Whole, checked
from zoo.explain.attribution.reduce_bands import reduce_bands
from zoo.explain.model_requirements import missing_package_reason, no_gradient_reason
from zoo.explain.score import Score, resolve_targets
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
    """Contribution of each input to the logit of a class, relative to a background of other inputs.

    (N, H, W, C) float  ->  (N, H, W) float32, of either sign; (N, T, F)  ->  (N, T); (N, F)  ->  (N, F).

    Images and series use `shap.GradientExplainer`: integrated gradients from points drawn from the background. The sum
    over an example approaches F(input) - mean F(background) as `samples` grows. Tables use `shap.KernelExplainer`,
    which replaces features by values of the background. There the sum equals that difference, which is checked.
    `shap.DeepExplainer` is not used: when it fails it leaves TensorFlow's gradients broken (see
    `preserve_gradient_registry`).

    Args:
        model: functional or Sequential model with one input; a final softmax or sigmoid is removed.
        inputs: inputs of the model, after preprocessing.
        target: class (or output) from 0, or one for each example; None for the predicted class.
        background: (M, ...) reference inputs, for example some dozens of training examples; None for one of zeros.
        samples: for images and series the number of points, None for 200. For a table the number of feature subsets,
            None for 2 F + 2048; with fewer than all subsets the values are estimates.
        mask: for a model with a dense output, the positions to explain, nonzero where they count; None for all.
        batch_size: points in one call of the model.
        seed: seed of the points or subsets.
    Returns:
        Attributions [logit], summed over the bands.
    Raises:
        ValueError: if the model, the inputs, the target, the mask or the background do not fit.
        ModuleNotFoundError: if the package shap is not installed.

    Source: Lundberg and Lee 2017, https://arxiv.org/abs/1705.07874, eq. 4; for images and series Erion et al. 2019,
        https://arxiv.org/abs/1906.10670, eq. 3, expected gradients.
    Differs: none
    """
    score = Score("shap_values", model, inputs, target, batch_size, dense=True, mask=mask)
    reason = no_gradient_reason(model)
    if reason:
        raise ValueError(f"shap_values: {reason}.")
    x = score.inputs.astype("float32")
    background = np.zeros_like(x[:1]) if background is None else np.asarray(background)
    if background.shape[1:] != x.shape[1:] or not len(background) or background.dtype.kind not in "fiub":
        expected = f"numbers of shape (M, {', '.join(map(str, x.shape[1:]))})"
        raise ValueError(f"shap_values: `background` must be {expected}, got {background.dtype} {background.shape}.")
    background = background.astype("float32")
    if not np.isfinite(background).all():
        raise ValueError("shap_values: `background` must be finite, got NaN or infinity.")
    shap = _import_shap()
    targets = resolve_targets(score.targets, score.predict_logits(score.inputs))
    attributions = np.zeros(x.shape)
    explain = _kernel_shap if x.ndim == 2 else _expected_gradients
    state = np.random.get_state()  # noqa: NPY002 (the package seeds NumPy's own generator)
    try:
        with preserve_gradient_registry():
            for class_index in np.unique(targets):
                rows = targets == class_index
                attributions[rows] = explain(shap, score, int(class_index), x[rows], background, samples, seed)
    finally:
        np.random.set_state(state)  # noqa: NPY002
    return reduce_bands(attributions, np.sum)


def _import_shap():
    reason = missing_package_reason("shap")
    if reason:
        raise ModuleNotFoundError(f"shap_values: {reason}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)  # of Matplotlib, about names that shap imports
        import shap
    return shap


def _expected_gradients(shap, score, target, x, background, samples, seed):
    """Mean over points of the gradient times the difference from the background."""
    from keras import layers

    class Logit(layers.Layer):
        """Outputs one logit, (B, 1); its output shape is declared so that shap's symbolic call does not run it."""

        def call(self, inputs):
            return score.logits(inputs)[:, target : target + 1]

        def compute_output_shape(self, shape):
            return (shape[0], 1)

    with as_logits(score.model):
        inputs = layers.Input(x.shape[1:], dtype=score.model.inputs[0].dtype)
        logit_model = keras.Model([inputs], Logit(dtype="float32", autocast=False)(inputs))  # shap calls it on a list
        points = samples or 200
        even_batch = -(-points // -(-points // score.batch_size))  # batches of one size are traced once
        explainer = shap.GradientExplainer(logit_model, background, batch_size=even_batch)
        return explainer.shap_values(x, nsamples=points, rseed=seed)[..., 0]


def _kernel_shap(shap, score, target, x, background, samples, seed):
    """Kernel SHAP; each row sums to F(x) - mean F(background), up to rounding."""

    def logit(rows):
        return score.predict_logits(np.asarray(rows, score.inputs.dtype))[:, target].astype("float64")

    np.random.seed(seed)  # noqa: NPY002
    explainer = shap.KernelExplainer(logit, background)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "Linear regression equation is singular")
            # l1_reg=0 removes the package's default limit of 10 features.
            values = explainer.shap_values(x, nsamples=samples or "auto", l1_reg=0, silent=True)
    except UserWarning:
        got = f"{samples} for {x.shape[1]} features"
        raise ValueError(f"shap_values: `samples` must be some multiple of the features, got {got}.") from None
    background_logits, logits = logit(background), logit(x)
    differences = logits - background_logits.mean()
    errors = np.abs(values.sum(axis=1) - differences)
    scale = np.abs(logits) + np.abs(background_logits).mean() + np.abs(values).sum(axis=1)
    if (errors > 1e-3 * scale).any():
        worst = int(np.argmax(errors))
        raise ValueError(
            f"shap_values: the attributions of a row must sum to F(input) - mean F(background) = "
            f"{differences[worst]:.4g}, got {values[worst].sum():.4g}: the model may give random predictions."
        )
    return values


@contextlib.contextmanager
def preserve_gradient_registry():
    """Restores TensorFlow's registered gradients at the end of the `with` block.

    `shap.DeepExplainer` replaces them. If it fails outside of this block, the next `model.fit` of the process fails.

    >>> import zoo
    >>> with zoo.explain.preserve_gradient_registry():
    ...     pass  # shap.DeepExplainer(model, background).shap_values(inputs)
    """
    from tensorflow.python.eager import execute
    from tensorflow.python.framework import ops

    registry = ops.gradient_registry._registry
    entries = {name: copy.copy(entry) for name, entry in registry.items()}
    record_gradient = execute.record_gradient
    try:
        yield
    finally:
        execute.record_gradient = record_gradient
        for name in list(registry):
            if name not in entries:
                del registry[name]
        for name, entry in entries.items():
            registry[name].clear()
            registry[name].update(entry)
