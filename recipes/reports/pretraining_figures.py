"""Figures of self-supervised learning: pairs of views, reconstructions of masked patches, and nearest images."""

import numpy as np

from recipes.reports.report import new_figure
from recipes.reports.sample_images import to_rgb

NEIGHBOURS = 5
GRAY = 0.5  # of a masked patch
PERCENTILES = 1, 99  # of the images, which become black and white where values have no bounds


def views_figure(images, views, value_range):
    """Plots images beside two views of each.

    Args:
        images: (N, H, W, C) preprocessed.
        views: {"first": (N, H, W, C), "second": (N, H, W, C)}.
        value_range: (smallest, largest) value of the images, or None.
    """
    scale = display_scale(images, value_range)
    return image_rows([[scale(x)[i] for x in (images, views["first"], views["second"])] for i in range(len(images))])


def reconstructions_figure(model, images, value_range):
    """Returns (title, caption, figure) of images, their visible patches and their reconstructions.

    Args:
        model: `MAE`.
        images: (N, H, W, C) preprocessed.
        value_range: as `views_figure` has it.
    """
    scale = display_scale(images, value_range)
    reconstructions, is_masked = model.reconstruct(images)
    visible = np.where(is_masked[..., None], GRAY, scale(images))
    rows = list(zip(scale(images), visible, scale(reconstructions), strict=True))
    caption = f"Image, the {1 - is_masked.mean():.0%} of it that the encoder sees, and the prediction of the rest."
    if model.get_layer("error").normalize:
        caption += " Each predicted patch has the mean and the deviation of the true one, which are not predicted."
    return "Reconstructions of masked images", caption, image_rows(rows)


def neighbours_figure(run, images, candidates, value_range):
    """Returns (title, caption, figure) of images and the candidates whose features are nearest to theirs.

    Args:
        run: `Run`, whose model is an encoder.
        images: (N, H, W, C) preprocessed.
        candidates: (M, H, W, C) preprocessed training images.
        value_range: as `views_figure` has it.
    """
    queries, gallery = (unit_vectors(run.model.predict(x, verbose=0)) for x in (images, candidates))
    similarities = queries @ gallery.T
    nearest = np.argsort(-similarities, axis=1, kind="stable")[:, :NEIGHBOURS]
    scale = display_scale(images, value_range)
    rows = [[scale(images)[i], *scale(candidates[nearest[i]])] for i in range(len(images))]
    titles = [["", *(f"{similarities[i, k]:.2f}" for k in nearest[i])] for i in range(len(images))]
    caption = (
        f"Held-out image, and those of {len(candidates):,} training images whose features are most similar, with the "
        "cosine similarity."
    )
    return "Nearest images by their features", caption, image_rows(rows, titles)


def unit_vectors(features):
    """Returns features (N, F) divided by their length; zeros stay."""
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)


def display_scale(images, value_range):
    """Returns a function from images (N, H, W, C) to (N, H, W, 3) from 0 to 1; it keeps at most three bands.

    Args:
        images: (N, H, W, C), whose percentiles are black and white where there is no `value_range`.
        value_range: (smallest, largest) value of the images, or None.
    """
    low, high = value_range or np.percentile(images, PERCENTILES, axis=(0, 1, 2))
    return lambda x: to_rgb((np.asarray(x) - low) / np.maximum(np.subtract(high, low), 1e-12))


def image_rows(rows, titles=None):
    """Returns a matplotlib figure of rows of images, (H, W, 3) from 0 to 1, with a title above each or None."""
    columns = max(map(len, rows))
    figure = new_figure(1.3 * columns, (1.5 if titles else 1.3) * len(rows))
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for i, row in enumerate(axes):
        for k, ax in enumerate(row):
            ax.axis("off")
            if k < len(rows[i]):
                ax.imshow(rows[i][k], interpolation="nearest")
                ax.set_title(titles[i][k] if titles else "", fontsize="x-small")
    return figure
