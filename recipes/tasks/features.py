"""Classification by the features of a frozen pretrained backbone: logistic regression, beside a forest and an SVM."""

import dataclasses
import time
import weakref
from typing import ClassVar

import keras
import numpy as np

from recipes.prediction.predict import to_outputs
from recipes.tasks.backbone_features import BackboneFeatures
from recipes.tasks.classification import Classification
from recipes.tasks.fine_tuning import (
    sample_for_head,
    stratified_sample,
    transfer_for,
    with_notes,
    with_train_examples,
)
from recipes.tasks.fitted_baselines import FittedBaseline, comparison_record
from recipes.tasks.logistic_head import fit_logistic
from recipes.training.task import Task, task
from zoo.arguments import Count

PREDICT_ROWS = 4_096  # features in a batch of the head
TITLE = "Other classifiers on the same features"
TREES = 300  # of the random forest
SVM_EXAMPLES = 3_000  # largest number of training examples of the support vector machine, whose cost grows squared
FOLDS = 5  # of the choice of its penalty, and of its calibration
SVM_PENALTIES = (1.0, 10.0, 100.0)
HEADS = weakref.WeakKeyDictionary()  # data -> record of its logistic regression, from `train` to `finish_run`
OF_USE = ("batch_size", "seed", "country", "accelerate", "deterministic")  # hyperparameters of `Task`
WITHOUT_EFFECT = (*(f.name for f in dataclasses.fields(Task) if f.name not in OF_USE), "label_smoothing", "loss")


@task
class Features(Classification):
    """A logistic regression on the features of a frozen pretrained backbone, for images.

    Each image is passed through the backbone once, and the features are kept on disk by content: another run on the
    same images and backbone starts from them. The logistic regression becomes the head of the model, which predicts,
    explains and exports as any other. Its regularization is chosen by cross-validation on the training split. With
    `baselines` a random forest and a support vector machine on the same features stand beside it.

    It is the first thing to try with few images: it takes one pass, and `FineTuning` starts from it. `fit` takes for
    `model` what `zoo.transfer` takes as `backbone`. Images are treated as `FineTuning` treats them.

    >>> run = recipes.Features().fit("efficientnet_lite0", "folder:photos", out="runs/features")

    Args:
        weights: as `FineTuning` has them.
        train_examples: as `FineTuning` has them.
        baselines: whether to fit the forest and the support vector machine, too.
        **kwargs: class_weight, coverage, calibrate and report_examples of `Classification`; batch_size, seed, country,
            accelerate and deterministic of `Task`. The others have no effect here, and are refused.
    """

    weights: str | None = "bundled"
    train_examples: Count | None = None

    supports_ensemble: ClassVar[bool] = False
    data_tasks: ClassVar[tuple] = ("classification",)
    largest_batch_size: ClassVar[int] = 64

    def __post_init__(self):
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        changed = [name for name in WITHOUT_EFFECT if getattr(self, name) != defaults[name]]
        if changed:
            raise ValueError(
                f"Features: {', '.join(f'`{name}`' for name in changed)} must be left out, as a logistic regression on "
                f"frozen features has no such setting, got {getattr(self, changed[0])!r}. FineTuning has them."
            )

    def open_data(self, data):
        """Returns the `Data` with `train_examples` training examples."""
        return with_train_examples(self, super().open_data(data))

    def open_new_data(self, data):
        """Returns other `Data` with all of its examples."""
        return super().open_data(data)

    def build_model(self, model, data, **arguments):
        """Returns the frozen backbone under a new head; arguments as `FineTuning.build_model` has them."""
        return transfer_for(self, model, data, arguments)

    def train(self, model, training_batches, steps, compile_arguments, fit_arguments, data):
        """Fits the head; there are no epochs. Arguments as `Task.train` has them."""
        features, train = (
            BackboneFeatures(self, model, data, self.preprocessing(data, model)),
            sample_for_head(data.train, self.seed),
        )
        values, start = features(train), time.perf_counter()
        weights = self.class_weights(data)
        fitted = fit_logistic(values, train.targets, len(data.classes), class_weight=weights, seed=self.seed)
        model.get_layer("head").set_weights([fitted.kernel, fitted.bias])
        HEADS[data] = {"C": fitted.C, "examples": len(train), "seconds": time.perf_counter() - start}
        return {}

    def predict_split(self, run, split):
        """Returns the probabilities of one split: the model's head on the kept features."""
        features = BackboneFeatures(self, run.model, run.data, run.preprocessing)(getattr(run.data, split))
        head = keras.Model(run.model.get_layer("head").input, run.model.outputs)
        return to_outputs(run, head.predict(features, batch_size=PREDICT_ROWS, verbose=0))

    def finish_run(self, run):
        """Returns the run with the regularization, and with the other classifiers in its record."""
        run.record["logistic_regression"] = HEADS.pop(run.data)
        run = super().finish_run(with_notes(run, None))
        split = next((split for split in ("test", "validation") if len(getattr(run.data, split))), None)
        if self.baselines and split:
            features = BackboneFeatures(self, run.model, run.data, run.preprocessing)
            train = sample_for_head(run.data.train, self.seed)
            others = fit_others(self, run.data, train.targets, features(train))

            def predict(baseline, examples):
                return baseline.predict(features(examples))

            run.record["baselines"] = {**comparison_record(run, split, others, predict, len(train)), "title": TITLE}
        return run

    def diagnose(self, run):
        """Returns no sentences: there are no learning curves."""
        return []


