"""Baselines without a network for tables, vectors, series and sound: linear, random forest and gradient boosting."""

import time
import typing

import numpy as np

from recipes.prediction.slices import in_slices
from recipes.tasks.counts import COUNT_LOSSES
from recipes.tasks.distribution_baselines import CALIBRATION_ROWS, quantile_fits, with_count_distributions
from recipes.tasks.logistic_head import fit_logistic
from recipes.tasks.sound_features import COEFFICIENTS, mfcc_means

MAX_ROWS = 100_000  # training rows
MAX_WORK = 20_000_000  # training rows x features x outputs; wider tables use fewer rows
MAX_BOOSTED_TREES = 2_000  # of all outputs together; more than 20 outputs have fewer iterations
ITERATIONS, MIN_ITERATIONS = 100, 10  # of gradient boosting
TREES = 100  # of the random forest
FOREST_WORK = 80_000  # rows x features that are tried at a node, of each tree
FOREST_VALUES = 250_000  # rows x outputs of each tree, which bounds its leaves' memory
VALIDATION_ROWS = 20_000  # on which the strongest baseline is chosen
PREDICT_ROWS = 16_384  # rows whose features are in memory at a time
MAX_LEVELS = 255  # of a categorical column, by scikit-learn's gradient boosting; more are ordered numbers
POISSON_PENALTIES = (1e-4, 1e-2, 1.0)
RIDGE_PENALTIES = tuple(np.logspace(-3, 4, 15).tolist())


class FittedBaseline(typing.NamedTuple):
    """A model without a network, fitted to the training split.

    Attributes:
        settings: what it is, in words.
        seconds: time of the fit.
        predict: function from features, (N, F), to (N, classes) probabilities, (N, outputs) numbers, or (N, outputs,
            parameters) of distributions.
        raw: whether it takes the raw columns, with gaps and categories, instead of the preprocessed ones.
    """

    settings: str
    seconds: float
    predict: typing.Callable
    raw: bool


def compare_with_baselines(run):
    """Fits three baselines to the training split of a run and compares the network with each on the same held-out rows.

    No setting is chosen on the test split. Large tables are sampled: at most 100,000 training rows, fewer where there
    are many features and outputs.

    Args:
        run: a trained `Run` of a task with `verdict` and `compute_metrics`.
    Returns:
        Dict: `split`, `examples`, `training_examples` (all), `sampled_examples` (fitted on), `network_seconds`,
        `strongest` (name of the best baseline), `chosen_on` (split on which it is the best), `sentence` (the verdict
        against it), and `methods`: name -> `settings`, `seconds`, `metrics`, `verdict`. None where the data are no
        table, vectors or labelled series in memory, no row is held out, or the training split has one class only.
    """
    data, task = run.data, run.task
    split = "test" if len(data.test) else "validation"
    if not _is_suitable(data) or not len(getattr(data, split)):
        return None
    features = _Features(run)
    baselines, rows = _fit(features, task)
    if not baselines:
        return None
    if task.loss in COUNT_LOSSES:
        held_out = _sample(data.validation if len(data.validation) else data.train, CALIBRATION_ROWS, task.seed)
        baselines = with_count_distributions(baselines, task, held_out, features.predict)
    return comparison_record(run, split, baselines, features.predict, rows)


