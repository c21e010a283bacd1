"""Boxes in images by a run of a detection, or the classes of boxes of another detector, as data frames and files."""

import functools
from pathlib import Path

import numpy as np

from recipes.average_precision import COUNTED_SCORE
from recipes.data.image_windows import is_raster
from recipes.data.images.photo_exif import read_exif
from recipes.data.new_inputs import InputBatch
from recipes.data.rasters.geotiff import raster_info
from recipes.prediction.box_documents import VECTOR_DRIVERS, CocoRows, Detector, MegaDetectorRows, VectorRows
from recipes.prediction.box_proposals import BoxProposals
from recipes.prediction.crop_classifier import CropClassifier
from recipes.prediction.fingerprint import model_fingerprint
from recipes.prediction.image_boxes import ImageBoxes, box_frame, boxes_of_rows
from recipes.prediction.input_list import input_files
from recipes.prediction.predict import predict_batch, run_batches, warn
from recipes.prediction.row_formats import ROW_FORMATS
from recipes.prediction.tiled_boxes import tiled_batches, verify_tiles

DOCUMENTS = {"coco": CocoRows, "megadetector": MegaDetectorRows}  # of .json files


class DetectionPredictor:
    """The boxes in images, as `BatchPredictor` is for other predictions; `recipes.detect_files` documents the options.

    Args:
        run: `Run` of a detection; with `proposals`, of a classification.
        out: path of the file to write, or None.
        document: coco or megadetector, the format of a .json file; None for coco.
        threshold, tile_size, overlap: as `recipes.detect_files` has them.
        classifier: `Run` of a classification, or None.
        proposals: path of a file of MegaDetector's batch output, or None.
    Raises:
        ValueError: if an option does not fit the run or the file.
    """

    def __init__(
        self, run, *, out=None, document=None, threshold=None, tile_size=None, overlap=None, classifier=None,
        proposals=None,
    ):  # fmt: skip
        suffix = Path(out).suffix.lower() if out else ""
        _verify_options(document, suffix, tile_size, classifier, proposals)
        self.run, self.document, self.proposals_file = run, document or "coco", proposals
        self.tile_size, self.overlap = tile_size, verify_tiles(tile_size, overlap)
        self.has_corners = suffix in VECTOR_DRIVERS
        classifier = run if proposals else classifier
        self.classifier = CropClassifier(classifier) if classifier else None
        self.proposals, self.threshold = None, threshold
        if proposals is None:
            smallest = run.task.score
            self.threshold = (smallest if suffix == ".json" else COUNTED_SCORE) if threshold is None else threshold
            if threshold is not None and 0 < threshold < smallest:
                warn([f"the run has no boxes with a score below {smallest:g}, so {threshold:g} selects all"])

    @functools.cached_property
    def options(self):
        """What the boxes depend on beside the run, in JSON values."""
        options = {"format": self.document, "threshold": self.threshold}
        options |= {"tile_size": self.tile_size, "overlap": self.overlap, "map_coordinates": self.has_corners}
        if self.proposals:
            options["proposals hash"] = self.proposals.content_hash
        elif self.classifier:
            run = self.classifier.run
            options["classifier hash"] = model_fingerprint(run.model, run.preprocessing)
        return options

    @property
    def formats(self):
        """Suffix of a file -> maker of its format."""
        documents = {".json": DOCUMENTS[self.document], **dict.fromkeys(VECTOR_DRIVERS, VectorRows)}
        return ROW_FORMATS | {suffix: functools.partial(self._rows, kind) for suffix, kind in documents.items()}

    def _rows(self, kind):
        return kind(self._detector())

    def list_files(self, paths, files_from=None):
        """Returns the paths of the images, as `input_files` does; those of the proposals where there are any."""
        if not self.proposals_file:
            return input_files(self.run, paths, files_from)
        if files_from is not None or len(paths) > 1:
            raise ValueError(
                "detect: with `proposals` there must be at most one path, the folder that the file's paths of images "
                f"are relative to, got {len(paths)} paths{' and `files_from`' if files_from else ''}."
            )
        if paths and not Path(paths[0]).expanduser().is_dir():
            raise ValueError(f"detect: with `proposals` the path must be the folder of the images, got {paths[0]}.")
        self.proposals = BoxProposals(self.proposals_file, paths[0] if paths else None)
        self.threshold = self.proposals.threshold if self.threshold is None else self.threshold
        return self.proposals.files

    def batches(self, files, *, skip=0, shard=(1, 1), threads=None):
        """Yields `InputBatch`es, whose inputs are `ImageBoxes` with a score of at least the threshold.

        Args:
            files: of `list_files`, or some of them.
            skip: number of files to leave out at the beginning.
            shard: (i, n), from 1, that `files` are of.
            threads: number of threads that read images; None for one per core.
        """
        if self.has_corners:
            _verify_one_crs(files)
        if self.proposals:
            batches = self.proposals.batches(files[skip:], shard[0] - 1)
        elif self.tile_size:
            batches = tiled_batches(self.run, files[skip:], self.tile_size, self.overlap, shard[0] - 1)
        else:
            batches = map(self._predict, run_batches(self.run, files, skip=skip, shard=shard, threads=threads))
        for batch in batches:
            yield self._finish(batch, threads)

    def _predict(self, batch):
        outputs = predict_batch(self.run, batch.inputs) if len(batch.names) else []
        images = []
        for rows, size in zip(outputs, batch.sizes, strict=True):
            boxes, scores, classes = boxes_of_rows(rows, size)
            images.append(ImageBoxes(size, boxes, scores, np.array(self.run.classes, object)[classes]))
        return batch._replace(inputs=images)

    def _finish(self, batch, threads):
        """Returns a batch with the boxes above the threshold and the classes of their crops."""
        images = [image.above(self.threshold) for image in batch.inputs]
        pairs, failures = list(zip(batch.names, images, strict=True)), dict(batch.failures)
        if self.has_corners:
            absent = [path for path, _ in pairs if not _is_georeferenced(path)]
            failures |= dict.fromkeys(absent, "it has no georeference, which a map of boxes needs")
            pairs = [(path, image) for path, image in pairs if path not in absent]
        if self.classifier:
            labels = self.proposals.classified if self.proposals else None
            names, images = ([pair[i] for pair in pairs] for i in (0, 1))
            pairs, unreadable = self.classifier(names, images, labels, threads)
            failures |= unreadable
        names, images = ([pair[i] for pair in pairs] for i in (0, 1))
        return InputBatch(names, images, failures, batch.notes, batch.unit)

    def __call__(self, batch):
        """Returns a data frame: a row per box, per image without a box, and per file that cannot be read."""
        images = [(path, image, read_exif(path)) for path, image in zip(batch.names, batch.inputs, strict=True)]
        corners = map_corners if self.has_corners else None
        return box_frame(images, batch.failures, has_classifier=bool(self.classifier), corners=corners)

    def _detector(self):
        """Returns what documents say about the model."""
        name = self.run.record.get("model", self.run.model.name)
        crops = {}
        if self.classifier:
            run = self.classifier.run
            crops = {"classifier": run.record.get("model", run.model.name), "crop_classes": run.classes}
        if self.proposals:
            source = self.proposals
            return Detector(source.name, source.classes, source.threshold, source.conservative_threshold, **crops)
        return Detector(f"fieldzoo {name}", self.run.classes, COUNTED_SCORE, float(self.run.task.score), **crops)


