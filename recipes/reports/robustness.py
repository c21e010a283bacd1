"""Can a classifier be trusted: how far an attack must go, and whether its explanations keep what they promise."""

import functools
import time

import keras
import numpy as np

from recipes.reports import robustness_figures
from recipes.training.run import probabilities
from zoo.introspect.output_activation import output_activation

SHARE = 4  # examples that are attacked for each one that is explained
FEWEST = 2  # examples that are explained of the largest model
PASSES = 2200  # of the model forth, a gradient being three: what an explained example and its attacked ones take
BUDGET = 5e11  # multiply-accumulates that all of it may take, but for the fewest: seconds on two cores
GREY = (1, 2, 4, 8, 16, 32, 64)  # sizes of an attack on images of 8 bits [grey levels of 255]
DEVIATIONS = (0.01, 0.03, 0.1, 0.3, 1.0)  # and on what is standardised [standard deviations]
CLIMB = 10  # steps of PGD
POINTS = 12  # parts that an example is hidden or shown in
LAYERS = 6  # whose weights are shuffled, from the answer down
METHODS = {
    "saliency": {},
    "smoothgrad": {"samples": 25},
    "gradient_input": {},
    "integrated_gradients": {"steps": 32, "tolerance": 1e9},  # its curves below say how good it is
    "gradcam": {},
    "occlusion": {},
}
SHUFFLED = ("saliency", "gradient_input", "integrated_gradients", "gradcam")


def figures(run, part):
    """What the report says of robustness and of explanations: (title, what to see in it, matplotlib figure), in order.

    What is measured lies in `run.record["trust"]` and is measured once; the recipe's number `examined` says of how
    many examples, and nothing is shown where it is 0.
    """
    if not run.recipe.report_examples or run.data.task != "classification":
        return []
    found = run.record.get("trust")
    if found is None or found["part"] != part:
        found = run.record["trust"] = examine(run, part)
    if "left_out" in found:
        return [("Robustness and the quality of explanations", f"Not measured: {found['left_out']}.", None)]
    return [
        ("How far an attack must go", *robustness_figures.robustness(found)),
        ("Do the explanations point at what counts?", *robustness_figures.faithfulness(found)),
        ("Do the explanations depend on what was learnt?", *robustness_figures.randomisation(found)),
        ("Do the explanations agree?", *robustness_figures.agreement(found)),
    ]


def examine(run, part):
    """Robustness curves, and how good explanations are, on a few examples of a part; the same ones every time.

    Args:
        run: a `Run` of a classification.
        part: train, validation or test.
    Returns:
        Dict of plain numbers, as metrics.json has it: part, attacked and explained (how many examples), robustness,
        faithfulness, randomisation, agreement, seconds; or part and left_out, the reason why not.
    """
    from zoo import explain
    from zoo.explain.function_cache import cache_compiled_functions

    began = time.perf_counter()
    told = explain.methods(run.model)
    if told["saliency"]:
        return {"part": part, "left_out": told["saliency"].replace("`", "")}
    targets = np.asarray(getattr(run.data, part).targets)
    explained = affordable(run, len(targets))
    rows = spread(targets, min(SHARE * explained, len(targets)))
    fed = run.recipe.pipeline(getattr(run.data, part).take(rows), False, run.preprocessing, len(run.data.classes))
    inputs = np.concatenate([np.asarray(x) for x, _ in fed])
    few = inputs[spread(targets[rows], explained)]
    model = answering(run.model)
    with cache_compiled_functions():
        found = {"robustness": robustness(run, model, inputs, targets[rows])}
        chosen = probabilities(model, model.predict(few, verbose=0), run.data.classes).argmax(-1)
        maps = {m: getattr(explain, m)(model, few, chosen, **METHODS[m]) for m in METHODS if not told[m]}
        found["faithfulness"] = faithfulness(model, few, chosen, maps)
        found["randomisation"] = randomisation(model, few, chosen, [m for m in SHUFFLED if m in maps])
        agreed = explain.agreement(maps)
        found["agreement"] = {"methods": list(agreed.names), "spearman": plain(agreed.matrix)}
    seconds = round(time.perf_counter() - began, 1)
    return {"part": part, "attacked": len(inputs), "explained": len(few), **found, "seconds": seconds}


