"""The start of fine-tuning: logistic regression on a frozen backbone's features, as the weights of the head."""

import typing
import warnings

import keras
import numpy as np

INVERSE_REGULARIZATION = tuple(np.logspace(-4, 2, 7).tolist())
DEFAULT_C = 0.1  # where a class has too few examples for cross-validation
CV_EXAMPLES = 2000  # largest number of examples for the choice of C
NO_EXAMPLES_LOGIT = -20.0  # of a class without training examples


class LogisticFit(typing.NamedTuple):
    """Weights of a dense layer whose softmax gives the probabilities of a logistic regression.

    Attributes:
        kernel: (F, classes).
        bias: (classes,).
        C: inverse regularization strength on the divided features, as in scikit-learn.
    """

    kernel: np.ndarray
    bias: np.ndarray
    C: float

    def probabilities(self, features):
        """Returns (N, classes) probabilities of (N, F) features."""
        from scipy.special import softmax

        return softmax(features @ self.kernel + self.bias, axis=1)


def fit_logistic(
    features, targets, classes, *, class_weight=None, sample_weight=None, seed=0, choices=INVERSE_REGULARIZATION
):
    """Fits a logistic regression to centered features; C is chosen by the log loss in cross-validation.

    All features are divided by one number, their overall standard deviation. Divided by its deviation, a feature that
    hardly varies would get a large weight, by which small changes of the backbone become large errors in fine-tuning.

    Args:
        features: (N, F).
        targets: (N,) class index, of at least two classes.
        classes: number of classes.
        class_weight: dict from class index to weight, or None.
        sample_weight: (N,) weights of the examples, or None; C is chosen without them.
        seed: of the folds, and of the examples that C is chosen on where there are more than 2,000.
        choices: the numbers that C is chosen from.
    Returns:
        `LogisticFit`.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, StratifiedKFold, train_test_split
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    features, targets = np.asarray(features, float), np.asarray(targets)
    deviation = max(float(features.std()), 1e-12)
    features = features / deviation
    regression = LogisticRegression(C=DEFAULT_C, class_weight=class_weight, max_iter=1000)
    pipeline = make_pipeline(StandardScaler(with_std=False), regression)
    smallest = np.bincount(targets)[np.unique(targets)].min()
    # On a busy machine the threads of small matrix products wait for each other ten times as long as one computes
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)
        if smallest >= 2:
            x, y = features, targets
            if len(y) > CV_EXAMPLES * 1.2:
                x, _, y, _ = train_test_split(x, y, train_size=CV_EXAMPLES, stratify=y, random_state=seed)
                smallest = np.bincount(y)[np.unique(y)].min()
            folds = StratifiedKFold(int(np.clip(smallest, 2, 5)), shuffle=True, random_state=seed)
            grid = {"logisticregression__C": choices}
            search = GridSearchCV(pipeline, grid, scoring="neg_log_loss", cv=folds, refit=False, error_score="raise")
            pipeline.set_params(**search.fit(x, y).best_params_)
        pipeline.fit(features, targets, logisticregression__sample_weight=sample_weight)
    return _as_dense(pipeline[1], pipeline[0].mean_, deviation, classes)


def _as_dense(regression, mean, deviation, classes):
    """Returns the `LogisticFit`, for features as they are, of a regression on divided and then centered ones."""
    coefficients, intercept = regression.coef_, regression.intercept_
    if len(regression.classes_) == 2:  # one logit z; softmax(-z / 2, z / 2) is (1 - sigmoid(z), sigmoid(z))
        coefficients = np.concatenate([-coefficients / 2, coefficients / 2])
        intercept = np.concatenate([-intercept / 2, intercept / 2])
    scaled = coefficients / deviation
    kernel = np.zeros((coefficients.shape[1], classes))
    bias = np.full(classes, NO_EXAMPLES_LOGIT)
    kernel[:, regression.classes_] = scaled.T
    bias[regression.classes_] = intercept - coefficients @ mean
    return LogisticFit(kernel, bias, float(regression.C))


class KeepBest(keras.callbacks.Callback):
    """Keeps the weights of the lowest validation loss, among those at least as accurate as at the start.

    Args:
        start: dict of `loss` and `accuracy` on the validation split before training.

    Attributes:
        epoch: number of the epoch that was kept, from 1; 0 for the start.
    """

    def __init__(self, start):
        super().__init__()
        self.start, self.loss, self.epoch, self.weights = start, start["loss"], 0, None

    def on_train_begin(self, logs=None):
        if self.weights is None:
            self.weights = self.model.get_weights()

    def on_epoch_end(self, epoch, logs=None):
        # float32 metrics of equally many correct examples may differ in the last digit
        accurate = logs["val_accuracy"] >= self.start["accuracy"] - 1e-6
        if accurate and logs["val_loss"] < self.loss:
            self.loss, self.epoch, self.weights = logs["val_loss"], epoch + 1, self.model.get_weights()

    def restore(self):
        """Sets the model's weights to those that were kept."""
        self.model.set_weights(self.weights)
