"""Captions and figures of the robustness measurements."""

import numpy as np

from recipes.reports.report import new_figure

COLORS = {
    "saliency": "#1b9e77",
    "smoothgrad": "#66a61e",
    "gradient_input": "#d95f02",
    "integrated_gradients": "#a6761d",
    "gradcam": "#7570b3",
    "occlusion": "#e7298a",
}


def attacks(record):
    """Returns caption and figure of the accuracy under attack."""
    curves = record["attacks"]
    epsilon, fgsm, pgd = (np.array(curves[key]) for key in ("epsilon", "fgsm", "pgd"))
    middle = len(epsilon) // 2
    below_half = np.flatnonzero(pgd < 0.5)
    half = (
        f"PGD reduces the accuracy below 50 % from epsilon {epsilon[below_half[0]]:g} on"
        if len(below_half)
        else f"at the largest epsilon, {epsilon[-1]:g}, the accuracy under PGD is still at least 50 %"
    )
    caption = (
        f"The accuracy on {record['attacked']} {record['split']} examples is {percent(pgd[0])}. An attacker who knows "
        f"the model changes each input value by at most epsilon. At {epsilon[middle]:g} {curves['unit']} one gradient "
        f"step (FGSM, Goodfellow et al. 2015) reduces the accuracy to {percent(fgsm[middle])}, {curves['steps']} steps "
        f"(PGD, Madry et al. 2018) reduce it to {percent(pgd[middle])}; {half}."
    )
    figure = new_figure(6.5, 3.4)
    ax = figure.subplots()
    for name, values, color in (("FGSM", fgsm, "#2166ac"), ("PGD", pgd, "#b2182b")):
        ax.plot(epsilon, 100 * values, marker="o", label=name, color=color)
    ax.set_xscale("symlog", linthresh=epsilon[1], linscale=0.4)
    ax.set_xticks(epsilon, [f"{e:g}" for e in epsilon])
    ax.minorticks_off()
    ax.set(ylim=(-3, 103), xlabel=f"epsilon [{curves['unit']}]", ylabel="accuracy [%]")
    ax.grid(alpha=0.3)
    ax.legend()
    return caption, figure


def faithfulness(record):
    """Returns caption and figure of deletion and insertion."""
    results = []
    for test, best in (("deletion", min), ("insertion", max)):
        area = dict(record["faithfulness"][test]["area"])
        random = area.pop("random order")
        method = best(area, key=area.get)
        worse = [method_name(m) for m, a in area.items() if (a >= random if best is min else a <= random)]
        no_better = f"; {join(worse)} {'is' if len(worse) == 1 else 'are'} no better than random" if worse else ""
        results.append(
            f"for {test} {method_name(method)} with {area[method]:.2f} (random order: {random:.2f}{no_better})"
        )
    caption = (
        f"Parts of {record['explained']} {record['split']} examples are hidden (deletion) or revealed (insertion), "
        "the most important first according to an explanation (Petsiuk et al. 2018). If the explanation is faithful, "
        "the probability of the predicted class falls, or rises, early. The best areas under the curve are "
        + " and ".join(results)
        + "."
    )
    figure = new_figure(11, 3.8)
    for ax, test in zip(figure.subplots(1, 2, sharey=True), ("deletion", "insertion"), strict=True):
        curves = record["faithfulness"][test]
        for name, values in curves["probabilities"].items():
            style = {"color": COLORS[name]} if name in COLORS else {"color": "black", "ls": "--", "lw": 2}
            ax.plot(curves["fractions"], values, label=f"{method_name(name)} {curves['area'][name]:.2f}", **style)
        better, verb = ("lower", "hidden") if test == "deletion" else ("higher", "revealed")
        ax.set(title=f"{test}: {better} is better", xlabel=f"fraction {verb}", xlim=(0, 1))
        ax.grid(alpha=0.3)
        ax.legend(fontsize="small", title="area", title_fontsize="small")
    figure.axes[0].set(ylabel="mean probability of predicted class", ylim=(-0.03, 1.03))
    return caption, figure


