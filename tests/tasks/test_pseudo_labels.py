"""Losses and thresholds of pseudo-labels, beside a plain NumPy computation of the papers' formulas."""

import keras
import numpy as np
import pytest

import recipes
from recipes.tasks.pseudo_labels import AdaptiveThresholds, fairness_loss, label_entropy, ramp
from recipes.tasks.semi_supervised import SemiSupervised
from tests.tolerance import assert_close

RNG = np.random.default_rng(0)
CLASSES, MOMENTUM = 4, 0.9


def softmax(logits):
    exponentials = np.exp(logits - logits.max(-1, keepdims=True))
    return exponentials / exponentials.sum(-1, keepdims=True)


def distributions(count=12, scale=3.0):
    return softmax(RNG.normal(0, scale, (count, CLASSES))).astype("float32")


def expected_thresholds(batches):
    """FreeMatch, eq. 5 to 8 and 10: (global threshold, marginal, histogram, threshold of each class)."""
    threshold, marginal, histogram = 1 / CLASSES, np.full(CLASSES, 1 / CLASSES), np.full(CLASSES, 1 / CLASSES)
    for q in batches:
        threshold = MOMENTUM * threshold + (1 - MOMENTUM) * q.max(1).mean()
        marginal = MOMENTUM * marginal + (1 - MOMENTUM) * q.mean(0)
        counts = np.bincount(q.argmax(1), minlength=CLASSES) / len(q)
        histogram = MOMENTUM * histogram + (1 - MOMENTUM) * counts
    return threshold, marginal, histogram, threshold * marginal / marginal.max()


def expected_fairness(strong, selected, marginal, histogram):
    """FreeMatch, eq. 9 to 11, with classes that no selected image has left out, as in the authors' code."""
    strong = strong[selected > 0]
    if not len(strong):
        return 0.0
    counts = np.bincount(strong.argmax(1), minlength=CLASSES) / len(strong)
    target = marginal / histogram
    predicted = np.array([m / c if c else 0.0 for m, c in zip(strong.mean(0), counts, strict=True)])
    return float(np.sum(target / target.sum() * np.log(predicted / predicted.sum() + 1e-12)))


def test_thresholds_follow_the_predictions():
    thresholds, batches = AdaptiveThresholds(CLASSES, MOMENTUM), [distributions() for _ in range(5)]
    assert_close(thresholds.by_class(), np.full(CLASSES, 1 / CLASSES))
    for q in batches:
        thresholds.update(q)
    threshold, marginal, histogram, by_class = expected_thresholds(batches)
    assert_close(thresholds.threshold, threshold)
    assert_close(thresholds.marginal, marginal)
    assert_close(thresholds.histogram, histogram)
    assert_close(thresholds.by_class(), by_class)
    assert len(set(np.round(by_class, 4))) == CLASSES and max(by_class) == pytest.approx(threshold)


@pytest.mark.parametrize("selected", ["some", "none", "all"])
def test_fairness_loss(selected):
    strong, marginal, histogram = distributions(), distributions(1)[0], distributions(1)[0]
    mask = {"some": RNG.random(12) < 0.5, "none": np.zeros(12), "all": np.ones(12)}[selected].astype("float32")
    expected = expected_fairness(strong, mask, marginal, histogram)
    assert_close(fairness_loss(strong, mask, marginal, histogram), expected, scale=1.0)
    assert (expected == 0) == (selected == "none")


def test_entropy_of_labels():
    q = distributions()
    labels = RNG.integers(0, CLASSES, 12)
    assert_close(label_entropy(np.log(q), labels), -np.log(q[np.arange(12), labels]))


@pytest.mark.parametrize(("step", "factor"), [(0, 0), (99, 0), (100, 0), (350, 0.5), (600, 1), (999, 1)])
def test_the_ramp_rises_between_its_fractions(step, factor):
    assert_close(ramp(step, 1000, 0.1, 0.6), factor, scale=1.0)


def test_a_ramp_may_be_a_step():
    assert [float(ramp(step, 10, 0.5, 0.5)) for step in (4, 6)] == [0, 1]


def linear_classifier(activation="softmax"):
    inputs = keras.layers.Input((3,))
    return keras.Model(inputs, keras.layers.Dense(CLASSES, activation=activation)(inputs))


