"""Measures a classifier's robustness to attacks and the quality of its explanations, for the report."""

import functools
import time

import keras
import numpy as np

from recipes.reports import robustness_figures
from recipes.reports.effort import choose_effort, describe_reduction
from zoo.introspect.output_activation import output_activation, to_probabilities

GRAY_LEVELS = (1, 2, 4, 8, 16, 32, 64)  # epsilons for 8-bit images [gray levels of 255]
DEVIATIONS = (0.01, 0.03, 0.1, 0.3, 1.0)  # epsilons for standardized inputs [standard deviations]
METHODS = ("saliency", "smoothgrad", "gradient_input", "integrated_gradients", "gradcam", "occlusion")
RANDOMIZED_METHODS = ("saliency", "gradient_input", "integrated_gradients", "gradcam")


def figures(run, split):
    """Returns (title, caption, figure) on robustness and explanations for the report.

    The measurements are stored in `run.record["robustness"]` and are made once. The task's `report_examples` is the
    number of attacked examples; at 0 there is no figure.
    """
    if not run.task.report_examples or run.data.task != "classification":
        return []
    record = run.record.get("robustness")
    if record is None or record["split"] != split:
        record = run.record["robustness"] = measure_robustness(run, split)
    if "skipped" in record:
        return [("Robustness and quality of explanations", f"Not measured: {record['skipped']}.", None)]
    caption, figure = robustness_figures.attacks(record)
    reduction = f"{caption} {record['reduced']}" if "reduced" in record else caption
    return [
        ("Robustness to attacks", reduction, figure),
        ("Faithfulness of explanations", *robustness_figures.faithfulness(record)),
        ("Randomization test of explanations", *robustness_figures.randomization(record)),
        ("Agreement of explanations", *robustness_figures.agreement(record)),
    ]


