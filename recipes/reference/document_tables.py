"""Writes zoo/architectures.csv and the tables of the documents, or checks them with `--check`."""

import argparse
import csv
import difflib
import io
import math
import re
import sys
from pathlib import Path
from urllib.parse import urlparse

from zoo.introspect.architecture_table import COLUMNS, example_text, measure, registry_row
from zoo.published_weights import read_table, weight_names
from zoo.registry import TASKS, names

ROOT = Path(__file__).parents[2]
CSV = ROOT / "zoo" / "architectures.csv"
NAMES = ("architectures.md", "pretrained.md", "reference-recipes.md", "data.md", "uncertainty.md", "species.md")
DOCUMENTS = tuple(ROOT / "docs" / name for name in NAMES)
METRIC_NAMES = {"acc@1": "top-1", "box_map": "box mAP", "mask_map": "mask mAP"}
METRICS = re.compile("|".join(METRIC_NAMES))
COVERAGE = ROOT / "benchmarks" / "coverage.csv"
SPECIES = ROOT / "benchmarks" / "species_distribution.csv"


def architecture_rows():
    """Returns the rows of zoo/architectures.csv, one per registered name."""
    return [{**registry_row(name), "example": example_text(name), **measure(name)} for name in names()]


def csv_text(rows):
    """Formats rows of architectures as CSV; unknown values are empty."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, (*COLUMNS, "example"), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def architecture_table(rows):
    """Returns the table of architectures: by task and size, each architecture followed by its variants."""
    rows = [{**registry_row(row["name"]), **row} for row in rows]
    rows.sort(key=lambda r: (TASKS.index(r["task"]), r["parent"] or r["name"], bool(r["parent"]), r["parameters"]))
    return table(
        {
            "architecture": f"`{row['name']}`",
            "task": row["task"],
            "what": row["summary"].removeprefix(f"{row['name']}: ").rstrip("."),
            "input": row["input"],
            "parameters": row["parameters"],
            "MACs": format_count(row["macs"]),
            "receptive field": row["receptive_field"],
            "weights": len(weight_names(row["name"])) or None,
            "paper": link(row["source"]),
        }
        for row in rows
    )


def weights_table():
    """Returns the table of published pretrained weights."""
    return table(
        {
            "architecture": f"`{row.architecture}`",
            "weights": ", ".join(f"`{name}`" for name in (row.alias, row.name) if name),
            "trained on": row.training_data,
            "input": " x ".join(str(side) for side in row.input_size),
            "bands": len(row.bands) or None,
            "published, %": METRICS.sub(lambda match: METRIC_NAMES[match[0]], row.accuracy),
            "MiB": row.mebibytes and round(row.mebibytes, 1),
            "checksum": checksum_text(row),
            "license": row.license,
        }
        for row in read_table()
    )


def checksum_text(row):
    """Returns which published facts a download of `PublishedWeights` is checked against."""
    sha256 = "" if not row.sha256 else "SHA-256" if len(row.sha256) == 64 else f"SHA-256, {len(row.sha256)} digits"
    return ", ".join(text for text in (sha256, "MD5" if row.md5 else "", "size" if row.mebibytes else "") if text)


def recipe_table():
    """Returns the table of reference recipes."""
    from recipes.reference.recipes import reference_recipes

    return table(_as_code(row, "name", "model") for row in reference_recipes())


def data_table():
    """Returns the table of bundled data, with the sources that `recipes.load` takes."""
    from recipes.data import sources

    return table(_as_code({**row, "name": f"bundled:{row['name']}"}, "name") for row in sources())


def coverage_table():
    """Returns the table of the coverage of intervals and sets, in percent, of benchmarks/coverage.csv."""
    with COVERAGE.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return table(
        {
            "table": row["table"],
            "target": row["target"],
            "method": row["method"],
            "rows": row["rows"],
            "nominal, %": _percent(row["nominal"], 0),
            "coverage, %": _percent(row["coverage"]),
            "standard error": _percent(row["error"]),
            "accuracy, %": _percent(row["accuracy"]),
        }
        for row in rows
    )


def species_table():
    """Returns the table of species distribution models in cross-validation, of benchmarks/species_distribution.csv."""
    with SPECIES.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    metrics = {
        "ROC AUC": "roc_auc",
        "Boyce index": "boyce_index",
        "calibration error": "calibration_error",
    }
    return table(
        {
            "data": row["data"],
            "points": row["points"],
            "method": f"`{row['method']}`" if row["method"] in names() else row["method"],
            **{title: _spread(row[name], row[f"{name}_deviation"]) for title, name in metrics.items()},
        }
        for row in rows
    )


def _spread(mean, deviation):
    return f"{float(mean):.3f} ± {float(deviation):.3f}" if mean else ""


def _percent(text, decimals=1):
    return f"{100 * float(text):.{decimals}f}" if text else ""


def _as_code(row, *keys):
    return {**row, **{key: f"`{row[key]}`" for key in keys}}


def table(rows):
    """Formats dicts with the same keys as a Markdown table; numeric columns are right-aligned."""
    rows = list(rows)
    if not rows:
        return ""
    numeric = {key for key in rows[0] if all(re.fullmatch(r"([\d.,]+( [kMGT])?)?", cell(row[key])) for row in rows)}
    lines = [
        " | ".join(key.replace("_", " ") for key in rows[0]),
        " | ".join("---:" if key in numeric else "---" for key in rows[0]),
        *(" | ".join(cell(row[key]) for key in rows[0]) for row in rows),
    ]
    return "\n".join(f"| {line} |" for line in lines)


def cell(value):
    """Formats a table cell: 61,706; 0.983; a link; `a=1, b=(2, 3)` for a dict; empty for None."""
    if value is None or (_is_number(value) and math.isnan(value)):
        return ""
    if _is_number(value):
        return f"{int(value):,}" if float(value).is_integer() else f"{value:.3g}"
    if isinstance(value, dict):
        pairs = ((key, f"({cell(v)})" if isinstance(v, list | tuple) else cell(v)) for key, v in value.items())
        return ", ".join(f"{key}={text}" for key, text in pairs)
    if isinstance(value, list | tuple):
        return ", ".join(cell(entry) for entry in value)
    text = str(value)
    return link(text) if text.startswith(("http://", "https://")) else text.replace("|", r"\|")


def _is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)


def format_count(count):
    """Formats a number with three digits and a unit prefix, as in 4.09 G."""
    if count is None:
        return ""
    power = 0
    while float(f"{count:.3g}") >= 1000 and power < 4:
        count, power = count / 1000, power + 1
    decimals = max(0, 3 - len(str(int(float(f"{count:.3g}"))))) if power else 0
    return f"{count:.{decimals}f}{('', ' k', ' M', ' G', ' T')[power]}"


def link(address):
    """Formats a URL as a Markdown link with the arXiv number or the host as its text."""
    number = re.search(r"arxiv\.org/abs/([\d.]+\d)", address)
    return f"[{f'arXiv:{number[1]}' if number else urlparse(address).netloc.removeprefix('www.')}]({address})"


def fill_blocks(text, blocks):
    """Replaces the blocks between markers such as `<!-- data -->` and `<!-- /data -->`.

    Args:
        text: of a document; blocks without markers are skipped.
        blocks: dict of name -> function that returns the block; only called if there are markers.
    Raises:
        ValueError: if a marker occurs alone, twice, or in the wrong order.
    """
    for name, block in blocks.items():
        opening, closing = f"<!-- {name} -->", f"<!-- /{name} -->"
        counts = text.count(opening), text.count(closing)
        if counts == (0, 0):
            continue
        start, end = text.find(opening) + len(opening), text.find(closing)
        if counts != (1, 1) or end < start:
            received = f"{counts[0]} and {counts[1]}" if counts != (1, 1) else "them in the wrong order"
            raise ValueError(f"a document must have one {opening} and then one {closing}, or neither, got {received}.")
        text = f"{text[:start]}\n{block()}\n{text[end:]}"
    return text


def expected_files(documents):
    """Returns the up-to-date content of the CSV and the documents: {path: text}."""
    rows = architecture_rows()
    blocks = {"architectures": lambda: architecture_table(rows), "recipes": recipe_table, "data": data_table}
    blocks |= {"coverage": coverage_table, "species": species_table, "weights": weights_table}
    return {CSV: csv_text(rows)} | {path: fill_blocks(path.read_text("utf-8"), blocks) for path in documents}


def main(arguments=None, documents=DOCUMENTS):
    """Runs the command and returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m recipes.reference.document_tables", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with code 1 if a file is out of date")
    check = parser.parse_args(arguments).check
    outdated = False
    for path, text in expected_files(documents).items():
        old = path.read_text("utf-8") if path.exists() else ""
        if old == text:
            continue
        outdated = True
        if check:
            sys.stdout.writelines(difflib.unified_diff(_lines(old), _lines(text), f"{path.name} (current)", "expected"))
        else:
            path.write_text(text, "utf-8")
            print(f"wrote {path.name}")
    return int(check and outdated)


def _lines(text):
    return [f"{line}\n" for line in text.splitlines()]


if __name__ == "__main__":
    sys.exit(main())
