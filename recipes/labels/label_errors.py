"""Labels that are probably wrong, by models that did not see them: confident learning on out-of-fold predictions."""

import dataclasses
from pathlib import Path

import numpy as np

from recipes.reports.batch_figures import labelled_pictures
from recipes.tasks.classification import Classification
from recipes.tasks.cross_validation import fold_splits, joined
from recipes.training.fit import fit
from zoo.arguments import Count, FilePath, checked

FILE, PICTURE = "label_errors.csv", "label_errors.png"
PICTURES = 24  # in the figure


@dataclasses.dataclass(frozen=True, eq=False)
class LabelErrors:
    """Labels in the order of how doubtful they are; `find_label_errors` returns it.

    Args:
        table: data frame with a row per example, the most doubtful first: name (the path of a file, or the number of a
            row), label, suggestion (the most probable class), probability of the label and of the suggestion, and
            is_error, whether confident learning counts the label as wrong.
        data: the `Data` that was examined.
        order: (N,) index of each row in the data's training, validation and test split, one after the other.
    """

    table: object = dataclasses.field(repr=False)
    data: object = dataclasses.field(repr=False)
    order: np.ndarray = dataclasses.field(repr=False)

    def __repr__(self):
        return f"<LabelErrors: {self.table['is_error'].sum():,} of {len(self.table):,} labels are probably wrong>"

    def without_errors(self):
        """Returns the `Data` without the training examples whose labels are counted as wrong.

        Validation and test stay as they are, so that results remain comparable.
        """
        is_error = np.zeros(len(self.order), bool)
        is_error[self.order] = self.table["is_error"]
        train = self.data.train
        correct = np.flatnonzero(~is_error[: len(train)])
        note = f"left out {len(train) - len(correct):,} training examples whose labels are probably wrong"
        return dataclasses.replace(
            self.data, train=train.take(correct), source_spec=None, notes=(*self.data.notes, note)
        )

    def figure(self):
        """Returns a figure of the most doubtful images, each with its label and the suggestion."""
        examples, table = joined(self.data).take(self.order[:PICTURES]), self.table[:PICTURES]
        titles = [f"{row.label}: {row.suggestion}?" for row in table.itertuples()]
        batch = examples.head(len(table))

        def heading(stretched):
            return f"{self.data.name}: the most doubtful labels" + ", values stretched" * stretched

        return labelled_pictures(list(batch), titles, heading)

    def save(self, folder):
        """Writes label_errors.csv, and label_errors.png of images, to a folder."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.table.to_csv(folder / FILE, index=False, lineterminator="\n")
        if self.data.kind == "image":
            self.figure().savefig(folder / PICTURE, dpi=120, bbox_inches="tight")


@checked
def find_label_errors(
    task: Classification,
    model: str,
    data,
    *,
    folds: Count = 5,
    out: FilePath | None = None,
    verbose: bool = True,
    **arguments,
) -> LabelErrors:
    """Finds labels that are probably wrong: those that models trained on the other folds contradict confidently.

    Look at what it lists before you change or drop anything: rare and hard examples are doubtful too.

    >>> errors = recipes.find_label_errors(recipes.FineTuning(), "efficientnet_lite0", "folder:photos", out="checks")
    >>> errors.table.head()

    Args:
        task: `Classification` or `FineTuning`, with its hyperparameters.
        model: one of `zoo.names()`.
        data: anything that `recipes.load` takes: a table, vectors or images with one class each.
        folds: number of folds, at least 2; that many models are trained.
        out: folder for label_errors.csv and, of images, label_errors.png; None writes nothing.
        verbose: whether to show progress (on stderr).
        **arguments: of the model's builder.
    Returns:
        `LabelErrors`.
    Raises:
        ValueError: if the data have no single class per example, are no table, vectors or images, or have fewer units
            than folds.

    Source: Northcutt et al. 2021, arXiv:1911.00068, by the package cleanlab.
    """
    import pandas as pd

    filters, ranks = _cleanlab()
    data = task.open_data(data)
    if data.task != "classification":
        raise ValueError(f"`data` must have one class per example, got {data.name} for {data.task}.")
    examples, classes = joined(data), len(data.classes)
    probabilities = np.full((len(examples), classes), np.nan)
    task = task.replace(report_examples=0, baselines=False, calibrate=False)
    for fold, test in fold_splits(data, folds, task.seed):
        run = fit(task, model, fold, verbose=verbose, **arguments)
        probabilities[test] = run.predict_split("test")
    labels = np.asarray(examples.targets)
    is_error = filters.find_label_issues(labels, probabilities, n_jobs=1)
    quality = ranks.get_label_quality_scores(labels, probabilities)
    order = np.lexsort((quality, ~is_error))
    names, rows = np.array(data.classes, object), np.arange(len(labels))
    table = pd.DataFrame(
        {
            "name": examples.names,
            "label": names[labels],
            "suggestion": names[probabilities.argmax(1)],
            "probability_of_label": probabilities[rows, labels],
            "probability_of_suggestion": probabilities.max(1),
            "is_error": is_error,
        }
    )
    errors = LabelErrors(table.iloc[order].reset_index(drop=True), data, order)
    if out is not None:
        errors.save(out)
    return errors


def _cleanlab():
    """Returns the modules `cleanlab.filter` and `cleanlab.rank`."""
    try:
        from cleanlab import filter as filters
        from cleanlab import rank
    except ImportError:
        raise ImportError("find_label_errors needs cleanlab: pip install 'fieldzoo[labels]'.") from None
    return filters, rank
