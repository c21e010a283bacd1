"""Kills commands at random moments and runs them again: is anything lost, repeated or left half-written?

    python benchmarks/kills.py [--kills 20] [--seed 0] [COMMAND ...]          writes benchmarks/kills.csv

COMMAND is train, predict, predict-raster or search; all four without names. Each is run once without interruption,
which gives its duration and its result. Then, KILLS times in a new folder, it is started, killed by SIGKILL, together
with the processes that it started, at a moment drawn by SEED from one of KILLS equal parts of that duration, and run
again.
- moment: seconds from the start to the kill. ended: 1 if the command had ended before it.
- phase: what the command had last said, or left in its folder, when it was killed.
- half_written: files under a final name that cannot be read after the kill.
- resumes: 1 if the second start says that it continues, 0 if it does not; what it had to continue from is in `phase`.
- equal: 1 if the result equals the uninterrupted one: for train the weights and metrics, bit for bit, and the names of
  all files; for predict the rows; for predict-raster the pixels; for search the trials and their scores.
- exit: the exit code of the second start.
"""

import argparse
import csv
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

COLUMNS = ["command", "kill", "moment", "ended", "phase", "half_written", "resumes", "equal", "exit", "cpu"]
RESUMED = ("resumes", "is continued")


def zoo(*arguments):
    return [sys.executable, "-m", "recipes.cli.main", *map(str, arguments)]


