"""Peak memory of training on a large folder of photos, above the same training on a small one.

    python benchmarks/folder_memory.py [PHOTOS]          writes benchmarks/folder_memory.csv

`lenet5` at 224 x 224 pixels is trained for two epochs with flips on 500 and on PHOTOS (20,000) JPEG files of 500 x 375
pixels, each in a process of its own, to a run folder as `zoo train` does it. The figure is the largest resident memory
of each process.
"""

import csv
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from folder_speed import write_photos

SMALL = 500


def train(folder, out):
    """Trains one run; prints the peak memory [MiB] and the seconds."""
    import recipes

    start = time.perf_counter()
    task = recipes.Classification(epochs=2, augment=("flip",), batch_size=32)
    recipes.fit(task, "lenet5", f"folder:{folder}", input_shape=(224, 224, 3), out=out, verbose=False)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{peak:.0f} {time.perf_counter() - start:.0f}")


def main(large="20000"):
    rows = []
    for count in (SMALL, int(large)):
        with tempfile.TemporaryDirectory() as folder:
            photos = Path(folder) / "photos"
            write_photos(photos, count)
            command = [sys.executable, __file__, "--train", photos, Path(folder) / "run"]
            result = subprocess.run(command, capture_output=True, text=True, check=True)
            peak, seconds = map(int, result.stdout.split()[-2:])
        rows.append([count, peak, seconds, peak - (rows[0][1] if rows else peak)])
        print(*rows[-1], sep="\t", flush=True)
    with Path(__file__).with_suffix(".csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["photos", "peak_MiB", "seconds", "above_small_MiB"])
        table.writerows(rows)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--train"]:
        train(*sys.argv[2:])
    else:
        main(*sys.argv[1:])
