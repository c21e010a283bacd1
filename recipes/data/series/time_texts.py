"""Dates written as texts: their parts, the possible orders of day, month and year, and names of months."""

import functools
import re
import unicodedata

import numpy as np

from recipes.data.series.time_numbers import Interpretation, compose_days, compose_ordinal, full_years

LANGUAGES = (
    "en", "fr", "de", "es", "it", "pt", "nl", "sv", "da", "nb", "fi", "pl", "cs", "sk", "hu", "ro", "sl", "et", "lv",
    "ca", "is", "tr", "ru", "uk", "bg", "el",
)  # fmt: skip
ORDERS = ("ymd", "dmy", "mdy", "ym", "my", "yj")
PARTS = {"y": "year", "m": "month", "d": "day", "j": "day of the year"}
CLOCK = re.compile(
    r"^(?P<date>.*?[^\s,T])(?:[T\s,]+(?P<clock>\d{1,2}(?::\d{2}){1,2}(?:[.,]\d+)?|\d{1,2}(?=\s*[AaPp]\.?[Mm]))"
    r"\s*(?P<half>[AaPp]\.?[Mm]\.?)?\s*(?P<zone>Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?)?$"
)
SEPARATORS = re.compile(r"[\s./,_年月日년월일-]+")
LETTERS_TO_DIGITS = re.compile(r"(?<=\d)(?=[^\W\d_])|(?<=[^\W\d_])(?=\d)")
ORDINALS = re.compile(r"(?<=\d)(st|nd|rd|th|er|º|ª)\b|\b(de|del|of)\b")
QUARTER = r"(?:(\d{4})[ -]?[QqT]([1-4])|[QqT]([1-4])[ -]?(\d{4}))"
WEEK = r"(\d{4})-?W(\d{2})(?:-?([1-7]))?"


@functools.cache
def month_numbers():
    """Returns name -> 1 to 12: names of months, abbreviations and beginnings that mean one month in all languages."""
    from arrow.locales import get_locale

    whole, beginnings = {"mrz": {3}}, {}
    for language in LANGUAGES:
        locale = get_locale(language)
        for names in (locale.month_names, locale.month_abbreviations):
            for number, name in enumerate(names[1:], 1):
                plain = plain_word(name)
                whole.setdefault(plain, set()).add(number)
                for end in range(3, len(plain)):
                    beginnings.setdefault(plain[:end], set()).add(number)
    months = beginnings | whole
    return {name: min(numbers) for name, numbers in months.items() if len(numbers) == 1}


def plain_word(word):
    """Returns a word in lower case, without accents and full stops."""
    decomposed = unicodedata.normalize("NFKD", word.strip().strip(".").lower())
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def text_interpretations(dates):
    """Returns (interpretations, None) of dates without a time of the day, or ((), index of the first that is none).

    Args:
        dates: list of distinct texts.
    """
    rows = [_date_parts(text) for text in dates]
    kinds = [tuple(kind for kind, _ in row) for row in rows]
    common = max(set(kinds), key=kinds.count)
    if "text" in common or not 1 < len(common) < 4:
        return (), 0
    wrong = [i for i, kind in enumerate(kinds) if kind != common]
    if wrong and not _same_shape(kinds):
        return (), wrong[0]
    values = np.array([[value for _, value in row] for row in rows], dtype=np.int64)
    names = ["/".join(sorted({kind[i] for kind in kinds})) for i in range(len(common))]
    result = []
    for order in ORDERS:
        if len(order) != len(names) or not _order_fits(order, names):
            continue
        fields = {part: values[:, i] for i, part in enumerate(order)}
        short = names[order.index("y")] == "number"
        year = full_years(fields["y"]) if short else fields["y"]
        ones = np.ones_like(year)
        if "j" in order:
            days = compose_ordinal(year, fields["j"])
        else:
            days = compose_days(year, fields["m"], fields.get("d", ones))
        if short:  # two digits
            days[fields["y"] > 99] = np.datetime64("NaT")
        description = ", ".join(f"{'two-digit ' * (short and part == 'y')}{PARTS[part]}" for part in order)
        result.append(Interpretation(order, description, days.astype("datetime64[us]")))
    return result, None


