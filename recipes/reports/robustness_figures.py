"""What was measured of a classifier's robustness and of its explanations, in words and figures for the report."""

import numpy as np

from recipes.reports.report import new_figure

COLOURS = {
    "saliency": "#1b9e77",
    "smoothgrad": "#66a61e",
    "gradient_input": "#d95f02",
    "integrated_gradients": "#a6761d",
    "gradcam": "#7570b3",
    "occlusion": "#e7298a",
}


def robustness(found):
    """The sentence and the figure of the attacks."""
    curves = found["robustness"]
    epsilon, fgsm, pgd = (np.array(curves[key]) for key in ("epsilon", "fgsm", "pgd"))
    middle = len(epsilon) // 2
    lost = np.flatnonzero(pgd < 0.5)
    half = (
        f"from {epsilon[lost[0]]:g} on PGD leaves less than half of them right"
        if len(lost)
        else (f"the largest change that was tried, {epsilon[-1]:g}, still leaves more than half of them right")
    )
    told = (
        f"Of {found['attacked']} {found['part']} examples {share(pgd[0])} are answered right as they are. Where an "
        f"attacker who knows the model may change each number by at most {epsilon[middle]:g} {curves['unit']}, one "
        f"step uphill (FGSM, Goodfellow et al. 2015) leaves {share(fgsm[middle])} right, and {curves['steps']} steps "
        f"(PGD, Madry et al. 2018) leave {share(pgd[middle])}; {half}."
    )
    figure = new_figure(6.5, 3.4)
    ax = figure.subplots()
    for name, values, colour in (("FGSM", fgsm, "#2166ac"), ("PGD", pgd, "#b2182b")):
        ax.plot(epsilon, 100 * values, marker="o", label=name, color=colour)
    ax.set_xscale("symlog", linthresh=epsilon[1], linscale=0.4)
    ax.set_xticks(epsilon, [f"{e:g}" for e in epsilon])
    ax.minorticks_off()
    ax.set(ylim=(-3, 103), xlabel=f"largest change of a number [{curves['unit']}]", ylabel="right answers [%]")
    ax.grid(alpha=0.3)
    ax.legend()
    return told, figure


def faithfulness(found):
    """The sentence and the figure of deletion and insertion."""
    said = []
    for way, best in (("deletion", min), ("insertion", max)):
        area = dict(found["faithfulness"][way]["area"])
        chance = area.pop("random order")
        first = best(area, key=area.get)
        worse = [words(m) for m, a in area.items() if (a >= chance if best is min else a <= chance)]
        behind = f"; {listed(worse)} {'does' if len(worse) == 1 else 'do'} no better than chance" if worse else ""
        said.append(f"{way} {words(first)} with {area[first]:.2f}, where a random order has {chance:.2f}{behind}")
    told = (
        f"Places of {found['explained']} {found['part']} examples are hidden (deletion) or shown (insertion), those "
        "first that an explanation calls important (Petsiuk et al. 2018). If it is right, the probability of the "
        "answer falls early, or rises early. The best area under the curve: of " + "; of ".join(said) + "."
    )
    figure = new_figure(11, 3.8)
    for ax, way in zip(figure.subplots(1, 2, sharey=True), ("deletion", "insertion"), strict=True):
        curves = found["faithfulness"][way]
        for name, values in curves["answers"].items():
            style = {"color": COLOURS[name]} if name in COLOURS else {"color": "black", "ls": "--", "lw": 2}
            ax.plot(curves["shares"], values, label=f"{words(name)} {curves['area'][name]:.2f}", **style)
        better = "lower is better" if way == "deletion" else "higher is better"
        ax.set(title=f"{way}: {better}", xlabel=f"share {'hidden' if way == 'deletion' else 'shown'}", xlim=(0, 1))
        ax.grid(alpha=0.3)
        ax.legend(fontsize="small", title="area", title_fontsize="small")
    figure.axes[0].set(ylabel="mean probability of the answer", ylim=(-0.03, 1.03))
    return told, figure


