"""Checks of the columns of a table before training: gaps, outliers, codes, misspelt levels, leaks and repeated columns.

Each check returns sentences that name the option which changes the reading.
"""

import hashlib
import unicodedata
from itertools import combinations

import numpy as np

MAX_GAP_FRACTION = 0.3  # of the rows
OUTLIER_RANGES = 10  # interquartile ranges beyond the quartiles from which a number is an outlier
SENTINELS = (-9999, -99999, -9998, -8888, -999, -99, -32768, 999, 9999, 99999)  # numbers that often stand for a gap
CODES = 5  # distinct numbers below which a column may have codes
MIN_ROWS = 20  # rows below which codes and leaks are not looked for
LEAK_PURITY = 0.99  # fraction of the rows whose class follows from one column
LEAK_CORRELATION = 0.999  # with the target of a regression
LEAK_LEVELS = 0.2  # distinct values per row up to which a column is compared level by level
LEAK_ROWS = 200_000  # rows of a seeded sample that leaks are looked for in
MAX_LEVELS = 500  # levels that are compared with each other
MIN_WORD = 4  # letters of a word from which a difference of one letter is a possible misspelling
LONG_WORD = 6  # letters from which it is one whatever the number of rows
RARE = 0.2  # rows of the rarer per row of the commoner level of a short word


def column_checks(frame, rows, accepted):
    """Returns sentences on single columns.

    Args:
        frame: data frame of the columns.
        rows: their dicts, as `column_rows` returns them.
        accepted: names of the options that the reader takes.
    """
    sentences = []
    for row in rows:
        sentences += gap_sentences(row, accepted)
        if row["kind"] == "number":
            values = frame[row["name"]].dropna().to_numpy(dtype=np.float64)
            sentences += number_sentences(row, values[np.isfinite(values)], accepted)
        elif row["kind"] == "category" and row["distinct"] <= MAX_LEVELS:
            counts = frame[row["name"]].dropna().astype(str).value_counts().to_dict()
            sentences += level_sentences(f"`{row['name']}`", counts)
        if row.get("looks_like") == "date":
            sentences.append(
                f"`{row['name']}` has dates as text; a table in the order of time is read with time={row['name']}"
            )
    return sentences


def gap_sentences(row, accepted):
    """Returns a sentence where more than `MAX_GAP_FRACTION` of a column are gaps."""
    if row["gap_fraction"] <= MAX_GAP_FRACTION:
        return []
    leave_out = _option(accepted, "drop_columns", row["name"], " leaves it out")
    return [f"`{row['name']}` has gaps in {row['gap_fraction']:.0%} of the rows{leave_out}"]


def number_sentences(row, values, accepted):
    """Returns sentences on numbers that may stand for gaps, are far from the rest, or may be codes.

    Args:
        row: dict of the column.
        values: (N,) finite floats.
        accepted: names of the options that the reader takes.
    """
    name, sentences = row["name"], []
    if row.get("infinite"):
        sentences.append(f"`{name}` has {counted(row['infinite'], 'infinite number')}, which no model takes")
    for value in SENTINELS if len(values) >= 3 else ():
        matches = values == value
        rest = values[~matches]
        if not matches.any() or not rest.size:
            continue
        distance = max(rest.min() - value, value - rest.max())
        if distance > max(rest.max() - rest.min(), abs(value) / 10):
            option = _option(accepted, "missing_values", f"{value:g}", " reads it as a gap", "correct the source")
            sentences.append(
                f"`{name}` has {format_number(value)} in {counted(int(matches.sum()), 'row')}, far from the others "
                f"({format_number(rest.min())} to {format_number(rest.max())}): it may stand for a gap{option}"
            )
            values = rest
    if len(values) >= MIN_ROWS:
        low, high = np.quantile(values, (0.25, 0.75))
        spread = OUTLIER_RANGES * (high - low)
        far = values[(values < low - spread) | (values > high + spread)] if spread else values[:0]
        if far.size:
            furthest = far[np.argmax(np.abs(far - np.median(values)))]
            option = _option(
                accepted, "missing_values", f"{furthest:.15g}", " reads it as a gap", "correct it if it is wrong"
            )
            sentences.append(
                f"`{name}` has {counted(far.size, 'value')} further than {OUTLIER_RANGES} interquartile ranges from "
                f"the quartiles, such as {format_number(furthest)}{option}"
            )
        levels = np.unique(values) if row["distinct"] < CODES else values
        if 1 < row["distinct"] < CODES and levels.tolist() != [0.0, 1.0]:
            listed = ", ".join(map(format_number, levels))
            option = _option(accepted, "categorical", name, " reads them as levels")
            sentences.append(f"`{name}` has only the numbers {listed}, which may be codes{option}")
    return sentences


