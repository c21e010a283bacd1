"""Presto's fuel-moisture task: errors of the released weights, of fine-tuning and of baselines, beside the paper's.

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
from recipes.tasks.standardized_loss import StandardizedLoss
from recipes.training import accelerate
from zoo.arguments import Count, Whole, checked
from zoo.layers.presto_bands import BANDS

FILES = ("s1_s2_era5_srtm", "dynamic_world", "month", "latlon", "target", "site", "is_test")
B9 = BANDS.index("B8A") + 1  # the files have one more band than Presto, B9, after B8A
PUBLISHED = 25.28  # RMSE [%] of the fine-tuned model in the paper
VALIDATION_SITES = 8
DIFFERS = (
    f"The paper's {PUBLISHED} is that of the fine-tuned model. Each row is of one seed. Targets are standardized "
    "before the Huber loss, so its threshold is one standard deviation instead of 1 %. The last incomplete batch of "
    "an epoch is dropped. 'forest on bands' does not use Presto; compare it to see what Presto's features add."
)
METHODS = ("mean", "linear", "forest", "forest on bands", "fine-tuned")

Method = Literal["mean", "linear", "forest", "forest on bands", "fine-tuned"]


class FuelMoisture(NamedTuple):
    """Measurements of live fuel moisture, each with the satellite data of the three months before it."""

    inputs: dict  # of `zoo.presto`, raw
    target: np.ndarray  # (N,) [% of the dry mass]
    site: np.ndarray  # (N,) names

    def take(self, rows):
        """Returns the measurements selected by a mask or by indices."""
        return FuelMoisture({n: v[rows] for n, v in self.inputs.items()}, self.target[rows], self.site[rows])


@checked
def read_fuel_moisture(folder: str) -> tuple[FuelMoisture, FuelMoisture]:
    """Reads the training and the test split, by the authors' flags; no site is in both.

    Args:
        folder: with the authors' .npy files.
    Returns:
        (train, test), each a `FuelMoisture`; x is (N, 3, 17) raw, without B9; months are 0 to 11.
    Raises:
        ValueError: if a file is missing, the files differ in length, a value is not finite, a month is not from 0 to
            11, or a site is in both splits.

    Source: https://github.com/nasaharvest/presto; labels are Rao et al. 2020's,
        https://doi.org/10.1016/j.rse.2020.111797.
    Differs: none
    """
    folder = Path(folder)
    if missing := [f"{n}.npy" for n in FILES if not (folder / f"{n}.npy").is_file()]:
        raise ValueError(f"read_fuel_moisture: `folder` must contain {', '.join(missing)}, got {folder}.")
    # allow_pickle stays off: sites are text, not objects
    arrays = {n: np.load(folder / f"{n}.npy") for n in FILES}
    if len({len(v) for v in arrays.values()}) > 1:
        lengths = ", ".join(f"{n} {len(v)}" for n, v in arrays.items())
        raise ValueError(f"read_fuel_moisture: the files must have the same length, got {lengths}.")
    x, month = arrays["s1_s2_era5_srtm"], arrays["month"]
    if x.shape[2:] != (len(BANDS) + 1,):
        raise ValueError(f"read_fuel_moisture: there must be {len(BANDS) + 1} bands, got shape {x.shape}.")
    for name in ("s1_s2_era5_srtm", "latlon", "target"):
        if len(rows := np.argwhere(~np.isfinite(arrays[name]))):
            raise ValueError(
                f"read_fuel_moisture: {name} must be finite, got NaN or infinity at {tuple(rows[0].tolist())}."
            )
    if len(rows := np.argwhere((month < 0) | (month > 11))):
        index = tuple(rows[0].tolist())
        raise ValueError(f"read_fuel_moisture: month must be from 0 to 11, got {month[index]} at {index}.")
    inputs = {
        "x": np.delete(x, B9, axis=-1).astype("float32"),
        "dynamic_world": arrays["dynamic_world"].astype("int32"),
        "latlons": arrays["latlon"].astype("float32"),
        "month": month.astype("int32"),
    }
    measurements = FuelMoisture(inputs, arrays["target"].astype("float32"), arrays["site"])
    is_test = arrays["is_test"] == 1
    train, test = measurements.take(~is_test), measurements.take(is_test)
    if both := set(train.site) & set(test.site):
        raise ValueError(f"read_fuel_moisture: a site must be in one split, got '{min(both)}' in both.")
    return train, test


def encoder(months, weights, outputs=None):
    """Builds Presto on raw bands with the released weights, and with a new dense layer if `outputs` is given."""
    model = zoo.presto((months, len(BANDS)), outputs, month="every", masked=False, raw=True)
    return zoo.load_weights(model, str(weights), head=outputs is None)


@checked
def finetune(
    train: FuelMoisture,
    weights: str,
    *,
    seed: Whole = 0,
    epochs: Count = 100,
    patience: Count = 10,
    verbose: bool = False,
) -> tuple:
    """Fine-tunes all of Presto, with early stopping on 8 of the sites.

    Args:
        train: a `FuelMoisture`.
        weights: file of the released weights.
        seed: of the new layer, the order and the 8 sites.
        epochs: maximum number of epochs.
        patience: epochs without a lower error on the 8 sites before training stops and restores the best weights.
        verbose: whether to show progress.
    Returns:
        (model that predicts [%], the training's history).

    Source: Tseng et al. 2023, https://arxiv.org/abs/2304.14065, and its code: AdamW at 3e-4 with weight decay 0.05,
        batches of 64.
    Differs: targets are standardized before the Huber loss, and the last incomplete batch of an epoch is dropped.
    """
    import tensorflow as tf

    keras.utils.set_random_seed(seed)
    sites = np.unique(train.site)
    sites = np.random.default_rng(seed).choice(sites, min(VALIDATION_SITES, len(sites) - 1), replace=False)
    held_out = np.isin(train.site, sites)
    train, validation = train.take(~held_out), train.take(held_out)
    model = encoder(train.inputs["x"].shape[1], weights, outputs=1)
    mean, deviation = float(train.target.mean()), float(train.target.std())
    to_percent = keras.layers.Rescaling(deviation, mean, dtype="float32", name="units")
    model = keras.Model(model.input, to_percent(model.output), name="presto_fuel_moisture")
    batch_size = min(64, len(train.target))
    data = tf.data.Dataset.from_tensor_slices((train.inputs, train.target[:, None]))
    data = data.cache().shuffle(len(train.target), seed=seed).batch(batch_size, drop_remainder=True).prefetch(2)
    model.compile(
        keras.optimizers.AdamW(3e-4, weight_decay=0.05),
        StandardizedLoss("huber", [deviation]),
        metrics=[keras.metrics.RootMeanSquaredError("rmse")],
        # compiling with XLA, for each batch size, takes longer than it saves in a run of minutes
        **{**accelerate.choose_acceleration(model, len(train.target) // batch_size).settings, "jit_compile": False},
    )
    early_stopping = keras.callbacks.EarlyStopping("val_rmse", patience=patience, mode="min", restore_best_weights=True)
    history = model.fit(
        data,
        validation_data=(validation.inputs, validation.target[:, None]),
        validation_batch_size=256,
        epochs=epochs,
        callbacks=[early_stopping],
        verbose=2 if verbose else 0,
        shuffle=False,  # the pipeline shuffles; Keras warns otherwise
    )
    return model, history.history


@checked
def compare(
    train: FuelMoisture,
    test: FuelMoisture,
    weights: str,
    *,
    methods: tuple[Method, ...] = METHODS,
    seed: Whole = 0,
    epochs: Count = 100,
    patience: Count = 10,
    verbose: bool = False,
) -> list[dict]:
    """Measures the error of each method on the test split, with those of the mean and of the paper.

    Args:
        train: a `FuelMoisture`.
        test: a `FuelMoisture`.
        weights: file of the released weights.
        methods: mean (of the training split), linear (least squares on Presto's features), forest (random forest on
            the same), forest on bands (without Presto) and fine-tuned.
        seed: of the forests and of fine-tuning.
        epochs: maximum number of epochs of fine-tuning.
        patience: of fine-tuning.
        verbose: whether to show the progress of fine-tuning.
    Returns:
        Rows: method, rmse [%], mean_rmse (of the training mean), published_rmse (the paper's, of fine-tuning), seed,
        epochs, seconds.

    Source: Tseng et al. 2023, https://arxiv.org/abs/2304.14065, section 4 and its code.
    Differs: targets are standardized before the Huber loss, so its threshold is one standard deviation instead of 1 %,
        and the last incomplete batch of an epoch is dropped. Each row is of one seed.
    """
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.linear_model import LinearRegression

    features, rows = {}, []
    mean = rmse(test.target, np.full(len(test.target), train.target.mean()))
    for method in methods:
        start, epochs_run = time.perf_counter(), 0
        if method in ("linear", "forest") and not features:
            presto = encoder(train.inputs["x"].shape[1], weights)
            features = {
                name: presto.predict(split.inputs, batch_size=256, verbose=0)
                for name, split in (("train", train), ("test", test))
            }
        if method == "mean":
            predictions = np.full(len(test.target), train.target.mean())
        elif method == "fine-tuned":
            model, history = finetune(train, weights, seed=seed, epochs=epochs, patience=patience, verbose=verbose)
            epochs_run = len(history["loss"])
            predictions = model.predict(test.inputs, batch_size=256, verbose=0)[:, 0]
        else:
            regression = LinearRegression() if method == "linear" else RandomForestRegressor(random_state=seed)
            on_bands = method == "forest on bands"
            x_train, x_test = (flatten(train), flatten(test)) if on_bands else features.values()
            predictions = regression.fit(x_train, train.target).predict(x_test)
        rows.append(
            {
                "method": method,
                "rmse": round(rmse(test.target, predictions), 2),
                "mean_rmse": round(mean, 2),
                "published_rmse": PUBLISHED,
                "seed": seed,
                "epochs": epochs_run,
                "seconds": round(time.perf_counter() - start, 1),
            }
        )
    return rows


def flatten(split):
    """Returns all inputs of each measurement as one row, (N, features)."""
    return np.concatenate([v.reshape(len(split.target), -1) for v in split.inputs.values()], axis=1)


def rmse(targets, predictions):
    """Returns the root mean square error."""
    return float(np.sqrt(np.mean((np.asarray(predictions, "float64") - targets) ** 2)))


def main(argv=None):
    """Runs the command and returns its exit code."""
    import pandas as pd

    parser = argparse.ArgumentParser(
        prog="python -m recipes.reference.fuel_moisture", description=__doc__.split("\n")[0]
    )
    parser.add_argument("folder", help="with the authors' .npy files")
    parser.add_argument(
        "--weights", help="file of the released weights; default: default_model.pt in the parent of FOLDER"
    )
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=METHODS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=100, help="maximum number of epochs of fine-tuning")
    parser.add_argument("--patience", type=int, default=10, help="epochs without improvement before fine-tuning stops")
    parser.add_argument("--out", help="CSV file to write")
    options = parser.parse_args(argv)
    weights = options.weights or Path(options.folder).resolve().parent / "default_model.pt"
    try:
        train, test = read_fuel_moisture(options.folder)
        rows = compare(
            train,
            test,
            str(weights),
            methods=tuple(options.methods),
            seed=options.seed,
            epochs=options.epochs,
            patience=options.patience,
            verbose=True,
        )
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    machine = accelerate.machine_info()
    machine["gpus"] = len(machine["gpus"])
    table = pd.DataFrame([{**row, "train": len(train.target), "test": len(test.target), **machine} for row in rows])
    if options.out:
        table.to_csv(options.out, index=False)
    print(table.iloc[:, :7].to_string(index=False))
    print(DIFFERS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
