"""The trials of a search as a table and as a figure."""

import io

from recipes.tuning.trials import finished_trials, values_of
from zoo.atomic_write import write_bytes

MAX_PANELS = 4  # of dimensions in the figure


def trial_table(study, space):
    """Returns a data frame with a row per finished trial: trial, state, score, seconds, reason, and the values.

    Args:
        study: Optuna study.
        space: name -> `Range` or `Choice`.
    """
    import pandas as pd

    rows = []
    for number, trial in enumerate(finished_trials(study)):
        is_default = "default" in trial.user_attrs
        rows.append(
            {
                "trial": number,
                "state": "default" if is_default else trial.state.name.lower(),
                "score": trial.value,
                "seconds": trial.duration.total_seconds() if trial.duration and not is_default else None,
                "reason": trial.user_attrs.get("reason", ""),
                **values_of(trial, space),
            }
        )
    return pd.DataFrame(rows, columns=["trial", "state", "score", "seconds", "reason", *space])


def save_figure(path, trials, default, names):
    """Writes a PNG file: the scores in the order of the trials, and against each searched value.

    Args:
        path: of the file.
        trials: what `trial_table` returns.
        default: `Score` of the defaults.
        names: names of the dimensions, of which the first four are shown.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, NullFormatter

    names = names[:MAX_PANELS]
    complete = trials[trials["score"].notna() & (trials["state"] != "default")]
    best = complete["score"].cummax() if default.higher_is_better else complete["score"].cummin()
    figure = Figure(figsize=(4 * (1 + len(names)), 3.2), layout="constrained")
    first, *panels = figure.subplots(1, 1 + len(names), sharey=True, squeeze=False)[0]
    first.plot(complete["trial"], complete["score"], "o", color="#3b6fa0", label="trial")
    first.step(complete["trial"], best, where="post", color="#1a1a1a", label="best so far")
    first.xaxis.set_major_locator(MaxNLocator(integer=True))
    first.set(xlabel="trial", ylabel=f"validation {default.metric}")
    for name, axes in zip(names, panels, strict=True):
        values = complete[name]
        is_number = values.map(lambda v: isinstance(v, int | float) and not isinstance(v, bool)).all()
        axes.plot(values if is_number else values.map(str), complete["score"], "o", color="#3b6fa0")
        if is_number and len(values) and values.min() > 0 and values.max() > 20 * values.min():
            axes.set_xscale("log")
            axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel(name)
    for axes in (first, *panels):
        axes.axhline(default.value, color="#b3541e", linestyle="--", label="defaults")
        axes.spines[["top", "right"]].set_visible(False)
    first.legend(frameon=False, fontsize=8)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120)
    write_bytes(path, content.getvalue())
