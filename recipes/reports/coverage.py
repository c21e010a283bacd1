"""The measured coverage of intervals and sets in words, rows and a figure: of all, of each class and each group."""

MAX_GROUPS = 20  # in tables and figures; of more, those with the lowest coverage
CAPTION = (
    "Fraction of the held-out examples whose interval or set contains the truth. The gray line is the nominal "
    "coverage, which holds on average, not for each class or group."
)


def describe_coverage(metrics):
    """Returns sentences on the coverage of intervals or sets; none for metrics without one."""
    if "nominal_coverage" not in metrics:
        return []
    nominal, by_name = f"{100 * metrics['nominal_coverage']:.0f} %", metrics["coverage_by_name"]
    groups = _describe_groups(metrics.get("coverage_by_group", {}))
    if "interval_coverage" in metrics:
        widths = ", ".join(f"{name} ± {width / 2:.4g}" for name, width in metrics["interval_width"].items())
        covered = f"contain {100 * metrics['interval_coverage']:.1f} % of the targets."
        return [f"The {nominal} intervals ({widths}) {covered}", *groups]
    worst = min(by_name, key=by_name.get)
    return [
        f"The {nominal} sets of classes contain the true one in {100 * metrics['set_coverage']:.1f} % of the examples, "
        f"and have {metrics['set_size']:.2f} classes on average; of {worst}, the class where it is lowest, in "
        f"{100 * by_name[worst]:.1f} %.",
        *groups,
    ]


def _describe_groups(by_group):
    if len(by_group) < 2:
        return []
    low, high = min(by_group, key=by_group.get), max(by_group.values())
    return [
        f"Of {len(by_group):,} groups the coverage is {100 * by_group[low]:.1f} % (the {low}) to {100 * high:.1f} %."
    ]


def coverage_rows(metrics):
    """Returns class, output or group -> coverage; {} for metrics without one, and of groups at most the 20 lowest."""
    groups = sorted(metrics.get("coverage_by_group", {}).items(), key=lambda row: row[1])
    return {**metrics.get("coverage_by_name", {}), **dict(groups[:MAX_GROUPS])}


def coverage_figures(metrics):
    """Returns the figure of the coverage as `Task.figures` does; none for one output without groups."""
    from recipes.reports.report import new_figure

    rows = sorted(coverage_rows(metrics).items(), key=lambda row: row[1])
    if len(rows) < 2:
        return []
    figure = new_figure(6.5, 1 + 0.25 * len(rows))
    ax = figure.subplots()
    ax.barh([name for name, _ in rows], [100 * coverage for _, coverage in rows])
    ax.invert_yaxis()
    ax.axvline(100 * metrics["nominal_coverage"], color="gray", lw=1.5)
    ax.set(xlabel="coverage, %", xlim=(0, 100))
    ax.grid(alpha=0.3, axis="x")
    return [("Coverage of intervals and sets", CAPTION, figure)]
