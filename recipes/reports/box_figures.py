"""Figures of detection: boxes by outcome, and average precision by class."""

import numpy as np

from recipes.average_precision import match_boxes
from recipes.reports.report import new_figure
from recipes.reports.segmentation_figures import stretch

RIGHT, MISSED, INVENTED = "limegreen", "orange", "red"


def boxes_by_outcome(run, split, score):
    """Plots four images of a split with their right, missed and invented boxes.

    Args:
        run: a `Run` of `Detection`.
        split: train, validation or test.
        score: smallest score of a box that is shown.
    """
    from matplotlib.patches import Rectangle

    examples, detections = getattr(run.data, split), run.predict_split(split)
    outcomes = []
    for target, boxes in zip(examples.targets, detections, strict=True):
        objects = target[(target[:, 4] >= 0) & (target[:, 5] < 0.5)]
        boxes = boxes[(boxes[:, 5] >= 0) & (boxes[:, 4] >= score)]
        outcomes.append((objects, boxes, *match_boxes(objects, boxes)))
    errors = np.array([(~detected).sum() + (~right).sum() for *_, right, detected in outcomes])
    order = np.argsort(-errors, kind="stable")
    indices = list(dict.fromkeys([*order[:2], order[len(order) // 2], order[-1]]))
    figure = new_figure(4.5 * len(indices), 4.8)
    for ax, i in zip(np.ravel(figure.subplots(1, len(indices))), indices, strict=True):
        image = examples.take(np.array([i])).head(1)[0]
        height, width = image.shape[:2]
        objects, boxes, right, detected = outcomes[i]
        ax.imshow(stretch(image), cmap="gray")
        shown = [(box, MISSED, f"{run.data.classes[int(box[4])]}") for box in objects[~detected]]
        shown += [
            (box, RIGHT if is_right else INVENTED, f"{run.data.classes[int(box[5])]} {box[4]:.2f}")
            for box, is_right in zip(boxes, right, strict=True)
        ]
        for box, color, text in shown:
            x1, y1, x2, y2 = box[:4] * [width, height, width, height]
            ax.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor=color, linewidth=1.5))
            ax.text(x1, y1, text, fontsize=6, color="black", va="bottom", backgroundcolor=color)
        name = str(examples.names[i]).rpartition("/")[2] if examples.names is not None else "image"
        ax.set_title(
            f"{name}\n{right.sum()} right, {(~detected).sum()} missed, {(~right).sum()} invented", fontsize="small"
        )
        ax.set(xticks=(), yticks=())
    return figure


def precision_by_class(metrics, classes):
    """Plots the average precision at an IoU of 0.5 of each class beside the baseline's.

    Args:
        metrics: what `Detection.evaluate` returned.
        classes: names of the classes.
    """
    figure = new_figure(6, 1.2 + 0.35 * len(classes))
    ax, rows = figure.subplots(), np.arange(len(classes))
    for offset, name, values in (
        (-0.2, "model", metrics["ap50_by_class"]),
        (0.2, "baseline", metrics["baseline"]["ap50_by_class"]),
    ):
        ax.barh(rows + offset, [value or 0 for value in values], 0.4, label=name)
    ax.set(yticks=rows, yticklabels=classes, xlim=(0, 1), xlabel="average precision at IoU 0.5")
    ax.invert_yaxis()
    ax.legend(fontsize="small")
    return figure
