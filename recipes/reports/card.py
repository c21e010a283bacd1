"""Renders the model card of a trained model: its data, metrics, cost and limits."""

import json
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from recipes.reports.baseline_text import describe_baselines
from recipes.reports.coverage import coverage_rows, describe_coverage
from recipes.reports.markdown import escape_markdown


def card(folder, name=None):
    """Returns the model card of a run, in Markdown.

    Args:
        folder: the run's folder, with run.json and metrics.json.
        name: the model's name; default the name of the folder.
    """
    folder = Path(folder)
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    split = "test" if "test" in metrics else "validation"
    values, data, record = metrics[split], {**run["input_schema"], **run["data"]}, run["record"]
    baseline = values["baseline"]
    rows = []
    for key, value in values.items():
        if isinstance(value, int | float) and key != "examples":
            text = f"{value:.4g}"
            if f"{key}_interval" in values:
                low, high = values[f"{key}_interval"]
                text += f" (95 %: {low:.3g} to {high:.3g})"
            rows.append((key, text, f"{baseline[key]:.4g}" if isinstance(baseline.get(key), int | float) else ""))
    arguments = ", ".join(f"{k}={v}" for k, v in record["arguments"].items())
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        finalize=escape_markdown,
    )
    return templates.get_template("card.md").render(
        name=name or folder.name,
        run=run,
        data=data,
        record=record,
        arguments=f"({arguments})" if arguments else "",
        description=escape_markdown(
            bundled_description(record["data"]) or f"{data['kind'].capitalize()} data.", keep_code=True
        ),
        split=split,
        metrics=values,
        verdict=(values.get("verdict") or {}).get("sentence"),
        baseline=f"baseline: {baseline['name']}" if "name" in baseline else "baseline",
        rows=rows,
        fitted=describe_baselines(record.get("baselines")),
        coverage=[escape_markdown(sentence, keep_code=True) for sentence in describe_coverage(values)],
        coverage_rows=coverage_rows(values),
        diagnosis=[escape_markdown(sentence, keep_code=True) for sentence in metrics["diagnosis"]],
        inputs=input_description(data),
    )


def bundled_description(source):
    """Returns the description of a bundled data set; "" for other sources."""
    from recipes.data import as_source_spec
    from recipes.data.bundled.sets import SETS

    spec = as_source_spec(source)
    return SETS[spec.source].description if spec and spec.reader == "bundled" and spec.source in SETS else ""


def input_description(data):
    """Describes the raw inputs in words, such as "images of 28 x 28 x 1 uint8"."""
    if data["kind"] == "text":
        return "texts"
    if data["shape"] is None:
        return f"rows with the columns {', '.join(column['source'] for column in data['columns'])}"
    size = " x ".join("any" if n is None else str(n) for n in data["shape"])
    kinds = {"image": "images", "series": "series (steps x columns)", "vector": "vectors"}
    return f"{kinds.get(data['kind'], data['kind'])} of {size} {data['dtype']}"
