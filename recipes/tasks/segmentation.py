"""Segmentation: one class of two or more for every pixel."""

import dataclasses
import inspect
import weakref
from typing import ClassVar, Literal

import keras
import numpy as np

from recipes import losses
from recipes.data.augment import Joint
from recipes.data.images.boundary_weights import pixel_weights
from recipes.data.images.mask_labels import IGNORE
from recipes.metrics import Confusion, confusion_matrix, overlap
from recipes.prediction.predict import to_outputs
from recipes.reports import verdict as verdicts
from recipes.tasks.class_counts import weights_by_index
from recipes.training.pretrained_encoder import encoder_preprocessing, load_encoder
from recipes.training.task import Task, task
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
    "boundary": losses.CrossEntropy,  # with U-Net's pixel weights
}
BASELINE_EXAMPLES = 32  # examples from which the baseline's loss is computed
PIXEL_COUNTS = weakref.WeakKeyDictionary()  # `Data` -> pixels of each class in its training split


def target_at(examples, index):
    """Returns the target (H, W) of one example."""
    targets = examples.targets
    return targets.read(index) if hasattr(targets, "read") else targets[index]


@task
class Segmentation(Task):
    """One class of two or more for every pixel of an image.

    The data's task is segmentation; its masks have 255 where a pixel is ignored. The model predicts every pixel. It is
    wrapped so that it takes images of any size: they are mirrored at the lower and right border up to a multiple of the
    model's total stride, and the output is cut back. Augmentation changes image and mask together. Metrics are the
    intersection over union (of two classes that of the second one, of more their mean), Dice and pixel accuracy. The
    baseline always predicts the most frequent class; for IoU and Dice of two classes the second class, as the first
    one has IoU 0.

    Args:
        loss: cross_entropy, focal, dice, jaccard, tversky, boundary (cross-entropy with U-Net's weights between objects
            that nearly touch), or a sum such as cross_entropy+dice.
        class_weight: balanced (each class has the same total weight), a dict from class (name or index) to weight, or
            None.
        ignore: index of a class whose pixels are ignored, or None.
        tile: side of the square that is cut out of each training image at random in each epoch [pixels]; None trains on
            whole images.
        encoder: name of a classifier that computes the maps of `unet`, such as efficientnet_lite0; None for the paper's
            encoder.
        encoder_weights: pretrained weights of the encoder, for 8-bit photos: bundled (of efficientnet_lite0), or a file
            of torchvision or timm. None for random weights.
        **kwargs: as `Task` has them.
    """

    loss: str = "cross_entropy"
    class_weight: Literal["balanced"] | dict | None = None
    ignore: Whole | None = None
    tile: Count | None = None
    encoder: str | None = None
    encoder_weights: str | None = None

    data_tasks: ClassVar[tuple] = ("segmentation",)
    main_metric: ClassVar[str] = "iou"
    predict_batch_size: ClassVar[int] = 16

    def __post_init__(self):
        for name in self.loss_names:
            if name not in LOSSES:
                raise ValueError(
                    f"Segmentation: `loss` must be of {', '.join(LOSSES)}, or a sum such as cross_entropy+dice, got "
                    f"{name!r}.{suggestion(name, LOSSES)}"
                )

    @property
    def loss_names(self):
        """Names of the losses that are summed."""
        return self.loss.split("+")

    def head_arguments(self, name, data):
        """Returns the number of classes, a softmax, and an input shape of any height and width."""
        if entry(name).task != "segment":
            raise ValueError(f"`model` must predict a class for every pixel, got {name} ({entry(name).task}).")
        bands = data.shape[-1]
        encoder = {} if self.encoder is None else {"encoder": self.encoder}
        if encoder and "encoder" not in inspect.signature(entry(name).build).parameters:
            raise ValueError(
                f"Segmentation: `encoder` must be None for {name}, which has its own, got {self.encoder!r}."
            )
        return {"classes": len(data.classes), "activation": "softmax", "input_shape": (None, None, bands), **encoder}

    def build_model(self, model, data, **arguments):
        """Returns a new network, or the `keras.Model` as it is; arguments as `Task.build_model` has them."""
        return load_encoder(self, super().build_model(model, data, **arguments), is_new=isinstance(model, str))

    def check_model(self, model, data):
        """Raises a ValueError if the model's output is no map of the classes."""
        shape, classes = model.output_shape, len(data.classes)
        if len(shape) != 4 or (shape[-1] != classes and not (shape[-1] == 1 and classes == 2)):
            raise ValueError(
                f"`model` must predict (H, W, {classes}), the {classes} classes of {data.name} for every pixel, got "
                f"{model.name} with {shape[1:]}."
            )
        sides = [(a, b) for a, b in zip(model.input_shape[1:3], shape[1:3], strict=True) if None not in (a, b)]
        if any(a != b for a, b in sides):
            raise ValueError(f"`model` must predict every pixel of {model.input_shape[1:3]}, got {shape[1:3]}.")

    def preprocessing(self, data, model):
        """Returns the preprocessing, for images of any size where the model takes them."""
        return encoder_preprocessing(self, data, model)

    def wrap_model(self, model, data):
        """Returns the model with padding before and cropping after it."""
        return any_size(model)

    def prepare_target(self, y, classes=None):
        """Returns the (H, W) class index; with boundary weights (H, W, 2), class index and weight."""
        import tensorflow as tf

        if self.ignore is not None:
            y = tf.where(y == self.ignore, tf.constant(IGNORE, y.dtype), y)
        if "boundary" not in self.loss_names:
            return y
        weights = tf.ensure_shape(tf.numpy_function(pixel_weights, [y], tf.float32), y.shape)
        return tf.stack([tf.cast(y, "float32"), weights], axis=-1)

    def pipeline(self, examples, training, preprocessing=None, classes=None):
        """Returns batches of (images, masks), or (images, masks, pixel weights); arguments as `Task.pipeline`."""
        data = super().pipeline(examples, training, preprocessing, classes)
        if "boundary" in self.loss_names:
            data = data.map(lambda x, y: (x, keras.ops.cast(y[..., 0], "int32"), y[..., 1]))
        return data

    def augmentation(self, preprocessing, classes):
        """Returns what crops and changes preprocessed images with their masks, or None."""
        if not self.augment and not self.tile:
            return None
        return Joint(self.augment, seed=self.seed, tile=self.tile, value_range=self.value_range(preprocessing))

    def loss_weights(self, data):
        """Returns the loss weight of each class in the order of the classes, or None."""
        if self.class_weight is None:
            return None
        if self.class_weight == "balanced":
            counts = self.pixel_counts(data)
            return [float(counts.sum() / ((counts > 0).sum() * n)) if n else 0.0 for n in counts]
        weights = weights_by_index(self.class_weight, data.classes)
        return [weights.get(i, 1.0) for i in range(len(data.classes))]

    def pixel_counts(self, data):
        """Returns (C,) the number of pixels of each class in the training split; 0 for the ignored class."""
        if data not in PIXEL_COUNTS:
            counts = np.zeros(IGNORE + 1, np.int64)
            for i in range(len(data.train)):
                counts += np.bincount(np.ravel(target_at(data.train, i)), minlength=IGNORE + 1)
            PIXEL_COUNTS[data] = counts[: len(data.classes)]
        counts = PIXEL_COUNTS[data].copy()
        if self.ignore is not None:
            counts[self.ignore] = 0
        return counts

    def make_loss(self, from_logits, class_weight=None):
        """Returns the Keras loss that `loss` names."""
        options = {"from_logits": from_logits, "class_weight": class_weight}
        terms = [LOSSES[name](**options, name=name) for name in self.loss_names]
        return terms[0] if len(terms) == 1 else losses.Sum(terms, name=self.loss.replace("+", "_and_"))

    def compile(self, model, steps=1000, data=None, **settings):
        """Compiles the model with its loss, IoU and accuracy; `data` gives the class weights.

        Args:
            model: predicts (H, W, C), or (H, W, 1) for two classes.
            steps: training steps of the whole run.
            data: `Data`, or None for equal class weights.
            **settings: further arguments of `model.compile`.
        """
        logits = output_activation(model) == "linear"
        classes = max(2, model.output_shape[-1])
        metrics = [Confusion(classes, value, from_logits=logits) for value in ("iou", "accuracy")]
        loss = self.make_loss(logits, None if data is None else self.loss_weights(data))
        model.compile(optimizer=self.make_optimizer(steps), loss=loss, metrics=metrics, **settings)
        return model

    def baseline_loss(self, data):
        """Returns the loss of always predicting the (weighted) class frequencies of the training split."""
        examples = data.train.take(slice(0, BASELINE_EXAMPLES))
        examples = dataclasses.replace(examples, inputs=np.zeros(len(examples)))
        # With class weights, the best constant prediction is the weighted frequencies
        frequencies = self.pixel_counts(data) * np.array(self.loss_weights(data) or 1.0)
        frequencies = frequencies / frequencies.sum()
        loss, values = self.make_loss(False, self.loss_weights(data)), []
        for _, *targets in self.replace(augment=(), tile=None).pipeline(examples, False):
            predictions = np.broadcast_to(frequencies.astype("float32"), (*targets[0].shape, len(frequencies)))
            values.append(float(loss(targets[0], predictions, *targets[1:])))
        return float(np.mean(values))

    def evaluate(self, run, split):
        """Computes the metrics of a run on one split, and its verdict; see `compute_metrics`."""
        classes, constant = len(run.data.classes), self.baseline_class(run.data)
        pairs = self.predict_each(run, split)
        matrices = np.stack([confusion_matrix(truth, predicted, classes) for truth, predicted in pairs])
        of_constant = np.zeros_like(matrices)
        of_constant[:, :, constant] = matrices.sum(2)

        def scores(weights):
            return (
                verdicts.intersection_over_union(weights, matrices),
                verdicts.intersection_over_union(weights, of_constant),
            )

        verdict = verdicts.verdict("IoU", scores, len(matrices), split, unit="images", seed=self.seed)
        return {"verdict": verdict, **self.compute_metrics(run.data, matrices)}

    def predict_each(self, run, split):
        """Yields (target, predicted class) of each example of a split, (H, W) each, with memory for one batch."""
        examples, i = getattr(run.data, split), 0
        for inputs, *_ in self.pipeline(examples, False, run.preprocessing, len(run.data.classes)):
            for predicted in to_outputs(run, run.model.predict_on_batch(inputs)).argmax(-1):
                yield self.with_ignored(target_at(examples, i)), predicted
                i += 1

    def compute_metrics(self, data, matrices):
        """Computes metrics of predictions, and those of the better one of the baselines that predict a single class.

        Args:
            data: the `Data` that the targets are from.
            matrices: (N, C, C) confusion matrix of each example; rows are the true classes.
        Returns:
            Dict of numbers; lists by class; confusion (rows are targets); `baseline` holds the baseline's.
        """
        matrix = np.sum(matrices, axis=0)
        constant, second = np.zeros_like(matrix), np.zeros_like(matrix)
        constant[:, int(self.pixel_counts(data).argmax())] = matrix.sum(1)
        second[:, self.baseline_class(data)] = matrix.sum(1)
        baseline, best = overlap(constant), overlap(second)
        baseline = {k: v for k, v in baseline.items() if not isinstance(v, list)}
        baseline |= {k: best[k] for k in ("iou", "dice")}
        name = "the most frequent class"
        if len(data.classes) == 2:
            name += "; for IoU and Dice the second class"
        return {
            **overlap(matrix),
            "confusion": matrix.tolist(),
            "pixels": int(matrix.sum()),
            "examples": len(matrices),
            "baseline": {**baseline, "name": name},
        }

    def baseline_class(self, data):
        """Returns the class whose prediction everywhere has the highest IoU: of two the second, else the commonest."""
        return 1 if len(data.classes) == 2 else int(self.pixel_counts(data).argmax())

    def with_ignored(self, targets):
        """Returns targets with 255 in the pixels of the ignored class."""
        return targets if self.ignore is None else np.where(targets == self.ignore, IGNORE, targets)

    def export_settings(self, run):
        """Returns the model without class names, which an export of maps does not output."""
        return run.model, None, 1e-5

    def summarize(self, metrics, split):
        """Returns the intersection over union, Dice and pixel accuracy."""
        classes = "of the second class" if len(metrics["iou_by_class"]) == 2 else "on average over the classes"
        baseline = metrics["baseline"]
        return [
            f"IoU {metrics['iou']:.3f} on {metrics['examples']} {split} images",
            f"This is the intersection over union {classes}. Dice (F1) is {metrics['dice']:.3f}, and the pixel "
            f"accuracy is {100 * metrics['pixel_accuracy']:.1f} %. Predicting one class everywhere has at most IoU "
            f"{baseline['iou']:.3f} and pixel accuracy {100 * baseline['pixel_accuracy']:.1f} %.",
        ]

    def figures(self, run, split):
        """Returns images with target, prediction and error, the overlap of each class, and the confusion matrix."""
        from recipes.reports.report import confusion
        from recipes.reports.segmentation_figures import overlaps, panels

        metrics = run.evaluate(split)
        matrix = np.array(metrics["confusion"], float)
        fractions = np.round(matrix / np.maximum(matrix.sum(1, keepdims=True), 1), 3)
        caption = "Of the images with several classes: the two with most wrong pixels, a middling one and the best. "
        two_classes = "Red pixels are false positives, blue ones are false negatives."
        caption += two_classes if len(run.data.classes) == 2 else "Red pixels are wrong; gray ones are ignored."
        rows = "Rows are targets, columns are predictions, as fractions of the row; a perfect model fills the diagonal."
        return [
            ("Image, target, prediction, error", caption, panels(run, split, self.predict_each)),
            (
                "Overlap by class",
                "Intersection over union and Dice of each class.",
                overlaps(metrics, run.data.classes),
            ),
            ("Confusion matrix", rows, confusion(fractions, run.data.classes)),
        ]
