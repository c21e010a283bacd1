"""Pictures of answers for every pixel, for the report."""

import numpy as np

from recipes.data.images.mask_labels import IGNORE
from recipes.metrics import confusion_matrix, overlap
from recipes.reports.report import new_figure

GREY = (0.6, 0.6, 0.6)


def panels(run, part, ignore=None):
    """Four images of a part, with more than one class where there are such, each as image, truth, answer and error.

    Args:
        run: a `Run` of `Segmentation`.
        part: train, validation or test.
        ignore: index of a class whose pixels do not count, or None.
    """
    examples, answers = getattr(run.data, part), run.answers(part).argmax(-1)
    truths = np.asarray(examples.targets)  # of rasters they are read here
    truths = np.where(truths == ignore, IGNORE, truths) if ignore is not None else truths
    wrong = [
        np.mean((a != t)[t != IGNORE]) if (t != IGNORE).any() else 0.0 for a, t in zip(answers, truths, strict=True)
    ]
    several = [i for i, t in enumerate(truths) if len(np.setdiff1d(t, IGNORE)) > 1] or range(len(truths))
    order = np.array(sorted(several, key=lambda i: -wrong[i]))
    chosen = list(dict.fromkeys([*order[:2], order[len(order) // 2], order[-1]]))
    figure = new_figure(11, 2.9 * len(chosen))
    axes = figure.subplots(len(chosen), 4, squeeze=False)
    colours = palette(len(run.data.classes))
    images = examples.take(np.array(chosen)).head(len(chosen))
    for row, i in enumerate(chosen):
        matrix = confusion_matrix(truths[i], answers[i], len(run.data.classes))
        titles = ("image", "truth", "answer", f"error; IoU {overlap(matrix)['iou']:.2f}")
        shown = (stretched(images[row]), coloured(truths[i], colours), coloured(answers[i], colours),
                 errors(truths[i], answers[i], len(run.data.classes)))  # fmt: skip
        for ax, title, picture in zip(axes[row], titles, shown, strict=True):
            ax.imshow(picture, cmap="gray", interpolation="nearest")
            ax.set_title(title, fontsize="small")
            ax.set(xticks=(), yticks=())
        axes[row][0].set_title(str(examples.names[i]) if examples.names is not None else "image", fontsize="small")
    from matplotlib.patches import Patch

    named = [Patch(facecolor=c, edgecolor="grey", label=n) for c, n in zip(colours, run.data.classes, strict=True)]
    figure.legend(handles=named, loc="outside lower center", ncols=min(6, len(named)), fontsize="small")
    return figure


def palette(classes):
    """(classes, 3) colours; of two classes white and a dark one."""
    import matplotlib

    if classes == 2:
        return np.array([(1, 1, 1), (0.12, 0.3, 0.5)])
    return matplotlib.colormaps["tab20"].resampled(max(classes, 3))(np.arange(classes))[:, :3]


def coloured(labels, colours):
    """(H, W, 3) of (H, W) class indices; grey where they do not count."""
    known = np.concatenate([colours, [GREY]])
    return known[np.where(labels == IGNORE, len(colours), labels)]


def errors(truth, answer, classes):
    """(H, W, 3): white where right, red where wrong, and of two classes blue where the second was missed."""
    picture = np.ones((*truth.shape, 3))
    wrong = truth != answer
    picture[wrong] = (0.8, 0.1, 0.1)
    if classes == 2:
        picture[wrong & (truth == 1)] = (0.1, 0.3, 0.9)
    picture[truth == IGNORE] = GREY
    return picture


def stretched(image):
    """(H, W) or (H, W, 3) in [0, 1]: the first three bands, or the first, between their 2nd and 98th percentile."""
    shown = image[..., :3] if image.shape[-1] >= 3 else image[..., 0]
    low, high = np.percentile(shown, (2, 98), axis=(0, 1))
    return np.clip((shown - low) / np.maximum(high - low, 1e-6), 0, 1)


def overlaps(found, classes):
    """Bars of each class's IoU and Dice."""
    figure = new_figure(6.5, 1.2 + 0.45 * len(classes))
    ax = figure.subplots()
    places = np.arange(len(classes))
    for shift, key, name in ((-0.2, "iou_by_class", "IoU"), (0.2, "dice_by_class", "Dice")):
        values = [v if v is not None else 0.0 for v in found[key]]
        bars = ax.barh(places + shift, values, 0.38, label=name)
        ax.bar_label(bars, [f"{v:.3f}" if v is not None else "not there" for v in found[key]], padding=3, fontsize=8)
    ax.set_yticks(places, classes)
    ax.set(xlim=(0, 1.15))
    ax.invert_yaxis()
    ax.legend(fontsize="small")
    return figure
