"""Labels that several annotators, or several rules, gave to the same examples."""

import dataclasses
import os

import numpy as np

from recipes.data.tables.columns import IMAGE_COLUMNS, LABEL_COLUMNS, existing_columns, named_column
from recipes.data.tables.table_files import read_frame

ITEM_COLUMNS = ("item", "id", *IMAGE_COLUMNS)
ANNOTATOR_COLUMNS = ("annotator", "observer", "worker", "user", "user_name", "classified_by")
SHOWN = 5  # examples that an error lists


@dataclasses.dataclass(frozen=True, eq=False)
class Votes:
    """One label of one annotator for one example, V times.

    Args:
        item_name: name of the column that names the examples.
        items: names of the I examples.
        annotators: names of the A annotators.
        classes: names of the K classes.
        item, annotator, label: (V,) indices into them.
        notes: sentences on what was left out.
    """

    item_name: str
    items: tuple
    annotators: tuple
    classes: tuple
    item: np.ndarray
    annotator: np.ndarray
    label: np.ndarray
    notes: tuple = ()

    def counts(self):
        """Returns (I, K): the number of votes for each class of each example."""
        cells = self.item * len(self.classes) + self.label
        return np.bincount(cells, minlength=len(self.items) * len(self.classes)).reshape(len(self.items), -1)


def read_votes(source, *, item=None, annotator=None, label=None, columns=()):
    """Reads votes from a table: a row for each vote, or a row for each example and a column for each annotator.

    A table has a row for each vote where it has a column of annotators. An empty field is no vote.

    Args:
        source: path of a CSV, Excel, Parquet or Feather file, a data frame or a dict of columns.
        item: column that names the examples; None for item, id, image, file, file_name, filename, path or image_path,
            and in a table with a column for each annotator for the first column.
        annotator: column of the annotators; None for annotator, observer, worker, user, user_name or classified_by.
        label: column of the classes; None for class, label, category, species or name.
        columns: the columns of the annotators, in a table with one for each; () for all but `item`.
    Returns:
        `Votes`.
    Raises:
        ValueError: if a column does not exist, an annotator labelled an example twice with different classes, there are
            fewer than two annotators or classes, or no example has a vote.
    """
    frame, facts, _ = read_frame(source, checked=())
    frame = frame.set_axis([str(c) for c in frame.columns], axis=1)
    has_rows = annotator is not None or (not columns and any(c in frame for c in ANNOTATOR_COLUMNS))
    if has_rows:
        item = named_column(frame, item, ITEM_COLUMNS, "item")
        annotator = named_column(frame, annotator, ANNOTATOR_COLUMNS, "annotator")
        label = named_column(frame, label, LABEL_COLUMNS, "label")
        table = frame[[item, annotator, label]].set_axis(["item", "annotator", "label"], axis=1)
    else:
        item = existing_columns("item", (item,), frame)[0] if item else _first_named(frame, ITEM_COLUMNS)
        names = existing_columns("columns", columns, frame) or [c for c in frame if c != item]
        table = frame.melt(item, list(names), var_name="annotator", value_name="label")
        table = table.set_axis(["item", "annotator", "label"], axis=1)
    return _as_votes(
        table, item, list(facts["notes"]), str(source) if isinstance(source, str | os.PathLike) else "votes"
    )


def _first_named(frame, names):
    return next((c for c in names if c in frame), frame.columns[0])


def _as_votes(table, item_name, notes, place):
    """Returns the `Votes` of a table of item, annotator and label, without the empty ones."""
    items = tuple(dict.fromkeys(_texts(table["item"].dropna())))
    table = table.dropna().drop_duplicates()
    table = table.assign(**{c: _texts(table[c]) for c in table})
    if not len(table):
        raise ValueError(f"there must be labels in {place}, got none.")
    twice = table.duplicated(["item", "annotator"], keep=False)
    if twice.any():
        rows = table[twice].drop_duplicates(["item", "annotator"])[:SHOWN]
        listed = ", ".join(f"{a} for {i}" for i, a in zip(rows["item"], rows["annotator"], strict=True))
        raise ValueError(f"an annotator must label an example once, got two labels of {listed} in {place}.")
    without = [name for name in items if name not in set(table["item"])]
    if without:
        listed = ", ".join(without[:SHOWN]) + f" and {len(without) - SHOWN} more" * (len(without) > SHOWN)
        notes.append(f"{len(without):,} examples have no label and are left out: {listed}")
    items = tuple(dict.fromkeys(table["item"]))
    annotators, classes = (tuple(sorted(set(table[c]))) for c in ("annotator", "label"))
    for what, names in (("annotators", annotators), ("classes", classes)):
        if len(names) < 2:
            raise ValueError(f"there must be two {what} or more, got only {names[0]} in {place}.")
    indices = [
        table[column].map({name: i for i, name in enumerate(names)}).to_numpy(np.int64)
        for column, names in (("item", items), ("annotator", annotators), ("label", classes))
    ]
    return Votes(item_name, items, annotators, classes, *indices, notes=tuple(notes))


def _texts(values):
    """Returns the values as texts: 3 for 3.0, which a column of whole numbers with gaps has."""
    return [str(int(v)) if isinstance(v, float) and v.is_integer() else str(v).strip() for v in values]
