"""Tables of calls for other programs, Raven, Audacity and BirdNET, and calls per hour and per day."""

from pathlib import Path

import numpy as np

from zoo.arguments import suggestion

ENDINGS = {
    "raven": ".Table.1.selections.txt",
    "audacity": ".txt",
    "birdnet": ".BirdNET.results.csv",
}


def read_calls(path):
    """Returns the calls in a file that `zoo predict` wrote, as a data frame.

    Args:
        path: of a .csv, .tsv, .parquet or .jsonl file.
    """
    import pandas as pd

    path = Path(path)
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return pd.read_parquet(path)
    if suffix == ".jsonl":
        return pd.read_json(path, lines=True)
    text = dict.fromkeys(("input", "class", "time", "error"), str)
    return pd.read_csv(
        path,
        sep="\t" if suffix == ".tsv" else ",",
        dtype=text,
        keep_default_na=False,
        na_values={name: [""] for name in ("start", "end", "low", "high", "confidence", "class", "error", "time")},
    )


def write_call_tables(calls, folder, table_format):
    """Writes the calls of each recording as a table that another program reads; `sound:` reads them too.

    Args:
        calls: data frame, as `zoo predict` writes it.
        folder: created where it does not exist; a table is named after its recording, with a number where several
            recordings have one name.
        table_format: raven (selection table), audacity (labels with their frequencies), or birdnet (CSV of start, end,
            scientific and common name, which are both the class, and confidence).
    Returns:
        List of paths.
    Raises:
        ValueError: if there is no such format.
    """
    if table_format not in ENDINGS:
        raise ValueError(
            f"predict: `tables` must be of {', '.join(ENDINGS)}, got {table_format!r}."
            f"{suggestion(table_format, ENDINGS)}"
        )
    folder, paths, names = Path(folder), [], {}
    folder.mkdir(parents=True, exist_ok=True)
    calls = calls[calls["class"].notna()]
    for recording, rows in calls.groupby("input", sort=True):
        stem = Path(recording).stem
        names[stem] = names.get(stem, 0) + 1
        name = stem if names[stem] == 1 else f"{stem}-{names[stem]}"
        paths.append(folder / f"{name}{ENDINGS[table_format]}")
        text = {"raven": _raven, "audacity": _audacity, "birdnet": _birdnet}[table_format](Path(recording).name, rows)
        paths[-1].write_text(text, encoding="utf-8")
    return paths


def _raven(recording, rows):
    columns = ("Selection", "View", "Channel", "Begin Time (s)", "End Time (s)", "Low Freq (Hz)", "High Freq (Hz)",
               "Begin File", "Species", "Score")  # fmt: skip
    lines = ["\t".join(columns)]
    for i, row in enumerate(rows.to_dict("records")):
        times = f"{row['start']:.3f}\t{row['end']:.3f}\t{row['low']:.1f}\t{row['high']:.1f}"
        lines.append(f"{i + 1}\tSpectrogram 1\t1\t{times}\t{recording}\t{row['class']}\t{row['confidence']:.4f}")
    return "\n".join(lines) + "\n"


def _audacity(recording, rows):
    lines = []
    for row in rows.to_dict("records"):
        lines.append(f"{row['start']:.6f}\t{row['end']:.6f}\t{row['class']}")
        lines.append(f"\\\t{row['low']:.6f}\t{row['high']:.6f}")
    return "\n".join(lines) + "\n"


def _birdnet(recording, rows):
    import pandas as pd

    names = {"start": "Start (s)", "end": "End (s)", "confidence": "Confidence"}
    frame = rows.rename(columns=names)
    frame = pd.DataFrame(
        {**{n: frame[n] for n in ("Start (s)", "End (s)")}, "Scientific name": rows["class"],
         "Common name": rows["class"], "Confidence": frame["Confidence"]}
    )  # fmt: skip
    return frame.to_csv(index=False, lineterminator="\n")


def count_calls(calls):
    """Returns the calls per day, hour and class as a data frame: date, hour (0 to 23), class, calls.

    Args:
        calls: data frame, as `zoo predict` writes it.
    Raises:
        ValueError: if no call has a time: the names of the recordings have no date.
    """
    import pandas as pd

    calls = calls[calls["class"].notna()]
    time = pd.to_datetime(calls["time"], errors="coerce")
    if len(calls) and time.isna().all():
        raise ValueError(
            "the calls have no times: the recordings must have date and time in their names, such as "
            "SITE_20240501_053000.wav, or in the comment of an AudioMoth."
        )
    frame = pd.DataFrame({"date": time.dt.date, "hour": time.dt.hour, "class": calls["class"]}).dropna()
    frame["hour"] = frame["hour"].astype(int)
    return frame.groupby(["date", "hour", "class"]).size().reset_index(name="calls")


def count_figure(counts):
    """Returns a figure of the calls of each class: a map of days and hours.

    Args:
        counts: data frame of `count_calls`.
    """
    import pandas as pd
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    classes = sorted(counts["class"].unique())
    dates = pd.to_datetime(counts["date"])
    days = pd.date_range(dates.min(), dates.max())
    height = 1.6 + min(6.0, 0.14 * len(days))
    figure = Figure(figsize=(6.5, 0.3 + height * len(classes)), layout="constrained")
    FigureCanvasAgg(figure)
    for ax, name in zip(np.ravel(figure.subplots(len(classes), 1, squeeze=False)), classes, strict=True):
        rows = counts[counts["class"] == name]
        values = np.zeros((len(days), 24))
        values[days.get_indexer(pd.to_datetime(rows["date"])), rows["hour"]] = rows["calls"]
        image = ax.imshow(values, aspect="auto", cmap="viridis", vmin=0, vmax=max(1, values.max()))
        ticks = np.unique(np.linspace(0, len(days) - 1, min(8, len(days))).round().astype(int))
        ax.set_yticks(ticks, [days[i].date().isoformat() for i in ticks], fontsize=7)
        ax.set_xticks(range(0, 24, 3))
        ax.set_xlabel("hour of the day", fontsize=8)
        ax.set_title(f"{name}: {int(values.sum()):,} calls", fontsize=9, parse_math=False)
        figure.colorbar(image, ax=ax, label="calls per hour")
    return figure
