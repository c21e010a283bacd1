"""Presto's fuel-moisture task: what the released weights give on it, and what the paper reports of it.

`python -m recipes.reference.fuel_moisture FOLDER --out RESULTS.csv`; FOLDER is data/fuel_moisture/npy of
https://github.com/nasaharvest/presto.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Literal, NamedTuple

import keras
import numpy as np

import zoo
from recipes.tasks.regression import StandardisedLoss
from recipes.training import accelerate
from zoo.arguments import Count, Whole, checked
from zoo.layers.presto_bands import BANDS

FILES = ("s1_s2_era5_srtm", "dynamic_world", "month", "latlon", "target", "site", "is_test")
B9 = BANDS.index("B8A") + 1  # the files' bands are Presto's and, after B8A, B9, which it does not take
PUBLISHED = 25.28  # RMSE [%] of the fine-tuned model in the paper
VALIDATION_SITES = 8
DIFFERS = (
    f"The paper's {PUBLISHED} is of the fine-tuned model. A row here is one seed; targets are standardised "
    "before the Huber loss, whose bend is then at one standard deviation and not at 1 %, and an epoch's "
    "last incomplete batch is left out. 'forest on bands' does without Presto: it says what Presto's features add."
)
METHODS = ("mean", "linear", "forest", "forest on bands", "fine-tuned")

Method = Literal["mean", "linear", "forest", "forest on bands", "fine-tuned"]


class Part(NamedTuple):
    """Measurements of live fuel moisture, each with three months of what satellites saw of the place before it."""

    inputs: dict  # as `zoo.presto` takes them, raw
    target: np.ndarray  # (N,) [% of the dry mass]
    site: np.ndarray  # (N,) names

    def take(self, chosen):
        """The measurements at `chosen`, a mask or indices."""
        return Part({n: v[chosen] for n, v in self.inputs.items()}, self.target[chosen], self.site[chosen])


@checked
def read_fuel_moisture(folder: str) -> tuple[Part, Part]:
    """The task's training and test part, by the authors' own flags; no site is in both.

    Args:
        folder: where the authors' .npy files lie.
    Returns:
        (train, test), each a `Part`; x is (N, 3, 17) raw, without B9, months count from 0.
    Raises:
        ValueError: if a file is missing, they differ in length, a number is missing, a month lies outside 0 to 11, or
            a site is in both parts.

    Source: https://github.com/nasaharvest/presto; labels are Rao et al. 2020's,
        https://doi.org/10.1016/j.rse.2020.111797.
    Differs: none
    """
    folder = Path(folder)
    if missing := [f"{n}.npy" for n in FILES if not (folder / f"{n}.npy").is_file()]:
        raise ValueError(f"read_fuel_moisture: `folder` must hold {', '.join(missing)}, got {folder}.")
    # allow_pickle stays off: sites are text, not objects
    found = {n: np.load(folder / f"{n}.npy") for n in FILES}
    if len({len(v) for v in found.values()}) > 1:
        told = ", ".join(f"{n} {len(v)}" for n, v in found.items())
        raise ValueError(f"read_fuel_moisture: the files must be equally long, got {told}.")
    x, month = found["s1_s2_era5_srtm"], found["month"]
    if x.shape[2:] != (len(BANDS) + 1,):
        raise ValueError(f"read_fuel_moisture: there must be {len(BANDS) + 1} bands, got shape {x.shape}.")
    for name in ("s1_s2_era5_srtm", "latlon", "target"):
        if len(rows := np.argwhere(~np.isfinite(found[name]))):
            raise ValueError(
                f"read_fuel_moisture: {name} must have all numbers, got none at {tuple(rows[0].tolist())}."
            )
    if len(rows := np.argwhere((month < 0) | (month > 11))):
        at = tuple(rows[0].tolist())
        raise ValueError(f"read_fuel_moisture: month must lie between 0 and 11, got {month[at]} at {at}.")
    inputs = {
        "x": np.delete(x, B9, axis=-1).astype("float32"),
        "dynamic_world": found["dynamic_world"].astype("int32"),
        "latlons": found["latlon"].astype("float32"),
        "month": month.astype("int32"),
    }
    every, test = Part(inputs, found["target"].astype("float32"), found["site"]), found["is_test"] == 1
    train, test = every.take(~test), every.take(test)
    if shared := set(train.site) & set(test.site):
        raise ValueError(f"read_fuel_moisture: a site must be in one part, got '{min(shared)}' in both.")
    return train, test


def encoder(months, weights, outputs=None):
    """Presto on raw bands with the released weights, and a new dense layer where it shall answer `outputs` numbers."""
    model = zoo.presto((months, len(BANDS)), outputs, month="every", masked=False, raw=True)
    return zoo.load_weights(model, str(weights), head=outputs is None)


@checked
def finetune(
    train: Part, weights: str, *, seed: Whole = 0, epochs: Count = 100, patience: Count = 10, verbose: bool = False
) -> tuple:
    """Presto trained further on a part, all of it; 8 of its sites say when to stop.

    Args:
        train: a `Part`.
        weights: file of the released weights.
        seed: of the new layer, of the order and of the 8 sites.
        epochs: passes over the part at most.
        patience: epochs without a smaller error on the 8 sites after which it stops, at the best weights.
        verbose: whether to show progress.
    Returns:
        (model that answers [%], the training's history).

    Source: Tseng et al. 2023, https://arxiv.org/abs/2304.14065, and its code: AdamW at 3e-4 with weight decay 0.05,
        batches of 64.
    Differs: targets are standardised before the Huber loss, and an epoch's last incomplete batch is left out.
    """
    import tensorflow as tf

    keras.utils.set_random_seed(seed)
    sites = np.unique(train.site)
    held = np.random.default_rng(seed).choice(sites, min(VALIDATION_SITES, len(sites) - 1), replace=False)
    held = np.isin(train.site, held)
    kept, watched = train.take(~held), train.take(held)
    model = encoder(kept.inputs["x"].shape[1], weights, outputs=1)
    mean, spread = float(kept.target.mean()), float(kept.target.std())
    units = keras.layers.Rescaling(spread, mean, dtype="float32", name="units")
    model = keras.Model(model.input, units(model.output), name="presto_fuel_moisture")
    batch = min(64, len(kept.target))
    data = tf.data.Dataset.from_tensor_slices((kept.inputs, kept.target[:, None]))
    data = data.cache().shuffle(len(kept.target), seed=seed).batch(batch, drop_remainder=True).prefetch(2)
    model.compile(
        keras.optimizers.AdamW(3e-4, weight_decay=0.05),
        StandardisedLoss("huber", [spread]),
        metrics=[keras.metrics.RootMeanSquaredError("rmse")],
        # a run of minutes does not earn back XLA's compilation, which each size of a batch needs anew
        **{**accelerate.choose_acceleration(model, len(kept.target) // batch).settings, "jit_compile": False},
    )
    stop = keras.callbacks.EarlyStopping("val_rmse", patience=patience, mode="min", restore_best_weights=True)
    history = model.fit(
        data,
        validation_data=(watched.inputs, watched.target[:, None]),
        validation_batch_size=256,
        epochs=epochs,
        callbacks=[stop],
        verbose=2 if verbose else 0,
        shuffle=False,  # the pipeline does; Keras warns otherwise
    )
    return model, history.history


@checked
def compare(
    train: Part,
    test: Part,
    weights: str,
    *,
    methods: tuple[Method, ...] = METHODS,
    seed: Whole = 0,
    epochs: Count = 100,
    patience: Count = 10,
    verbose: bool = False,
) -> list[dict]:
    """The error of each method on the test part, beside the paper's and beside that of the training part's mean.

    Args:
        train: a `Part`.
        test: another.
        weights: file of the released weights.
        methods: mean (always the training part's mean), linear (least squares on Presto's features), forest (random
            forest on them), forest on bands (without Presto) and fine-tuned.
        seed: of the forests and of fine-tuning.
        epochs: of fine-tuning, at most.
        patience: of fine-tuning.
        verbose: whether to show its progress.
    Returns:
        Rows: method, rmse [%], mean_rmse (of always answering the mean), published_rmse (the paper's, of fine-tuning),
        seed, epochs, seconds.

    Source: Tseng et al. 2023, https://arxiv.org/abs/2304.14065, section 4 and its code.
    Differs: targets are standardised before the Huber loss, whose bend is then at one standard deviation and not at
        1 %, and the last incomplete batch of an epoch is left out. A row is one seed.
    """
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.linear_model import LinearRegression

    features, rows = {}, []
    mean = rmse(test.target, np.full(len(test.target), train.target.mean()))
    for method in methods:
        began, ran = time.perf_counter(), 0
        if method in ("linear", "forest") and not features:
            presto = encoder(train.inputs["x"].shape[1], weights)
            features = {
                n: presto.predict(p.inputs, batch_size=256, verbose=0) for n, p in (("train", train), ("test", test))
            }
        if method == "mean":
            answers = np.full(len(test.target), train.target.mean())
        elif method == "fine-tuned":
            model, history = finetune(train, weights, seed=seed, epochs=epochs, patience=patience, verbose=verbose)
            ran = len(history["loss"])
            answers = model.predict(test.inputs, batch_size=256, verbose=0)[:, 0]
        else:
            learner = LinearRegression() if method == "linear" else RandomForestRegressor(random_state=seed)
            seen, asked = (flat(train), flat(test)) if method == "forest on bands" else features.values()
            answers = learner.fit(seen, train.target).predict(asked)
        rows.append(
            {
                "method": method,
                "rmse": round(rmse(test.target, answers), 2),
                "mean_rmse": round(mean, 2),
                "published_rmse": PUBLISHED,
                "seed": seed,
                "epochs": ran,
                "seconds": round(time.perf_counter() - began, 1),
            }
        )
    return rows


def flat(part):
    """All that Presto sees of each measurement, as one row of numbers."""
    return np.concatenate([v.reshape(len(part.target), -1) for v in part.inputs.values()], axis=1)


def rmse(targets, answers):
    return float(np.sqrt(np.mean((np.asarray(answers, "float64") - targets) ** 2)))


def main(argv=None):
    """The command; returns its exit status."""
    import pandas as pd

    parser = argparse.ArgumentParser(
        prog="python -m recipes.reference.fuel_moisture", description=__doc__.split("\n")[0]
    )
    parser.add_argument("folder", help="where the authors' .npy files lie")
    parser.add_argument("--weights", help="the released weights; default_model.pt beside FOLDER if not given")
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=METHODS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=100, help="of fine-tuning, at most")
    parser.add_argument("--patience", type=int, default=10, help="epochs without improvement before it stops")
    parser.add_argument("--out", help="CSV to write the results to")
    told = parser.parse_args(argv)
    weights = told.weights or Path(told.folder).resolve().parent / "default_model.pt"
    try:
        train, test = read_fuel_moisture(told.folder)
        options = {"seed": told.seed, "epochs": told.epochs, "patience": told.patience}
        rows = compare(train, test, str(weights), methods=tuple(told.methods), verbose=True, **options)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    machine = accelerate.machine_info()
    machine["gpus"] = len(machine["gpus"])
    table = pd.DataFrame([{**row, "train": len(train.target), "test": len(test.target), **machine} for row in rows])
    if told.out:
        table.to_csv(told.out, index=False)
    print(table.iloc[:, :7].to_string(index=False))
    print(DIFFERS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