def measure_robustness(run, split):
    """Measures robustness and the quality of explanations on a fixed subset of a split.

    Args:
        run: a `Run` of a classification.
        split: train, validation or test.
    Returns:
        Dict of plain numbers, stored in metrics.json: split, attacked and explained (numbers of examples), attacks,
        faithfulness, randomization, agreement, seconds, and for a large model reduced, a sentence; or split and
        skipped, the reason.
    """
    from zoo import explain
    from zoo.explain.function_cache import cache_compiled_functions
    from zoo.introspect import macs

    start = time.perf_counter()
    unsupported = explain.methods(run.model)
    if unsupported["saliency"]:
        return {"split": split, "skipped": unsupported["saliency"].replace("`", "")}
    cost = macs(run.model)
    effort = choose_effort(cost)
    if effort is None:
        large = f"one example needs {cost / 1e6:,.0f} million multiply-accumulates, and thousands of passes are needed"
        return {"split": split, "skipped": large}
    targets = np.asarray(getattr(run.data, split).targets)
    count = max(1, min(effort.explained, -(-run.task.report_examples // effort.attacked), len(targets)))
    rows = spread_over_classes(targets, min(effort.attacked * count, len(targets)))
    batches = run.task.pipeline(getattr(run.data, split).take(rows), False, run.preprocessing, len(run.data.classes))
    inputs = np.concatenate([np.asarray(x) for x, _ in batches])
    explained = inputs[spread_over_classes(targets[rows], count)]
    model = with_probabilities(run.model)
    with cache_compiled_functions():
        record = {"attacks": measure_attacks(run, model, inputs, targets[rows], effort)}
        outputs = model.predict(explained, verbose=0)
        classes = to_probabilities(outputs, output_activation(model)).argmax(-1)
        options = method_options(effort, explained.shape)
        maps = {m: getattr(explain, m)(model, explained, classes, **options[m]) for m in METHODS if not unsupported[m]}
        record["faithfulness"] = measure_faithfulness(model, explained, classes, maps, effort.hiding_steps)
        methods = {m: options[m] for m in RANDOMIZED_METHODS if m in maps}
        record["randomization"] = measure_randomization(model, explained, classes, methods, effort.randomized_layers)
        agreement = explain.agreement(maps)
        record["agreement"] = {"methods": list(agreement.names), "spearman": to_json(agreement.matrix)}
    if not effort.is_full:
        record["reduced"] = describe_reduction(cost)
    seconds = round(time.perf_counter() - start, 1)
    return {"split": split, "attacked": len(inputs), "explained": len(explained), **record, "seconds": seconds}


def with_probabilities(model):
    """Returns the model, with a softmax or sigmoid appended if its outputs are logits."""
    if output_activation(model) != "linear":
        return model
    activation = "sigmoid" if model.output_shape[-1] == 1 else "softmax"
    return keras.Model(model.inputs, keras.layers.Activation(activation, dtype="float32")(model.outputs[0]))


def method_options(effort, shape):
    """Returns the arguments of each method: the accuracy of integrated gradients is measured by the report itself."""
    options = {name: {} for name in METHODS}
    options["smoothgrad"] = {"samples": effort.smoothgrad_samples}
    options["integrated_gradients"] = {"steps": effort.path_steps, "tolerance": 1e9}
    if len(shape) > 2 and not effort.occlusion_overlap:
        patch = tuple(-(-side // 8) for side in shape[1:-1])
        options["occlusion"] = {"patch": patch, "stride": patch}
    return options


def spread_over_classes(targets, count):
    """Returns the indices of `count` examples, evenly spaced after sorting by class."""
    order = np.argsort(targets, kind="stable")
    return order[np.linspace(0, len(order) - 1, count).round().astype(int)]


def to_json(values):
    """Converts an array to nested lists of numbers with four decimals; NaN becomes None."""
    if np.ndim(values):
        return [to_json(v) for v in values]
    return None if np.isnan(values) else round(float(values), 4)


def measure_attacks(run, model, inputs, labels, effort):
    """Measures the accuracy under FGSM and PGD for a range of epsilons."""
    from zoo import explain

    bounds = run.task.value_range(run.preprocessing)
    epsilons = np.array(GRAY_LEVELS if bounds else DEVIATIONS)[effort.attack_sizes]
    scale = bounds[1] / 255 if bounds else 1.0
    limits = {"low": bounds[0], "high": bounds[1]} if bounds else {}
    inputs = np.clip(inputs, *bounds) if bounds else inputs  # resizing can exceed the bounds by rounding
    accuracies = {}
    for attack in ("fgsm", "pgd"):
        curve = explain.robustness_curve(
            model, inputs, labels, epsilons=tuple(scale * epsilons), attack=attack, steps=effort.pgd_steps, **limits
        )
        accuracies[attack] = to_json(curve.accuracy)
    unit = "gray levels of 255" if bounds else "standard deviations"
    if "category" in (run.data.columns or {}).values():
        unit += " (fractions for a category)"
    return {"unit": unit, "epsilon": [0.0, *map(float, epsilons)], **accuracies, "steps": effort.pgd_steps}


def measure_faithfulness(model, inputs, classes, maps, steps):
    """Measures deletion and insertion curves, and the areas under them, for each map and for a random order."""
    from zoo import explain

    maps = {**maps, "random order": np.random.default_rng(0).random(next(iter(maps.values())).shape)}
    canvas = "blur" if inputs.ndim == 4 else "fill"
    tests = {"deletion": explain.deletion, "insertion": functools.partial(explain.insertion, canvas=canvas)}
    record = {}
    for name, test in tests.items():
        curves = {method: test(model, inputs, values, classes, steps=steps) for method, values in maps.items()}
        record[name] = {
            "fractions": to_json(curves["random order"].fractions),
            "probabilities": {method: to_json(curve.predictions.mean(axis=0)) for method, curve in curves.items()},
            "area": {method: to_json(curve.auc.mean()) for method, curve in curves.items()},
        }
    return record


def measure_randomization(model, inputs, classes, methods, layer_count):
    """Measures the rank correlation of each map with the original while weights are randomized layer by layer."""
    from zoo import explain

    record = {"layers": [], "spearman": {}, "spearman_absolute": {}}
    for method, arguments in methods.items():
        if "steps" in arguments:
            arguments = {**arguments, "steps": arguments["steps"] // 2}
        attribute = functools.partial(getattr(explain, method), **arguments)
        similarity = explain.randomization(model, inputs, attribute, classes, layer_count=layer_count)
        record["layers"] = list(similarity.layers)
        if np.isnan(similarity.spearman[0]).all():
            continue  # constant maps have no rank correlation
        record["spearman"][method] = to_json(mean_over_examples(similarity.spearman))
        record["spearman_absolute"][method] = to_json(mean_over_examples(similarity.absolute_spearman))
    return record


def mean_over_examples(correlations):
    """Returns the row means over the examples whose first map is not constant; a later constant map counts as 0."""
    return np.nan_to_num(correlations[:, np.isfinite(correlations[0])]).mean(axis=1)
