"""Baselines of counts and quantiles: fitted means with the best dispersion, and quantile regressions."""

import numpy as np

from recipes.tasks import counts

LINEAR_ROWS = 2_000  # of the linear quantile regression, whose time grows faster than its rows
CALIBRATION_ROWS = 20_000  # from which dispersion and zeros are fitted


def with_count_distributions(baselines, task, examples, predict):
    """Returns fitted baselines that predict distributions of counts in place of their means.

    Dispersion and fraction of added zeros are the same for all examples, and those of the highest likelihood at the
    predicted means of held-out examples.

    Args:
        baselines: name -> `FittedBaseline`.
        task: `Regression` with a loss of `COUNT_LOSSES`.
        examples: `Examples` of the validation split; where it is empty, of the training split.
        predict: function of a baseline and `Examples` that returns their predictions.
    """
    average = examples.targets.mean(0)

    def distribution(baseline):
        means = counts.above_zero(predict(baseline, examples), average)
        dispersion, zeros = counts.fit_to_means(task.loss, examples.targets, means)

        def predict_parameters(x):
            return counts.with_means(task.loss, counts.above_zero(baseline.predict(x), average), dispersion, zeros)

        return baseline._replace(predict=predict_parameters)

    return {name: distribution(baseline) for name, baseline in baselines.items()}


def quantile_fits(task, boosting_options, boosting_settings):
    """Yields (name, settings, function of features, targets and weights that returns `predict`, raw) for quantiles.

    Args:
        task: `Regression` with the loss quantile.
        boosting_options: arguments of gradient boosting; None for none.
        boosting_settings: their description.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.linear_model import QuantileRegressor

    levels = task.levels

    def stacked(models, convert):
        """Returns the function that predicts (N, outputs, levels) with a model for each output and level."""

        def predict(x):
            x = convert(x)
            predictions = np.stack([np.stack([m.predict(x) for m in row], axis=-1) for row in models], axis=1)
            return np.sort(predictions, axis=-1)  # models that are fitted one by one may cross

        return predict

    def linear(x, y, w):
        rows = np.arange(len(x))
        if len(x) > LINEAR_ROWS:
            rows = np.sort(np.random.default_rng(task.seed).choice(len(x), LINEAR_ROWS, replace=False))
        x, y, w = x[rows].astype(float), y[rows].astype(float), None if w is None else w[rows]
        center, scale = y.mean(0), np.where(y.std(0) > 0, y.std(0), 1.0)

        def fit(target, level):
            return QuantileRegressor(quantile=level, alpha=1e-3).fit(x, target, sample_weight=w)

        models = [[fit(target, level) for level in levels] for target in ((y - center) / scale).T]
        predict = stacked(models, lambda values: values.astype(float))
        return lambda values: predict(values) * scale[:, None] + center[:, None]

    def boosted(x, y, w):
        def fit(target, level):
            model = HistGradientBoostingRegressor(**boosting_options, loss="quantile", quantile=level)
            return model.fit(x, target, sample_weight=w)

        return stacked([[fit(target, level) for level in levels] for target in y.T], lambda values: values)

    yield "linear quantile regression", f"L1 penalty 0.001, at most {LINEAR_ROWS:,} rows", linear, False
    if boosting_options:
        yield "gradient boosting", f"{boosting_settings}, a model for each quantile", boosted, True
