"""Accuracy of a small CNN on MNIST with and without a VAE's images as additional training data.

    python benchmarks/samples_as_data.py [FEW SEEDS STEPS EPOCHS]          writes benchmarks/samples_as_data.csv

For each of SEEDS (5) seeds, FEW (20) labeled images per digit are sampled from the training split. A VAE is trained on
these alone for EPOCHS (150) epochs and generates 100 images per digit, by interpolation between the codes of two images
of the same digit. The same CNN is then trained for STEPS (600) steps with batch size 32 on:
- few: the few images;
- moved: the few images, augmented by random rotation, shift and zoom;
- made: the few and the generated images;
- made and moved: the few and the generated images, augmented.
All are evaluated on the test split. `gain` is the mean difference from `few` over the seeds; `lowest` and `highest` are
the extremes over the seeds.
"""

import csv
import sys
from pathlib import Path

import recipes


def main(few=20, seeds=5, steps=600, epochs=150):
    data = recipes.load("bundled:mnist-5k")
    results = recipes.gain_from_generated(
        data, "vae", real_per_class=few, seeds=seeds, steps=steps, epochs=epochs, latent=10, units=(200,)
    )
    with Path(__file__).with_suffix(".csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["trained on", "accuracy", "gain", "lowest", "highest", "few", "seeds", "steps", "epochs"])
        for name, row in results.items():
            numbers = [f"{v:.4f}" for v in (row["accuracy"], row["gain"], min(row["gains"]), max(row["gains"]))]
            table.writerow([name, *numbers, few, seeds, steps, epochs])
            print(name, *numbers, sep="\t")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
