"""Output of the commands: results on stdout, progress and notes on stderr."""

import math
import os
import sys


def print_note(text):
    """Prints one line to stderr."""
    print(text, file=sys.stderr, flush=True)


def print_json(value):
    """Prints a value as strict JSON to stdout; NaN is null."""
    from zoo.strict_json import json_text

    print(json_text(value, indent=1))


def print_rows(rows, as_json, columns=None):
    """Prints dicts to stdout: as JSON, as a table on a terminal, or tab-separated in a pipe.

    Args:
        rows: dicts with the same keys.
        as_json: whether to print JSON.
        columns: keys to print; None for all.
    """
    rows = [{k: r[k] for k in columns or r} for r in rows]
    if as_json:
        print_json(rows)
    elif sys.stdout.isatty() and rows:
        from rich.console import Console
        from rich.table import Table

        table = Table(*map(str, rows[0]))
        for row in rows:
            table.add_row(*(str(format_value(v)) for v in row.values()))
        Console().print(table)
    else:
        for row in ([{k: k for k in rows[0]}] if rows else []) + rows:
            print("\t".join(str(v) for v in row.values()))


def print_frames(frames, as_json):
    """Prints data frames with the same columns to stdout as they come: as one JSON list, or as rows."""
    rows = []
    for i, frame in enumerate(frames):
        if as_json or sys.stdout.isatty():
            records = frame.astype(object).to_dict("records")
            rows += [{k: v for k, v in record.items() if v is not None and v == v} for record in records]
            continue
        if "error" in frame:
            frame = frame[frame["error"].isna()].drop(columns="error")
        frame.to_csv(sys.stdout, sep="\t", index=False, header=i == 0, lineterminator="\n")
    if as_json:
        print_json(rows)
    elif rows:
        print_rows([row for row in rows if "error" not in row], as_json)


def print_metrics(metrics, baseline=None):
    """Prints the verdict, then a line per metric that is a number, with the baseline's value if `baseline` is given."""
    from recipes.reports.coverage import coverage_rows

    if metrics.get("verdict"):
        print(f"verdict\t{metrics['verdict']['sentence']}")
    for key, value in metrics.items():
        if isinstance(value, int | float):
            reference = (baseline or {}).get(key, "")
            reference = f"{reference:.4g}" if isinstance(reference, int | float) else reference
            print(f"{key}\t{value:.4g}" + ("" if baseline is None else f"\t{reference}"))
    for name, coverage in coverage_rows(metrics).items():
        print(f"coverage of {name}\t{coverage:.4g}" + ("" if baseline is None else "\t"))


def print_baselines(record):
    """Prints the comparison with the fitted baselines: the strongest one's verdict, then a line for each.

    Args:
        record: the record of a run, whose `baselines` are printed; nothing where it has none.
    """
    from recipes.reports.baseline_text import describe_baselines

    fitted = describe_baselines(record.get("baselines"))
    if not fitted:
        return
    print(f"baselines\t{fitted['sentence']}")
    print_note(f"note: {fitted['note']}")
    for row in fitted["rows"]:
        print(f"{row['name']}\t{fitted['metric']} {row['value']}\tdifference {row['difference']}\t{row['seconds']}")


def format_value(value):
    """Formats numbers with thousands separators or four significant digits, NaN as empty; returns the rest as it is."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "" if math.isnan(value) else f"{value:,.0f}" if value == int(value) else f"{value:.4g}"
    return value


def import_tensorflow(devices=True):
    """Imports TensorFlow without its messages on stderr.

    Args:
        devices: whether to set up the devices, too, which has messages of its own.
    """
    sys.stderr.flush()  # `zoo.silence.silence_stderr` cannot be used: importing `zoo` imports TensorFlow
    stderr, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        import tensorflow as tf

        tf.get_logger().setLevel("ERROR")  # of retracing it warns wherever several models are trained
        if devices:
            tf.config.list_logical_devices()
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(null)