def map_corners(path, boxes):
    """Returns (coordinate reference system or None, list of polygons) of boxes in a raster.

    Args:
        path: of the raster.
        boxes: (n, 4) corners [pixels].
    Returns:
        The system as a text such as EPSG:32632; for each box its four corners (x, y) in that system, beginning at the
        upper left of the raster.
    """
    raster = raster_info(path, caller="detect")
    a, b, c, d, e, f = tuple(raster.transform)[:6]
    x, y = boxes[:, [0, 2, 2, 0]], boxes[:, [1, 1, 3, 3]]
    polygons = np.stack([a * x + b * y + c, d * x + e * y + f], axis=-1)
    return (raster.crs.to_string() if raster.crs else None), polygons.tolist()


def _is_georeferenced(path):
    return is_raster(path) and raster_info(path, caller="detect").georeferenced


def _verify_one_crs(files):
    """Raises a ValueError where rasters have several coordinate reference systems, as one layer has one."""
    first = None
    for file in files:
        try:
            raster = raster_info(file, caller="detect")
        except ValueError:  # is listed with the reason later
            continue
        if not raster.georeferenced:
            continue
        if first is not None and raster.crs != first.crs:
            raise ValueError(
                "detect: all rasters of a layer must have one coordinate reference system, got "
                f"{first.crs or 'none'} of {first.path} and {raster.crs or 'none'} of {raster.path}; write a file for "
                "each."
            )
        first = first or raster


def _verify_options(document, suffix, tile_size, classifier, proposals):
    if document is not None and (document not in DOCUMENTS or suffix != ".json"):
        raise ValueError(
            f"detect: `format` must be {' or '.join(DOCUMENTS)} for a .json file and unset for others, got {document} "
            f"for {suffix or 'no file'}."
        )
    if proposals and (tile_size or classifier):
        raise ValueError(
            f"detect: `{'tile_size' if tile_size else 'classifier'}` must be unset with `proposals`, whose boxes the "
            "run itself classifies."
        )
    if suffix in VECTOR_DRIVERS:
        try:
            import pyogrio  # noqa: F401
            import shapely  # noqa: F401
        except ImportError:
            raise ValueError(
                f"detect: {suffix} files need pyogrio and shapely: pip install 'fieldzoo[detect]'."
            ) from None
