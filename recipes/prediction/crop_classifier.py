"""The class of each box, by a classification run that sees the box alone."""

import concurrent.futures
import os

import numpy as np

from recipes.data.image_windows import open_windows
from recipes.data.new_inputs import failure_reason
from recipes.prediction.predict import predict_batch
from recipes.prediction.slices import BATCH_VALUES

CROPS = 256  # that are predicted in one call, as long as they have at most `BATCH_VALUES` values


class CropClassifier:
    """Classifies the pixels within boxes.

    Args:
        run: `Run` of a classification of images.
    Raises:
        ValueError: if the run is of another task or another kind of data.
    """

    def __init__(self, run):
        task = run.data_record["task"]
        if task != "classification" or run.schema.kind != "image":
            raise ValueError(
                f"detect: `classifier` must be a run of a classification of images, got one of {task} "
                f"({run.schema.kind})."
            )
        self.run = run

    def __call__(self, names, images, labels=None, threads=None):
        """Returns (list of `ImageBoxes` with the classes of the crops, path -> reason of those that cannot be read).

        Args:
            names: list of paths.
            images: list of `ImageBoxes`.
            labels: names of the classes whose boxes are classified; None for all.
            threads: number of threads that read images; None for one per core.
        """
        selected = [np.isin(image.labels, labels) if labels else np.ones(len(image.boxes), bool) for image in images]
        classified, failures = [], {}
        with concurrent.futures.ThreadPoolExecutor(threads or os.cpu_count()) as executor:
            boxes = [image.boxes[is_selected] for image, is_selected in zip(images, selected, strict=True)]
            read = executor.map(self._read, names, boxes)
            for name, image, is_selected, crops in zip(names, images, selected, read, strict=True):
                if isinstance(crops, str):
                    failures[name] = crops
                else:
                    classified.append((name, self._classify(image, is_selected, crops)))
        return classified, failures

    def _read(self, path, boxes):
        """Returns the list of the pixels within each box, or the reason why the image cannot be read."""
        if not len(boxes):
            return []
        try:
            with open_windows(self.run.schema, path) as windows:
                return [_crop(windows, box) for box in boxes]
        except Exception as error:  # a broken file may raise anything in a decoder; its reason is recorded
            return failure_reason(error)

    def _classify(self, image, is_selected, crops):
        labels = np.full(len(image.boxes), None, object)
        probabilities = np.full(len(image.boxes), np.nan)
        if crops:
            outputs = self._predict(crops)
            labels[is_selected] = np.array(self.run.classes, object)[outputs.argmax(1)]
            probabilities[is_selected] = outputs.max(1)
        return image._replace(crop_labels=labels, crop_probabilities=probabilities)

    def _predict(self, crops):
        step = max(1, min(CROPS, BATCH_VALUES // max(crop.size for crop in crops)))
        parts = [crops[i : i + step] for i in range(0, len(crops), step)]
        return np.concatenate([predict_batch(self.run, part) for part in parts])


def _crop(windows, box):
    """Returns the pixels (h, w, C) that a box touches, at least one."""
    height, width = windows.size
    x1, y1 = np.floor(box[:2]).astype(int).clip(0, [width - 1, height - 1])
    x2, y2 = np.ceil(box[2:]).astype(int).clip([x1 + 1, y1 + 1], [width, height])
    return windows.read(y1, x1, y2 - y1, x2 - x1)[0].copy()  # without the rest of the photo
