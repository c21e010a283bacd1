"""LIME: a linear model of the model, near one image, in its superpixels."""

import keras
import numpy as np

from zoo.arguments import Count, Positive, Whole, checked
from zoo.explain.figures.show import stretched
from zoo.explain.progress import advancing
from zoo.explain.score import Score, missing, refusal, resolved


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
    """How the answer depends on each superpixel, by a weighted ridge regression on images with some of them hidden.

    (N, H, W, C) float  ->  (N, H, W) float32, of either sign.

    The superpixels are SLIC zero's on what `show` would show of the image. A hidden superpixel has its own mean in each
    band. The model's inside plays no part. The package `lime` weighs the samples and fits them.

    Args:
        model: functional or Sequential model with one input.
        inputs: images as the model takes them, after preprocessing.
        target: class (or output) from 0, or one for each example; None for the predicted class.
        segments: superpixels, about; at least 2.
        samples: images with hidden superpixels, for each example.
        kernel_width: of the kernel that weighs a sample by its cosine distance to the image.
        mask: of a model that answers for every place, true where its answer is explained; None for everywhere.
        batch_size: images in one call of the model.
        seed: of what is hidden.
    Returns:
        The regression's coefficient of each place's superpixel [probability, or a regressor's unit].
    Raises:
        ValueError: if the model, the inputs, the target or the mask do not suit, or the image has no two superpixels.
        ModuleNotFoundError: if the package lime is not installed.

    Source: Ribeiro, Singh, Guestrin 2016, https://arxiv.org/abs/1602.04938, eq. 2 and algorithm 1.
    Differs: all superpixels stay in the regression, a ridge as in the authors' package, where the paper chooses K by
        Lasso; SLIC instead of quick shift, which knows three bands only.
    """
    score = Score("lime", model, inputs, target, batch_size, dense=True, mask=mask)
    reason = not_images(model)
    if reason:
        raise ValueError(f"lime: {reason}.")
    regression = _engine()
    x = score.inputs
    targets = resolved(score.targets, score.answers(x))
    found = [
        _explained(score, regression, image, segments, samples, kernel_width, target, (seed, n))
        for n, (image, target) in enumerate(zip(x, targets, strict=True))
    ]
    return np.stack(found).astype("float32")


def not_images(model):
    """Why LIME's superpixels do not suit a model's inputs; empty where they do."""
    reason = refusal(model, dense=True)
    if reason:
        return reason
    shape, kind = tuple(model.inputs[0].shape), model.inputs[0].dtype
    if len(shape) != 4 or "float" not in kind:
        return f"`model` must take images of real numbers, (B, H, W, C), got {kind} {shape}"
    return ""


def _engine():
    reason = missing("lime")
    if reason:
        raise ModuleNotFoundError(f"lime: {reason}")
    from lime import lime_base

    return lime_base


def _explained(score, engine, image, segments, samples, kernel_width, target, seed):
    """(H, W): the coefficients of one image."""
    from skimage.segmentation import slic
    from sklearn.metrics import pairwise_distances

    picture = stretched(image)
    colours = picture if picture.ndim == 3 else np.dstack([picture] * 3)  # SLIC weighs colours best as colours
    parts = slic(colours, n_segments=segments, start_label=0, slic_zero=True)  # noise too is cut into even parts
    names, parts = np.unique(parts, return_inverse=True)
    parts = parts.reshape(picture.shape[:2])
    if len(names) < 2:
        raise ValueError(f"lime: the image must have two superpixels, SLIC finds {len(names)}; raise `segments`.")
    count = np.bincount(parts.ravel())[:, None]
    mean = np.stack([np.bincount(parts.ravel(), band.ravel()) for band in np.moveaxis(image, -1, 0)], axis=-1) / count
    hidden = mean[parts].astype(image.dtype)
    random = np.random.RandomState(np.random.MT19937(np.random.SeedSequence(seed)))  # the package knows no Generator
    shown = random.randint(0, 2, (samples, len(names)))
    shown[0] = 1
    answers = [
        score.answers(np.where(shown[rows][:, parts][..., None] == 1, image, hidden))
        for rows in advancing(score.batches(samples), "LIME")
    ]
    base = engine.LimeBase(lambda d: np.sqrt(np.exp(-(d**2) / kernel_width**2)), random_state=random)
    distances = pairwise_distances(shown, shown[:1], metric="cosine").ravel()
    _, weights, _, _ = base.explain_instance_with_data(
        shown, np.concatenate(answers), distances, target, len(names), feature_selection="none"
    )
    coefficients = np.zeros(len(names))
    for part, weight in weights:
        coefficients[part] = weight
    return coefficients[parts]
