"""Pictures of explanations beside their examples."""

import numpy as np

from zoo.arguments import FilePath, checked

TABLE_BARS = 20  # features in a table's picture


@checked
def show(images: np.ndarray, maps: np.ndarray, path: FilePath | None = None, titles: tuple[str, ...] | None = None):
    """Draws each example beside its explanation.

    Images (N, H, W, C) with maps (N, H, W): a row with the image, the map and the map over the image. Tables (N, F)
    and series (N, T, F) with attributions (N, F) or (N, T): a panel of bars; for a table the 20 largest.

    Images with one or two bands are drawn gray (the first band), others as red, green and blue (the first three bands),
    with contrast stretched between their 2nd and 98th percentile. A map of one sign is scaled from 0 to its 99th
    percentile. A signed map is scaled symmetrically, red for and blue against the class.

    Args:
        images: the examples; a pandas DataFrame gives a table's bars its column names.
        maps: the result of an explanation method.
        path: file to write, a PNG (or PDF, SVG: by its suffix).
        titles: one for each example.
    Returns:
        `matplotlib.figure.Figure`, which is not registered with pyplot.
    Raises:
        ValueError: if images, maps and titles do not fit each other.
    """
    from matplotlib.figure import Figure

    names = [str(c) for c in images.columns] if hasattr(images, "columns") else None
    images, maps = np.asarray(images), np.asarray(maps)
    shape = images.shape[:1] + (images.shape[1:-1] or images.shape[1:])
    if images.ndim not in (2, 3, 4) or maps.shape != shape or not len(images):
        raise ValueError(f"show: `maps` of images {images.shape} must have the shape {shape}, got {maps.shape}.")
    if not np.isfinite(maps).all():
        raise ValueError("show: `maps` must be finite, got NaN or infinity.")
    if titles is not None and len(titles) != len(images):
        raise ValueError(f"show: `titles` must be one for each of {len(images)} examples, got {len(titles)}.")
    titles = titles or ("",) * len(images)
    if images.ndim == 4:
        height = 0.4 + min(2.8 * images.shape[1] / images.shape[2], 6)  # [inches]
        figure = Figure(figsize=(9.6, height * len(images)), layout="constrained")
        for row, image, values, title in zip(
            figure.subplots(len(images), 3, squeeze=False), images, maps, titles, strict=True
        ):
            _draw_row(figure, row, image, values, title)
    else:
        is_table = images.ndim == 2
        count = min(maps.shape[1], TABLE_BARS) if is_table else maps.shape[1]
        names = names or [f"{'feature' if is_table else 'step'} {i}" for i in range(maps.shape[1])]
        figure = Figure(figsize=(6.4, (1.0 + 0.28 * min(count, 30)) * len(images)), layout="constrained")
        for axes, values, title in zip(figure.subplots(len(images), 1, squeeze=False)[:, 0], maps, titles, strict=True):
            order = np.argsort(-np.abs(values), kind="stable")[:count] if is_table else np.arange(count)
            _draw_bars(axes, values[order], [names[i] for i in order], title)
    if path is not None:
        figure.savefig(path, dpi=120)
    return figure


def _draw_row(figure, row, image, values, title):
    """Draws the image, the map with its scale, and the map over the gray image with opacity by strength."""
    import matplotlib

    low, high, colormap = _color_scale(values)
    colormap = matplotlib.colormaps[colormap]
    scaled = np.clip((values - low) / (high - low), 0, 1)
    opacity = np.abs(2 * scaled - 1) if low < 0 else scaled
    picture = stretch_contrast(image)
    row[0].imshow(picture, cmap="gray", vmin=0, vmax=1)
    artist = row[1].imshow(values, cmap=colormap, vmin=low, vmax=high)
    row[2].imshow(picture if picture.ndim == 2 else picture.mean(axis=-1), cmap="gray", vmin=0, vmax=1)
    # In signed maps, pale red and blue would hide the image: only two colors are used, at different opacity.
    colors = colormap(0.12 + 0.76 * (scaled > 0.5)) if low < 0 else colormap(scaled)
    row[2].imshow(np.dstack([colors[..., :3], 0.85 * opacity]))
    bar = figure.colorbar(artist, cax=row[1].inset_axes([1.03, 0, 0.05, 1]))
    bar.ax.tick_params(labelsize=7)
    bar.ax.yaxis.get_offset_text().set_fontsize(7)
    for axes, label in zip(row, (title or "image", "map", "overlay"), strict=True):
        axes.set_title(label, fontsize=9)
        axes.set_axis_off()


def stretch_contrast(image):
    """Returns an image as gray (H, W) or RGB (H, W, 3) from 0 (its 2nd percentile) to 1 (its 98th percentile).

    Args:
        image: (H, W, C) numbers; a constant image becomes 0.5.
    """
    picture = np.asarray(image, "float64")[..., : 3 if image.shape[-1] > 2 else 1]
    low, high = np.percentile(picture, (2, 98))
    if low == high:
        low, high = picture.min(), picture.max()
    picture = np.clip((picture - low) / (high - low), 0, 1) if high > low else np.full(picture.shape, 0.5)
    return picture if picture.shape[-1] == 3 else picture[..., 0]


def _color_scale(values):
    """Returns (minimum, maximum, colormap) for a map of one sign or for a signed map."""
    limit = np.percentile(np.abs(values), 99) or np.abs(values).max() or 1.0
    return (-limit, limit, "RdBu_r") if values.min() < 0 else (0.0, limit, "inferno")


def _draw_bars(axes, values, names, title):
    """Draws horizontal bars, from the top."""
    axes.barh(np.arange(len(values)), values, color=np.where(values < 0, "#2166ac", "#b2182b"))
    ticks = np.arange(0, len(values), -(-len(values) // 30))  # more than thirty names are not legible
    axes.set_yticks(ticks, [names[i] for i in ticks], fontsize=8)
    axes.set_ylim(len(values) - 0.4, -0.6)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_title(title, fontsize=9)
    axes.tick_params(axis="x", labelsize=8)