def answering(model):
    """The model, with probabilities at its end where it answers logits."""
    if output_activation(model) != "linear":
        return model
    ending = "sigmoid" if model.output_shape[-1] == 1 else "softmax"
    return keras.Model(model.inputs, keras.layers.Activation(ending, dtype="float32")(model.outputs[0]))


def affordable(run, available):
    """How many examples are explained: a quarter of what the recipe's `examined` says, fewer of a large model."""
    from zoo.introspect import macs

    cost = macs(run.model)
    most = int(BUDGET / (PASSES * cost)) if cost else FEWEST
    return max(1, min(max(most, FEWEST), -(-run.recipe.report_examples // SHARE), available))


def spread(targets, count):
    """Places of `count` examples, evenly spread over the classes in order."""
    order = np.argsort(targets, kind="stable")
    return order[np.linspace(0, len(order) - 1, count).round().astype(int)]


def plain(values):
    """Numbers as JSON has them, rounded; None where there is none."""
    if np.ndim(values):
        return [plain(v) for v in values]
    return None if np.isnan(values) else round(float(values), 4)


def robustness(run, model, inputs, labels):
    """The share of right answers against the size of the change, for both attacks."""
    from zoo import explain

    bounds = run.recipe.bounds(run.preprocessing)
    sizes = np.array(GREY if bounds else DEVIATIONS)
    scale = bounds[1] / 255 if bounds else 1.0
    limits = {"low": bounds[0], "high": bounds[1]} if bounds else {}
    inputs = np.clip(inputs, *bounds) if bounds else inputs  # resizing rounds
    curves = {}
    for attack in ("fgsm", "pgd"):
        curve = explain.robustness_curve(
            model, inputs, labels, epsilons=tuple(scale * sizes), attack=attack, steps=CLIMB, **limits
        )
        curves[attack] = plain(curve.accuracy)
    unit = "grey levels of 255" if bounds else "standard deviations"
    if "category" in (run.data.columns or {}).values():
        unit += ", or shares of a category"
    return {"unit": unit, "epsilon": [0.0, *map(float, sizes)], **curves, "steps": CLIMB}


def faithfulness(model, inputs, chosen, maps):
    """The mean answer while places are hidden or shown in the order of each map, and in a random one, with the area."""
    from zoo import explain

    maps = {**maps, "random order": np.random.default_rng(0).random(next(iter(maps.values())).shape)}
    canvas = "blur" if inputs.ndim == 4 else "fill"
    found = {}
    for way, ask in (
        ("deletion", explain.deletion),
        ("insertion", functools.partial(explain.insertion, canvas=canvas)),
    ):
        curves = {name: ask(model, inputs, values, chosen, steps=POINTS) for name, values in maps.items()}
        found[way] = {
            "shares": plain(curves["random order"].fractions),
            "answers": {name: plain(curve.predictions.mean(axis=0)) for name, curve in curves.items()},
            "area": {name: plain(curve.auc.mean()) for name, curve in curves.items()},
        }
    return found


def randomisation(model, inputs, chosen, methods):
    """How alike each map stays, with its sign and without it, while the weights are shuffled layer by layer."""
    from zoo import explain

    found = {"layers": [], "spearman": {}, "spearman_of_sizes": {}}
    for method in methods:
        given = {**METHODS[method], **({"steps": 16} if method == "integrated_gradients" else {})}
        ask = functools.partial(getattr(explain, method), **given)
        likeness = explain.randomisation(model, inputs, ask, chosen, layer_count=LAYERS)
        found["layers"] = list(likeness.layers)
        if np.isnan(likeness.spearman[0]).all():
            continue  # its maps are constant, and so like nothing
        found["spearman"][method] = plain(averages(likeness.spearman))
        found["spearman_of_sizes"][method] = plain(averages(likeness.absolute_spearman))
    return found


def averages(values):
    """The mean of each row over the examples whose first map is not constant; later a constant map is like no other."""
    return np.nan_to_num(values[:, np.isfinite(values[0])]).mean(axis=1)
