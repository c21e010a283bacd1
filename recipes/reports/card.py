"""The card of a trained model: what it is, what it learnt from, how good it is, and what it was never shown."""

import json
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined


def card(folder, name=None):
    """The card of a run, in Markdown, from what the run left in its folder.

    Args:
        folder: the run's folder, with run.json and metrics.json.
        name: the model's name; the folder's if None.
    Returns:
        The text.
    """
    folder = Path(folder)
    told = json.loads((folder / "run.json").read_text())
    metrics = json.loads((folder / "metrics.json").read_text())
    part = "test" if "test" in metrics else "validation"
    found, data, record = metrics[part], told["data"], told["record"]
    base = found["baseline"]
    rows = []
    for key, value in found.items():
        if isinstance(value, int | float) and key != "examples":
            shown = f"{value:.4g}"
            if f"{key}_interval" in found:
                low, high = found[f"{key}_interval"]
                shown += f" (95 %: {low:.3g} to {high:.3g})"
            rows.append((key, shown, f"{base[key]:.4g}" if isinstance(base.get(key), int | float) else ""))
    arguments = ", ".join(f"{k}={v}" for k, v in record["arguments"].items())
    pages = Environment(
        loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined, keep_trailing_newline=True
    )
    return pages.get_template("card.md").render(
        name=name or folder.name,
        told=told,
        data=data,
        record=record,
        arguments=f" ({arguments})" if arguments else "",
        description=described(record["data"]) or f"{data['kind'].capitalize()} data.",
        part=part,
        found=found,
        trivial=base.get("name", "trivial answer"),
        rows=rows,
        diagnosis=metrics["diagnosis"],
        takes=takes(data),
    )


def described(source):
    """What a bundled set shows; "" for other sources."""
    from recipes.data import as_source_spec
    from recipes.data.bundled.sets import SETS

    spec = as_source_spec(source)
    return SETS[spec.source].description if spec and spec.reader == "bundled" and spec.source in SETS else ""


def takes(data):
    """A raw input, in words."""
    if data["kind"] == "text":
        return "texts"
    if data["shape"] is None:
        return f"rows with the columns {', '.join(data['columns'])}"
    size = " x ".join("any" if n is None else str(n) for n in data["shape"])
    what = {"image": "images", "series": "series (steps x columns)", "vector": "vectors"}.get(
        data["kind"], data["kind"]
    )
    return f"{what} of {size} {data['dtype']}"
