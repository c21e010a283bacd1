"""Texts that are numbers: decimal and thousands marks, percent signs and units, for whole columns of texts."""

import re
import typing

from recipes.data.tables.text_bytes import contains_character

UNITS = frozenset(  # a column whose values have different ones of these is an error
    re.findall(
        r"\S+",
        "nm um µm μm mm cm dm m km in ft mi yd mm2 cm2 m2 km2 ha mm² cm² m² km² a mm3 cm3 m3 mm³ cm³ m³ ml mL cl dl l "
        "L ng ug µg μg mg g kg t lb oz ms s sec min h hr hrs d day days wk weeks mo months y yr yrs years "
        "% ‰ ppm ppb ppt °C °F ° C F K degC deg Pa hPa kPa mbar bar W kW MW J kJ MJ V mV A mA Hz kHz lux lx "
        "mg/l mg/L µg/l µg/L μg/l ug/l ug/L g/l g/L mg/kg g/kg m/s km/h mm/h mm/d m3/s m³/s l/s L/s kg/ha t/ha kg/m2 "
        "kg/m3 g/m2 g/cm3 W/m2 W/m² ind/m2 ind/m² stems/ha mS/cm µS/cm NTU psu € $ £ ¥ EUR USD",
    )
)
CURRENCIES = "€$£¥"
SPACES = " \u00a0\u202f\u2009"
SPACE, QUOTE, SIGN = f"[{SPACES}]", "['’]", r"[+\-−]?"
UNIT = r"(?:[%‰°€$£¥]|[^\W\d_]|[µμ])[^\s\d.,;:]*(?:[23])?"
MARKED = r"[<>≤≥~≈±]\s*[\d.,]+|[\d.,]+\s*[?*]"  # numbers with a mark, such as <0.1


class NumberText(typing.NamedTuple):
    """How the numbers of a column are written."""

    decimal: str = "."
    thousands: str = ""
    unit: str = ""
    whole: bool = False  # whether all numbers are whole ones

    def describe(self):
        """Returns what a note says, or "" for plain numbers."""
        words = [
            "decimal commas" if self.decimal == "," else "",
            f"{'blanks' if self.thousands == ' ' else repr(self.thousands)} between thousands" * bool(self.thousands),
            f"the unit {self.unit!r}" * bool(self.unit),
        ]
        return " and ".join(filter(None, words))


def _number_pattern(decimal, thousands):
    """Returns the regular expression of a number."""
    mark = {" ": SPACE, "'": QUOTE}.get(thousands, re.escape(thousands))
    whole = rf"(?:[1-9]\d{{0,2}}(?:{mark}\d{{3}})+|\d+)" if thousands else r"\d+"
    point = re.escape(decimal)
    return rf"{SIGN}(?:(?:{whole}(?:{point}\d*)?|{point}\d+)(?:[eE][+-]?\d+)?|(?i:inf(?:inity)?))"


WRITINGS = [(d, t) for d in ".," for t in ("", ".", ",", " ", "'") if t != d]
ANY_NUMBER = "|".join(_number_pattern(d, t) for d, t in WRITINGS)
KNOWN_UNIT = "|".join(re.escape(u) for u in sorted(UNITS, key=len, reverse=True))
LONG_UNIT = "|".join(re.escape(u) for u in UNITS if len(u) > 1 or not u.isalpha())  # 3a and 2m are rather codes


def _matches(texts, pattern):
    """Returns a boolean array: which texts match a whole regular expression."""
    import pyarrow.compute as pc

    return pc.match_substring_regex(texts, rf"^(?:{pattern})$")


def _all_match(texts, pattern):
    import pyarrow.compute as pc

    return pc.all(_matches(texts, pattern)).as_py() is not False


def _contains(texts, characters):
    import pyarrow.compute as pc

    return pc.any(pc.match_substring_regex(texts, f"[{re.escape(characters)}]")).as_py() is True


def plain_numbers(texts):
    """Returns the int64 or float64 array of texts such as 12, -1.5 and 1e3, or None if a text is no such number."""
    import pyarrow as pa

    for kind in (pa.int64(), pa.float64()):
        try:
            numbers = texts.cast(kind)
        except pa.ArrowInvalid:
            continue
        return None if any(contains_character(texts, x) for x in "xX") else numbers  # 0x1F is a code
    return None


def begins_with_zero(texts, numbers):
    """Whether a text of plain numbers begins with a zero; False for decimal fractions, of which most do.

    Args:
        texts: array of pyarrow.
        numbers: what `plain_numbers` returned for it.
    """
    import pyarrow.compute as pc

    is_whole = str(numbers.type) == "int64" or any(contains_character(texts, x) for x in "eE")  # 1E5 may be a code
    return is_whole and pc.any(pc.starts_with(texts, "0")).as_py() is True


def is_code(texts):
    """Whether all texts are digits and one of them begins with a zero, or has too many digits for a number.

    Beside such a text, 1E5 is a code too.
    """
    import pyarrow.compute as pc

    if pc.any(pc.match_substring_regex(texts, r"^0\d|^\d{16}")).as_py() is not True:
        return False
    return _all_match(texts, r"\d+([eE]\d+)?")


