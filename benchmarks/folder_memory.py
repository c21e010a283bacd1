"""Memory of training and of prediction on a large folder of photos, beside that on a small one.

    python benchmarks/folder_memory.py [PHOTOS]                     writes benchmarks/folder_memory.csv
    python benchmarks/folder_memory.py --small-photos [PHOTOS]      writes benchmarks/folder_memory_small_photos.csv

`lenet5` at 224 x 224 pixels is trained for two epochs with flips on 500 and on PHOTOS (20,000) JPEG files of 500 x 375
pixels, each in a process of its own, to a run folder as `zoo train` does it. The figure is the largest resident memory
of each process.

With --small-photos, `lenet5` at 96 x 96 pixels is trained for one epoch on 1,000, on a tenth of PHOTOS and on PHOTOS
(100,000) files of 96 x 96 pixels, and another process predicts all of them to a CSV file. The resident memory of each
is sampled every `SAMPLE_SECONDS`: the largest, and the medians of the first and the last quarter of the samples after
the first `START_SECONDS`. The photos are seeded noise of two classes (`write_photos`); 64 are different, and the others
are these with other bytes after their end.
"""

import csv
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from folder_speed import write_photos

SMALL = 500
SAMPLE_SECONDS = 0.2
START_SECONDS = 10  # of imports and compilation
COLUMNS = ["work", "photos", "seconds", "peak_MiB", "first_quarter_MiB", "last_quarter_MiB", "cores", "processor"]


def train(folder, out, side="224", epochs="2"):
    """Trains one run; prints the peak memory [MiB] and the seconds."""
    import recipes

    start, side = time.perf_counter(), int(side)
    task = recipes.Classification(epochs=int(epochs), augment=("flip",), batch_size=32)
    recipes.fit(task, "lenet5", f"folder:{folder}", input_shape=(side, side, 3), out=out, verbose=False)
    print_peak(start)


def predict(run, folder, out):
    """Predicts all photos of a folder; prints as `train` does."""
    import recipes

    start = time.perf_counter()
    recipes.load_run(run).predict_files(folder, out, progress=False)
    print_peak(start)


def print_peak(start):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{peak:.0f} {time.perf_counter() - start:.0f}")


def run_sampled(*arguments):
    """Runs this script; returns its seconds, and its resident memory: largest, first and last quarter [MiB]."""
    process = subprocess.Popen([sys.executable, __file__, *map(str, arguments)], stdout=subprocess.PIPE, text=True)
    memory, start = [], time.perf_counter()
    watched = psutil.Process(process.pid)
    while process.poll() is None:
        if time.perf_counter() - start > START_SECONDS:
            memory.append(watched.memory_info().rss / 2**20)
        time.sleep(SAMPLE_SECONDS)
    if process.returncode:
        raise SystemExit(f"{arguments[0]} failed")
    peak, seconds = process.stdout.read().split()[-2:]
    quarter = max(1, len(memory) // 4)
    return [int(seconds), int(peak), *(round(statistics.median(m)) for m in (memory[:quarter], memory[-quarter:]))]


def small_photos(large):
    from recipes.training import accelerate

    rows, info = [], accelerate.machine_info()
    machine = [info["cores"], info["processor"]]
    for count in (1000, large // 10, large):
        with tempfile.TemporaryDirectory() as folder:
            photos, run = Path(folder) / "photos", Path(folder) / "run"
            write_photos(photos, count, (96, 96), different=64)
            rows.append(["train", count, *run_sampled("--train", photos, run, 96, 1), *machine])
            rows.append(["predict", count, *run_sampled("--predict", run, photos, Path(folder) / "out.csv"), *machine])
        print(*rows[-2], *rows[-1], sep="\t", flush=True)
    write_csv(Path(__file__).with_name("folder_memory_small_photos.csv"), COLUMNS, rows)


def large_photos(large):
    rows = []
    for count in (SMALL, large):
        with tempfile.TemporaryDirectory() as folder:
            photos = Path(folder) / "photos"
            write_photos(photos, count)
            command = [sys.executable, __file__, "--train", photos, Path(folder) / "run"]
            result = subprocess.run(command, capture_output=True, text=True, check=True)
            peak, seconds = map(int, result.stdout.split()[-2:])
        rows.append([count, peak, seconds, peak - (rows[0][1] if rows else peak)])
        print(*rows[-1], sep="\t", flush=True)
    write_csv(Path(__file__).with_suffix(".csv"), ["photos", "peak_MiB", "seconds", "above_small_MiB"], rows)


def write_csv(path, columns, rows):
    with path.open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(columns)
        table.writerows(rows)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--train"]:
        train(*sys.argv[2:])
    elif sys.argv[1:2] == ["--predict"]:
        predict(*sys.argv[2:])
    elif sys.argv[1:2] == ["--small-photos"]:
        small_photos(*map(int, sys.argv[2:] or [100_000]))
    else:
        large_photos(*map(int, sys.argv[1:] or [20_000]))
