"""The summary of a data set as text for the screen, and as plain JSON values."""

import math
import shlex
import textwrap

import numpy as np

from recipes.reports.column_checks import counted, format_number

WIDTH = 110  # characters of a line
MAX_CLASSES = 20  # rows of classes
MAX_COLUMNS = 40  # rows of columns
MAX_LEVELS = 6  # levels of a category
MAX_BANDS = 16
SPLIT_NAMES = ("train", "validation", "test")


def plain_values(value):
    """Returns nested dicts and lists of JSON values: arrays become lists, NaN and infinity None."""
    if isinstance(value, dict):
        return {str(key): plain_values(v) for key, v in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain_values(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def summary_text(facts):
    """Returns the text of a summary.

    Args:
        facts: dict of JSON values, as `DataSummary.to_json` returns it.
    """
    lines = _head(facts)
    for key, section in (
        ("classes", _classes),
        ("outputs", _outputs),
        ("columns", _columns),
        ("images", _images),
        ("masks", _masks),
        ("series", _series),
        ("texts", _texts),
    ):
        if facts.get(key):
            lines += ["", *section(facts[key])]
    lines += ["", "how it was read, and what is suspicious" if facts["suspicious"] else "nothing suspicious"]
    for sentence in facts["suspicious"]:
        lines += textwrap.wrap(sentence, WIDTH, initial_indent="  - ", subsequent_indent="    ", break_on_hyphens=False)
    if facts.get("error"):
        lines += ["", *_field("cannot be trained on", facts["error"])]
    if facts.get("advice"):
        lines += ["", *_field("next", facts["advice"])]
    return "\n".join(lines)


def _head(facts):
    """Returns the lines of name, task, shape, splits and source."""
    lines = _field("data", facts["name"])
    what = f"{facts['task']} of {facts['kind']} data" if facts["task"] else f"{facts['kind']}, not a data set yet"
    lines += _field("task", what)
    if facts.get("shape"):
        shape = " x ".join("any" if side is None else str(side) for side in facts["shape"])
        lines += _field("input", f"{shape} {facts['dtype']}")
    lines += _field("examples", f"{facts['examples']:,}{_split_sizes(facts.get('splits'))}")
    if facts.get("boxes"):
        lines += _field("boxes", facts["boxes"])
    for name, key in (("split", "split_description"), ("gap policy", "missing"), ("shows", "description")):
        if facts.get(key):
            lines += _field(name, facts[key])
    if facts.get("raster"):
        lines += _field("raster", _raster(facts["raster"]))
    lines += _field("source", facts["source"])
    if facts.get("license"):
        lines += _field("license", facts["license"])
    if facts.get("data_option"):
        lines.append(f"{'read again':12}--data {shlex.quote(facts['data_option'])}")  # not wrapped, to be copied
    return lines


def _field(name, text):
    indent = max(12, len(name) + 2)
    return textwrap.wrap(
        str(text), WIDTH, initial_indent=f"{name:{indent}}", subsequent_indent=" " * indent, break_on_hyphens=False,
        break_long_words=False,
    )  # fmt: skip


def _split_sizes(splits):
    if not splits:
        return ""
    return ": " + ", ".join(f"{n:,} {name}" for name, n in splits.items())


def _raster(raster):
    parts = [raster["crs"] or "no CRS"]
    if raster["pixel_size"]:
        parts.append("pixels of " + " x ".join(f"{side:g}" for side in raster["pixel_size"]))
    parts.append("no nodata value" if raster["nodata"] is None else f"nodata {raster['nodata']:g}")
    if "scales" in raster:
        parts.append(f"scales {raster['scales']}, offsets {raster['offsets']}")
    return ", ".join(parts)


def _table(title, header, rows, total):
    """Returns aligned lines: the first column to the left, the others to the right."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    lines = [title]
    for row in [header, *rows]:
        cells = [
            f"{row[0]:{widths[0]}}",
            *(f"{cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True)),
        ]
        lines.append("  " + "  ".join(cells).rstrip())
    return lines + ([f"  and {total - len(rows):,} more"] if total > len(rows) else [])


def _classes(classes):
    rows = [(_short(c["name"]), *(f"{c[s]:,}" for s in SPLIT_NAMES)) for c in classes[:MAX_CLASSES]]
    return _table(f"{len(classes):,} classes", ("", *SPLIT_NAMES), rows, len(classes))


def _masks(rows):
    cells = [
        (_short(r["name"]), *("" if r[s] is None else f"{r[s]:.2%}" for s in SPLIT_NAMES), f"{r['examples']:,}")
        for r in rows[:MAX_CLASSES]
    ]
    return _table("classes of the pixels", ("", *SPLIT_NAMES, "in images"), cells, len(rows))


def _outputs(rows):
    lines = [f"{counted(len(rows), 'number')} to predict"]
    lines += [f"  {_short(r['name'])}  {_range(r)}" for r in rows[:MAX_CLASSES]]
    return lines + ([f"  and {len(rows) - MAX_CLASSES:,} more"] if len(rows) > MAX_CLASSES else [])


def _columns(rows):
    shown = rows[:MAX_COLUMNS]
    width = max(len(_short(row["name"])) for row in shown)
    lines = [counted(len(rows), "column")]
    for row in shown:
        kind = "date as text" if row.get("looks_like") == "date" else row["kind"]
        text = ", ".join(part for part in (row["role"], kind, _content(row), _gaps(row)) if part)
        if row.get("input_name") and row["input_name"] != row["name"]:
            text += f", named {row['input_name']}"
        lines += textwrap.wrap(
            text, WIDTH, initial_indent=f"  {_short(row['name']):{width}}  ", subsequent_indent=" " * (width + 4),
            break_on_hyphens=False,
        )  # fmt: skip
    return lines + ([f"  and {len(rows) - MAX_COLUMNS:,} more"] if len(rows) > MAX_COLUMNS else [])


def _content(row):
    if row["kind"] in ("number", "date"):
        return _range(row)
    if row["kind"] == "text":
        return f"{row['distinct']:,} distinct, such as {_short(row['levels'][0]['level'])!r}"
    if row["kind"] == "category":
        levels = [f"{_short(entry['level'])} {entry['count']:,}" for entry in row["levels"][:MAX_LEVELS]]
        more = f" and {row['distinct'] - MAX_LEVELS:,} more" if row["distinct"] > MAX_LEVELS else ""
        return f"{counted(row['distinct'], 'level')}: {', '.join(levels)}{more}"
    return ""


def _range(row):
    if row.get("smallest") is None:
        return "no finite number"
    low, median, high = (row[p] if isinstance(row[p], str) else format_number(row[p]) for p in
                         ("smallest", "median", "largest"))  # fmt: skip
    return f"{low} to {high}, median {median}, {row['distinct']:,} distinct"


def _gaps(row):
    if not row["gaps"]:
        return "no gaps"
    policy = f" ({row['policy']})" if row.get("policy") else ""
    return f"{counted(row['gaps'], 'gap')}, {row['gap_fraction']:.1%}{policy}"


def _images(images):
    sizes = images["sizes"]
    if images["distinct_sizes"] > 1:
        size = ", ".join(
            f"{place} {sizes[place][0]} x {sizes[place][1]}" for place in ("smallest", "median", "largest")
        )
    else:
        size = f"all {sizes['median'][0]} x {sizes['median'][1]}"
    lines = [f"images, from a sample of {images['sample']:,}", f"  height x width   {size}"]
    lines.append(f"  mean brightness  {format_number(images['mean_brightness'])}")
    for key, what in (("constant", "of one value"), ("dark", "dark"), ("bright", "bright")):
        if images[key]:
            lines.append(f"  {what:15}  {len(images[key]):,}")
    has_nodata = any("nodata_fraction" in b for b in images["bands"])
    rows = [
        (
            f"band {b['band']}" + (f" {b['name']}" if b["name"] else ""),
            *("" if b[key] is None else format_number(b[key]) for key in ("smallest", "mean", "largest")),
            *([f"{b.get('nodata_fraction', 0):.1%}"] if has_nodata else []),
        )
        for b in images["bands"][:MAX_BANDS]
    ]
    title = f"{counted(len(images['bands']), 'band')} of {images['dtype']}"
    header = ("", "smallest", "mean", "largest", *(["nodata"] if has_nodata else []))
    return [*lines, "", *_table(title, header, rows, len(images["bands"]))]


def _series(series):
    lines = ["series", f"  window   {series['window']} steps of {counted(series['channels'], 'channel')}"]
    if series.get("horizon"):
        leads = [str(lead) for lead in series["horizon"]]
        lines.append(f"  horizon  {', '.join(leads[:12])}{', ...' * (len(leads) > 12)} steps ahead")
    if series.get("first"):
        what = "times   " if "rows" in series else "windows end"
        lines.append(
            f"  {what} {_time(series['first'])} to {_time(series['last'])}, step {series['step'] or 'unknown'}"
        )
        if "rows" in series:
            lines.append(f"  rows     {series['rows']:,} of {series['series']:,} series")
            lines.append(f"  gaps     {series['missing_steps']:,} steps without a row")
    return lines


def _time(text):
    return text.removesuffix(" 00:00:00")


def _texts(texts):
    lines = ["texts"]
    for key in ("characters", "words"):
        r = texts[key]
        lines.append(f"  {key:11} {r['smallest']:,} to {r['largest']:,}, median {format_number(r['median'])}")
    lines.append(f"  distinct    {texts['distinct']:,}")
    return lines + ([f"  vocabulary  {texts['vocabulary']:,} characters"] if texts["vocabulary"] else [])


def _short(text, limit=40):
    text = " ".join(str(text).split())
    return text if len(text) <= limit else text[: limit - 3] + "..."