def randomisation(found):
    """The sentence and the figure of the shuffled weights."""
    layers, signed, sizes = (found["randomisation"][key] for key in ("layers", "spearman", "spearman_of_sizes"))
    both = [m for m in signed if signed[m] != sizes[m]]
    last = [
        f"{words(m)} {values[-1]:.2f}" + (f" ({sizes[m][-1]:.2f} without its sign)" if m in both else "")
        for m, values in signed.items()
    ]
    told = (
        "The weights are shuffled, from the answer down layer by layer, which destroys what was learnt (Adebayo et al. "
        "2018). 1 is a map whose places stay ranked as before: it would show the input, not the model; 0 is one with "
        "nothing left of it. "
        + (f"With all layers shuffled: {listed(last)}." if last else "No method has a map that varies: none is shown.")
    )
    if both:
        told += " What is multiplied by the input stays small where the input is, whatever the model: hence the dashes."
    figure = new_figure(max(7.5, 1.6 + 0.9 * len(layers)), 3.6)
    ax = figure.subplots()
    for name, values in signed.items():
        ax.plot(range(len(layers)), values, marker="o", label=words(name), color=COLOURS[name])
        if name in both:
            label = f"{words(name)}, without its sign"
            ax.plot(range(len(layers)), sizes[name], ls="--", label=label, color=COLOURS[name])
    ax.axhline(0, color="grey", lw=0.8)
    ax.set_xticks(range(len(layers)), [name.rsplit("/", 1)[-1] for name in layers], rotation=30, ha="right")
    ax.set(
        xlabel="weights shuffled from the answer down to ...", ylabel="likeness to the map before", ylim=(-0.5, 1.05)
    )
    ax.grid(alpha=0.3)
    if signed:
        ax.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))
    return told, figure


def agreement(found):
    """The sentence and the figure of the agreement between methods."""
    names, matrix = found["agreement"]["methods"], np.array(found["agreement"]["spearman"], float)
    pairs = [(matrix[i, j], i, j) for i in range(len(names)) for j in range(i) if np.isfinite(matrix[i, j])]
    told = (
        "How alike two explanations rank the places of the same examples (Spearman; 1 alike, 0 not at all). Agreement "
        "does not make them right; disagreement says that not all of them are."
    )
    if pairs:
        (most, i, j), (least, k, m) = max(pairs), min(pairs)
        told += (
            f" Most alike are {words(names[i])} and {words(names[j])} ({most:.2f}), least {words(names[k])} and "
            f"{words(names[m])} ({least:.2f})."
        )
    figure = new_figure(2.6 + 0.75 * len(names), 1.2 + 0.6 * len(names))
    ax = figure.subplots()
    drawn = ax.imshow(matrix, cmap="RdBu_r", vmin=-1, vmax=1)
    ax.set_xticks(range(len(names)), [words(name) for name in names], rotation=35, ha="right")
    ax.set_yticks(range(len(names)), [words(name) for name in names])
    for i, j in np.ndindex(matrix.shape):
        dark = np.isfinite(matrix[i, j]) and abs(matrix[i, j]) > 0.6
        shown = f"{matrix[i, j]:.2f}" if np.isfinite(matrix[i, j]) else "none"
        ax.text(j, i, shown, ha="center", va="center", fontsize="small", color="white" if dark else "black")
    figure.colorbar(drawn, ax=ax, shrink=0.8)
    return told, figure


def share(value):
    """A share in per cent."""
    return f"{100 * value:.0f} %"


def words(name):
    """A method's name as a person writes it."""
    return {"gradcam": "Grad-CAM", "smoothgrad": "SmoothGrad", "gradient_input": "gradient x input"}.get(
        name, name.replace("_", " ")
    )


def listed(parts):
    """Parts of a sentence in a row."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
