"""Which texts and numbers of a table mean that a value is missing."""

DEFAULT_MISSING = (  # pandas' texts, and one more
    "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA", "NULL",
    "NaN", "None", "n/a", "nan", "null", "NAN",  # the last one is that of loggers
)  # fmt: skip


def missing_texts(missing_values=(), keep_default_missing=True):
    """Returns the texts that mean missing, as a frozenset; the empty text is not among them, as it always does.

    Args:
        missing_values: further texts and numbers that mean missing.
        keep_default_missing: whether NA, N/A, NaN, NULL, None and the like mean missing too.
    """
    texts = {str(value).strip() for value in missing_values}
    return frozenset(texts | set(DEFAULT_MISSING if keep_default_missing else ())) - {""}


def missing_numbers(missing_values=()):
    """Returns the numbers among `missing_values`, also those written as texts, as a tuple of floats without NaN."""
    numbers = []
    for value in missing_values:
        try:
            numbers.append(float(value))
        except ValueError:
            continue
    return tuple(n for n in numbers if n == n)