def expected_loss(task, logits, y, thresholds, step, steps):
    """The loss of one batch by the papers' formulas, and the number of unlabelled images that are used."""
    probabilities = {name: softmax(values) for name, values in logits.items()}
    smooth = np.eye(CLASSES)[y] * (1 - task.label_smoothing) + task.label_smoothing / CLASSES
    labelled = -np.mean(np.sum(smooth * np.log(probabilities["labelled"]), axis=1))
    if task.method == "supervised":
        return labelled, 0
    q = probabilities["weak"]
    labels, strong = q.argmax(1), probabilities.get("strong", q)
    entropy = -np.log(strong[np.arange(len(q)), labels])
    if task.method == "pseudo_label":
        start, end = (fraction * steps for fraction in task.ramp)
        weight = 3.0 * float(np.clip((step - start) / (end - start), 0, 1))
        return labelled + weight * entropy.mean(), len(q)
    if task.method == "fixmatch":
        selected = q.max(1) >= task.threshold
        return labelled + np.mean(selected * entropy), selected.sum()
    _, marginal, histogram, by_class = thresholds
    selected = (q.max(1) >= by_class[labels]).astype(float)
    fairness = task.fairness * expected_fairness(strong, selected, marginal, histogram)
    return labelled + np.mean(selected * entropy) + fairness, selected.sum()


@pytest.mark.parametrize("activation", ["softmax", None])
@pytest.mark.parametrize("method", ["supervised", "pseudo_label", "fixmatch", "freematch"])
def test_the_training_step_has_the_papers_loss_and_gradient(method, activation):
    steps, rate = 10, 0.1
    task = recipes.FewLabels(
        method=method, threshold=0.6, threshold_momentum=MOMENTUM, label_smoothing=0.1 if activation else 0.0,
        optimizer="sgd", schedule="constant", learning_rate=rate, weight_decay=0, ema_momentum=0.5,
    )  # fmt: skip
    keras.utils.set_random_seed(3)
    classifier = linear_classifier(activation)
    model = SemiSupervised(classifier, task, is_hidden=True)
    task.compile(model, steps)
    names = {"supervised": (), "pseudo_label": ("weak",)}.get(method, ("weak", "strong"))
    average, weak_batches = [w.numpy() for w in classifier.trainable_weights], []
    for step in range(steps):
        kernel, bias = (w.numpy().astype("float64") for w in classifier.trainable_weights)
        inputs = {"labelled": RNG.normal(0, 2, (5, 3)).astype("float32")}
        inputs |= {name: RNG.normal(0, 2, (9, 3)).astype("float32") for name in names}
        y, hidden = RNG.integers(0, CLASSES, 5), RNG.integers(0, CLASSES, 9).astype("int32")

        if "weak" in inputs:
            weak_batches.append(softmax(inputs["weak"] @ kernel + bias))
        thresholds = expected_thresholds(weak_batches)

        def loss_of(kernel, bias, weak=None, inputs=inputs, y=y, step=step, thresholds=thresholds):
            logits = {name: x @ kernel + bias for name, x in inputs.items()}
            if weak is not None and method != "pseudo_label":
                logits["weak"] = weak  # pseudo-labels and thresholds have no gradients
            return expected_loss(task, logits, y, thresholds, step, steps)

        expected, used = loss_of(kernel, bias)
        targets = {"labelled": y if activation is None else np.eye(CLASSES, dtype="float32")[y], "hidden": hidden}
        for metric in model.metrics:
            metric.reset_state()
        logs = model.train_step((inputs, targets))
        assert_close(logs["loss"], expected, rtol=1e-4)
        if method != "supervised":
            assert float(logs["above_threshold"]) == pytest.approx(used / 9)
        fixed = inputs["weak"] @ kernel + bias if "weak" in inputs else None
        shift = np.zeros_like(kernel)
        shift[1, 2] = 1e-5
        slope = (loss_of(kernel + shift, bias, fixed)[0] - loss_of(kernel - shift, bias, fixed)[0]) / 2e-5
        changed = classifier.trainable_weights[0].numpy()
        assert_close((kernel - changed)[1, 2] / rate, slope, rtol=1e-3, scale=1.0)
        d = min(0.5, (1 + step) / (10 + step))
        average = [d * a + (1 - d) * w.numpy() for a, w in zip(average, classifier.trainable_weights, strict=True)]
    for weight, expected in zip(model.set_average().trainable_weights, average, strict=True):
        assert_close(weight, expected, rtol=1e-4)


def test_the_accuracy_of_pseudo_labels_counts_those_above_the_threshold():
    task = recipes.FewLabels(method="fixmatch", threshold=0.9)
    model = SemiSupervised(linear_classifier(), task, is_hidden=True)
    labels, selected, hidden = np.array([0, 1, 2, 3]), np.array([1.0, 1.0, 0.0, 1.0]), np.array([0, 2, 2, 3], "int32")
    model.track(0.5, labels, selected, hidden)
    assert float(model.trackers["pseudo_label_accuracy"].result()) == pytest.approx(2 / 3)
    model.trackers["pseudo_label_accuracy"].reset_state()
    model.track(0.5, labels, 0 * selected, hidden)
    assert np.isnan(model.trackers["pseudo_label_accuracy"].result())
    assert "pseudo_label_accuracy" not in SemiSupervised(linear_classifier(), task, is_hidden=False).trackers