def writings(texts, decimal=None, thousands=None):
    """Returns the list of `NumberText` by which every text of a column is a number.

    Two that give other numbers are both in the list: 1,200 is 1200 or 1.2.

    Args:
        texts: array of pyarrow without blanks around the texts; missing ones are null.
        decimal, thousands: marks that the user chose, or None.
    """
    has_comma, has_point = _contains(texts, ","), _contains(texts, ".")
    spaced = " " if _contains(texts, SPACES) else "'" if _contains(texts, "'’") else ""
    options = []
    for point in ".,":
        other = "," if point == "." else "."
        if (has_comma, has_point)[point == ","] and not spaced:  # the other mark is there: it must separate thousands
            options.append((point, other))
        elif spaced:
            options.append((point, spaced))
        elif (has_point, has_comma)[point == ","] or not (has_comma or has_point):
            options.append((point, ""))
    if not has_comma and not has_point:
        options = options[:1]
    elif has_comma != has_point and spaced:
        options = [o for o in options if o[0] == ("," if has_comma else ".")]
    if decimal:
        options = [(d, t) for d, t in options if d == decimal or not (has_comma or has_point)]
    if thousands:
        options = [(d, t) for d, t in options if t in ("", thousands) and d != thousands]
    return [
        NumberText(d, t, whole=not (has_comma and d == ",") and not (has_point and d == "."))
        for d, t in dict.fromkeys(options)
        if _all_match(texts, _number_pattern(d, t))
    ]


def is_grouped_by_points(texts):
    """Whether every point may separate thousands, as in 1.542 and 12.000.000, and there is one.

    Args:
        texts: array of pyarrow of plain numbers.
    """
    return _contains(texts, ".") and _all_match(texts, rf"\s*{SIGN}(?:[1-9]\d{{0,2}}(?:\.\d{{3}})+|\d{{1,3}})\s*")


def has_whole_numbers(texts):
    """Whether a text of an array of plain numbers has no point."""
    import pyarrow.compute as pc

    return pc.all(pc.match_substring(texts, ".")).as_py() is False


def parse_numbers(texts, writing):
    """Returns the int64 or float64 array of texts that are written in one way.

    Args:
        texts: array of pyarrow, without blanks around the texts.
        writing: `NumberText`.
    Returns:
        The array, or None if a text is not written so.
    """
    import pyarrow.compute as pc

    if writing.unit:
        texts = pc.utf8_trim(pc.replace_substring(texts, writing.unit, ""), SPACES)
    if not _all_match(texts, _number_pattern(writing.decimal, writing.thousands)):
        return None
    if writing.thousands:
        mark = {" ": SPACE, "'": QUOTE}.get(writing.thousands, re.escape(writing.thousands))
        texts = pc.replace_substring_regex(texts, mark, "")
    if writing.decimal == ",":
        texts = pc.replace_substring(texts, ",", ".")
    return plain_numbers(pc.replace_substring(texts, "−", "-"))


def split_units(texts):
    """Returns (numbers as texts, unit) of texts that all have one unit, or None.

    A percent sign, a currency and the usual units are units; any word is, where a blank stands before it.

    Args:
        texts: array of pyarrow, without blanks around the texts.
    Raises:
        MixedUnits: if all texts are numbers with usual units, but not with one.
    """
    import pyarrow.compute as pc

    pattern = rf"^(?P<currency>[{CURRENCIES}]?)\s*(?P<number>{ANY_NUMBER})(?P<blank>\s*)(?P<unit>(?:{UNIT})?)$"
    parts = pc.extract_regex(texts, pattern)
    if parts.null_count != texts.null_count:
        return None
    number, unit, currency, blank = (pc.struct_field(parts, n) for n in ("number", "unit", "currency", "blank"))
    units = [u for u in pc.unique(pc.binary_join_element_wise(currency, unit, "")).to_pylist() if u is not None]
    if len(units) == 1 and units[0]:
        has_blank = pc.all(pc.not_equal(blank, "")).as_py()
        return (number, units[0]) if units[0] in UNITS or has_blank else None
    if len(units) > 1 and any(units) and all(u in UNITS or not u for u in units):
        plain = (
            all(len(u) == 1 and u.isalpha() for u in units if u) and pc.any(pc.not_equal(blank, "")).as_py() is False
        )
        if not plain:
            raise MixedUnits(sorted(filter(None, units)), "" in units)
    return None


class MixedUnits(ValueError):
    """Numbers of one column have different units."""

    def __init__(self, units, some_without):
        super().__init__(f"{' and '.join(units)}{' and none' * some_without}")
        self.units = units


def number_like(texts):
    """Returns a boolean array: which texts are numbers in any writing, also with a usual unit."""
    return _matches(texts, rf"(?:[{CURRENCIES}]\s*)?(?:{ANY_NUMBER})(?:\s+(?:{KNOWN_UNIT})|(?:{LONG_UNIT}))?")


def marked_number(texts):
    """Returns a boolean array: which texts are numbers with a mark, such as <0.1 and 12?."""
    return _matches(texts, MARKED)