def make_photos(folder, count=600):
    """Writes `count` noisy JPEGs of stripes to folder/{level,upright}."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for i in range(count):
        name, stripes = ("level", np.arange(48)[:, None, None]) if i % 2 else ("upright", np.arange(64)[None, :, None])
        (folder / name).mkdir(parents=True, exist_ok=True)
        pixels = rng.normal(100, 40, (48, 64, 3)) + 60 * (stripes // 4 % 2)
        pixels = pixels.clip(0, 255).astype("uint8")
        Image.fromarray(pixels).save(folder / name / f"{i:05d}.jpg")


def make_scene(folder, size):
    """Writes a raster of three bands, `size` pixels wide and high, and its mask of bright pixels."""
    import rasterio
    from rasterio.transform import from_origin

    rng = np.random.default_rng(1)
    bands = rng.integers(0, 120, (3, size, size)).astype("uint8")
    mask = np.kron(rng.integers(0, 2, (size // 16, size // 16)), np.ones((16, 16))).astype("uint8")
    bands += (mask * 100).astype("uint8")
    profile = {
        "driver": "GTiff", "width": size, "height": size, "crs": "EPSG:32632", "dtype": "uint8",
        "transform": from_origin(500000, 5500000, 10, 10),
    }  # fmt: skip
    for name, values in (("scene", bands), ("mask", mask[None])):
        with rasterio.open(folder / f"{name}_{size}.tif", "w", count=len(values), **profile) as file:
            file.write(values)
    return folder / f"scene_{size}.tif", folder / f"mask_{size}.tif"


class Command:
    """A command to kill: its arguments, and how its result is read."""

    def __init__(self, name, arguments, result, half_written):
        self.name, self.arguments, self.result, self.half_written = name, arguments, result, half_written

    def start(self, folder):
        with open(folder / "stderr.txt", "ab") as log:
            return subprocess.Popen(self.arguments(folder), stdout=log, stderr=log, start_new_session=True)


def said(folder):
    path = folder / "stderr.txt"
    return path.read_text(errors="replace") if path.exists() else ""


def phase_of(folder):
    """The last line that the command printed, and what it had begun to write."""
    lines = [line for line in said(folder).splitlines() if line.strip()]
    parts = sorted(p.name for p in folder.iterdir() if p.name != "stderr.txt")
    inside = sorted(p.name for p in (folder / "out").iterdir()) if (folder / "out").is_dir() else []
    last = re.sub(r"/\S+/", "", lines[-1])[:60] if lines else ""  # without folders
    return f"{' '.join(inside or parts)} | {last}"


def unreadable(folder):
    """Number of files under a final name that cannot be read."""
    import keras
    import pandas as pd

    bad = 0
    for path in (p for p in folder.rglob("*") if p.is_file() and "backup" not in p.parts and p.name != "stderr.txt"):
        try:
            if path.suffix == ".json":
                json.loads(path.read_text())
            elif path.suffix == ".html":
                assert path.read_text().rstrip().endswith("</html>")
            elif path.suffix == ".keras":
                keras.models.load_model(path, compile=False)
            elif path.suffix == ".csv":
                pd.read_csv(path)
            elif path.suffix == ".tif":
                import rasterio

                with rasterio.open(path) as file:
                    file.read()
            elif path.name == "saved_model.pb":
                import tensorflow as tf

                tf.saved_model.load(path.parent)
        except Exception as error:
            print("half-written:", path, type(error).__name__, error, file=sys.stderr)
            bad += 1
    return bad


def trained(folder):
    """Weights, metrics, history and file names of a run."""
    import keras

    out = folder / "out"
    model = keras.models.load_model(out / "model.keras", compile=False)
    names = sorted(str(p.relative_to(out)) for p in out.rglob("*") if p.is_file() and "events.out" not in p.name)
    metrics, history = (json.loads((out / name).read_text()) for name in ("metrics.json", "history.json"))
    metrics = {name: metrics.get(name) for name in ("validation", "test", "last_epoch", "diagnosis", "steps_trained")}
    weights = [w.tobytes() for w in model.get_weights()]
    return {"weights": weights, "metrics": metrics, "history": history, "files": names}


def predicted(folder):
    rows = (folder / "out.csv").read_text().splitlines()
    return {"rows": sorted(rows), "files": sorted(p.name for p in folder.iterdir() if p.name != "stderr.txt")}


def mapped(folder):
    import rasterio

    with rasterio.open(folder / "out.tif") as file:
        pixels, profile = file.read().tobytes(), str(file.profile)
    return {
        "pixels": pixels,
        "profile": profile,
        "files": sorted(p.name for p in folder.iterdir() if p.suffix != ".txt"),
    }


def searched(folder):
    import pandas as pd

    table = pd.read_csv(next((folder / "out").glob("trials.csv")))
    columns = [c for c in table.columns if not any(word in c for word in ("second", "time", "kwh", "date"))]
    return {"trials": table[columns].to_csv(index=False)}


def commands(data):
    """The four commands, with data that is written to the folder `data` and models that are trained there."""
    photos, (scene, mask), (large, _) = data / "photos", make_scene(data, 256), make_scene(data, 1536)
    make_photos(photos)
    train = ("train", "classification", "--model", "cnn", "--data", f"folder:{photos}", "--size", "32x32")
    train += ("--epochs", 6, "--batch-size", 16)
    pixels = ("train", "segmentation", "--model", "unet", "--data", f"raster:{scene}?labels={mask}&tile=64")
    pixels += ("--epochs", 1, "--batch-size", 4, "--out", data / "pixels")
    classes = (*train[:-3], 1, "--out", data / "classes")
    for arguments in (classes, pixels):
        subprocess.run(zoo(*arguments), check=True, stdout=subprocess.DEVNULL)
    many = data / "many"
    make_photos(many, 6000)
    table = data / "table.csv"
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(300, 4)).round(3)
    target = (rows[:, 0] * rows[:, 1] + rows[:, 2]).round(3)
    lines = [",".join(map(str, [*row, y])) for row, y in zip(rows, target, strict=True)]
    table.write_text("a,b,c,d,y\n" + "\n".join(lines) + "\n")
    search = ("search", "regression", "--model", "dnn", "--data", f"table:{table}?target=y", "--trials", 6)
    search += ("--seeds", 2, "--set", "epochs=8")
    return {
        "train": Command("train", lambda f: zoo(*train, "--out", f / "out"), trained, unreadable),
        "predict": Command(
            "predict", lambda f: zoo("predict", data / "classes", many, "--out", f / "out.csv"), predicted, unreadable
        ),
        "predict-raster": Command(
            "predict-raster", lambda f: zoo("predict-raster", data / "pixels", large, f / "out.tif"), mapped, unreadable
        ),
        "search": Command("search", lambda f: zoo(*search, "--out", f / "out"), searched, unreadable),
    }


def is_equal(command, folder, expected):
    """1 if the result in `folder` is the expected one, else 0 and what differs on stderr."""
    try:
        result = command.result(folder)
    except Exception as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 0
    for part, value in result.items():
        if value != expected[part]:
            print(f"{part} differ: {str(value)[:1500]}\ninstead of {str(expected[part])[:1500]}", file=sys.stderr)
    return int(result == expected)


def kill_and_repeat(command, folder, moment, expected):
    """A row: kills the command after `moment` seconds, then runs it to its end."""
    folder.mkdir()
    process = command.start(folder)
    try:
        process.wait(moment)
        ended = 1
    except subprocess.TimeoutExpired:
        ended = 0
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    phase, before = phase_of(folder), len(said(folder))
    half = command.half_written(folder)
    row = {"moment": round(moment, 2), "ended": ended, "phase": phase, "half_written": half}
    if ended:
        return {**row, "resumes": "", "equal": is_equal(command, folder, expected), "exit": process.returncode}
    again = command.start(folder)
    again.wait()
    text, equal = said(folder)[before:], is_equal(command, folder, expected)
    return {**row, "resumes": int(any(word in text for word in RESUMED)), "equal": equal, "exit": again.returncode}


def cpu():
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("commands", nargs="*", metavar="COMMAND")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default=Path(__file__).with_suffix(".csv"), type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        data = Path(temporary)
        every = commands(data)
        rows = []
        if options.out.exists():
            with open(options.out) as file:
                rows = [row for row in csv.DictReader(file) if row["command"] not in (options.commands or every)]
        for name in options.commands or every:
            command, whole = every[name], data / f"{name}_whole"
            whole.mkdir()
            started = time.perf_counter()
            code = command.start(whole).wait()
            seconds = time.perf_counter() - started
            if code:
                sys.exit(f"{name} failed without a kill: {said(whole)[-2000:]}")
            expected = command.result(whole)
            rng = np.random.default_rng(options.seed)
            for kill in range(options.kills):
                moment = seconds * (kill + rng.uniform()) / options.kills
                folder = data / f"{name}_{kill}"
                row = kill_and_repeat(command, folder, moment, expected)
                rows.append({"command": name, "kill": kill + 1, **row, "cpu": cpu()})
                print(rows[-1], flush=True)
                if not row["equal"] or row["exit"]:
                    print(said(folder)[-3000:], file=sys.stderr, flush=True)
                shutil.rmtree(folder)
                with open(options.out, "w", newline="") as file:
                    writer = csv.DictWriter(file, COLUMNS)
                    writer.writeheader()
                    writer.writerows(rows)


if __name__ == "__main__":
    main()