def randomization(record):
    """Returns caption and figure of the randomization test."""
    layers, signed, absolute = (record["randomization"][key] for key in ("layers", "spearman", "spearman_absolute"))
    with_sign = [m for m in signed if signed[m] != absolute[m]]
    final = [
        f"{method_name(m)} {values[-1]:.2f}" + (f" ({absolute[m][-1]:.2f} without sign)" if m in with_sign else "")
        for m, values in signed.items()
    ]
    caption = (
        "The weights are randomized layer by layer, from the output down, which removes what the model has learned "
        "(Adebayo et al. 2018). The curves are rank correlations (Spearman) of the explanation with the original one. "
        "An explanation that stays near 1 depends on the input and not on the model. "
        + (f"With all layers randomized: {join(final)}." if final else "No method has a map that varies.")
    )
    if with_sign:
        caption += (
            " Dashed lines are without sign: a map that is multiplied by the input stays small where the input is "
            "small, for any model."
        )
    figure = new_figure(max(7.5, 1.6 + 0.9 * len(layers)), 3.6)
    ax = figure.subplots()
    for name, values in signed.items():
        ax.plot(range(len(layers)), values, marker="o", label=method_name(name), color=COLORS[name])
        if name in with_sign:
            label = f"{method_name(name)}, without sign"
            ax.plot(range(len(layers)), absolute[name], ls="--", label=label, color=COLORS[name])
    ax.axhline(0, color="gray", lw=0.8)
    ax.set_xticks(range(len(layers)), [name.rsplit("/", 1)[-1] for name in layers], rotation=30, ha="right")
    ax.set(xlabel="weights randomized from the output down to", ylabel="rank correlation", ylim=(-0.5, 1.05))
    ax.grid(alpha=0.3)
    if signed:
        ax.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))
    return caption, figure


def agreement(record):
    """Returns caption and figure of the agreement between methods."""
    names, matrix = record["agreement"]["methods"], np.array(record["agreement"]["spearman"], float)
    pairs = [(matrix[i, j], i, j) for i in range(len(names)) for j in range(i) if np.isfinite(matrix[i, j])]
    caption = (
        "Rank correlation (Spearman) between the maps of two methods for the same examples. Methods that agree can "
        "both be wrong; if methods disagree, not all of them are right."
    )
    if pairs:
        (highest, i, j), (lowest, k, m) = max(pairs), min(pairs)
        caption += (
            f" The highest is {highest:.2f}, between {method_name(names[i])} and {method_name(names[j])}; the lowest "
            f"{lowest:.2f}, between {method_name(names[k])} and {method_name(names[m])}."
        )
    figure = new_figure(2.6 + 0.75 * len(names), 1.2 + 0.6 * len(names))
    ax = figure.subplots()
    mesh = ax.imshow(matrix, cmap="RdBu_r", vmin=-1, vmax=1)
    ax.set_xticks(range(len(names)), [method_name(name) for name in names], rotation=35, ha="right")
    ax.set_yticks(range(len(names)), [method_name(name) for name in names])
    for i, j in np.ndindex(matrix.shape):
        is_dark = np.isfinite(matrix[i, j]) and abs(matrix[i, j]) > 0.6
        text = f"{matrix[i, j]:.2f}" if np.isfinite(matrix[i, j]) else "none"
        ax.text(j, i, text, ha="center", va="center", fontsize="small", color="white" if is_dark else "black")
    figure.colorbar(mesh, ax=ax, shrink=0.8)
    return caption, figure


def percent(fraction):
    """Formats a fraction in percent."""
    return f"{100 * fraction:.0f} %"


def method_name(name):
    """Returns the name of an attribution method for a text."""
    names = {"gradcam": "Grad-CAM", "smoothgrad": "SmoothGrad", "gradient_input": "gradient x input"}
    return names.get(name, name.replace("_", " "))


def join(items):
    """Joins items as "a, b and c"."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
