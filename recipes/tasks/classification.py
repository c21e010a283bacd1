"""Classification: one class of two or more, or several labels at once."""

from typing import ClassVar, Literal

import keras
import numpy as np

from recipes.data.augment.steps import MIXING
from recipes.training.task import Recipe, recipe
from zoo.arguments import Rate, Whole, suggestion
from zoo.introspect.output_activation import output_activation


@recipe
class Classification(Recipe):
    """One class of two or more, or several labels at once (multi-hot targets).

    It needs data whose task is classification or multilabel, compiles the cross-entropy that the head asks for
    (softmax, one sigmoid, several sigmoids, or logits), and reports accuracy with its 95 % interval, balanced accuracy,
    F1, top-k and the confusion matrix beside the largest class's share.

    Args:
        class_weight: balanced (each class counts the same), a dict from class (name, or index from 0) to weight, in R
            a named list, or None.
        label_smoothing: share of the target spread over all classes.
        report_examples: held-out examples that the report attacks; a quarter of them are explained by several methods, whose
            quality is measured. Fewer of a large model, as the report says; 0 leaves this out.
        **kwargs: as `Recipe` has them.
    """

    class_weight: Literal["balanced"] | dict | None = None
    label_smoothing: Rate = 0.0
    report_examples: Whole = 64

    tasks: ClassVar[tuple] = ("classification", "multilabel")
    headline: ClassVar[str] = "accuracy"

    def answers(self, name, data):
        """What a builder is told about the answer: how many classes, and the head's activation."""
        from inspect import signature

        from zoo.registry import entry

        accepted = signature(entry(name).build).parameters
        count = "classes" if "classes" in accepted else "outputs"
        if count not in accepted:
            raise ValueError(f"`model` must be an architecture that answers classes, got {name} ({entry(name).task}).")
        return {count: len(data.classes), "activation": "sigmoid" if data.task == "multilabel" else "softmax"}

    def verify_answer(self, model, data):
        """A ValueError where the model's head does not fit the classes."""
        units = model.output_shape[-1]
        if units == 1 and len(data.classes) == 2 and data.task == "classification":
            return
        if units != len(data.classes):
            raise ValueError(
                f"`model` must answer the {len(data.classes)} classes of {data.name}, got {model.name} with {units}."
            )
        if data.task == "multilabel" and output_activation(model) != "sigmoid":
            raise ValueError(
                f"`model` must end in a sigmoid for several labels at once, got {model.name} with {output_activation(model)}."
            )

    def mixes(self):
        """Whether the targets become shares of classes: then they are one-hot from the start."""
        names = [step.partition(":")[0] for step in self.augment if isinstance(step, str)]
        return self.label_smoothing > 0 or any(name in MIXING for name in names)

    def target(self, y, classes):
        """Targets as the loss takes them: class index; one-hot where mixed or smoothed; floats where multi-hot."""
        if y.shape.rank:
            return keras.ops.cast(y, "float32")
        if not self.mixes():
            return y
        if not classes:
            raise ValueError("pipeline: `classes` must be given where targets are mixed or smoothed, got None.")
        return keras.ops.one_hot(y, classes)

    def loss(self, model):
        """The cross-entropy that the model's head asks for."""
        ending = output_activation(model)
        logits = ending == "linear"
        if model.output_shape[-1] == 1 or ending == "sigmoid":
            return keras.losses.BinaryCrossentropy(from_logits=logits, label_smoothing=self.label_smoothing)
        if self.mixes():
            return keras.losses.CategoricalCrossentropy(from_logits=logits, label_smoothing=self.label_smoothing)
        return keras.losses.SparseCategoricalCrossentropy(from_logits=logits)

    def compile(self, model, steps=1000, **settings):
        """Compiles `model` for `steps` training steps; `settings` go to `model.compile` (jit_compile, ...)."""
        loss = self.loss(model)
        threshold = 0.0 if getattr(loss, "from_logits", False) else 0.5
        if isinstance(loss, keras.losses.BinaryCrossentropy):
            metrics = [keras.metrics.BinaryAccuracy("accuracy", threshold=threshold)]
        elif isinstance(loss, keras.losses.CategoricalCrossentropy):
            metrics = [keras.metrics.CategoricalAccuracy("accuracy")]
        else:
            metrics = [keras.metrics.SparseCategoricalAccuracy("accuracy")]
        settings.setdefault("optimizer", self.optimize(steps))
        model.compile(loss=loss, metrics=metrics, **settings)
        return model

    def weights(self, data):
        """Class weights by index: as given, or inversely proportional to the classes' sizes."""
        if self.class_weight is None:
            return None
        if data.task == "multilabel":
            raise ValueError("`class_weight` must be None for several labels at once, got one.")
        if self.class_weight == "balanced":
            counts = np.bincount(data.train.targets, minlength=len(data.classes))
            return {i: float(counts.sum() / (len(counts) * max(n, 1))) for i, n in enumerate(counts)}
        named = {str(c): i for i, c in enumerate(data.classes)}
        weights = {}
        for key, weight in self.class_weight.items():
            index = named.get(str(key), int(key) if str(key).isdigit() and int(key) < len(named) else None)
            if index is None:
                raise ValueError(
                    f"`class_weight` must name the classes {list(named)}, got {key!r}.{suggestion(key, named)}"
                )
            weights[index] = float(weight)
        return weights

    def trivial_loss(self, data):
        """Cross-entropy of always answering the classes' shares of the training part."""
        targets = data.train.targets
        if data.task == "multilabel":
            p = np.clip(targets.mean(0), 1e-7, 1 - 1e-7)
            return float(np.mean(-(p * np.log(p) + (1 - p) * np.log(1 - p))))
        p = np.bincount(targets) / len(targets)
        return float(-np.sum(p[p > 0] * np.log(p[p > 0])))

    def measure(self, data, targets, answers):
        """Metrics of answers beside those of the trivial answer.

        Args:
            data: the `Data` that the targets are from.
            targets: (N,) class index, or (N, classes) multi-hot.
            answers: (N, classes) probabilities.
        Returns:
            Dict of floats; `baseline` holds the trivial answer's.
        """
        from sklearn import metrics

        if data.task == "multilabel":
            chosen = (answers >= 0.5).astype(int)
            return {
                "exact_match": float(metrics.accuracy_score(targets, chosen)),
                "f1_micro": float(metrics.f1_score(targets, chosen, average="micro", zero_division=0)),
                "f1_macro": float(metrics.f1_score(targets, chosen, average="macro", zero_division=0)),
                "hamming_loss": float(metrics.hamming_loss(targets, chosen)),
                "examples": len(targets),
                "baseline": {"hamming_loss": float(np.minimum(targets.mean(0), 1 - targets.mean(0)).mean())},
            }
        chosen = answers.argmax(-1)
        labels = range(len(data.classes))
        share = np.bincount(data.train.targets, minlength=len(data.classes))
        largest = int(share.argmax())
        right = int((chosen == targets).sum())
        from scipy.stats import binomtest

        interval = binomtest(right, len(targets)).proportion_ci(method="wilson")
        found = {
            "accuracy": right / len(targets),
            "accuracy_interval": [float(interval.low), float(interval.high)],
            "balanced_accuracy": float(metrics.recall_score(targets, chosen, average="macro", zero_division=0)),
            "f1_macro": float(metrics.f1_score(targets, chosen, average="macro", labels=labels, zero_division=0)),
            "log_loss": float(metrics.log_loss(targets, np.clip(answers, 1e-7, 1), labels=labels)),
            "confusion": metrics.confusion_matrix(targets, chosen, labels=labels).tolist(),
            "examples": len(targets),
            "baseline": {"accuracy": float((targets == largest).mean()), "balanced_accuracy": 1 / len(data.classes)},
        }
        for k in (3, 5):
            if len(data.classes) > k:
                found[f"top_{k}_accuracy"] = float(metrics.top_k_accuracy_score(targets, answers, k=k, labels=labels))
        return found

    def verdict(self, found, part):
        """The share of right answers with its interval, beside the commonest class's."""
        if "accuracy" not in found:
            return [f"F1 {found['f1_micro']:.3f} on {found['examples']} {part} examples"]
        low, high = found["accuracy_interval"]
        return [
            f"{found['accuracy']:.1%} of {found['examples']} {part} examples right".replace("%", " %"),
            f"The 95 % interval of that share is {100 * low:.1f} to {100 * high:.1f} %. Always answering the commonest "
            f"class would get {100 * found['baseline']['accuracy']:.1f} %.",
        ]

    def figures(self, run, part):
        """The confusion matrix, what mattered in some examples, and whether model and explanations can be trusted."""
        from recipes.reports import robustness
        from recipes.reports.report import confusion

        shown = []
        if run.data.task == "classification":
            told = "Rows are the truth, columns the answers; a perfect model fills only the diagonal."
            matrix = confusion(run.evaluate(part)["confusion"], run.data.classes)
            shown.append(("What it confuses", told, matrix))
        return shown + self.mattered(run, part) + robustness.figures(run, part)

    def mattered(self, run, part):
        """Of images the pixels that mattered to right answers and to mistakes, as `figures` has them."""
        from recipes.reports.report import pixel_attributions

        return pixel_attributions(run, part) if run.data.kind == "image" else []
