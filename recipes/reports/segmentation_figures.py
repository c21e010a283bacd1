"""Figures of semantic segmentation."""

import dataclasses

import numpy as np

from recipes.data.images.mask_labels import IGNORE
from recipes.metrics import confusion_matrix, overlap
from recipes.reports.report import new_figure

GRAY = (0.6, 0.6, 0.6)


def panels(run, split, predict_each):
    """Plots four images of a split as image, target, prediction and error, preferably with more than one class.

    Args:
        run: a `Run` of `Segmentation`.
        split: train, validation or test.
        predict_each: `Segmentation.predict_each`, a function of a run and a split.
    """
    error_rates, candidates = [], []
    for i, (target, predicted) in enumerate(predict_each(run, split)):
        counted = target != IGNORE
        error_rates.append(np.mean((predicted != target)[counted]) if counted.any() else 0.0)
        if len(np.unique(target[counted])) > 1:
            candidates.append(i)
    order = np.array(sorted(candidates or range(len(error_rates)), key=lambda i: -error_rates[i]))
    indices = list(dict.fromkeys([*order[:2], order[len(order) // 2], order[-1]]))
    examples = getattr(run.data, split).take(np.array(indices))
    shown = run.replace(data=dataclasses.replace(run.data, **{split: examples}))
    images, (targets, predictions) = examples.head(len(indices)), zip(*predict_each(shown, split), strict=True)
    figure = new_figure(11, 2.9 * len(indices))
    axes = figure.subplots(len(indices), 4, squeeze=False)
    classes = len(run.data.classes)
    colors = palette(classes)
    for row, (target, predicted) in enumerate(zip(targets, predictions, strict=True)):
        iou = overlap(confusion_matrix(target, predicted, classes))["iou"]
        name = str(examples.names[row]) if examples.names is not None else "image"
        titles = (name, "target", "prediction", f"error; IoU {iou:.2f}")
        pictures = (
            stretch(images[row]),
            color_classes(target, colors),
            color_classes(predicted, colors),
            color_errors(target, predicted, classes),
        )
        for ax, title, picture in zip(axes[row], titles, pictures, strict=True):
            ax.imshow(picture, cmap="gray", interpolation="nearest")
            ax.set_title(title, fontsize="small")
            ax.set(xticks=(), yticks=())
    from matplotlib.patches import Patch

    patches = [Patch(facecolor=c, edgecolor="gray", label=n) for c, n in zip(colors, run.data.classes, strict=True)]
    figure.legend(handles=patches, loc="outside lower center", ncols=min(6, len(patches)), fontsize="small")
    return figure


def palette(classes):
    """Returns (classes, 3) RGB colors from 0 to 1; white and a dark color for two classes."""
    import matplotlib

    if classes == 2:
        return np.array([(1, 1, 1), (0.12, 0.3, 0.5)])
    return matplotlib.colormaps["tab20"].resampled(max(classes, 3))(np.arange(classes))[:, :3]


def color_classes(labels, colors):
    """Converts (H, W) class indices to (H, W, 3) colors; ignored pixels are gray."""
    return np.concatenate([colors, [GRAY]])[np.where(labels == IGNORE, len(colors), labels)]


def color_errors(targets, predictions, classes):
    """Returns (H, W, 3): white if correct, red if wrong; with two classes blue for missed pixels of the second."""
    picture = np.ones((*targets.shape, 3))
    wrong = targets != predictions
    picture[wrong] = (0.8, 0.1, 0.1)
    if classes == 2:
        picture[wrong & (targets == 1)] = (0.1, 0.3, 0.9)
    picture[targets == IGNORE] = GRAY
    return picture


def stretch(image):
    """Scales the first three bands, or the first, from their 2nd and 98th percentile to 0 and 1: (H, W[, 3])."""
    bands = image[..., :3] if image.shape[-1] >= 3 else image[..., 0]
    low, high = np.percentile(bands, (2, 98), axis=(0, 1))
    return np.clip((bands - low) / np.maximum(high - low, 1e-6), 0, 1)


def overlaps(metrics, classes):
    """Plots the IoU and the Dice coefficient of each class."""
    figure = new_figure(6.5, 1.2 + 0.45 * len(classes))
    ax = figure.subplots()
    positions = np.arange(len(classes))
    for shift, key, label in ((-0.2, "iou_by_class", "IoU"), (0.2, "dice_by_class", "Dice")):
        values = [v if v is not None else 0.0 for v in metrics[key]]
        bars = ax.barh(positions + shift, values, 0.38, label=label)
        ax.bar_label(bars, [f"{v:.3f}" if v is not None else "absent" for v in metrics[key]], padding=3, fontsize=8)
    ax.set_yticks(positions, classes)
    ax.set(xlim=(0, 1.15))
    ax.invert_yaxis()
    ax.legend(fontsize="small")
    return figure