def level_sentences(what, counts):
    """Returns sentences on levels that are written alike.

    Args:
        what: the column or the classes, for the sentence.
        counts: dict from level to its number of rows.
    """
    pairs = similar_levels(counts)
    if not pairs:
        return []
    listed = "; ".join(f"{a!r} ({counts[a]:,}) and {b!r} ({counts[b]:,})" for a, b in pairs[:5])
    more = f" and {len(pairs) - 5} more pairs" if len(pairs) > 5 else ""
    return [f"{what} has levels that are written alike: {listed}{more}; correct the source if they are the same"]


def similar_levels(counts):
    """Returns pairs of levels that differ only in case, spaces, accents' encoding or one letter.

    Args:
        counts: dict from level to its number of rows.
    Returns:
        List of (level, other level).
    """
    if len(counts) > MAX_LEVELS:
        return []
    forms = {level: _written_form(level) for level in counts}
    return [(a, b) for a, b in combinations(counts, 2) if forms[a] == forms[b] or _one_letter_apart(a, b, counts)]


def _written_form(level):
    """Returns a level without differences in case, spaces and encoding."""
    text = unicodedata.normalize("NFKC", level).casefold()
    return "".join(text.replace("_", " ").replace("-", " ").split())


def _one_letter_apart(a, b, counts):
    """Whether one letter is added, replaced or swapped with the next, in a word that is long enough."""
    a_words, b_words = (_words(level) for level in (a, b))
    if len(a_words) != len(b_words):
        return False
    different = [(v, w) for v, w in zip(a_words, b_words, strict=True) if v != w]
    if len(different) != 1:
        return False
    v, w = sorted(different[0], key=len)
    if len(v) < MIN_WORD or len(w) - len(v) > 1:
        return False
    start = next((i for i, (x, y) in enumerate(zip(v, w, strict=False)) if x != y), len(v))
    end = next((i for i, (x, y) in enumerate(zip(v[::-1], w[::-1], strict=False)) if x != y), len(v))
    v_middle, w_middle = v[start : max(start, len(v) - end)], w[start : max(start, len(w) - end)]
    if not (v_middle + w_middle).isalpha():
        return False
    is_swap = len(v_middle) == 2 and v_middle == w_middle[::-1]
    if not is_swap and max(len(v_middle), len(w_middle)) > 1:
        return False
    rarer, commoner = sorted((counts[a], counts[b]))
    return is_swap or len(v) >= LONG_WORD or rarer <= max(1, RARE * commoner)


def _words(level):
    """Returns the words of a level in one case."""
    return unicodedata.normalize("NFKC", level).casefold().replace("_", " ").replace("-", " ").split()


