"""Boxes in any number of images, as files: rows, COCO, MegaDetector's batch output, and layers of a GIS."""

import os
import typing

from recipes.prediction.file_prediction import FilePrediction, predict_frames, predict_to_file
from recipes.runs.load import load_run
from zoo.arguments import Count, FilePath, Fraction, Whole, checked


@checked
def detect_files(
    run,
    paths,
    out: FilePath,
    *,
    format: typing.Literal["coco", "megadetector"] | None = None,
    threshold: Fraction | None = None,
    tile_size: Count | None = None,
    overlap: Whole | None = None,
    classifier=None,
    proposals: FilePath | None = None,
    files_from: FilePath | None = None,
    shard: str | None = None,
    overwrite: bool = False,
    strict: bool = False,
    progress: bool = True,
) -> FilePrediction:
    """Writes the boxes in images to a file, in batches; the same call continues an interrupted one.

    Boxes are in pixels of the image, turned upright by its EXIF; (0, 0) is the upper left corner. Memory does not grow
    with the number of images. Until the file is complete it is named OUT.part, with the manifest OUT.part.json.

    The ending of `out` is the format:

    - .csv, .tsv, .parquet, .jsonl: a row per box (file, x1, y1, x2, y2, score, class), with the image's width and
      height, and the date and place of its EXIF. An image without a box has one row, and so has a file that cannot be
      read, with the reason in the column `error`.
    - .json: COCO, or MegaDetector's batch output 1.6, in which boxes are relative. Images have paths from the folder of
      the file.
    - .geojson, .gpkg: a layer of polygons in the coordinate reference system of georeferenced rasters. Images without a
      box are not in it.

    Args:
        run: `Run` of a detection, or its folder; with `proposals`, of a classification.
        paths: path or list of paths: images, rasters, and folders of images at any depth. With `proposals`, the folder
            that its paths are relative to, or nothing for the folder of the file.
        out: path of the file; its folder exists.
        format: of a .json file; None for coco.
        threshold: smallest score of a box that is written. None for the run's smallest score (`Detection.score`) in a
            .json file, for 0.5 in others, and for the proposals' typical threshold. Images without such a box stay.
        tile_size: side of the tiles that images are predicted in [pixels of the image]; each is resized to the model's
            image. None predicts images as a whole. Rasters are read tile by tile, so that they may have any size.
        overlap: of neighboring tiles [pixels]; more than the largest object. None for a quarter of `tile_size`.
        classifier: `Run` of a classification, or its folder, that names the class of each box by its pixels alone; the
            detector's class is then the column `detected_class`.
        proposals: path of a file of MegaDetector's batch output, whose boxes of animals `run` classifies.
        files_from: path of a text file with a path per line; None for none.
        shard: I/N for the I-th of N shards of the images, from 1, of files of rows; `recipes.join_shards` joins them.
        overwrite: whether to start anew where OUT.part is of another run, other options or other images.
        strict: whether a file that cannot be read is an error; else it is listed with the reason.
        progress: whether to show a progress bar, on stderr where that is a terminal.
    Returns:
        `FilePrediction`: path, rows, failures, resumed_inputs, inputs.
    Raises:
        ValueError: if a path does not exist, an option does not fit, or the file cannot be continued.
    """
    run, options = detection_options(run, format, threshold, tile_size, overlap, classifier, proposals)
    options |= {"files_from": files_from, "shard": shard, "overwrite": overwrite, "strict": strict}
    return predict_to_file(run, path_list(paths), out, progress=progress, **options)


def detect_frames(
    run, paths, *, threshold=None, tile_size=None, overlap=None, classifier=None, proposals=None, **options
):
    """Yields the boxes in images as data frames, batch by batch.

    Args:
        run, paths, and others: as `detect_files` has them.
        **options: files_from, shard, strict, progress and warns, as `predict_frames` has them.
    """
    run, of_boxes = detection_options(run, None, threshold, tile_size, overlap, classifier, proposals)
    yield from predict_frames(run, path_list(paths), **of_boxes, **options)


def path_list(paths):
    """Returns a list of the paths in a path or in several."""
    return [paths] if isinstance(paths, str | os.PathLike) else list(paths)


def detection_options(run, document, threshold, tile_size, overlap, classifier, proposals):
    """Returns (`Run`, the options of `DetectionPredictor`), of runs or their folders.

    Raises:
        ValueError: if the run is of another task.
    """
    run = load_run(run) if isinstance(run, str | os.PathLike) else run
    classifier = load_run(classifier) if isinstance(classifier, str | os.PathLike) else classifier
    task, expected = run.data_record["task"], "classification" if proposals else "detection"
    if task != expected:
        hint = "" if proposals else "; `zoo predict` predicts with runs of other tasks"
        raise ValueError(
            f"detect: `run` must be of the task {expected}{' with `proposals`' * bool(proposals)}, got one of {task}"
            f"{hint}."
        )
    options = {"document": document, "threshold": threshold, "tile_size": tile_size, "overlap": overlap}
    return run, options | {"classifier": classifier, "proposals": proposals}