def fit_others(task, data, targets, features):
    """Fits a random forest to features, and a support vector machine where each class has two examples.

    Args:
        task: `Features`.
        data: `Data`.
        targets: (N,) class index.
        features: (N, F).
    Returns:
        Dict from name to `FittedBaseline`, whose `predict` takes features.
    """
    from threadpoolctl import threadpool_limits

    weights = task.class_weights(data)
    weights = {c: weights[c] for c in np.unique(targets)} if weights else None
    # Divided by its own deviation, a feature that hardly varies would count as much as any
    deviation = max(float(features.std()), 1e-12)
    fits = {"the random forest": fit_forest}
    if np.bincount(targets)[np.unique(targets)].min() >= 2:
        fits["the support vector machine"] = fit_support_vectors
    baselines = {}
    with threadpool_limits(1):
        for name, fit in fits.items():
            start = time.perf_counter()
            model, settings = fit(features / deviation, targets, weights, task.seed)

            def predict(x, model=model):
                probabilities = np.zeros((len(x), len(data.classes)), np.float32)
                probabilities[:, model.classes_] = model.predict_proba(x / deviation)
                return probabilities

            baselines[name] = FittedBaseline(settings, time.perf_counter() - start, predict, False)
    return baselines


def fit_forest(features, targets, weights, seed):
    """Fits a random forest; returns it with its settings in words. `weights` is a dict by class index, or None."""
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(TREES, class_weight=weights, random_state=seed, n_jobs=-1)
    return forest.fit(features, targets), f"{TREES} trees"


def fit_support_vectors(features, targets, weights, seed):
    """Fits a support vector machine with probabilities; returns it with its settings in words.

    The penalty is chosen by cross-validation, and the probabilities are fitted on the same folds, which needs two
    examples of each class.

    Args:
        features: (N, F).
        targets: (N,) class index.
        weights: dict from class index to weight, or None.
        seed: of the examples, where there are more than 3,000, and of the folds.
    """
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.model_selection import GridSearchCV, StratifiedKFold
    from sklearn.svm import SVC

    rows = stratified_sample(targets, min(SVM_EXAMPLES, len(targets)), seed)
    x, y = features[rows], targets[rows]
    folds = StratifiedKFold(min(FOLDS, np.bincount(y)[np.unique(y)].min()), shuffle=True, random_state=seed)
    search = GridSearchCV(SVC(class_weight=weights), {"C": SVM_PENALTIES}, cv=folds, refit=False)
    C = search.fit(x, y).best_params_["C"]
    model = CalibratedClassifierCV(SVC(C=C, class_weight=weights), cv=folds, ensemble=False)
    return model.fit(x, y), f"radial kernel, C = {C:g} chosen by cross-validation, {len(rows):,} examples"
