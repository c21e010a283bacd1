"""Metrics of several labels per example, such as the species of a plot: of all together and of each."""

import numpy as np

from recipes.reports import verdict as verdicts

THRESHOLD = 0.5  # probability from which a label is predicted
FIGURE_LABELS = 40  # in the figure; of more, those with the lowest areas


def label_metrics(names, targets, probabilities):
    """Returns metrics of several labels per example.

    Args:
        names: of the labels.
        targets: (N, labels) 0 or 1.
        probabilities: (N, labels).
    Returns:
        Dict: `exact_match`, `f1_micro`, `f1_macro`, `hamming_loss`, `roc_auc` (the mean over the labels that some of
        the examples have and some lack), `examples`, `by_label` (name -> `fraction` of the examples that have it,
        `roc_auc`, `sensitivity`, `specificity`, where they are defined), and `baseline`.
    """
    from sklearn import metrics

    labels = (probabilities >= THRESHOLD).astype(int)
    by_label = {name: _of_label(targets[:, i] > 0, probabilities[:, i]) for i, name in enumerate(names)}
    areas = [of["roc_auc"] for of in by_label.values() if "roc_auc" in of]
    return {
        "exact_match": float(metrics.accuracy_score(targets, labels)),
        "f1_micro": float(metrics.f1_score(targets, labels, average="micro", zero_division=0)),
        "f1_macro": float(metrics.f1_score(targets, labels, average="macro", zero_division=0)),
        "hamming_loss": float(metrics.hamming_loss(targets, labels)),
        **({"roc_auc": float(np.mean(areas))} if areas else {}),
        "examples": len(targets),
        "by_label": by_label,
        "baseline": {
            "hamming_loss": float(np.minimum(targets.mean(0), 1 - targets.mean(0)).mean()),
            **({"roc_auc": 0.5} if areas else {}),
        },
    }


def _of_label(positive, probabilities):
    from sklearn.metrics import roc_auc_score

    predicted, values = probabilities >= THRESHOLD, {"fraction": float(positive.mean())}
    if positive.any() and not positive.all():
        values["roc_auc"] = float(roc_auc_score(positive, probabilities))
    if positive.any():
        values["sensitivity"] = float(predicted[positive].mean())
    if not positive.all():
        values["specificity"] = float(1 - predicted[~positive].mean())
    return values


def mean_area(targets):
    """Returns the function of (R, N) weights and (N, labels) probabilities that returns (R,) mean areas under the ROC.

    Args:
        targets: (N, labels) 0 or 1; labels that all or none of the examples have are left out.
    """
    columns = [i for i, label in enumerate(targets.T) if 0 < label.mean() < 1]

    def area(weights, probabilities):
        areas = [verdicts.roc_auc(weights, targets[:, i] > 0, probabilities[:, i]) for i in columns]
        return np.mean(areas, axis=0) if areas else np.full(len(weights), 0.5)

    return area


def label_figure(by_label):
    """Returns the report's figure of the areas under the ROC curves, in a list; none where no label has one.

    Args:
        by_label: as `label_metrics` returns it.
    """
    from recipes.reports.report import new_figure

    areas = sorted(((of["roc_auc"], name) for name, of in by_label.items() if "roc_auc" in of), reverse=True)
    if not areas:
        return []
    shown = areas[-FIGURE_LABELS:]
    figure = new_figure(6.5, 1 + 0.25 * len(shown))
    ax = figure.subplots()
    names = [f"{name} ({100 * by_label[name]['fraction']:.0f} %)" for _, name in shown]
    ax.barh(names, [area for area, _ in shown])
    ax.invert_yaxis()
    ax.axvline(0.5, color="black", lw=1)
    ax.set(xlabel="area under the ROC curve", xlim=(0, 1))
    ax.grid(alpha=0.3, axis="x")
    left_out = f" The {FIGURE_LABELS} lowest of {len(areas)} are shown." if len(areas) > len(shown) else ""
    caption = f"1 is perfect and 0.5 is chance; in brackets the fraction of the examples that have the label.{left_out}"
    return [("Area under the ROC curve of each label", caption, figure)]
