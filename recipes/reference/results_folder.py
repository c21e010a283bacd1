"""Copies the results of a trained reference recipe to `saved_models/`.

`python -m recipes.reference.results_folder NAME RUN_FOLDER` copies model card, metrics and run.json. If the
SavedModel is smaller than 1 MB, it also copies the model, its preprocessing and the SavedModel, and writes golden.json
with a few raw inputs and predictions, so that `zoo.load(NAME)` needs no training.
"""

import argparse
import shutil
import sys
from pathlib import Path

import keras
import numpy as np

from recipes.data import as_source_spec
from recipes.reference.recipes import reference_recipe
from recipes.reports.card import card
from recipes.runs.load import load_run
from recipes.training.run_record import write_json
from zoo.weights import RESULTS_FOLDER

MAX_BYTES = 1_000_000  # of a SavedModel that is copied
GOLDEN_EXAMPLES = 4


def save_results(name, run, folder=RESULTS_FOLDER):
    """Copies the results of a run of a reference recipe.

    Args:
        name: of the reference recipe.
        run: the run's folder, as `zoo train NAME --out` writes it.
        folder: of all results.
    Returns:
        The path folder / name.
    Raises:
        ValueError: if there is no such reference recipe, or `run` is not a run of it.
    """
    recipe, run, out = reference_recipe(name), Path(run), Path(folder) / name
    saved = load_run(run)
    data = recipe.results_data or recipe.data
    record = saved.record
    spec = as_source_spec(record["data"])
    if spec is None or not spec.matches(as_source_spec(data)) or record["model"] != recipe.model:
        raise ValueError(f"save_results: `run` must be of {name} ({recipe.model} on {data}), got {run}.")
    out.mkdir(parents=True, exist_ok=True)
    for file in ("metrics.json", "run.json"):
        shutil.copyfile(run / file, out / file)
    (out / "card.md").write_text(card(run, name))
    versions = sorted((run / "saved_model").glob("[0-9]*"), key=lambda p: int(p.name))
    if not versions or folder_size(versions[-1]) > MAX_BYTES or hasattr(saved.model, "signatures"):
        return out
    saved.model.save(out / "model.keras")  # without the optimizer, which is twice the size of the model
    shutil.copyfile(run / "preprocessing.keras", out / "preprocessing.keras")
    shutil.rmtree(out / "1", ignore_errors=True)
    shutil.copytree(versions[-1], out / "1")
    write_json(out / "golden.json", golden_predictions(out / "1"))
    return out


def golden_predictions(exported):
    """Returns a few raw inputs of the export's warm-up records, with the predictions recorded there."""
    from zoo.export.warmup import read_records

    record = next(
        r
        for r in read_records(exported)
        if r.signature == "serving_default" and batch_size(r.inputs) >= GOLDEN_EXAMPLES
    )
    output = next(n for n in ("probabilities", "values") if n in record.outputs)
    return {
        "inputs": {k: to_json(v[:GOLDEN_EXAMPLES]) for k, v in record.inputs.items()},
        "predictions": np.asarray(record.outputs[output][:GOLDEN_EXAMPLES], "float64").round(7).tolist(),
        "tolerance": 1e-4,
    }


def to_json(values):
    """Converts an array to nested lists, with bytes decoded to strings."""
    values = np.asarray(values)
    if values.dtype != object:
        return values.tolist()
    return np.array([v.decode() for v in values.ravel()], dtype=object).reshape(values.shape).tolist()


def folder_size(folder):
    """Returns the total size of all files in a folder [bytes]."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def batch_size(arrays):
    """Returns the length of the first of named arrays."""
    return len(next(iter(arrays.values())))


def main(arguments=None):
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m recipes.reference.results_folder", description=__doc__)
    parser.add_argument("name", help="of the reference recipe")
    parser.add_argument("run", type=Path, help="folder that `zoo train NAME --out` wrote")
    options = parser.parse_args(arguments)
    print(save_results(options.name, options.run))


if __name__ == "__main__":
    keras.utils.disable_interactive_logging()
    sys.exit(main())
