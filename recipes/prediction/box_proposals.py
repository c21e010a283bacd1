"""Boxes of another detector: MegaDetector's batch output, whose boxes a classifier names."""

import hashlib
import json
import os
from pathlib import Path

import numpy as np

from recipes.data.images.image_sizes import image_sizes
from recipes.data.new_inputs import InputBatch, failure_reason
from recipes.prediction.image_boxes import ImageBoxes

TYPICAL_THRESHOLD = 0.2  # of MegaDetector 5 and 1000
FILES = 16  # in a batch
ANIMAL = "animal"  # MegaDetector's category whose boxes are classified; persons and vehicles keep theirs


class BoxProposals:
    """The boxes in a file of MegaDetector's batch output.

    Args:
        path: of the JSON file.
        folder: that its paths of images are relative to; None for the folder of the file.

    Attributes:
        files: paths of the images.
        classes: names of the categories.
        threshold: score from which a box counts.
        content_hash: of the file.
        name: of the detector.
    Raises:
        ValueError: if it is no such file.

    Source: https://lila.science/megadetector-output-format
    """

    def __init__(self, path, folder=None):
        path = Path(path).expanduser()
        content, self.content_hash = _read_json(path)
        categories = content["detection_categories"]
        self.names = {i: str(categories[i]) for i in sorted(categories, key=lambda i: (len(i), i))}
        self.classes = tuple(dict.fromkeys(self.names.values()))
        info = content["info"] if isinstance(content.get("info"), dict) else {}
        metadata = info.get("detector_metadata") or {}
        self.threshold = float(metadata.get("typical_detection_threshold", TYPICAL_THRESHOLD))
        self.conservative_threshold = float(metadata.get("conservative_detection_threshold", self.threshold / 4))
        self.name = str(info.get("detector", path.name))
        root = path.parent if folder is None else Path(folder).expanduser()
        self.entries = {os.path.join(root, entry["file"]): entry for entry in content["images"]}
        self.files = list(self.entries)

    @property
    def classified(self):
        """Names of the classes whose boxes are classified; None for all."""
        return (ANIMAL,) if ANIMAL in self.classes else None

    def batches(self, files, unit=0):
        """Yields `InputBatch`es whose inputs are `ImageBoxes`.

        Args:
            files: some of `files`.
            unit: number of the unit of the batches.
        """
        for start in range(0, len(files), FILES):
            names, images, failures = [], [], {}
            for file in files[start : start + FILES]:
                try:
                    images.append(self._boxes(file))
                    names.append(file)
                except Exception as error:  # a broken file may raise anything in a decoder; its reason is recorded
                    failures[file] = failure_reason(error)
            yield InputBatch(names, images, failures, [], unit, [image.size for image in images])

    def _boxes(self, file):
        entry = self.entries[file]
        if entry.get("failure"):
            raise ValueError(f"{self.name}: {entry['failure']}")
        height, width = map(int, image_sizes(file, 1)[0])
        detections = sorted(entry.get("detections") or [], key=lambda d: -d["conf"])
        boxes = np.array([d["bbox"] for d in detections], np.float64).reshape(-1, 4)
        boxes = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1) * [width, height, width, height]
        labels = np.array([self.names[str(d["category"])] for d in detections], object)
        return ImageBoxes((height, width), boxes, np.array([d["conf"] for d in detections], np.float64), labels)


def _read_json(path):
    """Returns (content, hash) of a file of MegaDetector's batch output."""
    if not path.is_file():
        raise ValueError(f"detect: `proposals` must be a JSON file of MegaDetector, and {path} is not a file.")
    data = path.read_bytes()
    try:
        content = json.loads(data.decode("utf-8-sig"))
    except ValueError as error:
        raise ValueError(f"detect: `proposals` must be JSON, got {path}: {error}.") from None
    is_valid = (
        isinstance(content, dict)
        and isinstance(content.get("images"), list)
        and isinstance(content.get("detection_categories"), dict)
        and all(isinstance(entry, dict) and isinstance(entry.get("file"), str) for entry in content["images"])
    )
    if not is_valid:
        raise ValueError(
            f"detect: `proposals` must be MegaDetector's batch output, with `images` and `detection_categories`, got "
            f"{path}."
        )
    return content, hashlib.blake2b(data, digest_size=16).hexdigest()
