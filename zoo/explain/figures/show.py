"""Explanations as pictures."""

import numpy as np

from zoo.arguments import FilePath, checked

BARS = 20  # features that a table's picture shows


@checked
def show(images: np.ndarray, maps: np.ndarray, path: FilePath | None = None, titles: tuple[str, ...] | None = None):
    """Draws each example beside its explanation.

    Images (N, H, W, C) with maps (N, H, W): a row with the image, the map and the map over the image. Tables (N, F)
    and series (N, T, F) with attributions (N, F) or (N, T): a panel of bars; of a table the 20 largest.

    One or two bands are shown grey (the first), more as red, green and blue (the first three), stretched between
    their 2nd and 98th percentile. A map of one sign is scaled from 0 to its 99th percentile, a map of both signs
    symmetrically, red for and blue against the class.

    Args:
        images: the examples; a pandas DataFrame gives a table's bars its column names.
        maps: what an explanation of them answered.
        path: a PNG (or PDF, SVG: by its ending) is written there.
        titles: one for each example.
    Returns:
        `matplotlib.figure.Figure`; pyplot does not know of it.
    Raises:
        ValueError: if images, maps and titles do not belong together.
    """
    from matplotlib.figure import Figure

    names = [str(c) for c in images.columns] if hasattr(images, "columns") else None
    images, maps = np.asarray(images), np.asarray(maps)
    size = images.shape[:1] + (images.shape[1:-1] or images.shape[1:])
    if images.ndim not in (2, 3, 4) or maps.shape != size or not len(images):
        raise ValueError(f"show: `maps` of images {images.shape} must have the shape {size}, got {maps.shape}.")
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
            _pictures(figure, row, image, values, title)
    else:
        table = images.ndim == 2
        count = min(maps.shape[1], BARS) if table else maps.shape[1]
        names = names or [f"{'feature' if table else 'step'} {i}" for i in range(maps.shape[1])]
        figure = Figure(figsize=(6.4, (1.0 + 0.28 * min(count, 30)) * len(images)), layout="constrained")
        for axes, values, title in zip(figure.subplots(len(images), 1, squeeze=False)[:, 0], maps, titles, strict=True):
            order = np.argsort(-np.abs(values), kind="stable")[:count] if table else np.arange(count)
            _bars(axes, values[order], [names[i] for i in order], title)
    if path is not None:
        figure.savefig(path, dpi=120)
    return figure


def _pictures(figure, row, image, values, title):
    """The image, the map with its scale, and the map over the grey image, strong where it is opaque."""
    import matplotlib

    low, high, colours = _scale(values)
    colours = matplotlib.colormaps[colours]
    share = np.clip((values - low) / (high - low), 0, 1)
    strength = np.abs(2 * share - 1) if low < 0 else share
    picture = stretched(image)
    row[0].imshow(picture, cmap="gray", vmin=0, vmax=1)
    drawn = row[1].imshow(values, cmap=colours, vmin=low, vmax=high)
    row[2].imshow(picture if picture.ndim == 2 else picture.mean(axis=-1), cmap="gray", vmin=0, vmax=1)
    hue = colours(0.12 + 0.76 * (share > 0.5)) if low < 0 else colours(share)  # pale red and blue would hide the image
    row[2].imshow(np.dstack([hue[..., :3], 0.85 * strength]))
    bar = figure.colorbar(drawn, cax=row[1].inset_axes([1.03, 0, 0.05, 1]))
    bar.ax.tick_params(labelsize=7)
    bar.ax.yaxis.get_offset_text().set_fontsize(7)
    for axes, label in zip(row, (title or "image", "map", "overlay"), strict=True):
        axes.set_title(label, fontsize=9)
        axes.set_axis_off()


def stretched(image):
    """An image as grey (H, W) or red, green and blue (H, W, 3), its 2nd percentile being 0 and its 98th 1.

    Args:
        image: (H, W, C) numbers; of a constant image all is 0.5.
    """
    shown = np.asarray(image, "float64")[..., : 3 if image.shape[-1] > 2 else 1]
    low, high = np.percentile(shown, (2, 98))
    if low == high:
        low, high = shown.min(), shown.max()
    shown = np.clip((shown - low) / (high - low), 0, 1) if high > low else np.full(shown.shape, 0.5)
    return shown if shown.shape[-1] == 3 else shown[..., 0]


def _scale(values):
    """(low, high, colours) that suit a map of one sign or of both."""
    reach = np.percentile(np.abs(values), 99) or np.abs(values).max() or 1.0
    return (-reach, reach, "RdBu_r") if values.min() < 0 else (0.0, reach, "inferno")


def _bars(axes, values, names, title):
    """Horizontal bars, from the top."""
    axes.barh(np.arange(len(values)), values, color=np.where(values < 0, "#2166ac", "#b2182b"))
    ticks = np.arange(0, len(values), -(-len(values) // 30))  # more than thirty names cannot be read
    axes.set_yticks(ticks, [names[i] for i in ticks], fontsize=8)
    axes.set_ylim(len(values) - 0.4, -0.6)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_title(title, fontsize=9)
    axes.tick_params(axis="x", labelsize=8)
