"""What a small CNN gains or loses by a VAE's images beside few labelled digits: accuracy on MNIST's held-out part.

    python benchmarks/samples_as_data.py [FEW SEEDS STEPS EPOCHS]          writes benchmarks/samples_as_data.csv

Of every digit FEW (20) images are drawn, anew for each of SEEDS (5) seeds. A VAE learns from these alone and makes 100
of each digit between the codes of two images of one digit. The same CNN then learns for STEPS (600) steps of 32 images:
- real: from the few images;
- augmented: from the same, rotated, shifted and zoomed at random;
- generated: from the few and the images of the VAE;
- generated and augmented: from these, augmented.
`gain` is the mean difference from `real` over the seeds; `lowest` and `highest` are of single seeds.
"""

import csv
import sys
from pathlib import Path

import recipes


def main(few=20, seeds=5, steps=600, epochs=150):
    data = recipes.load("bundled:mnist-5k")
    found = recipes.gain_from_generated(
        data, "vae", real_per_class=few, seeds=seeds, steps=steps, epochs=epochs, latent=10, units=(200,)
    )
    with Path(__file__).with_suffix(".csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["learnt from", "accuracy", "gain", "lowest", "highest", "few", "seeds", "steps", "epochs"])
        for name, row in found.items():
            numbers = [f"{v:.4f}" for v in (row["accuracy"], row["gain"], min(row["gains"]), max(row["gains"]))]
            table.writerow([name, *numbers, few, seeds, steps, epochs])
            print(name, *numbers, sep="\t")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
