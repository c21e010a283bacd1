"""The comparison of a run with fitted baselines in words and rows, for the report, the card and the shell."""


def describe_baselines(record):
    """Returns what a reader needs of the fitted baselines; None where a run has none.

    Args:
        record: `baselines` of a run's record, as `recipes.tasks.fitted_baselines` makes it, or None.
    Returns:
        Dict: `title`, `sentence` (the verdict against the strongest one), `note` (how they were fitted and chosen),
        `metric`, `value` and `seconds` of the network, and `rows`: dicts of `name`, `value`, `difference`, `seconds`,
        `settings`.
    """
    if not record:
        return None
    methods = record["methods"]
    verdict = methods[record["strongest"]]["verdict"]
    digits = 2 if max(abs(m["verdict"]["difference"]) for m in methods.values()) > 0.02 else 4
    rows = [
        {
            "name": name.removeprefix("the "),
            "value": f"{method['verdict']['baseline']:.{digits}f}",
            "difference": _difference(method["verdict"], digits),
            "seconds": _seconds(method["seconds"]),
            "settings": method["settings"],
        }
        for name, method in methods.items()
    ]
    return {
        "title": record.get("title", "Baselines without a network"),
        "sentence": record["sentence"],
        "note": _note(record, methods),
        "metric": verdict["metric"],
        "value": f"{verdict['value']:.{digits}f}",
        "seconds": _seconds(record["network_seconds"]),
        "rows": rows,
    }


def _note(record, methods):
    """Returns sentences on the choice of the strongest baseline, its examples and the time of all."""
    name, sampled, count = record["strongest"].removeprefix("the "), record["sampled_examples"], len(methods)
    split = record["chosen_on"]
    rank = f"is the best of the {count} baselines on the {split} split"
    if split == record["split"]:
        rank += " itself, as no other one is held out"
    examples = (
        f"a random {sampled:,} of the {record['training_examples']:,} training examples"
        if sampled < record["training_examples"]
        else f"the same {sampled:,} training examples"
    )
    seconds = _seconds(sum(method["seconds"] for method in methods.values()))
    network = _seconds(record["network_seconds"])
    settings = "" if "title" in record else ", with settings that are the same for every table"
    return (
        f"{name[0].upper()}{name[1:]} {rank}. All {count} were fitted to {examples} in {seconds}{settings}; the "
        f"network was trained for {network}."
    )


def _difference(verdict, digits):
    """Returns the difference of the network from a baseline with its interval."""
    if verdict["interval"] is None:
        return f"{verdict['difference']:+.{digits}f}"
    low, high = verdict["interval"]
    return f"{verdict['difference']:+.{digits}f} ({low:+.{digits}f} to {high:+.{digits}f})"


def _seconds(seconds):
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds:,.0f} s"
