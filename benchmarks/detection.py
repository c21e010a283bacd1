"""Detectors on real photos: average precision on held-out images, with and without a pretrained encoder.

    python benchmarks/detection.py [--raccoon FOLDER] [--bccd FOLDER] [--nuclei]     writes benchmarks/detection.csv

FOLDER is a clone of https://github.com/datitran/raccoon_dataset (200 photos of raccoons, split by seed 0), or the
folder BCCD of https://github.com/Shenggan/BCCD_Dataset (364 micrographs of blood cells, in their own splits). The
nuclei are `bundled:nuclei-instances`, 16 tiles of one image. A data set replaces its rows of the file; the others
stay. `error` is the mean absolute difference between the numbers of boxes with a score of at least 0.5 and of objects
in an image, and the columns `baseline` have what a constant prediction reaches. All is computed with one seed on the
processor that the file names; no setting was chosen by the test images.
"""

import argparse
import csv
import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import recipes
from recipes.training import accelerate

OUT = Path(__file__).with_suffix(".csv")
PHOTOS = {"augment": ("flip", "brightness:0.1", "contrast:0.2"), "learning_rate": 5e-4}
LITE = {"encoder": "efficientnet_lite0"}
SETTINGS = {  # data set -> list of (task, model, arguments of the model)
    "raccoon": [
        (recipes.Detection(epochs=24, encoder_weights=weights, **LITE, **PHOTOS), "retinanet", {"filters": 64})
        for weights in ("bundled", None)
    ],
    "bccd": [
        (recipes.Detection(epochs=16, encoder_weights="bundled", **LITE, **PHOTOS), "retinanet", {"filters": 64}),
    ],
    "nuclei": [
        (
            recipes.InstanceSegmentation(
                epochs=100, side=256, learning_rate=1e-3, proposals=200, augment=("flip", "flip_vertical")
            ),
            "mask_rcnn",
            {"filters": 64, "units": (256, 256), "anchor_sizes": (16, 24, 32, 48, 64)},
        )
    ],
}
MEASURES = {"ap50": "ap50", "ap": "ap", "mask_ap50": "mask_ap50", "error": "count_error"}


def rows_of(name, source):
    """Yields a row for each training on a data set."""
    for task, model, arguments in SETTINGS[name]:
        start = time.perf_counter()
        run = recipes.fit(task, model, source, **arguments)
        seconds, metrics = time.perf_counter() - start, run.evaluate("test")
        row = {"data": name, "model": model, "encoder": task.encoder, "weights": task.encoder_weights or "random"}
        row |= {"epochs": task.epochs, "training images": len(run.data.train), "test images": metrics["examples"]}
        row |= {"objects": metrics["objects"], "minutes": round(seconds / 60, 1)}
        for column, key in MEASURES.items():
            for kind, values in (("", metrics), ("baseline ", metrics["baseline"])):
                row[kind + column] = "" if values.get(key) is None else round(values[key], 3)
        interval = metrics["verdict"]["interval"]
        row["difference from the baseline"] = f"{interval[0]:+.2f} to {interval[1]:+.2f}"
        info = accelerate.machine_info()
        yield {**row, **{name: info[name] for name in ("processor", "tensorflow", "keras")}}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--raccoon", help="folder")
    parser.add_argument("--bccd", help="folder")
    parser.add_argument("--nuclei", action="store_true")
    options = parser.parse_args()
    folders = {"raccoon": options.raccoon, "bccd": options.bccd}
    sources = {name: f"voc:{folder}" if folder else None for name, folder in folders.items()}
    sources["nuclei"] = "bundled:nuclei-instances" if options.nuclei else None
    for name, source in sources.items():
        if source:
            write([*(row for row in read() if row["data"] != name), *rows_of(name, source)])


def read():
    """Returns the rows of the file; none where it is absent."""
    if not OUT.is_file():
        return []
    with open(OUT, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write(rows):
    """Writes the file."""
    with open(OUT, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[-1]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    for row in rows:
        print(row)


if __name__ == "__main__":
    main()
