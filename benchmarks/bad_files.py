"""2,000 photos of which 200 are damaged or odd: is each counted, and treated alike by training, prediction and export?

    python benchmarks/bad_files.py [FILES]          writes benchmarks/bad_files.csv

FILES (2,000) JPEGs of two classes are written, a tenth of them with one of ten faults. `zoo train` trains on the
folder, `zoo predict` predicts it, and the bytes of every odd file go to the export's signature for files. A row per
fault:
- files: number of files with the fault. trained: whether training read them (1) or skipped and counted them (0).
- predicted, failed: rows of `zoo predict` with a class, and with an error.
- served, refused: files that the export answered, and refused.
- agree: 1 if training, `zoo predict` and the export read or refuse the same files.
- largest_difference: between the probabilities of `zoo predict` and those of the export.
- message: what `zoo predict` says of the first one.
"""

import csv
import io
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import tensorflow as tf
from kills import cpu, zoo
from PIL import Image

import recipes

COLUMNS = ["fault", "files", "trained", "predicted", "failed", "served", "refused", "agree", "largest_difference"]
COLUMNS += ["message", "cpu"]


def encoded(image, kind="JPEG", **settings):
    stream = io.BytesIO()
    image.save(stream, kind, **settings)
    return stream.getvalue()


def truncated(image, pixels):
    content = encoded(image)
    return content[: len(content) // 2]


def rotated(image, pixels):
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(image, exif=exif)


def deep(image, pixels):
    return encoded(Image.fromarray(pixels[..., 0].astype("uint16") * 257), "PNG")


def animated(image, pixels):
    return encoded(image, "GIF", save_all=True, append_images=[image.rotate(180), image.rotate(90)])


def bomb(image, pixels):
    return encoded(Image.new("1", (20000, 20000)), "PNG")


FAULTS = {  # name -> (extension, function of an image and its pixels that returns the file's content)
    "truncated": (".jpg", truncated),
    "empty": (".jpg", lambda image, pixels: b""),
    "a web page": (".jpg", lambda image, pixels: b"<html><body>404 Not found</body></html>"),
    "random bytes": (".png", lambda image, pixels: pixels.tobytes()),
    "too many pixels": (".png", bomb),
    "PNG named .jpg": (".jpg", lambda image, pixels: encoded(image, "PNG")),
    "CMYK": (".jpg", lambda image, pixels: encoded(image.convert("CMYK"))),
    "16 bits": (".png", deep),
    "animated": (".gif", animated),
    "turned by EXIF": (".jpg", rotated),
}


def write_files(folder, count):
    """Writes the files; returns fault -> paths."""
    rng, odd = np.random.default_rng(0), {fault: [] for fault in FAULTS}
    for i in range(count):
        name, stripes = ("level", np.arange(48)[:, None, None]) if i % 2 else ("upright", np.arange(64)[None, :, None])
        (folder / name).mkdir(parents=True, exist_ok=True)
        pixels = (rng.normal(90, 30, (48, 64, 3)) + 60 * (stripes // 4 % 2)).clip(0, 255).astype("uint8")
        image = Image.fromarray(pixels)
        fault = list(FAULTS)[i // 10 % len(FAULTS)] if i % 10 == (9 if i // 100 % 2 else 8) else None
        extension, content = FAULTS[fault] if fault else (".jpg", lambda image, pixels: encoded(image))
        path = folder / name / f"{i:05d}{extension}"
        path.write_bytes(content(image, pixels))
        if fault:
            odd[fault].append(path)
    return odd


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    with tempfile.TemporaryDirectory() as temporary:
        data, run, table = Path(temporary, "photos"), Path(temporary, "run"), Path(temporary, "rows.csv")
        odd = write_files(data, count)
        train = zoo("train", "classification", "--model", "cnn", "--data", f"folder:{data}", "--size", "32x32")
        log = subprocess.run([*train, "--epochs", "2", "--out", str(run)], capture_output=True, text=True)
        if log.returncode:
            sys.exit(log.stderr)
        record = json.loads((run / "run.json").read_text())
        splits = recipes.read_folder(data)
        parts = (splits.train, splits.validation, splits.test)
        trained = {str(path) for part in parts for path in part.inputs.paths}
        subprocess.run(zoo("predict", run, data, "--out", table), stderr=subprocess.DEVNULL, check=False)
        predicted = pd.read_csv(table).set_index("input")
        export = tf.saved_model.load(str(run / "saved_model" / "1")).signatures["serving_bytes"]
        rows = [row_of(fault, paths, trained, predicted, export, record) for fault, paths in odd.items()]
    with open(Path(__file__).with_suffix(".csv"), "w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    print(pd.DataFrame(rows).to_string())


def row_of(fault, paths, trained, predicted, export, record):
    """The row of the table of one fault."""
    of_predict = {p: predicted.loc[str(p)] for p in paths}
    classes = record["input_schema"]["classes"]
    answered, differences = {}, []
    for path, row in of_predict.items():
        try:
            probabilities = export(tf.constant([path.read_bytes()]))["probabilities"].numpy()
            answered[path] = True
            if pd.isna(row["error"]):
                differences.append(np.abs(probabilities[0] - row[classes].to_numpy(float)).max())
        except tf.errors.OpError:
            answered[path] = False
    failed = {p: not pd.isna(row["error"]) for p, row in of_predict.items()}
    was_read = {p: str(p) in trained for p in paths}
    return {
        "fault": fault,
        "files": len(paths),
        "trained": sum(was_read.values()),
        "predicted": len(paths) - sum(failed.values()),
        "failed": sum(failed.values()),
        "served": sum(answered.values()),
        "refused": len(paths) - sum(answered.values()),
        "agree": int(all(was_read[p] == answered[p] == (not failed[p]) for p in paths)),
        "largest_difference": f"{max(differences):.1e}" if differences else "",
        "message": next((row["error"] for row in of_predict.values() if not pd.isna(row["error"])), ""),
        "cpu": cpu(),
    }


if __name__ == "__main__":
    main()
