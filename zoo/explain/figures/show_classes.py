"""Pictures of the explanations of several classes side by side; red is for a class, blue against it."""

import numpy as np

from zoo.arguments import FilePath, checked
from zoo.explain.figures.show import stretch_contrast


@checked
def show_classes(
    images: np.ndarray,
    maps: np.ndarray,
    classes: tuple[str, ...],
    path: FilePath | None = None,
    titles: tuple[str, ...] | None = None,
):
    """Draws each image beside its maps for several classes, with one scale for all maps.

    A row is an example: the image, then for each class the map over the pale image. It suits methods with signed maps,
    such as `shap_values`, `integrated_gradients` and `gradient_input`.

    Args:
        images: (N, H, W, C), drawn as by `show`.
        maps: (N, K, H, W), the maps for each of K classes, such as
            `np.stack([shap_values(model, images, c) for c in class_indices], axis=1)`.
        classes: K names.
        path: file to write, a PNG (or PDF, SVG: by its suffix).
        titles: one for each example.
    Returns:
        `matplotlib.figure.Figure`, which is not registered with pyplot.
    Raises:
        ValueError: if images, maps, classes and titles do not fit each other.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

    images, maps = np.asarray(images), np.asarray(maps)
    if images.ndim != 4 or not len(images):
        raise ValueError(f"show_classes: `images` must be (N, H, W, C), got {images.shape}.")
    shape = (len(images), len(classes), *images.shape[1:3])
    if maps.shape != shape or not classes:
        raise ValueError(
            f"show_classes: `maps` of images {images.shape} and {len(classes)} `classes` must have the shape {shape}, "
            f"got {maps.shape}."
        )
    if not np.isfinite(maps).all():
        raise ValueError("show_classes: `maps` must be finite, got NaN or infinity.")
    if titles is not None and len(titles) != len(images):
        raise ValueError(f"show_classes: `titles` must be one for each of {len(images)} examples, got {len(titles)}.")
    limit = np.percentile(np.abs(maps), 99.9) or np.abs(maps).max() or 1.0
    width = 1.6  # of a panel [inches]
    height = min(width * images.shape[1] / images.shape[2], 4) + 0.25
    figure = Figure(figsize=(width * (len(classes) + 1), height * len(images) + 0.8), layout="constrained")
    grid = figure.subplots(len(images), len(classes) + 1, squeeze=False)
    for n, (row, image) in enumerate(zip(grid, images, strict=True)):
        picture = stretch_contrast(image)
        row[0].imshow(picture, cmap="gray", vmin=0, vmax=1)
        row[0].set_title(titles[n] if titles else "", fontsize=8)
        gray = picture if picture.ndim == 2 else picture.mean(axis=-1)
        for axes, values in zip(row[1:], maps[n], strict=True):
            # The image is light gray, so that pale red and pale blue are visible on it.
            axes.imshow(1 - 0.25 * (1 - gray), cmap="gray", vmin=0, vmax=1)
            opacity = np.sqrt(np.clip(np.abs(values) / limit, 0, 1))
            axes.imshow(values, cmap="RdBu_r", vmin=-limit, vmax=limit, alpha=opacity)
        for axes in row:
            axes.set_axis_off()
    for axes, name in zip(grid[0, 1:], classes, strict=True):
        axes.set_title(name, fontsize=8)
    scale = ScalarMappable(Normalize(-limit, limit), "RdBu_r")
    bar = figure.colorbar(scale, ax=grid, location="bottom", shrink=0.5, aspect=40, pad=0.02)
    bar.set_label("against the class   [logit]   for the class", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    if path is not None:
        figure.savefig(path, dpi=120)
    return figure
