"""Segmentation: one class of two or more for every pixel."""

import dataclasses
from typing import ClassVar, Literal

import keras
import numpy as np

from recipes import losses
from recipes.data.augment import Joint
from recipes.data.images.boundary_weights import pixel_weights
from recipes.data.images.mask_labels import IGNORE
from recipes.data.preprocessing import preprocessing
from recipes.metrics import Confusion, confusion_matrix, overlap
from recipes.training.task import Recipe, recipe
from zoo.arguments import Count, Whole, suggestion
from zoo.introspect.output_activation import output_activation
from zoo.layers.any_size import any_size
from zoo.registry import entry

LOSSES = {
    "cross_entropy": losses.CrossEntropy,
    "focal": losses.Focal,
    "dice": losses.Dice,
    "jaccard": losses.Jaccard,
    "tversky": losses.Tversky,
    "boundary": losses.CrossEntropy,  # with U-Net's weights of the pixels
}
SHOWN = 32  # examples that the trivial answer's loss is taken of


@recipe
class Segmentation(Recipe):
    """One class of two or more for every pixel of an image.

    It needs data whose task is segmentation (their masks have 255 where a pixel does not count), and a model that
    answers every pixel. The model takes images of any size: they are mirrored at the lower and right border up to what
    its scales divide, and the answer is cut back. Augmentation moves image and mask together. It reports the
    intersection over the union (of two classes the second one's, of more their mean), Dice and pixel accuracy beside
    those of always answering the commonest class.

    Args:
        loss: cross_entropy, focal, dice, jaccard, tversky, boundary (cross-entropy with U-Net's weights between things
            that nearly touch), or a sum such as cross_entropy+dice.
        class_weight: balanced (each class counts the same), a dict from class (name or index) to weight, or None.
        ignore: index of a class whose pixels do not count, or None.
        tile: side of the square that is cut out of each training image, anew in each epoch [pixels]; None is all of it.
        **kwargs: as `Recipe` has them.
    """

    loss: str = "cross_entropy"
    class_weight: Literal["balanced"] | dict | None = None
    ignore: Whole | None = None
    tile: Count | None = None

    tasks: ClassVar[tuple] = ("segmentation",)
    headline: ClassVar[str] = "iou"
    predict_batch_size: ClassVar[int] = 16

    def __post_init__(self):
        for part in self.loss.split("+"):
            if part not in LOSSES:
                raise ValueError(
                    f"Segmentation: `loss` must be of {', '.join(LOSSES)}, or a sum such as cross_entropy+dice, got "
                    f"{part!r}.{suggestion(part, LOSSES)}"
                )

    def answers(self, name, data):
        """What a builder is told: how many classes, a softmax, and images of any size."""
        if entry(name).task != "segment":
            raise ValueError(f"`model` must answer a class for every pixel, got {name} ({entry(name).task}).")
        bands = data.shape[-1]
        return {"classes": len(data.classes), "activation": "softmax", "input_shape": (None, None, bands)}

    def verify_answer(self, model, data):
        """A ValueError where the model's answer is no map of the classes."""
        shape = model.output_shape
        wanted = len(data.classes)
        if len(shape) != 4 or (shape[-1] != wanted and not (shape[-1] == 1 and wanted == 2)):
            raise ValueError(
                f"`model` must answer (H, W, {wanted}), the {wanted} classes of {data.name} for every pixel, got "
                f"{model.name} with {shape[1:]}."
            )
        sides = [(a, b) for a, b in zip(model.input_shape[1:3], shape[1:3], strict=True) if None not in (a, b)]
        if any(a != b for a, b in sides):
            raise ValueError(f"`model` must answer every pixel of {model.input_shape[1:3]}, got {shape[1:3]}.")

    def prepare(self, data, model):
        """The preprocessing, for images of any size where the model takes them."""
        if None in model.input_shape[1:3]:
            data = dataclasses.replace(data, shape=(None, None, data.shape[-1]))
        return preprocessing(data, model.input_shape[1:])

    def finish(self, model, data):
        """The model with padding before and cutting after it."""
        return any_size(model)

    def target(self, y, classes=None):
        """(H, W) class index; with boundary weights (H, W, 2), the weight beside it."""
        import tensorflow as tf

        if self.ignore is not None:
            y = tf.where(y == self.ignore, tf.constant(IGNORE, y.dtype), y)
        if "boundary" not in self.loss.split("+"):
            return y
        weights = tf.ensure_shape(tf.numpy_function(pixel_weights, [y], tf.float32), y.shape)
        return tf.stack([tf.cast(y, "float32"), weights], axis=-1)

    def pipeline(self, examples, training, preprocessing=None, classes=None):
        """Batches of (images, masks), or (images, masks, weights of the pixels), as `Recipe.pipeline` makes them."""
        data = super().pipeline(examples, training, preprocessing, classes)
        if "boundary" in self.loss.split("+"):
            data = data.map(lambda x, y: (x, keras.ops.cast(y[..., 0], "int32"), y[..., 1]))
        return data

    def changes(self, preprocessing, classes):
        """What cuts and changes prepared images with their masks, or None."""
        if not self.augment and not self.tile:
            return None
        return Joint(self.augment, seed=self.seed, tile=self.tile, value_range=self.bounds(preprocessing))

    def known(self, data):
        """What `compile` must know of the data: the classes' weights."""
        return {"class_weight": self.class_weights(data)}

    def class_weights(self, data):
        """Weights of the classes in their order, or None."""
        if self.class_weight is None:
            return None
        if self.class_weight == "balanced":
            counts = self.counts(data)
            return [float(counts.sum() / ((counts > 0).sum() * n)) if n else 0.0 for n in counts]
        named = {str(c): i for i, c in enumerate(data.classes)}
        weights = [1.0] * len(named)
        for key, weight in self.class_weight.items():
            index = named.get(str(key), int(key) if str(key).isdigit() and int(key) < len(named) else None)
            if index is None:
                raise ValueError(
                    f"`class_weight` must name the classes {list(named)}, got {key!r}.{suggestion(key, named)}"
                )
            weights[index] = float(weight)
        return weights

    def counts(self, data):
        """(C,) pixels of each class in the training part; none of the class that is ignored."""
        counts = np.bincount(np.ravel(data.train.targets), minlength=IGNORE + 1)[: len(data.classes)]
        if self.ignore is not None:
            counts[self.ignore] = 0
        return counts

    def losses(self, from_logits, class_weight=None):
        """The Keras loss by this recipe's name of it."""
        options = {"from_logits": from_logits, "class_weight": class_weight}
        parts = [LOSSES[part](**options, name=part) for part in self.loss.split("+")]
        return parts[0] if len(parts) == 1 else losses.Sum(parts, name=self.loss.replace("+", "_and_"))

    def compile(self, model, steps=1000, class_weight=None, **settings):
        """Compiles `model` for `steps` training steps.

        Args:
            model: answers (H, W, C), or (H, W, 1) for two classes.
            steps: over which the rate's schedule goes.
            class_weight: weights of the classes in their order, or None.
            **settings: of `model.compile` (jit_compile, ...).
        """
        logits = output_activation(model) == "linear"
        classes = max(2, model.output_shape[-1])
        metrics = [Confusion(classes, value, from_logits=logits) for value in ("iou", "accuracy")]
        loss = self.losses(logits, class_weight)
        model.compile(optimizer=self.optimize(steps), loss=loss, metrics=metrics, **settings)
        return model

    def trivial_loss(self, data):
        """Loss of always answering the classes' (weighted) shares of the training part, on its first examples."""
        batch = dataclasses.replace(data.train.take(slice(0, SHOWN)), inputs=np.zeros(min(SHOWN, len(data.train))))
        shares = self.counts(data) * np.array(
            self.class_weights(data) or 1.0
        )  # the best constant answer to weighted pixels
        shares = shares / shares.sum()
        found = []
        for _, *targets in self.replace(augment=(), tile=None).pipeline(batch, False):
            answers = np.broadcast_to(shares.astype("float32"), (*targets[0].shape, len(shares)))
            found.append(float(self.losses(False, self.class_weights(data))(targets[0], answers, *targets[1:])))
        return float(np.mean(found))

    def measure(self, data, targets, answers):
        """Metrics of answers beside those of the commonest class of the training part.

        Args:
            data: the `Data` that the targets are from.
            targets: (N, H, W) class index, 255 where a pixel does not count.
            answers: (N, H, W, C) probabilities.
        Returns:
            Dict of floats; by class and confusion (rows are the truth) in lists; `baseline` holds the trivial answer's.
        """
        targets = np.asarray(targets)
        if self.ignore is not None:
            targets = np.where(targets == self.ignore, IGNORE, targets)
        classes = len(data.classes)
        matrix = confusion_matrix(targets, answers.argmax(-1), classes)
        trivial = np.zeros_like(matrix)
        trivial[:, int(self.counts(data).argmax())] = matrix.sum(1)
        alone = {k: v for k, v in overlap(trivial).items() if not isinstance(v, list)}
        return {
            **overlap(matrix),
            "confusion": matrix.tolist(),
            "pixels": int(matrix.sum()),
            "examples": len(targets),
            "baseline": alone,
        }

    def labels(self, data):
        """None: an export answers maps of probabilities; the classes' names stand in the run's record."""
        return None

    def verdict(self, found, part):
        """The intersection over the union, and what else is shared."""
        of = "of the second class" if len(found["iou_by_class"]) == 2 else "on average over the classes"
        base = found["baseline"]
        return [
            f"IoU {found['iou']:.3f} on {found['examples']} {part} images",
            f"That is {of}: the pixels that answer and truth share, of those that either has. Dice (F1) is "
            f"{found['dice']:.3f}, and {100 * found['pixel_accuracy']:.1f} % of the pixels are right. Always answering "
            f"the commonest class would get IoU {base['iou']:.3f} and {100 * base['pixel_accuracy']:.1f} %.",
        ]

    def figures(self, run, part):
        """Images with truth, answer and error; the overlap of each class; the confusion in shares of the truth."""
        from recipes.reports.report import confusion
        from recipes.reports.segmentation_figures import overlaps, panels

        found = run.evaluate(part)
        matrix = np.array(found["confusion"], float)
        shares = np.round(matrix / np.maximum(matrix.sum(1, keepdims=True), 1), 3)
        told = "Of the images with several classes the two with most pixels wrong, one in the middle and the best. "
        two = "Red pixels were answered and are not there, blue ones were missed."
        told += two if len(run.data.classes) == 2 else "Red pixels are wrong; grey ones do not count."
        rows = "Rows are the truth, columns the answers, in shares of the row; a perfect model fills only the diagonal."
        return [
            ("Image, truth, answer, error", told, panels(run, part, self.ignore)),
            ("Overlap by class", "Intersection over union and Dice of each class.", overlaps(found, run.data.classes)),
            ("What it confuses", rows, confusion(shares, run.data.classes)),
        ]
