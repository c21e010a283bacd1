"""A run as a notebook shows it."""

from html import escape

ROWS = 8  # metrics in the table


def run_html(run):
    """Returns HTML on a run: task, model, data, and metrics of each evaluated split beside the baseline's.

    Args:
        run: `Run`.
    """
    title = f"{type(run.task).__name__} of {run.record.get('model')} on {run.data_record['name']}"
    parts = [f"<strong>{escape(title)}</strong>"]
    for split, metrics in run.evaluated.items():
        if "verdict" in metrics:
            parts.append(f"<p>{escape(metrics['verdict']['sentence'])}</p>")
        baseline = metrics.get("baseline", {})
        numbers = {k: v for k, v in metrics.items() if isinstance(v, float)}
        rows = "".join(
            f"<tr><td>{escape(name)}</td><td>{value:.4g}</td><td>{_cell(baseline.get(name))}</td></tr>"
            for name, value in list(numbers.items())[:ROWS]
        )
        parts.append(f"<table><tr><th>{escape(split)}</th><th>model</th><th>baseline</th></tr>{rows}</table>")
    if not run.evaluated:
        parts.append("<p>Not evaluated yet: run.evaluate().</p>")
    return "".join(parts)


def _cell(value):
    return f"{value:.4g}" if isinstance(value, float) else ""
