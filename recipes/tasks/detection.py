"""Detection: a box around every object, with its class."""

import inspect
from typing import ClassVar

import numpy as np

from recipes.average_precision import COUNTED_SCORE, BoxEvaluation
from recipes.data.augment.with_boxes import WithBoxes
from recipes.data.images.image_sizes import image_sizes
from recipes.prediction.image_boxes import boxes_of_rows
from recipes.reports import verdict as verdicts
from recipes.training.pretrained_encoder import encoder_preprocessing, load_encoder
from recipes.training.task import Task, task
from zoo.arguments import Count, Fraction, Positive
from zoo.detect.detector import detector, detector_classes
from zoo.detect.localizer import LocalizerLoss, ObjectPrediction
from zoo.detect.masks import MaskDetector
from zoo.detect.retinanet_loss import RetinaNetLoss
from zoo.detect.two_stage import TwoStageDetector
from zoo.registry import entry

STRIDE = 32  # both sides of the model's image are divisible by it [pixels]


@task
class Detection(Task):
    """A box around every object of an image, with its class.

    The data's task is detection. Images are resized to `side` x `side` pixels, whatever their aspect ratio, and the
    boxes with them. Images without an object are examples of background. Crowds and difficult objects are no training
    examples. The trained run predicts boxes after non-maximum suppression, in pixels of each image.

    Metrics are COCO's average precision (`ap` over IoU 0.5 to 0.95, `ap50`, `ap75`, and by size), `ap50_by_class`, and
    `count_error`, the mean absolute difference between the numbers of objects and of boxes with a score of at least 0.5
    in an image. The baseline predicts in every image the mean training box of the most frequent class, and for
    `count_error` the mean number of objects.

    Args:
        side: side of the square that images are resized to [pixels]; a multiple of 32.
        encoder: name of the classifier that computes the feature maps, where `model` is a name.
        encoder_weights: pretrained weights of the encoder, for 8-bit photos: bundled (of efficientnet_lite0), or a file
            of torchvision or timm. Its batch normalization then keeps its statistics. None for random weights.
        score: smallest score of a box that is predicted.
        iou: IoU above which the box with the lower score of two of one class is removed.
        detections: largest number of boxes per image.
        proposals: number of regions of an image that the second stage judges, in a model that has two.
        box_weight: factor of the boxes' error in the loss.
        **kwargs: as `Task` has them.
    """

    learning_rate: Positive = 3e-4
    warmup: Fraction = 0.1
    global_clipnorm: Positive | None = 10.0
    augment: tuple = ("flip",)
    side: Count = 320
    encoder: str = "resnet18"
    encoder_weights: str | None = None
    score: Fraction = 0.05
    iou: Fraction = 0.5
    detections: Count = 100
    proposals: Count = 300
    box_weight: Positive = 1.0

    draws_masks: ClassVar[bool] = False  # whether the model predicts the mask of each box, too
    data_tasks: ClassVar[tuple] = ("detection",)
    main_metric: ClassVar[str] = "ap50"
    predict_batch_size: ClassVar[int] = 8
    largest_batch_size: ClassVar[int] = 8

    def __post_init__(self):
        if self.side % STRIDE:
            raise ValueError(f"Detection: `side` must be a multiple of {STRIDE} [pixels], got {self.side}.")

    def head_arguments(self, name, data):
        """Returns the number of classes, the encoder, and a square input."""
        if entry(name).task != "detect":
            raise ValueError(f"`model` must predict boxes, got {name} ({entry(name).task}).")
        arguments = {"classes": len(data.classes), "input_shape": (self.side, self.side, data.shape[-1])}
        arguments |= {"encoder": self.encoder, "proposals": self.proposals}
        arguments |= {"freeze_batch_norm": True} if self.encoder_weights else {}
        accepted = inspect.signature(entry(name).build).parameters
        return {k: v for k, v in arguments.items() if k in accepted}

    def build_model(self, model, data, **arguments):
        """Returns a new detector, or the `keras.Model` as it is; arguments as `Task.build_model` has them."""
        return load_encoder(self, super().build_model(model, data, **arguments), is_new=isinstance(model, str))

    def preprocessing(self, data, model):
        """Returns the preprocessing of images, as the encoder's weights need them."""
        return encoder_preprocessing(self, data, model)

    def check_model(self, model, data):
        """Raises a ValueError if the model's outputs are not for these classes, or its input has no fixed size."""
        classes = len(data.classes)
        if isinstance(model, MaskDetector) != self.draws_masks:
            other = "Detection" if self.draws_masks else "InstanceSegmentation"
            raise ValueError(
                f"`model` must predict {'masks, as zoo.mask_rcnn does' if self.draws_masks else 'boxes only'}, got "
                f"{model.name}; train it with recipes.{other}."
            )
        if detector_classes(model) != classes:
            raise ValueError(
                f"`model` must predict boxes of the {classes} classes of {data.name}, as zoo.retinanet and "
                f"zoo.faster_rcnn do, got {model.name} with outputs {model.output_shape}."
            )
        if None in model.input_shape[1:]:
            raise ValueError(
                f"`model` must have an input of one size, as in (320, 320, 3), got {model.name} with "
                f"{model.input_shape[1:]}."
            )

    def prepare_target(self, y, classes=None):
        """Returns (M, 5): relative corners and class, -1 in rows of crowds and without an object."""
        import tensorflow as tf

        is_object = (y[:, 4] >= 0) & (y[:, 5] < 0.5)
        return tf.where(is_object[:, None], y[:, :5], -1.0)

    def map_batches(self, batches, model):
        """Returns the batches with corners in pixels of the model's image."""
        return batches.map(lambda x, y: (x, in_pixels(y, model)))

    def augmentation(self, preprocessing, classes):
        """Returns what changes preprocessed images with their boxes, or None."""
        if not self.augment:
            return None
        return WithBoxes(self.augment, seed=self.seed, value_range=self.value_range(preprocessing))

    def compile(self, model, steps=1000, data=None, **settings):
        """Compiles the model with the loss of its paper; arguments as `Task.compile` has them."""
        settings["optimizer"] = self.make_optimizer(steps)
        if isinstance(model, TwoStageDetector):
            model.compile(box_weight=self.box_weight, **settings)
        else:
            loss = LocalizerLoss if isinstance(model.layers[-1], ObjectPrediction) else RetinaNetLoss
            model.compile(loss=loss(box_weight=self.box_weight), **settings)
        return model

    def baseline_loss(self, data):
        """Returns None: the loss depends on the anchors."""
        return None

    def finish_run(self, run):
        """Returns the run with non-maximum suppression after the model; corners are relative."""
        options = {"score": self.score, "iou": self.iou, "detections": self.detections}
        return run.replace(model=detector(run.model, normalized=True, **options))

    def format_predictions(self, run, outputs, inputs):
        """Returns a list with a dict per image: boxes (n, 4) in pixels, scores (n,), classes (n,) of names."""
        names, formatted = np.array(run.classes), []
        for rows, size in zip(outputs, image_sizes(inputs, len(outputs)), strict=True):
            boxes, scores, classes = boxes_of_rows(rows, size)
            formatted.append({"boxes": boxes, "scores": scores, "classes": names[classes]})
        return formatted

    def evaluate(self, run, split):
        """Computes average precision and the error of counts on one split, and those of the baseline.

        Args:
            run: `Run`.
            split: "train", "validation" or "test".
        Returns:
            Dict of numbers, None where no object counts; `baseline` holds the baseline's.
        """
        examples, data = getattr(run.data, split), run.data
        sizes = image_sizes(examples, len(examples))
        detections = run.predict_split(split)
        counts = (is_object(examples.targets)).sum(1)
        counted = ((detections[..., 5] >= 0) & (detections[..., 4] >= COUNTED_SCORE)).sum(1)
        constant, mean_count = self.baseline_boxes(data, len(examples))
        of_run, of_baseline = (
            BoxEvaluation(examples.targets, boxes, sizes, data.classes) for boxes in (detections, constant)
        )
        return {
            "verdict": self.verdict(of_run, of_baseline, split) if counts.any() else None,
            **of_run.metrics(),
            "count_error": float(np.abs(counts - counted).mean()),
            "examples": len(examples),
            "objects": int(counts.sum()),
            "baseline": {
                **of_baseline.metrics(),
                "count_error": float(np.abs(counts - mean_count).mean()),
                "name": "the mean box of the most frequent class in every image",
            },
        }

    def verdict(self, of_run, of_baseline, split):
        """Compares boxes with those of a baseline by AP50, with the images resampled; as `verdicts.verdict` returns it.

        Args:
            of_run, of_baseline: `BoxEvaluation`s of the same images.
            split: train, validation or test.
        """
        ap50s = of_run.weighted_ap50(), of_baseline.weighted_ap50()

        def scores(weights):
            return tuple(ap50(weights) for ap50 in ap50s)

        return verdicts.verdict("AP50", scores, of_run.images, split, unit="images", seed=self.seed)

    def baseline_boxes(self, data, count):
        """Returns (detections (count, 1, 6) of the baseline, mean number of objects in a training image)."""
        targets = data.train.targets
        objects = targets[is_object(targets)]
        most_frequent = int(np.bincount(objects[:, 4].astype(int)).argmax())
        box = objects[objects[:, 4] == most_frequent, :4].mean(0)
        row = np.array([*box, 1.0, most_frequent], "float32")
        return np.tile(row, (count, 1, 1)), len(objects) / len(targets)

    def export_settings(self, run):
        """Returns the model with non-maximum suppression, the names of the classes, and a tolerance of 1e-4."""
        return run.model, run.data.classes, 1e-4

    def summarize(self, metrics, split):
        """Returns the average precision and the error of the counts."""
        baseline = metrics["baseline"]
        return [
            f"AP50 {_number(metrics['ap50'])} on {metrics['objects']:,} objects in {metrics['examples']:,} {split} "
            "images",
            "This is the average precision at an IoU of 0.5, averaged over the classes. Averaged over IoU 0.5 to 0.95 "
            f"it is {_number(metrics['ap'])}. Predicting {baseline['name']} has AP50 {_number(baseline['ap50'])}.",
            f"The number of boxes with a score of at least {COUNTED_SCORE} differs from the number of objects by "
            f"{metrics['count_error']:.2f} per image on average; the mean number of objects of a training image by "
            f"{baseline['count_error']:.2f}.",
        ]

    def figures(self, run, split):
        """Returns images with right, missed and invented boxes, and the average precision of each class."""
        from recipes.reports.box_figures import boxes_by_outcome, precision_by_class

        caption = (
            f"Boxes with a score of at least {COUNTED_SCORE}. Green boxes are right (IoU at least 0.5), orange objects "
            "are missed, red boxes are invented. The images with most errors, a middling one and the best."
        )
        metrics = run.evaluate(split)
        return [
            ("Right, missed and invented boxes", caption, boxes_by_outcome(run, split, COUNTED_SCORE)),
            (
                "Average precision by class",
                "At an IoU of 0.5, beside the baseline's.",
                precision_by_class(metrics, run.data.classes),
            ),
        ]


def in_pixels(boxes, model):
    """Returns boxes (B, M, 5) with corners in pixels of the model's image; -1 in rows without an object."""
    import tensorflow as tf

    height, width = model.input_shape[1:3]
    return tf.where(boxes[..., 4:] >= 0, boxes * tf.constant([width, height, width, height, 1], "float32"), -1.0)


def is_object(targets):
    """Returns which rows of targets (..., 6) are objects, and no crowds."""
    return (targets[..., 4] >= 0) & (targets[..., 5] < 0.5)


def _number(value):
    return "undefined (no objects)" if value is None else f"{value:.3f}"
