"""Thirty learning curves of real trainings, five states by six, and what `diagnose` says of them.

    python benchmarks/learning_curves.py          trains those that tests/golden/learning_curves.json lacks
    python benchmarks/learning_curves.py --draw FILE.png

The state follows from the settings, not from the rules: few examples and a large network overfit; few steps, a minute
learning rate or a strong penalty underfit; a rate far above the usual one diverges; a constant rate with batches of
four is noisy at convergence; the others have a usual rate that decays. The picture is for looking whether the curves
show it.
"""

import argparse
import json
import time
from pathlib import Path

import recipes
from recipes.training.diagnosis import diagnose

FILE = Path(__file__).parents[1] / "tests" / "golden" / "learning_curves.json"
SMALL = "validation=0.2&test=0.7"  # little is left for training
CLASSES, NUMBERS = recipes.Classification, recipes.Regression
LARGE = {"units": (256, 256)}
CONSTANT = {"schedule": "constant"}
NOISY = {"schedule": "constant", "batch_size": 4, "learning_rate": 3e-3}
FAST, USUAL, MINUTE = {"learning_rate": 3e-3}, {"learning_rate": 1e-3}, {"learning_rate": 1e-6}
ROWS = (  # state and name, task, data, epochs and other numbers, arguments of dnn
    ("overfit, digits", CLASSES, f"digits?{SMALL}", 100, {**CONSTANT, **FAST}, LARGE),
    ("overfit, breast cancer", CLASSES, f"breast-cancer?{SMALL}", 80, CONSTANT, LARGE),
    ("overfit, diabetes", NUMBERS, f"diabetes?{SMALL}", 80, CONSTANT, LARGE),
    ("overfit, satimage", CLASSES, "satimage?validation=0.85", 150, {**CONSTANT, **FAST}, LARGE),
    ("overfit, leaves", CLASSES, "osu-leaf", 60, CONSTANT, LARGE),
    ("overfit, diabetes, decay", NUMBERS, "diabetes", 100, FAST, LARGE),
    ("underfit, minute rate", CLASSES, "digits", 10, MINUTE, {"units": (32,)}),
    ("underfit, few steps", CLASSES, "digits", 4, {"optimizer": "sgd", "learning_rate": 1e-3}, {"units": (32,)}),
    ("underfit, one unit", CLASSES, "digits", 15, {}, {"units": (1,)}),
    ("underfit, penalty", CLASSES, "breast-cancer", 15, {}, {"units": (32,), "l2": 3.0}),
    ("underfit, dropout", CLASSES, "digits", 15, {}, {"units": (8, 8), "dropout": 0.9}),
    ("underfit, regression", NUMBERS, "diabetes", 10, MINUTE, {"units": (32,)}),
    ("diverges, digits", CLASSES, "digits", 15, {"optimizer": "momentum", "learning_rate": 3.0}, {"units": (64,)}),
    ("diverges, adam", CLASSES, "digits", 15, {"learning_rate": 1.0}, {"units": (64, 64)}),
    ("diverges, breast cancer", CLASSES, "breast-cancer", 20, {"learning_rate": 3.0}, {"units": (64, 64)}),
    ("diverges, satimage", CLASSES, "satimage", 8, {"learning_rate": 0.5}, {"units": (64, 64)}),
    ("diverges, diabetes", NUMBERS, "diabetes", 20, {"learning_rate": 3.0}, {"units": (64, 64)}),
    ("diverges, penguins", CLASSES, "penguins", 20, {"learning_rate": 3.0}, {"units": (64, 64)}),
    ("noisy, digits", CLASSES, "digits", 30, {**NOISY, **USUAL}, {"units": (32,), "dropout": 0.3}),
    ("noisy, breast cancer", CLASSES, "breast-cancer", 30, {**NOISY, **USUAL}, {"units": (8,), "dropout": 0.3}),
    ("noisy, penguins", CLASSES, "penguins", 40, NOISY, {"units": (16,), "dropout": 0.3}),
    ("noisy, satimage", CLASSES, "satimage?test=0.7", 30, NOISY, {"units": (16,)}),
    ("noisy, diabetes", NUMBERS, "diabetes", 40, NOISY, {"units": (8,), "dropout": 0.3}),
    ("noisy, power", CLASSES, "italy-power", 80, NOISY, {"units": (8,), "dropout": 0.2}),
    ("fine, digits", CLASSES, "digits", 25, {}, {"units": (64,), "dropout": 0.3}),
    ("fine, breast cancer", CLASSES, "breast-cancer", 30, {}, {"units": (16,), "dropout": 0.3}),
    ("fine, penguins", CLASSES, "penguins", 40, FAST, {"units": (16,)}),
    ("fine, satimage", CLASSES, "satimage", 20, {}, {"units": (32,)}),
    ("fine, diabetes", NUMBERS, "diabetes", 60, FAST, {"units": (8,)}),
    ("fine, power", CLASSES, "italy-power", 40, FAST, {"units": (16,), "dropout": 0.2}),
)


def train(name, task, data, epochs, numbers, arguments):
    """Returns a training as tests/golden/learning_curves.json has it."""
    task = task(baselines=False, epochs=epochs, **numbers)
    run = task.fit("dnn", f"bundled:{data}", verbose=False, **arguments)
    settings = run.task.diagnosis_arguments(run)
    return {
        "name": name,
        "settings": repr((data, epochs, numbers, arguments)),
        "history": {key: [float(f"{v:.5g}") for v in run.history[key]] for key in ("loss", "val_loss")},
        "arguments": {key: _plain(value) for key, value in settings.items()},
    }


def _plain(value):
    return value if value is None or isinstance(value, bool | int) else float(f"{value:.6g}")


def draw(curves, path):
    """Draws all curves, with their state and the first words of the diagnosis."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(5, 6, figsize=(22, 17), layout="constrained")
    for axis, curve in zip(axes.flat, curves, strict=True):
        axis.plot(curve["history"]["loss"], label="training")
        axis.plot(curve["history"]["val_loss"], label="validation")
        if curve["arguments"]["baseline_loss"] is not None:
            axis.axhline(curve["arguments"]["baseline_loss"], color="gray", linestyle=":")
        axis.set_yscale("log")
        axis.set_title(
            f"{curve['name']}\n{' '.join(diagnose(curve['history'], **curve['arguments']))[:48]}", fontsize=9
        )
    axes.flat[0].legend()
    figure.savefig(path, dpi=60)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--draw", metavar="FILE.png")
    options = parser.parse_args()
    if options.draw:
        draw(json.loads(FILE.read_text()), options.draw)
        return
    curves = {curve["name"]: curve for curve in json.loads(FILE.read_text())} if FILE.exists() else {}
    for row in ROWS:
        name, start = row[0], time.perf_counter()
        if curves.get(name, {}).get("settings") != repr(row[2:]):
            curves[name] = train(*row)
        text = " ".join(diagnose(curves[name]["history"], **curves[name]["arguments"]))
        print(f"{name:28}{time.perf_counter() - start:5.0f} s  {text[:90]}", flush=True)
        present = [curves[row[0]] for row in ROWS if row[0] in curves]
        FILE.write_text("[\n" + ",\n".join(map(json.dumps, present)) + "\n]\n")


if __name__ == "__main__":
    main()