def repeated_column_sentences(frame, rows, accepted):
    """Returns sentences on columns that have the values of another one, or one level for each of its levels."""
    import pandas as pd

    first_names, sentences = {}, []
    for row in rows:
        if row["distinct"] < 2:
            continue
        column = frame[row["name"]]
        if row["kind"] == "number" and row["distinct"] > 0.5 * row["values"]:
            content = column.to_numpy(dtype=np.float64, na_value=np.nan)
        else:
            content = pd.factorize(column)[0]
        digest = hashlib.blake2b(np.ascontiguousarray(content), digest_size=16).digest()
        if digest in first_names:
            option = _option(accepted, "drop_columns", row["name"], " leaves it out")
            sentences.append(f"`{row['name']}` says the same as `{first_names[digest]}`{option}")
        else:
            first_names[digest] = row["name"]
    return sentences


def leak_sentences(frame, rows, targets, accepted):
    """Returns sentences on columns from which the class, or the number to predict, follows alone.

    Args:
        frame: data frame of the inputs.
        rows: their dicts.
        targets: (N,) whole numbers for classes (-1 for a gap), or (N,) floats.
        accepted: names of the options that the reader takes.
    """
    if len(frame) < MIN_ROWS:
        return []
    if len(frame) > LEAK_ROWS:
        sample = np.sort(np.random.default_rng(0).choice(len(frame), LEAK_ROWS, replace=False))
        frame, targets = frame.iloc[sample], targets[sample]
    is_class = targets.dtype.kind in "iu"
    decides = _class_purity if is_class else _correlation
    sentences = []
    for row in rows:
        if row["kind"] not in ("number", "category") or row["distinct"] < 2:
            continue
        text = decides(frame[row["name"]], row, targets)
        if text:
            option = _option(
                accepted, "drop_columns", row["name"], " leaves it out if it is measured together with the target"
            )
            sentences.append(f"`{row['name']}` {text}{option}")
    return sentences


def _class_purity(column, row, classes):
    """Returns a sentence's end where the class follows from a column; "" else."""
    import pandas as pd

    valid = column.notna().to_numpy() & (classes >= 0)
    classes, column = classes[valid], column[valid]
    counts = np.bincount(classes) if len(classes) else np.zeros(1, int)
    if len(classes) < MIN_ROWS or counts.max() > 0.95 * len(classes) or valid.mean() < 0.5:
        return ""
    if row["distinct"] <= LEAK_LEVELS * len(classes):
        cells = pd.DataFrame({"level": pd.factorize(column)[0], "class": classes}).value_counts()
        purity = cells.groupby("level").max().sum() / len(classes)
        return f"decides the class alone in {purity:.1%} of the rows" if purity >= LEAK_PURITY else ""
    if row["kind"] != "number":
        return ""
    values = column.to_numpy(dtype=np.float64)
    order = np.argsort(values, kind="stable")
    values, classes = values[order], classes[order]
    changes = np.flatnonzero(np.diff(classes))
    separate = len(changes) + 1 == (counts > 0).sum() and (values[changes] < values[changes + 1]).all()
    return "decides the class alone: each class has a range of its own" if separate else ""


def _correlation(column, row, targets):
    """Returns a sentence's end where a column follows the target; "" else."""
    if row["kind"] != "number":
        return ""
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    valid = np.isfinite(values) & np.isfinite(targets)
    if valid.sum() < MIN_ROWS or not values[valid].std() or not targets[valid].std():
        return ""
    correlation = np.corrcoef(values[valid], targets[valid])[0, 1]
    return f"follows the target (correlation {correlation:.4f})" if abs(correlation) > LEAK_CORRELATION else ""


def _option(accepted, name, value, effect, otherwise=""):
    """Returns "; `NAME=VALUE` EFFECT" where the reader has the option, else "; OTHERWISE" or ""."""
    if name in accepted:
        return f"; `{name}={value}`{effect}"
    return f"; {otherwise}" if otherwise else ""


def format_number(value):
    """Returns a number with at most four significant digits, whole numbers in full."""
    value = float(value)
    if value == round(value) and abs(value) < 1e15:
        return f"{value:.0f}" if abs(value) < 10_000 else f"{value:,.0f}"
    return f"{value:.4g}"


def counted(n, noun):
    """Returns "1 value" or "1,200 values"."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
