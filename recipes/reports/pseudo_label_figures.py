"""Curves of pseudo-labels during a semi-supervised training."""

from recipes.reports.report import new_figure

CURVES = {
    "above_threshold": "fraction of unlabelled images above the threshold",
    "pseudo_label_accuracy": "accuracy of their pseudo-labels",
    "threshold": "threshold, before its factors for the classes",
}


def pseudo_label_curves(run):
    """Returns the curves of pseudo-labels by epoch: (title, caption, matplotlib figure); none for supervised training.

    Args:
        run: `Run` of `FewLabels`.
    """
    names = [name for name in CURVES if name in run.history]
    if not names:
        return []
    figure = new_figure(6.5, 3.6)
    ax = figure.subplots()
    for name in names:
        ax.plot(range(1, len(run.history[name]) + 1), run.history[name], label=CURVES[name])
    ax.set(xlabel="epoch", ylim=(0, 1.02))
    ax.grid(alpha=0.3)
    ax.legend(fontsize="small")
    caption = "Of the unlabelled images of each epoch, in training mode and before the weights are averaged."
    if "pseudo_label_accuracy" in names:
        caption += " Their hidden labels are used for the accuracy in this figure only."
    return [("Pseudo-labels", caption, figure)]