def comparison_record(run, split, baselines, predict, rows):
    """Returns the record of a run's comparison with baselines on one split, as `compare_with_baselines` documents.

    Args:
        run: a trained `Run` of a task with `verdict` and `compute_metrics`.
        split: test or validation.
        baselines: name -> `FittedBaseline`.
        predict: function of a baseline and `Examples` that returns their predictions.
        rows: number of training examples that the baselines were fitted to.
    """
    data, task, examples = run.data, run.task, getattr(run.data, split)
    methods = {
        name: _measure(run, split, name, baseline, predict(baseline, examples)) for name, baseline in baselines.items()
    }
    chosen_on, scores = split, {name: method["verdict"]["baseline"] for name, method in methods.items()}
    if split == "test" and len(data.validation):
        chosen_on, validation = "validation", _sample(data.validation, VALIDATION_ROWS, task.seed)
        score = task.headline_metric(data, validation.targets)[1]
        weights = np.ones((1, len(validation)))
        scores = {name: float(score(weights, predict(baseline, validation))[0]) for name, baseline in baselines.items()}
    higher_is_better = task.headline_metric(data, examples.targets)[2]
    strongest = (max if higher_is_better else min)(scores, key=scores.get)
    return {
        "split": split,
        "examples": len(examples),
        "training_examples": len(data.train),
        "sampled_examples": rows,
        "network_seconds": float(run.record["energy"]["seconds"]),
        "strongest": strongest,
        "chosen_on": chosen_on,
        "sentence": methods[strongest]["verdict"]["sentence"],
        "methods": methods,
    }


def _is_suitable(data):
    """Whether the data are rows or labelled series in memory, or sound, with classes, labels or numbers to predict."""
    inputs = [split.inputs for split in (data.train, data.validation, data.test) if len(split)]
    return (
        data.kind in ("table", "vector", "series", "sound")
        and data.task in ("classification", "multilabel", "regression")
        and (data.kind == "sound" or all(isinstance(x, np.ndarray | dict) for x in inputs))
        and (data.kind == "table" or None not in data.shape)
    )


def _sample(examples, count, seed):
    """Returns at most `count` examples, drawn at random."""
    if len(examples) <= count:
        return examples
    return examples.take(np.sort(np.random.default_rng(seed).choice(len(examples), count, replace=False)))


def _measure(run, split, name, baseline, predictions):
    """Returns the record of one baseline on one split."""
    targets = getattr(run.data, split).targets
    metrics = run.task.compute_metrics(run.data, targets, predictions)
    verdict = run.task.verdict(
        run.data, split, targets, run.predict_split(split), baseline=predictions, baseline_name=name
    )
    return {
        "settings": baseline.settings,
        "seconds": round(baseline.seconds, 2),
        "metrics": {k: float(v) for k, v in metrics.items() if isinstance(v, int | float)},
        "verdict": verdict,
    }


class _Features:
    """Features of a run's examples as arrays: preprocessed as the network's inputs, or the raw columns.

    Args:
        run: `Run`.
    """

    def __init__(self, run):
        self.run, self.data = run, run.data
        inputs = run.data.train.inputs
        self.kinds = dict(run.data.columns) if isinstance(inputs, dict) else {}
        self.levels = {c: np.unique(inputs[c]) for c, kind in self.kinds.items() if kind == "category"}
        self.categorical = [c in self.levels and len(self.levels[c]) <= MAX_LEVELS for c in self.kinds] or None

    def count(self):
        """Returns the number of preprocessed features."""
        if self.data.kind == "sound":
            return COEFFICIENTS
        return int(np.prod(self.run.preprocessing.output_shape[1:]))

    def preprocessed(self, inputs):
        """Returns (N, F) float32: the network's inputs, flattened; of sound the means of the MFCCs."""
        if self.data.kind == "sound":
            return mfcc_means(inputs, self.data.sound_options["sample_rate"])
        outputs = in_slices(self.run.preprocessing.predict_on_batch, inputs, PREDICT_ROWS)
        return np.asarray(outputs, np.float32).reshape(len(outputs), -1)

    def raw(self, inputs):
        """Returns (N, columns) float32: numbers with NaN for gaps, categories as codes, NaN for new levels."""
        import pandas as pd

        if self.data.kind == "sound":
            return self.preprocessed(inputs)
        if not isinstance(inputs, dict):  # of series, steps after the end are NaN
            return np.asarray(inputs, np.float32).reshape(len(inputs), -1)
        columns = []
        for name in self.kinds:
            values = inputs[name]
            if name in self.levels:
                codes = pd.Index(self.levels[name]).get_indexer(values)
                values = np.where(codes < 0, np.nan, codes)
            columns.append(np.asarray(values, np.float32))
        return np.stack(columns, axis=1)

    def predict(self, baseline, examples):
        """Returns the predictions of a `FittedBaseline`, a slice of rows at a time."""
        features = self.raw if baseline.raw else self.preprocessed
        slices = (examples.take(slice(i, i + PREDICT_ROWS)) for i in range(0, len(examples), PREDICT_ROWS))
        return np.concatenate([baseline.predict(features(part.inputs)) for part in slices]).astype(np.float32)


