"""Puts a trained worked recipe on the shelf `saved_models/`: `python -m recipes.reference.results_folder NAME RUN_FOLDER`.

Of every row its card, metrics and record; where the SavedModel takes under 1 MB also the model, its preprocessing, the
SavedModel, and golden answers to raw inputs, so that `zoo.load(NAME)` and a first served answer need no training.
"""

import argparse
import shutil
import sys
from pathlib import Path

import keras
import numpy as np

from recipes.data import as_source_spec
from recipes.reference.recipes import RESULTS, reference_recipe
from recipes.reports.card import card
from recipes.training.run import load_run, write_json

SMALL = 1_000_000  # bytes of a SavedModel
GOLDEN = 4  # raw inputs whose answers are kept


def save_results(name, run, shelf=RESULTS):
    """Copies what a run of a worked recipe left behind to the shelf.

    Args:
        name: the row's name.
        run: the run's folder, as `zoo train NAME --out` wrote it.
        shelf: the folder of all of them.
    Returns:
        The folder, shelf / name.
    Raises:
        ValueError: if there is no such row, or the folder holds no whole run of it.
    """
    row, run, place = reference_recipe(name), Path(run), Path(shelf) / name
    saved = load_run(run)
    data = row.record or row.data
    spec = as_source_spec(saved.told["record"]["data"])
    if spec is None or not spec.matches(as_source_spec(data)) or saved.told["record"]["model"] != row.model:
        raise ValueError(f"shelve: `run` must be of {name} ({row.model} on {data}), got {run}.")
    place.mkdir(parents=True, exist_ok=True)
    for file in ("metrics.json", "run.json"):
        shutil.copyfile(run / file, place / file)
    (place / "card.md").write_text(card(run, name))
    version = sorted((run / "saved_model").glob("[0-9]*"), key=lambda p: int(p.name))[-1:]
    if not version or weight(version[0]) > SMALL or hasattr(saved.model, "signatures"):
        return place
    saved.model.save(place / "model.keras")  # loaded without its optimizer, which is twice the model
    shutil.copyfile(run / "preprocessing.keras", place / "preprocessing.keras")
    shutil.rmtree(place / "1", ignore_errors=True)
    shutil.copytree(version[0], place / "1")
    write_json(place / "golden.json", golden(place / "1"))
    return place


def golden(exported):
    """Raw inputs and what the model answers to them: some that the export was proved with."""
    from zoo.export.warmup import read_records

    asked = next(r for r in read_records(exported) if r.signature == "serving_default" and size(r.inputs) >= GOLDEN)
    name = next(n for n in ("probabilities", "values") if n in asked.outputs)
    return {
        "inputs": {k: plain(v[:GOLDEN]) for k, v in asked.inputs.items()},
        "answers": np.asarray(asked.outputs[name][:GOLDEN], "float64").round(7).tolist(),
        "tolerance": 1e-4,
    }


def plain(values):
    """An array as JSON takes it, its bytes as strings."""
    values = np.asarray(values)
    if values.dtype != object:
        return values.tolist()
    return np.array([v.decode() for v in values.ravel()], dtype=object).reshape(values.shape).tolist()


def weight(folder):
    """Bytes of all files in a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def size(arguments):
    """The batch size of named arrays."""
    return len(next(iter(arguments.values())))


def main(arguments=None):
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m recipes.reference.results_folder", description=__doc__)
    parser.add_argument("name")
    parser.add_argument("run", type=Path)
    given = parser.parse_args(arguments)
    print(save_results(given.name, given.run))


if __name__ == "__main__":
    keras.utils.disable_interactive_logging()
    sys.exit(main())
