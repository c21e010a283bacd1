"""Figures of instance segmentation: the masks of predicted objects on their images."""

import numpy as np

from recipes.average_precision import COUNTED_SCORE
from recipes.reports.report import new_figure
from recipes.reports.segmentation_figures import stretch

SHOWN, OPACITY = 4, 0.45


def masks_of_objects(run, split, segments):
    """Plots the first images of a split with the masks of the predicted objects, and the outlines of the true ones.

    Args:
        run: a `Run` of `InstanceSegmentation`.
        split: train, validation or test.
        segments: run lengths of the masks of the boxes of each image, in their order.
    """
    from matplotlib import colormaps
    from pycocotools import mask as coco

    examples, detections = getattr(run.data, split), run.predict_split(split)
    count = min(SHOWN, len(examples))
    figure, colors = new_figure(4.5 * count, 4.8), colormaps["hsv"]
    for i, ax in enumerate(np.ravel(figure.subplots(1, count))):
        image = examples.take(np.array([i])).head(1)[0]
        height, width = image.shape[:2]
        ax.imshow(stretch(image), cmap="gray")
        rows = detections[i][detections[i][:, 5] >= 0]
        counted = [s for s, row in zip(segments[i], rows, strict=True) if row[4] >= COUNTED_SCORE]
        overlay = np.zeros((height, width, 4))
        for j, segment in enumerate(counted):
            overlay[coco.decode(segment) > 0] = (*colors((j * 0.381966) % 1)[:3], OPACITY)
        ax.imshow(overlay)
        numbers = examples.targets[i][:, 6]
        for mask in examples.masks.draw(numbers[numbers >= 0], height, width):
            ax.contour(mask, [0.5], colors="white", linewidths=0.6)
        name = str(examples.names[i]).rpartition("/")[2] if examples.names is not None else "image"
        ax.set_title(f"{name}\n{len(counted)} predicted, {(numbers >= 0).sum()} objects", fontsize="small")
        ax.set(xticks=(), yticks=())
    return figure
