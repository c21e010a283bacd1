"""LIME: a linear model of a model's predictions around one image, on its superpixels."""

import keras
import numpy as np

from zoo.arguments import Count, Positive, Whole, checked
from zoo.explain.figures.show import stretch_contrast
from zoo.explain.model_requirements import missing_package_reason, unsupported_reason
from zoo.explain.progress_bar import progress_bar
from zoo.explain.score import Score, resolve_targets


@checked
def lime(
    model: keras.Model,
    inputs: np.ndarray,
    target: tuple[Whole, ...] | None = None,
    *,
    segments: Count = 50,
    samples: Count = 1000,
    kernel_width: Positive = 0.25,
    mask: np.ndarray | None = None,
    batch_size: Count = 64,
    seed: Whole = 0,
) -> np.ndarray:
    """Effect of each superpixel on the prediction, by a weighted ridge regression on partly hidden images.

    (N, H, W, C) float  ->  (N, H, W) float32, of either sign.

    Superpixels come from SLIC zero on the image as `show` draws it. A hidden superpixel has its mean in each band. Only
    the model's predictions are used. The package `lime` weights the samples and fits the regression.

    Args:
        model: functional or Sequential model with one input.
        inputs: image inputs of the model, after preprocessing.
        target: class (or output) from 0, or one for each example; None for the predicted class.
        segments: approximate number of superpixels, at least 2.
        samples: images with hidden superpixels, for each example.
        kernel_width: width of the kernel that weights a sample by its cosine distance to the image.
        mask: for a model with a dense output, the positions to explain, nonzero where they count; None for all.
        batch_size: images in one call of the model.
        seed: seed of the hidden superpixels.
    Returns:
        The regression coefficient of each pixel's superpixel [probability, or a regressor's unit].
    Raises:
        ValueError: if the model, the inputs, the target or the mask do not fit, or the image has fewer than two
            superpixels.
        ModuleNotFoundError: if the package lime is not installed.

    Source: Ribeiro, Singh, Guestrin 2016, https://arxiv.org/abs/1602.04938, eq. 2 and algorithm 1.
    Differs: ridge regression on all superpixels, as in the authors' package, where the paper chooses K by Lasso; SLIC
        instead of quick shift, which supports three bands only.
    """
    score = Score("lime", model, inputs, target, batch_size, dense=True, mask=mask)
    reason = lime_unsupported_reason(model)
    if reason:
        raise ValueError(f"lime: {reason}.")
    lime_base = _import_lime_base()
    x = score.inputs
    targets = resolve_targets(score.targets, score.predict(x))
    maps = [
        _explain_image(score, lime_base, image, segments, samples, kernel_width, target, (seed, n))
        for n, (image, target) in enumerate(zip(x, targets, strict=True))
    ]
    return np.stack(maps).astype("float32")


def lime_unsupported_reason(model):
    """Returns the reason why a model's inputs cannot be split into superpixels; "" if they can."""
    reason = unsupported_reason(model, dense=True)
    if reason:
        return reason
    shape, dtype = tuple(model.inputs[0].shape), model.inputs[0].dtype
    if len(shape) != 4 or "float" not in dtype:
        return f"`model` must take floating-point images, (B, H, W, C), got {dtype} {shape}"
    return ""


def _import_lime_base():
    reason = missing_package_reason("lime")
    if reason:
        raise ModuleNotFoundError(f"lime: {reason}")
    from lime import lime_base

    return lime_base


def _explain_image(score, lime_base, image, segments, samples, kernel_width, target, seed):
    """Returns (H, W) coefficients of one image."""
    from skimage.segmentation import slic
    from sklearn.metrics import pairwise_distances

    picture = stretch_contrast(image)
    colors = picture if picture.ndim == 3 else np.dstack([picture] * 3)  # SLIC works best on color images
    # SLIC zero also splits noise into regular superpixels.
    labels, superpixels = np.unique(
        slic(colors, n_segments=segments, start_label=0, slic_zero=True), return_inverse=True
    )
    superpixels = superpixels.reshape(picture.shape[:2])
    if len(labels) < 2:
        raise ValueError(f"lime: the image must have two superpixels, SLIC finds {len(labels)}; raise `segments`.")
    flat = superpixels.ravel()
    sums = np.stack([np.bincount(flat, band.ravel()) for band in np.moveaxis(image, -1, 0)], axis=-1)
    hidden = (sums / np.bincount(flat)[:, None])[superpixels].astype(image.dtype)
    random = np.random.RandomState(np.random.MT19937(np.random.SeedSequence(seed)))  # lime does not take a Generator
    visible = random.randint(0, 2, (samples, len(labels)))
    visible[0] = 1
    predictions = [
        score.predict(np.where(visible[rows][:, superpixels][..., None] == 1, image, hidden))
        for rows in progress_bar(score.batch_slices(samples), "LIME")
    ]
    regression = lime_base.LimeBase(lambda d: np.sqrt(np.exp(-(d**2) / kernel_width**2)), random_state=random)
    distances = pairwise_distances(visible, visible[:1], metric="cosine").ravel()
    _, weights, _, _ = regression.explain_instance_with_data(
        visible, np.concatenate(predictions), distances, target, len(labels), feature_selection="none"
    )
    coefficients = np.zeros(len(labels))
    for superpixel, weight in weights:
        coefficients[superpixel] = weight
    return coefficients[superpixels]
