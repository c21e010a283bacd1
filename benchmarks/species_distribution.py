"""Species distribution models in cross-validation: networks, forests and elapid's Maxent on the same folds.

    python benchmarks/species_distribution.py [--elapid PYTHON] [--dismo FOLDER] [--folds 3]

writes benchmarks/species_distribution.csv: mean and standard deviation over the folds of the area under the ROC curve,
the true skill statistic at the threshold of the validation split, the continuous Boyce index and the expected
calibration error. Folds are spatial blocks. Baselines are those that every run has; their skill statistic is that at a
probability of 0.5. --elapid names a Python in which elapid 1.0.4 is installed. --dismo names the
folder inst/ex of the R package dismo, whose presences of Bradypus variegatus and climate layers (WorldClim, 0.5
degrees) are read as points and rasters, in spatial blocks; the mean of the folds is mapped to
docs/images/species_map.png, with the deviation between folds and the similarity.
"""

import argparse
import csv
import json
import os
import subprocess
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pandas as pd

import recipes
from recipes.raster.species_map import predict_species_map
from recipes.tasks.cross_validation import fold_splits
from recipes.training import accelerate

METRICS = ("roc_auc", "tss", "boyce_index", "calibration_error")
NETWORKS = {
    "maxent_features": recipes.SpeciesDistribution(epochs=60, learning_rate=0.03),
    "deepmaxent": recipes.SpeciesDistribution(
        epochs=60, learning_rate=2e-4, batch_size=250, optimizer="adamw", weight_decay=3e-4, baselines=False
    ),
}
FOLDER = Path(__file__).parent
ELAPID = "elapid's Maxent"


def sources(dismo):
    """Yields (name, source)."""
    if dismo:
        yield "bradypus, climate layers", f"species:{dismo}/bradypus.csv?rasters={dismo}/bio[0-9]*.grd&background=2000"
    yield "ariolimax", "bundled:ariolimax"


def write_folds(data, folds, folder):
    """Writes the rows of each fold for elapid: training and validation rows together, and test rows."""
    for number, (fold, _) in enumerate(fold_splits(data, folds, 0), 1):
        parts = {"train": (fold.train, fold.validation), "test": (fold.test,)}
        for name, splits in parts.items():
            frames = [pd.DataFrame(split.inputs).assign(presence=split.targets) for split in splits if len(split)]
            frame = pd.concat(frames, ignore_index=True)
            categories = [c for c, kind in data.columns.items() if kind == "category"]
            frame.rename(columns={c: f"category_{c}" for c in categories}).to_csv(
                folder / f"{number}_{name}.csv", index=False
            )


def elapid_metrics(python, data, folds, task):
    """Returns (metrics of each fold, version of elapid)."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        write_folds(data, folds, folder)
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        subprocess.run([python, FOLDER / "species_elapid.py", folder], check=True, env=environment)
        rows = []
        for number in range(1, folds + 1):
            presence = pd.read_csv(folder / f"{number}_test.csv")["presence"].to_numpy()
            p = pd.read_csv(folder / f"{number}_elapid.csv")["prediction"].to_numpy()
            rows.append(task.compute_metrics(data, presence, np.stack([1 - p, p], axis=1)))
        return rows, json.loads((folder / "versions.json").read_text())["elapid"]


def spread(values):
    """Returns mean and standard deviation of numbers, as texts."""
    values = [v for v in values if v is not None]
    return [f"{np.mean(values):.4f}", f"{np.std(values, ddof=1):.4f}"] if len(values) > 1 else ["", ""]


def draw_map(path, points, picture):
    """Draws the bands of a map."""
    import rasterio

    from recipes.reports.report import new_figure

    with rasterio.open(path) as file:
        bands, names, bounds = file.read(), file.descriptions, file.bounds
    extent = (bounds.left, bounds.right, bounds.bottom, bounds.top)
    figure = new_figure(12, 4.2)
    styles = ({"cmap": "viridis", "vmin": 0}, {"cmap": "magma", "vmin": 0}, {"cmap": "RdBu", "vmin": -50, "vmax": 50})
    for ax, band, name, style in zip(figure.subplots(1, 3), bands, names, styles, strict=True):
        image = ax.imshow(band, extent=extent, interpolation="nearest", **style)
        figure.colorbar(image, ax=ax, shrink=0.7)
        ax.set(title=name, xlabel="longitude", ylabel="latitude")
    figure.axes[0].plot(points["lon"], points["lat"], ".", color="red", markersize=2)
    figure.savefig(picture, dpi=80)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--elapid", help="Python with elapid 1.0.4")
    parser.add_argument("--dismo", type=Path, help="folder inst/ex of the R package dismo")
    parser.add_argument("--folds", type=int, default=3)
    options = parser.parse_args()
    info = accelerate.machine_info()
    machine = [info[name] for name in ("processor", "tensorflow", "keras")]
    with open(FOLDER / "species_distribution.csv", "w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        columns = [f"{metric}{suffix}" for metric in METRICS for suffix in ("", "_deviation")]
        versions = ["processor", "tensorflow", "keras", "elapid"]
        table.writerow(["data", "points", "folds", "method", *columns, *versions])

        def write(name, data, method, rows, elapid=""):
            count = sum(len(split) for split in (data.train, data.validation, data.test))
            cells = [cell for metric in METRICS for cell in spread([row.get(metric) for row in rows])]
            if method == ELAPID:  # no threshold is chosen on a validation split for it
                cells[2:4] = ["", ""]
            table.writerow([name, count, options.folds, method, *cells, *machine, elapid])
            file.flush()

        for name, source in sources(options.dismo):
            data, runs = recipes.load(source), None
            for network, task in NETWORKS.items():
                result = recipes.cross_validate(task, network, data, folds=options.folds, verbose=False)
                for method in dict.fromkeys(row["method"] for row in result.folds):
                    rows = [row for row in result.folds if row["method"] == method]
                    write(name, data, network if method == "network" else method, rows)
                runs = runs or result.runs
            if options.elapid:
                rows, version = elapid_metrics(options.elapid, data, options.folds, NETWORKS["maxent_features"])
                write(name, data, ELAPID, rows, version)
            if name.endswith("layers"):
                with tempfile.TemporaryDirectory() as folder:
                    out = Path(folder) / "map.tif"
                    predict_species_map(runs, (f"{options.dismo}/bio[0-9]*.grd",), out, verbose=False)
                    points = pd.read_csv(options.dismo / "bradypus.csv")
                    draw_map(out, points, FOLDER.parent / "docs" / "images" / "species_map.png")


if __name__ == "__main__":
    main()
