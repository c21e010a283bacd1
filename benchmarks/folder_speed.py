"""Photos per second from a folder of JPEG files to augmented batches for training, beyond the memory.

    python benchmarks/folder_speed.py [--torch PYTHON]          writes benchmarks/folder_speed.csv

800 photos of 500 x 375 pixels (smooth noise, JPEG quality 90) become batches of 32 of 224 x 224 pixels, flipped at
random: by the pipeline that `fit` uses for a folder that does not fit in memory, without its store; by the usual four
steps of tf.data (list, read and decode, resize, flip, each with AUTOTUNE); and by decoding alone. With --torch, the
path of a Python with torch and Pillow, also by PyTorch's DataLoader with one process per core. The subjects take turns;
the figures are medians over the rounds of the ratio to another subject in the same round.

`first batch` is the time to the first batch, as a fraction of a pass over 6,000 photos. `scan` is the time in which
such a folder is read the first time and again.
"""

import argparse
import csv
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

PHOTOS, MANY, ROUNDS, SIDE = 800, 6_000, 7, 224


def write_photos(folder, count, size=(375, 500), different=16):
    """Writes photos of two classes; some are drawn, and the others are these with other bytes after their end.

    Args:
        folder: path, which is made.
        count: number of photos.
        size: (height, width) [pixels].
        different: number of photos that are drawn.
    """
    rng, contents = np.random.default_rng(0), []
    for i in range(count):
        path = Path(folder) / "ab"[i % 2] / f"{i}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        if len(contents) < different:
            parts = [(12, 16, 45), (94, 125, 22), (*size, 6)]
            layers = [
                np.clip(128 + scale * rng.normal(size=(h, w, 3)), 0, 255).astype("uint8") for h, w, scale in parts
            ]
            images = [Image.fromarray(layer).resize(size[::-1], Image.Resampling.BICUBIC) for layer in layers]
            Image.fromarray(np.mean(images, axis=0).astype("uint8")).save(path, quality=90)
            contents.append(path.read_bytes())
        else:
            path.write_bytes(contents[i % different] + i.to_bytes(4, "little"))


def fieldzoo_batches(folder):
    import recipes
    from recipes.data.preprocessing import preprocessing
    from recipes.training import example_store, pipeline

    example_store.MEMORY = pipeline.MEMORY = 0
    data = recipes.load(f"folder:{folder}", validation=0, test=0)
    task = recipes.Classification(augment=("flip",), batch_size=32)
    return task.pipeline(data.train, True, preprocessing(data, (SIDE, SIDE, 3)), 2)


def four_steps(folder):
    import tensorflow as tf

    auto = tf.data.AUTOTUNE
    files = tf.data.Dataset.list_files(f"{folder}/*/*.jpg", seed=0)
    images = files.map(lambda path: tf.io.decode_jpeg(tf.io.read_file(path), 3), auto)
    images = images.map(lambda image: tf.image.resize(image, (SIDE, SIDE)) / 255, auto)
    return images.map(tf.image.random_flip_left_right, auto).batch(32, drop_remainder=True).prefetch(auto)


def decoded(folder):
    import tensorflow as tf

    files = tf.data.Dataset.list_files(f"{folder}/*/*.jpg", seed=0)
    return files.map(lambda path: tf.io.decode_jpeg(tf.io.read_file(path), 3), tf.data.AUTOTUNE).batch(32).prefetch(2)


def photos_per_second(batches):
    start, cpu, first = time.perf_counter(), time.process_time(), None
    for _ in batches:
        first = first or time.perf_counter() - start
    seconds = time.perf_counter() - start
    return PHOTOS / seconds, PHOTOS / (time.process_time() - cpu), first / seconds


def torch_rate(python, folder):
    script = Path(__file__).with_name("folder_torch.py")
    result = subprocess.run([python, script, folder, str(SIDE)], capture_output=True, text=True, check=True)
    return float(result.stdout.split()[-1])


def scan_seconds(folder):
    import recipes

    seconds = []
    with tempfile.TemporaryDirectory() as cache:
        os.environ["FIELDZOO_CACHE"] = cache
        for _ in range(2):
            start = time.perf_counter()
            recipes.load(f"folder:{folder}")
            seconds.append(time.perf_counter() - start)
    return seconds


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--torch", help="a Python with torch and Pillow")
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        write_photos(folder, PHOTOS)
        subjects = {"fieldzoo": fieldzoo_batches(folder), "four steps": four_steps(folder), "decoded": decoded(folder)}
        wall, cpu = {name: [] for name in subjects}, {name: [] for name in subjects}
        torch_rates = []
        for i in range(ROUNDS + 1):  # round 0 is a warm-up
            for name, batches in subjects.items():
                rates = photos_per_second(batches)
                if i:
                    wall[name].append(rates[0])
                    cpu[name].append(rates[1])
            if i and arguments.torch:
                torch_rates.append(torch_rate(arguments.torch, folder))
            print(f"round {i}/{ROUNDS}", *(f"{n} {r[-1]:.0f}" for n, r in wall.items() if r), file=sys.stderr)
        for other in ("four steps", "decoded"):
            ratios = [
                statistics.median(a / b for a, b in zip(rates["fieldzoo"], rates[other], strict=True))
                for rates in (wall, cpu)
            ]
            rows.append([f"photos/s against {other}", *(f"{r:.2f}" for r in ratios)])
        if torch_rates:
            ratio = statistics.median(a / b for a, b in zip(wall["fieldzoo"], torch_rates, strict=True))
            rows.append(["photos/s against DataLoader", f"{ratio:.2f}", ""])
        rows += [[f"photos/s, {name}", f"{statistics.median(rates):.0f}", ""] for name, rates in wall.items()]
        if torch_rates:
            rows.append(["photos/s, DataLoader", f"{statistics.median(torch_rates):.0f}", ""])
    with tempfile.TemporaryDirectory() as folder:
        write_photos(folder, MANY)
        first, again = scan_seconds(folder)
        rows.append([f"scan of {MANY} photos again, against the first", f"{again / first:.3f}", ""])
        rows.append([f"scan of {MANY} photos, s", f"{first:.2f}", ""])
        fractions = [photos_per_second(fieldzoo_batches(folder))[2] for _ in range(3)]
        rows.append([f"first batch of {MANY} photos, against a pass", f"{statistics.median(fractions):.3f}", ""])
    from recipes.training import accelerate

    machine = accelerate.machine_info()
    with Path(__file__).with_suffix(".csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["figure", "wall", "cpu", "rounds", "cores", "python", "tensorflow", "keras"])
        keys = ("cores", "python", "tensorflow", "keras")
        table.writerows([*row, ROUNDS, *(machine[key] for key in keys)] for row in rows)
    for row in rows:
        print(*row, sep="\t")


if __name__ == "__main__":
    main()
