"""Instance segmentation: a box around every object with its class, and the object's mask."""

import weakref
from typing import ClassVar

import keras
import numpy as np

from recipes.average_precision import BoxEvaluation
from recipes.data.images.image_sizes import image_sizes
from recipes.tasks.detection import Detection, in_pixels
from recipes.training.task import task
from zoo.detect.detector import detector
from zoo.detect.masks import DetectionRows, paste_masks, split_rows

MASK_SCORE = 0.5  # probability from which a pixel belongs to the object
SEGMENTS = weakref.WeakKeyDictionary()  # run -> {split: masks of its boxes}, which `predict_split` computes with them


@task
class InstanceSegmentation(Detection):
    """A box around every object of an image with its class, and the mask of the object.

    The data are those of `Detection` with masks: `instances:`, or `coco:` with `masks=true`. Metrics are those of
    `Detection`, of the boxes, and `mask_ap`, `mask_ap50` and `mask_ap50_by_class`, of the masks. The baseline's mask is
    its whole box. The trained run predicts the same dicts as `Detection`, with `masks`: a list of run lengths, which
    `pycocotools.mask.decode` makes arrays of.

    Args:
        **kwargs: as `Detection` has them.
    """

    draws_masks: ClassVar[bool] = True
    main_metric: ClassVar[str] = "mask_ap50"
    predict_batch_size: ClassVar[int] = 4
    largest_batch_size: ClassVar[int] = 4

    def check_data(self, data):
        """Raises a ValueError if the data have no boxes, or no masks."""
        super().check_data(data)
        if data.train.masks is None:
            raise ValueError(
                f"InstanceSegmentation: `data` must have the masks of the objects, got {data.name} with boxes only; "
                "read COCO files with masks=true, masks that number the objects by instances:IMAGES?labels=MASKS, and "
                "train boxes with Detection."
            )

    def prepare_target(self, y, classes=None):
        """Returns (M, 7): relative corners, class and number of the mask, -1 without an object, and 0."""
        import tensorflow as tf

        rows = tf.concat([super().prepare_target(y, classes), y[:, 6:7]], axis=-1)
        rows = tf.where(rows[:, 4:5] >= 0, rows, -1.0)
        return tf.pad(rows, [(0, 0), (0, 1)])

    def pipeline(self, examples, training, preprocessing=None, classes=None):
        """Returns batches of (images, (boxes (B, n, 5), masks (B, n, H, W))), with n objects at most in an image."""
        import tensorflow as tf

        batches = super().pipeline(examples, training, preprocessing, classes)
        height, width = preprocessing.output_shape[1:3]

        def draw(numbers, flips):
            return examples.masks.draw_flipped(numbers, flips, height, width)

        def with_masks(x, y):
            y = y[:, : tf.reduce_max(tf.reduce_sum(tf.cast(y[..., 4] >= 0, tf.int32), 1))]
            masks = tf.numpy_function(draw, [y[..., 5], y[..., 6]], tf.uint8)
            return x, (y[..., :5], tf.ensure_shape(masks, (None, None, height, width)))

        return batches.map(with_masks, tf.data.AUTOTUNE, deterministic=True)

    def map_batches(self, batches, model):
        """Returns the batches with corners in pixels of the model's image."""
        return batches.map(lambda x, y: (x, (in_pixels(y[0], model), y[1])))

    def finish_run(self, run):
        """Returns the run with non-maximum suppression after the model, and each box with its mask in one row."""
        options = {"score": self.score, "iou": self.iou, "detections": self.detections}
        model = detector(run.model, normalized=True, **options)
        rows = DetectionRows(name="detection_rows")(model.outputs)
        return run.replace(model=keras.Model(model.input, rows, name=model.name))

    def format_predictions(self, run, outputs, inputs):
        """Returns a list with a dict per image, as `Detection` has it, with `masks`: run lengths of each box's mask."""
        sizes = image_sizes(inputs, len(outputs))
        images = super().format_predictions(run, [rows[:, :6] for rows in outputs], inputs)
        for image, rows, size in zip(images, outputs, sizes, strict=True):
            image["masks"] = segments_of(rows, size)
        return images

    def predict_split(self, run, split):
        """Returns the boxes (N, D, 6) for one split; their masks are computed with them, image by image."""
        examples = getattr(run.data, split)
        sizes, rows, segments = image_sizes(examples, len(examples)), [], []
        for images, _ in super().pipeline(examples, False, run.preprocessing, len(run.data.classes)):
            for output in run.model.predict_on_batch(images):
                segments.append(segments_of(output, sizes[len(segments)]))
                rows.append(output[:, :6])
        SEGMENTS.setdefault(run, {})[split] = segments
        return np.stack(rows)

    def evaluate(self, run, split):
        """Computes the metrics of `Detection`, and the average precision of the masks, with those of a baseline."""
        from pycocotools import mask as coco

        metrics = super().evaluate(run, split)
        examples = getattr(run.data, split)
        sizes, targets = image_sizes(examples, len(examples)), examples.targets
        if split not in SEGMENTS.get(run, {}):  # of a run whose boxes were computed before
            self.predict_split(run, split)
        segments = SEGMENTS[run][split]

        def of_object(i, j):
            height, width = (int(side) for side in sizes[i])
            mask_pixels = examples.masks.draw(targets[i, j, 6:7], height, width)[0]
            return coco.encode(np.asfortranarray(mask_pixels))

        def of_baseline(i, j):
            height, width = (int(side) for side in sizes[i])
            return _box_segment(constant[i, j], height, width)

        constant, _ = self.baseline_boxes(run.data, len(examples))
        boxes = run.predict_split(split)
        evaluations = [
            BoxEvaluation(targets, rows, sizes, run.data.classes, (of_object, of_box))
            for rows, of_box in ((boxes, lambda i, j: segments[i][j]), (constant, of_baseline))
        ]
        for of_metrics, evaluation in zip((metrics, metrics["baseline"]), evaluations, strict=True):
            values = evaluation.metrics()
            of_metrics |= {f"mask_{name}": values[name] for name in ("ap", "ap50", "ap50_by_class")}
        if metrics["verdict"] is not None:
            metrics["verdict"] = {**self.verdict(*evaluations, split), "metric": "AP50 of the masks"}
        return metrics

    def export_settings(self, run):
        """Returns the detector with its masks as an output of their own, the classes, and a tolerance of 1e-4."""
        boxes, masks = run.model.layers[-1].input
        return keras.Model(run.model.input, [boxes, masks], name=run.model.name), run.data.classes, 1e-4

    def summarize(self, metrics, split):
        """Returns the average precision of masks, of boxes, and the error of the counts."""
        of_masks = "undefined (no objects)" if metrics["mask_ap50"] is None else f"{metrics['mask_ap50']:.3f}"
        headline = (
            f"mask AP50 {of_masks} on {metrics['objects']:,} objects in {metrics['examples']:,} {split} images; of the "
            "boxes, "
        )
        first, *rest = super().summarize(metrics, split)
        return [headline + first.partition(" on ")[0], *rest]

    def figures(self, run, split):
        """Returns images with the masks of the predicted objects, and the figures of `Detection`."""
        from recipes.reports.mask_figures import masks_of_objects

        evaluated = run.evaluate(split)  # computes the masks, too
        caption = (
            "Masks of the boxes with a score of at least 0.5, a color for each object; white outlines are those of the "
            f"objects. Mask AP50 {evaluated['mask_ap50'] or 0:.3f}."
        )
        return [
            ("Masks of the objects", caption, masks_of_objects(run, split, SEGMENTS[run][split])),
            *super().figures(run, split),
        ]


def segments_of(rows, size):
    """Returns the run lengths of the mask of each box, a list of dicts.

    Args:
        rows: (D, 6 + S S) of `DetectionRows`, with relative corners.
        size: (height, width) of the image [pixels].
    """
    from pycocotools import mask as coco

    detections, masks = split_rows(rows)
    is_box = detections[:, 5] >= 0
    height, width = (int(side) for side in size)
    corners = detections[is_box, :4] * np.array([width, height, width, height], "float32")
    segments = []
    for box, mask in zip(corners, masks[is_box], strict=True):  # one at a time: they are as large as the image
        mask_pixels = paste_masks(box[None], mask[None], height, width)[0] >= MASK_SCORE
        segment = coco.encode(np.asfortranarray(mask_pixels, np.uint8))
        segments.append({"size": [height, width], "counts": segment["counts"].decode("ascii")})
    return segments


def _box_segment(row, height, width):
    """Returns the run lengths of a whole box of relative corners."""
    from pycocotools import mask as coco

    x1, y1, x2, y2 = (float(v) for v in row[:4] * [width, height, width, height])
    return coco.frPyObjects([[x1, y1, x2, y1, x2, y2, x1, y2]], height, width)[0]
