"""Writes zoo/architectures.csv and the tables of README.md: `python -m recipes.reference.readme_tables`; `--check` only compares."""

import argparse
import csv
import difflib
import io
import math
import re
import sys
from pathlib import Path
from urllib.parse import urlparse

from zoo.introspect.architecture_table import NUMBERS, example_text, measure, registry_row
from zoo.registry import TASKS, names

ROOT = Path(__file__).parents[1]
CSV = ROOT / "zoo" / "architectures.csv"
README = ROOT / "README.md"


def measured():
    """The rows of zoo/architectures.csv, one for each registered name."""
    return [{"name": name, "example": example_text(name), **measure(name)} for name in names()]


def csv_text(rows):
    """Those rows as CSV; what is unknown is left empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, ("name", "example", "input", *NUMBERS), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def architectures(rows):
    """The README's table of architectures: by task, each family followed by its variants, from small to large."""
    found = [{**registry_row(row["name"]), **row} for row in rows]
    found.sort(key=lambda r: (TASKS.index(r["task"]), r["parent"] or r["name"], bool(r["parent"]), r["parameters"]))
    return table(
        {
            "architecture": f"`{row['name']}`",
            "task": row["task"],
            "what": row["summary"].removeprefix(f"{row['name']}: ").rstrip("."),
            "input": row["input"],
            "parameters": row["parameters"],
            "MACs": short(row["macs"]),
            "receptive field": row["receptive_field"],
            "paper": link(row["source"]),
        }
        for row in found
    )


def worked():
    """The README's table of worked recipes."""
    import recipes

    return table(_coded(row, "name", "model") for row in recipes.reference_recipes())


def data():
    """The README's table of bundled data sources, under the names that `recipes.load` takes."""
    import recipes.data

    return table(_coded({**row, "name": f"bundled:{row['name']}"}, "name") for row in recipes.data.sources())


def _coded(row, *keys):
    return {**row, **{key: f"`{row[key]}`" for key in keys}}


def table(rows):
    """A Markdown table of dicts with the same keys; columns of numbers are set to the right."""
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
    """One cell: 61,706; 0.983; a link; `a=1, b=(2, 3)` for a dict; nothing for None."""
    if value is None or (_number(value) and math.isnan(value)):
        return ""
    if _number(value):
        return f"{int(value):,}" if float(value).is_integer() else f"{value:.3g}"
    if isinstance(value, dict):
        pairs = ((key, f"({cell(v)})" if isinstance(v, list | tuple) else cell(v)) for key, v in value.items())
        return ", ".join(f"{key}={text}" for key, text in pairs)
    if isinstance(value, list | tuple):
        return ", ".join(cell(entry) for entry in value)
    text = str(value)
    return link(text) if text.startswith(("http://", "https://")) else text.replace("|", r"\|")


def _number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)


def short(count):
    """Three figures and a unit: 4.09 G."""
    if count is None:
        return ""
    power = 0
    while float(f"{count:.3g}") >= 1000 and power < 4:
        count, power = count / 1000, power + 1
    decimals = max(0, 3 - len(str(int(float(f"{count:.3g}"))))) if power else 0
    return f"{count:.{decimals}f}{('', ' k', ' M', ' G', ' T')[power]}"


def link(address):
    """A Markdown link that says where it leads: the arXiv number, or the site."""
    number = re.search(r"arxiv\.org/abs/([\d.]+\d)", address)
    return f"[{f'arXiv:{number[1]}' if number else urlparse(address).netloc.removeprefix('www.')}]({address})"


def filled(text, blocks):
    """A README with each block between its markers, as in `<!-- data -->` and `<!-- /data -->`.

    Args:
        text: the README; a block whose markers it lacks is left out.
        blocks: name -> function that makes the block; it is called only where there are markers.
    Raises:
        ValueError: if a marker stands alone, twice, or the wrong way round.
    """
    for name, block in blocks.items():
        opening, closing = f"<!-- {name} -->", f"<!-- /{name} -->"
        counts = text.count(opening), text.count(closing)
        if counts == (0, 0):
            continue
        start, end = text.find(opening) + len(opening), text.find(closing)
        if counts != (1, 1) or end < start:
            got = f"{counts[0]} and {counts[1]}" if counts != (1, 1) else "them the wrong way round"
            raise ValueError(f"README.md must have one {opening} and then one {closing}, or neither, got {got}.")
        text = f"{text[:start]}\n{block()}\n{text[end:]}"
    return text


def written(readme):
    """What the two files should hold: {path: text}."""
    rows = measured()
    blocks = {"architectures": lambda: architectures(rows), "recipes": worked, "data": data}
    return {CSV: csv_text(rows), readme: filled(readme.read_text("utf-8"), blocks)}


def main(arguments=None, readme=README):
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m recipes.reference.readme_tables", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 where a file is out of date")
    check = parser.parse_args(arguments).check
    stale = False
    for path, text in written(readme).items():
        old = path.read_text("utf-8") if path.exists() else ""
        if old == text:
            continue
        stale = True
        if check:
            sys.stdout.writelines(
                difflib.unified_diff(_lines(old), _lines(text), f"{path.name} as it is", "as it should be")
            )
        else:
            path.write_text(text, "utf-8")
            print(f"wrote {path.name}")
    return int(check and stale)


def _lines(text):
    return [f"{line}\n" for line in text.splitlines()]


if __name__ == "__main__":
    sys.exit(main())