def _same_shape(kinds):
    """Whether numbers of three digits stand where others have one or two, as in days of the year without zeros."""
    return len({tuple("number" if k == "ordinal" else k for k in kind) for kind in kinds}) == 1


def _order_fits(order, names):
    allowed = {
        "y": ("year", "number"),
        "m": ("month", "number"),
        "d": ("number",),
        "j": ("ordinal", "number", "number/ordinal"),
    }
    fits = all(name in allowed[part] for part, name in zip(order, names, strict=True))
    has_year = "year" in names
    if has_year and names[order.index("y")] != "year":
        return False
    if "month" in names and (("m" not in order) or names[order.index("m")] != "month"):
        return False
    if order == "yj":  # one or two digits behind the year are a month
        return fits and has_year
    return fits and (len(order) == 3 or has_year or (order == "my" and "month" in names))


def _date_parts(text):
    """Returns [(kind, value), ...] of the parts of a date; the kind is year, ordinal, number, month or text."""
    text = ORDINALS.sub(" ", LETTERS_TO_DIGITS.sub(" ", ORDINALS.sub(" ", text)))
    words = [word for word in SEPARATORS.split(text) if word]
    parts = [_part(word) for word in words]
    if len(parts) > 3 and parts[0][0] == "text":  # the day of the week
        parts = parts[1:]
    elif len(parts) == 4 and parts[-1][0] == "text":
        parts = parts[:-1]
    return parts


def _part(word):
    if word.isascii() and word.isdigit():
        return {4: "year", 3: "ordinal", 2: "number", 1: "number"}.get(len(word), "text"), int(word[:9])
    number = month_numbers().get(plain_word(word))
    return ("text", 0) if number is None else ("month", number)


def split_clock(texts):
    """Returns the parts of each text: a data frame with date, clock, half (AM or PM) and zone.

    Args:
        texts: pandas.Series of strings without surrounding spaces.
    """
    return texts.astype(object).str.extract(CLOCK).astype(object)


def clock_times(parts):
    """Returns (N,) timedelta64[us] of the times of the day, NaT where one is none; 24:00 is the end of the day.

    Args:
        parts: data frame as `split_clock` returns it.
    """
    import pandas as pd

    clock = parts["clock"].fillna("00:00").astype(str).str.replace(",", ".")
    fields = clock.str.extract(r"^(\d+)(?::(\d+))?(?::([\d.]+))?$").astype(np.float64).fillna(0.0).to_numpy()
    hour, minute, second = fields.T
    half = parts["half"].fillna("").astype(str).str.lower().str[:1].to_numpy()
    twelve = np.isin(half, ["a", "p"])
    wrong = (hour > 24) | ((hour == 24) & (minute + second > 0)) | (minute > 59) | (second >= 61)
    wrong |= twelve & ((hour < 1) | (hour > 12))
    hour = np.where(twelve, hour % 12 + 12 * (half == "p"), hour)
    seconds = np.where(wrong, np.nan, hour * 3600 + minute * 60 + second)
    return pd.to_timedelta(seconds, unit="s").to_numpy().astype("timedelta64[us]")


def zone_offsets(parts):
    """Returns (N,) timedelta64[us] that local times are ahead of UTC.

    Args:
        parts: data frame as `split_clock` returns it, all with a zone.
    """
    digits = parts["zone"].replace({"Z": "+00", "UTC": "+00", "GMT": "+00"}).str.replace(":", "")
    hours = digits.str[1:3].astype(int).to_numpy()
    minutes = digits.str[3:5].replace("", "0").astype(int).to_numpy()
    sign = np.where(digits.str[0] == "-", -1, 1)
    return (sign * (hours * 60 + minutes)).astype("timedelta64[m]").astype("timedelta64[us]")