def _fit(features, task):
    """Returns (dict from name to `FittedBaseline`, number of training rows used); no baselines for one class only."""
    from threadpoolctl import threadpool_limits

    data, count = features.data, features.count()
    outputs = len(data.outputs) or len(data.classes)
    outputs = 1 if data.task == "classification" and outputs == 2 else outputs
    rows = min(MAX_ROWS, max(1000, MAX_WORK // (count * outputs)))
    train = _sample(data.train, rows, task.seed)
    targets = train.targets
    if data.task == "classification" and len(np.unique(targets)) < 2:
        return {}, 0
    fits = {"regression": _fit_numbers, "multilabel": _fit_labels, "classification": _fit_classes}[data.task]
    baselines = {}
    # Threads that spin beside others' work take longer than one
    with threadpool_limits(1):
        for name, settings, fit, raw in fits(task, data, len(targets), count, outputs, features.categorical):
            start = time.perf_counter()
            fit = with_empty_columns(fit) if raw else fit
            predict = fit((features.raw if raw else features.preprocessed)(train.inputs), targets, train.weights)
            baselines[name] = FittedBaseline(settings, time.perf_counter() - start, predict, raw)
    return baselines, len(targets)


def with_empty_columns(fit):
    """Returns a function as `fit`, for features of which some have no value in any row; they are constant then.

    scikit-learn's gradient boosting accepts gaps, but no column of gaps alone, such as the last steps of series that
    are all shorter.
    """

    def fit_filled(x, y, w):
        empty = np.isnan(x if w is None else x[w > 0]).all(0)
        predict = fit(np.where(empty, np.float32(0), x), y, w)
        return lambda x: predict(np.where(empty, np.float32(0), x))

    return fit_filled


def _forest_options(rows, tried, outputs, seed):
    """Returns the arguments of a random forest, and their description."""
    largest = int(min(FOREST_WORK // tried, FOREST_VALUES // outputs))
    sampled = {"max_samples": largest} if largest < rows else {}
    options = {"n_estimators": TREES, "max_features": tried, "random_state": seed, "n_jobs": -1, **sampled}
    each = f", each on {largest:,} rows" if sampled else ""
    return options, f"{TREES} trees{each}, {tried} features tried at a node"


def _boosting_options(outputs, categorical, seed):
    """Returns the arguments of gradient boosting, and their description; None where there are too many outputs."""
    iterations = min(ITERATIONS, MAX_BOOSTED_TREES // outputs)
    if iterations < MIN_ITERATIONS:
        return None, ""
    options = {"max_iter": iterations, "early_stopping": False, "categorical_features": categorical}
    return {**options, "random_state": seed}, f"{iterations} iterations, learning rate 0.1, 31 leaves, raw columns"


def _fit_classes(task, data, rows, count, outputs, categorical):
    """Yields (name, settings, function of features, targets and weights that returns `predict`, raw) for classes."""
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

    classes, weights = len(data.classes), task.class_weights(data)

    def linear(x, y, w):
        fitted = fit_logistic(x, y, classes, class_weight=weights, sample_weight=w, seed=task.seed)
        return fitted.probabilities

    def fit_with(model):
        def fit(x, y, w):
            present = {c: weights[c] for c in weights if c in y} if weights else None
            fitted = model.set_params(class_weight=present).fit(x, y, sample_weight=w)

            def predict(x):
                probabilities = np.zeros((len(x), classes), np.float32)
                probabilities[:, fitted.classes_] = fitted.predict_proba(x)
                return probabilities

            return predict

        return fit

    yield "logistic regression", "L2 penalty chosen by cross-validation", linear, False
    options, settings = _forest_options(rows, max(1, int(count**0.5)), classes, task.seed)
    yield "the random forest", settings, fit_with(RandomForestClassifier(**options)), False
    options, settings = _boosting_options(outputs, categorical, task.seed)
    if options:
        yield "gradient boosting", settings, fit_with(HistGradientBoostingClassifier(**options)), True


def _fit_labels(task, data, rows, count, outputs, categorical):
    """Yields the same for several labels per example, each predicted by a model of its own."""
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

    def each_label(fit_one):
        def fit(x, y, w):
            predictors = [fit_one(x, label, w) if 0 < label.mean() < 1 else None for label in y.T]

            def predict(x):
                constants = y.mean(0)
                columns = [p(x) if p else np.full(len(x), c) for p, c in zip(predictors, constants, strict=True)]
                return np.stack(columns, axis=1)

            return predict

        return fit

    def linear(x, y, w):
        fitted = fit_logistic(x, y.astype(int), 2, sample_weight=w, seed=task.seed)
        return lambda x: fitted.probabilities(x)[:, 1]

    def fit_with(model, options):
        def fit(x, y, w):
            fitted = model(**options).fit(x, y, sample_weight=w)
            return lambda x: fitted.predict_proba(x)[:, 1]

        return fit

    yield "logistic regression", "L2 penalty chosen by cross-validation", each_label(linear), False
    options, settings = _forest_options(rows, max(1, int(count**0.5)), outputs, task.seed)
    options["n_estimators"] = max(MIN_ITERATIONS, TREES // outputs)
    settings = settings.replace(f"{TREES} trees", f"{options['n_estimators']} trees for each label")
    yield "the random forest", settings, each_label(fit_with(RandomForestClassifier, options)), False
    options, settings = _boosting_options(outputs, categorical, task.seed)
    if options:
        yield "gradient boosting", settings, each_label(fit_with(HistGradientBoostingClassifier, options)), True


def _fit_numbers(task, data, rows, count, outputs, categorical):
    """Yields the same for numbers; of counts the linear model and gradient boosting have a logarithmic link, too."""
    from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
    from sklearn.linear_model import PoissonRegressor, RidgeCV
    from sklearn.model_selection import GridSearchCV

    is_count = task.loss == "poisson" or task.loss in COUNT_LOSSES
    if task.loss == "quantile":
        yield from quantile_fits(task, *_boosting_options(outputs * len(task.levels), categorical, task.seed))
        return

    def columns(predict):
        return lambda x: np.asarray(predict(x)).reshape(len(x), -1)

    def linear(x, y, w):
        return columns(RidgeCV(RIDGE_PENALTIES).fit(x.astype(float), y, sample_weight=w).predict)

    def log_linear(x, y, w):
        search = GridSearchCV(PoissonRegressor(max_iter=1000), {"alpha": POISSON_PENALTIES}, cv=3)
        fitted = [search.fit(x.astype(float), target, sample_weight=w).best_estimator_ for target in y.T]
        return lambda x: np.stack([model.predict(x.astype(float)) for model in fitted], axis=1)

    def boosted(x, y, w):
        loss = {"loss": "poisson"} if is_count else {}
        fitted = [HistGradientBoostingRegressor(**options, **loss).fit(x, target, sample_weight=w) for target in y.T]
        return lambda x: np.stack([model.predict(x) for model in fitted], axis=1)

    def forest(x, y, w):
        model = RandomForestRegressor(**forest_options)
        return columns(model.fit(x, y if outputs > 1 else y[:, 0], sample_weight=w).predict)

    if is_count:
        yield "Poisson regression", "L2 penalty chosen by cross-validation on the training rows", log_linear, False
    else:
        yield "ridge regression", "L2 penalty chosen by leave-one-out on the training rows", linear, False
    forest_options, settings = _forest_options(rows, max(1, count // 3), outputs, task.seed)
    yield "the random forest", settings, forest, False
    options, settings = _boosting_options(outputs, categorical, task.seed)
    if options:
        yield "gradient boosting", settings, boosted, True
