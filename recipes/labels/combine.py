"""One label per example from the labels of several annotators or rules."""

import dataclasses
import warnings
from typing import Literal

import numpy as np

from recipes.labels.dawid_skene import fit_dawid_skene
from recipes.labels.votes import read_votes
from zoo.arguments import checked

FEW_VOTES = 10  # of an annotator, below which the mistakes of one are not estimated well
SMALLEST_WEIGHT = 0.01  # probability of a class below which `CombinedLabels.soft` leaves it out


@dataclasses.dataclass(frozen=True, eq=False)
class CombinedLabels:
    """Labels that `combine_labels` returns.

    Args:
        labels: data frame with a row per example: its name, label, probability of the label, votes, and agreement, the
            fraction of the votes that are for the label.
        annotators: data frame with a row per annotator: votes, agreement with the combined labels, and for dawid_skene
            accuracy, the estimated probability of a right label.
        probabilities: (I, K) of each class, in the order of `classes`.
        classes: names of the classes.
        method: majority or dawid_skene.
        notes: sentences on ties and on what was left out.
    """

    labels: object = dataclasses.field(repr=False)
    annotators: object = dataclasses.field(repr=False)
    probabilities: np.ndarray = dataclasses.field(repr=False)
    classes: tuple
    method: str
    notes: tuple = ()

    def soft(self):
        """Returns a data frame with a row per example and class that is possible, with the probability as its weight.

        Trained on with `weight`, the cross-entropy is that of soft labels.
        """
        import pandas as pd

        item, label = np.nonzero(self.probabilities >= SMALLEST_WEIGHT)
        return pd.DataFrame(
            {
                self.labels.columns[0]: self.labels.iloc[:, 0].to_numpy()[item],
                "label": np.array(self.classes, object)[label],
                "weight": self.probabilities[item, label],
            }
        )


@checked
def combine_labels(
    source,
    *,
    method: Literal["dawid_skene", "majority"] = "dawid_skene",
    item: str | None = None,
    annotator: str | None = None,
    label: str | None = None,
    columns: tuple[str, ...] = (),
) -> CombinedLabels:
    """Combines the labels of several annotators, or of several rules, into one per example.

    The majority counts every annotator alike. Dawid and Skene's model estimates how often each annotator mistakes one
    class for another, and weighs the votes by it; it needs annotators who labelled tens of examples each.

    >>> combined = recipes.combine_labels("votes.csv")
    >>> combined.labels.to_csv("labels.csv", index=False)

    Args:
        source, item, annotator, label, columns: as `recipes.labels.votes.read_votes` has them: a table with a row for
            each vote, or with a column for each annotator.
        method: dawid_skene or majority.
    Returns:
        `CombinedLabels`.
    Raises:
        ValueError: as `read_votes` documents.
    """
    import pandas as pd

    votes = read_votes(source, item=item, annotator=annotator, label=label, columns=columns)
    notes, counts = list(votes.notes), votes.counts()
    if method == "majority":
        probabilities = counts / counts.sum(1, keepdims=True)
    else:
        fitted = fit_dawid_skene(votes)
        probabilities = fitted.probabilities
    best = probabilities.max(1, keepdims=True)
    is_tied = (np.isclose(probabilities, best).sum(1) > 1) & (counts.sum(1) > 0)
    frequent = np.bincount(votes.label, minlength=len(votes.classes)) / len(votes.label)
    winners = np.where(np.isclose(probabilities, best), frequent, -1).argmax(1)
    if is_tied.any():
        notes.append(
            f"{is_tied.sum():,} of {len(winners):,} examples have two labels that are equally probable: the one that "
            "is more frequent in all votes was taken"
        )
    number = np.bincount(votes.annotator, minlength=len(votes.annotators))
    few = int((number < FEW_VOTES).sum())
    if method == "dawid_skene" and few:
        notes.append(
            f"{few:,} of {len(number):,} annotators have fewer than {FEW_VOTES} labels, too few to estimate how often "
            "they are right: method='majority' counts votes instead"
        )
    rows = np.arange(len(winners))
    labels = pd.DataFrame(
        {
            votes.item_name: votes.items,
            "label": np.array(votes.classes, object)[winners],
            "probability": probabilities[rows, winners],
            "votes": counts.sum(1),
            "agreement": counts[rows, winners] / counts.sum(1),
        }
    )
    agrees = np.bincount(votes.annotator, votes.label == winners[votes.item], len(votes.annotators))
    annotators = {"annotator": votes.annotators, "votes": number, "agreement": agrees / number}
    if method == "dawid_skene":
        annotators["accuracy"] = (fitted.confusion.diagonal(axis1=1, axis2=2) * fitted.priors).sum(1)
    for note in notes:
        warnings.warn(note, stacklevel=2)
    return CombinedLabels(labels, pd.DataFrame(annotators), probabilities, votes.classes, method, tuple(notes))


@checked
def apply_label_functions(source, functions: tuple):
    """Applies labelling functions, which are simple rules, to the rows of a table.

    >>> votes = recipes.apply_label_functions(notes, [lambda row: "owl" if "hoot" in row["note"] else None, by_habitat])
    >>> combined = recipes.combine_labels(votes)

    Args:
        source: data frame, or a dict of columns.
        functions: functions of a row, a dict from column to value, that return a class, or None for no opinion.
    Returns:
        Data frame with a row for each row of the table: the column item, which is its number from 0, and a column for
        each function, by its name.
    Raises:
        ValueError: if there are fewer than two functions, or one has no opinion on any row.
        TypeError: if one of them is no function.
    """
    import pandas as pd

    from zoo.inputs.frames import frame_of

    frame = frame_of(source)
    if len(functions) < 2:
        raise ValueError(f"`functions` must be two or more, got {len(functions)}.")
    records, votes = frame.to_dict("records"), {"item": range(len(frame))}
    for i, function in enumerate(functions, 1):
        if not callable(function):
            raise TypeError(f"`functions` must be functions of a row, got {function!r}.")
        name = getattr(function, "__name__", "function")
        name = f"{name}_{i}" if name in votes or name == "<lambda>" else name
        votes[name] = [function(row) for row in records]
        if all(vote is None for vote in votes[name]):
            raise ValueError(f"each function must label some rows, got none of {len(frame):,} from {name}.")
    return pd.DataFrame(votes, dtype=object)
