"""Texts with labels: a column of a table, or an array of strings."""

from urllib.parse import parse_qsl

import numpy as np

from recipes.data.assemble import assemble
from recipes.data.split import content_keys
from recipes.data.targets import gaps
from zoo.arguments import suggestion
from zoo.r_setup import called_from_r

SHOWN = 5  # rows that an error names


def is_texts(x):
    """Whether these are texts: a list, an array or a column whose first entry that is not missing is a string."""
    if isinstance(x, str | bytes | dict) or not hasattr(x, "__len__") or getattr(x, "ndim", 1) != 1:
        return False
    if isinstance(x, np.ndarray):
        if x.dtype.kind in "SU":
            return True
        if x.dtype.kind != "O":
            return False
    known = next((e for e in x if not (e is None or (isinstance(e, float) and e != e))), None)
    return isinstance(known, str | bytes)


def text_pairs(source):
    """What `load` was given as a list of (texts, targets), one a part; None where its inputs are no texts."""
    if not isinstance(source, tuple | list) or not len(source):
        return None
    if len(source) == 2 and is_texts(source[0]):
        return [tuple(source)]
    pairs = [isinstance(entry, tuple | list) and len(entry) == 2 and is_texts(entry[0]) for entry in source]
    return [tuple(entry) for entry in source] if all(pairs) else None


def from_texts(pools, options, *, name, outputs=("target",), notes=(), **told):
    """`Data` of kind text from pools whose inputs are strings.

    Args:
        pools: `Pool` for each part.
        options: `Options`; `missing` says what becomes of empty texts: error, or drop.
        name: of the data set.
        outputs: names of the target columns.
        notes: what the door has to say.
        **told: source, licence, description, as `Data` has them.
    Returns:
        `Data` whose inputs are (N,) arrays of str.
    Raises:
        ValueError: naming the rows, if a text is empty or no string, or has no label; or as `assemble` says.
    """
    options.refuse_tables("texts")
    if options.missing == "impute":
        raise ValueError("load: `missing` must be error or drop for texts, which cannot be made up, got 'impute'.")
    notes = list(notes)
    for pool in pools:
        pool.inputs = as_texts(pool.inputs, "load: the texts")
        if len(pool.inputs) != len(pool.y):
            raise ValueError(
                f"load: there must be as many texts as targets, got {len(pool.inputs):,} and {len(pool.y):,}."
            )
        pool.names = np.arange(len(pool.y)) if pool.names is None else pool.names
        empty, unknown = np.array([not text.strip() for text in pool.inputs], bool), gaps(pool.y)
        out = empty | unknown
        if out.any() and options.missing != "drop":
            what = "empty texts" if empty.any() else "texts without a target"
            raise ValueError(
                f"load: every row must have a text and a target, got {what} in "
                f"{_rows(empty if empty.any() else unknown)}; missing='drop' leaves them out."
            )
        if out.any():
            notes.append(f"left out {out.sum():,} of {len(out):,} texts that are empty or have no target")
        pool.inputs, pool.y, pool.names = pool.inputs[~out], np.asarray(pool.y)[~out], pool.names[~out]
        pool.groups = None if pool.groups is None else pool.groups[~out]
        pool.keys = content_keys({"text": pool.inputs})
    if not any(len(pool.inputs) for pool in pools):
        raise ValueError("load: there must be texts, got none.")
    _refuse_levels(np.concatenate([pool.inputs for pool in pools]))
    return assemble(
        pools, options, name=name, kind="text", shape=(), dtype="string", outputs=outputs, notes=notes, **told
    )


def as_texts(x, what):
    """(N,) object array of str from strings or bytes; what is missing becomes "".

    Args:
        x: list, array or column.
        what: what an error calls them.
    Raises:
        ValueError: naming the row, if an entry is no string.
    """
    texts = np.empty(len(x), object)
    for i, entry in enumerate(x):
        if entry is None or entry != entry or (called_from_r() and entry == "NA"):
            entry = ""
        if isinstance(entry, bytes):
            entry = entry.decode("utf-8", "replace")
        if not isinstance(entry, str):
            raise ValueError(f"{what} must be strings, got {entry!r} in row {i}.")
        texts[i] = str(entry)
    return texts


def text_batch(inputs):
    """A raw batch of texts for a run's preprocessing: one string, or several.

    Raises:
        ValueError: if they are no strings, or one of them is empty.
    """
    texts = as_texts([inputs] if isinstance(inputs, str | bytes) else inputs, "predict: `inputs`")
    empty = np.array([not text for text in texts], bool)
    if not len(texts) or empty.any():
        told = f"empty ones in {_rows(empty)}" if len(texts) else "none"
        raise ValueError(f"predict: `inputs` must be texts, got {told}.")
    return texts


def text_files(files, origin):
    """Raw inputs from files, for a run on texts: a list of (name, batch of one), in order.

    Args:
        files: paths of texts (.txt), each one; or of a table, whose column of texts `origin` names.
        origin: the string that the run's data were loaded by, or None.
    Raises:
        ValueError: if a table is given and no column is known or there, or a text is empty.
    """
    column, batches = dict(parse_qsl((origin or "").partition("?")[2])).get("text"), []
    for file in files:
        if file.suffix.lower() not in (".csv", ".tsv", ".gz", ".parquet", ".pq"):
            batches.append((str(file), text_batch(file.read_text("utf-8-sig"))))
            continue
        from recipes.data.tables.table import read_file  # which reads columns of texts by this module

        frame, _ = read_file(file)
        if column not in frame:
            near = suggestion(str(column), frame)
            raise ValueError(
                f"`files` must be texts, or a table with the column {column!r}, got {', '.join(frame)}.{near}"
            )
        found = as_texts(frame[column], f"`files`: the column {column!r}")
        batches += [(f"row {i + 1}", text_batch(text)) for i, text in enumerate(found)]
    return batches


def _refuse_levels(texts):
    """No labels taken for texts: single words, each of them twice or more on average."""
    levels = list(dict.fromkeys(texts))
    if 2 * len(levels) > len(texts) or any(len(level.split()) > 1 for level in levels):
        return
    shown = ", ".join(map(repr, levels[:SHOWN])) + ", ..." * (len(levels) > SHOWN)
    raise ValueError(
        f"load: x must be numbers or texts, got {len(levels):,} labels over and over in {len(texts):,} rows ({shown}). "
        "Text and factors are columns of a data frame."
    )


def _rows(wrong):
    places = np.flatnonzero(wrong)
    more = f" and {len(places) - SHOWN:,} more" if len(places) > SHOWN else ""
    return f"row{'s' * (len(places) > 1)} {', '.join(map(str, places[:SHOWN]))}{more}"
