"""Next-frame prediction: the next frames of an image sequence, compared with repeating the last one."""

from inspect import signature
from typing import ClassVar

import keras
import numpy as np

from recipes.metrics import SSIM
from recipes.reports.verdict import skill_verdict
from recipes.training.task import Task, task
from zoo.introspect.output_activation import output_activation
from zoo.registry import entry

BINS = 16  # brightness bins of the last frame, from which the calibrated baseline predicts
MIN_PROBABILITY = 1e-4  # probabilities are clipped here, so that one mistake does not have an infinite cost


@task
class NextFrame(Task):
    """Predicts several frames ahead, each pixel as the probability of being bright.

    The data has sequences of images with the frames that follow, such as "bundled:moving-mnist". The model ends in a
    sigmoid. Metrics are the binary cross-entropy [nats per frame] and SSIM, over all frames and by frame ahead. The
    baselines are the mean frame of the training split, and the last frame. For SSIM the last frame is used as it is.
    For the cross-entropy it is calibrated: a pixel's probability is the mean of what pixels of that brightness became
    in the training split, which is the best prediction from a single pixel.

    Args:
        global_clipnorm: largest global norm of a gradient.
        **kwargs: as `Task` has them; augmentation is for single images.
    """

    global_clipnorm: float | None = 1.0

    data_tasks: ClassVar[tuple] = ("next_frame",)
    largest_batch_size: ClassVar[int] = 16
    main_metric: ClassVar[str] = "skill"

    def __post_init__(self):
        if self.augment:
            raise ValueError(f"`augment` must be () for sequences, as its steps are for images, got {self.augment}.")

    def head_arguments(self, name, data):
        """Returns the number of frames to predict and a sigmoid activation."""
        parameters = signature(entry(name).build).parameters
        shape = entry(name).example.get("input_shape", ())
        if "outputs" not in parameters or len(shape) != 4:
            raise ValueError(f"`model` must be an architecture that predicts frames, such as convlstm, got {name}.")
        return {"outputs": len(data.outputs), "activation": "sigmoid"}

    def check_model(self, model, data):
        """Raises a ValueError if the model does not predict these frames with a sigmoid."""
        expected = tuple(data.train.targets.shape[1:])
        activation = output_activation(model)
        if tuple(model.output_shape[1:]) != expected or activation != "sigmoid":
            raise ValueError(
                f"`model` must predict {expected} with a sigmoid, got {model.name} with {model.output_shape[1:]} and "
                f"{activation}."
            )

    def prepare_target(self, y, classes=None):
        """Returns 8-bit frames from 0 to 1."""
        return keras.ops.cast(y, "float32") / 255

    def compile(self, model, steps=1000, data=None, **settings):
        """Compiles the model with binary cross-entropy; arguments as `Task.compile` has them."""
        model.compile(optimizer=self.make_optimizer(steps), loss=keras.losses.BinaryCrossentropy(), **settings)
        return model

    def baseline_loss(self, data):
        """Returns the cross-entropy per pixel of always predicting the mean frames of the training split."""
        targets = data.train.targets / np.float32(255)
        return float(cross_entropy(targets, targets.mean(0, keepdims=True)).mean())

    def evaluate(self, run, split):
        """Computes the metrics of a run on one split, by frame ahead, and those of the baselines.

        Args:
            run: `Run`.
            split: "train", "validation" or "test".
        Returns:
            Dict of numbers: cross_entropy [nats per frame], ssim, skill (1 - cross-entropy / the best baseline's);
            `baseline` holds the best baseline's, `baselines` all of them, `by_lead` each frame ahead.
        """
        return self.compute_metrics(run.data, split, run.predict_split(split))

    def compute_metrics(self, data, split, predictions):
        """Computes the metrics of (N, K, H, W, C) probabilities for one split; returns as `evaluate` does."""
        examples = getattr(data, split)
        targets = examples.targets / np.float32(255)
        by_frame, baselines = metrics_by_frame(targets, predictions), {}
        candidates = baseline_frames(data, examples)
        for name, (probabilities, images) in candidates.items():
            metrics = metrics_by_frame(targets, probabilities, images)
            baselines[name] = {k: float(v.mean()) for k, v in metrics.items()}
        best = min(baselines, key=lambda name: baselines[name]["cross_entropy"])
        means = {k: float(v.mean()) for k, v in by_frame.items()}
        losses = (cross_entropy(targets, p).sum((1, 2, 3, 4)) for p in (predictions, candidates[best][0]))
        return {
            "verdict": skill_verdict(*losses, split, unit="sequences", seed=self.seed),
            "examples": len(targets),
            **means,
            "skill": 1 - means["cross_entropy"] / baselines[best]["cross_entropy"],
            "baseline": {**baselines[best], "skill": 0.0, "name": best},
            "baselines": baselines,
            "by_lead": {name: {k: float(v[i]) for k, v in by_frame.items()} for i, name in enumerate(data.outputs)},
        }

    def summarize(self, metrics, split):
        """Returns the cross-entropy and the SSIM, beside those of the baselines."""
        best = metrics["baseline"]
        sentences = [
            f"Cross-entropy {metrics['cross_entropy']:.0f} nats per frame on {metrics['examples']} {split} sequences; "
            f"the {best['name']} has {best['cross_entropy']:.0f}. SSIM {metrics['ssim']:.3f}; the last frame has "
            f"{metrics['baselines']['last frame']['ssim']:.3f}."
        ]
        if metrics["skill"] <= 0:
            sentences.append(f"This model is no better than the {best['name']}: do not use it.")
        return sentences

    def figures(self, run, split):
        """Returns a few sequences: past, target and prediction."""
        caption = "Each block is one sequence: the input frames, the frames that followed, and the model's prediction."
        figure = sequence_figure(getattr(run.data, split), run.predict_split(split), run.data.outputs)
        return [("Past, target and prediction", caption, figure)]


def cross_entropy(targets, probabilities):
    """Returns the binary cross-entropy of every pixel [nats]; `probabilities` broadcast to the targets."""
    p = np.clip(probabilities, MIN_PROBABILITY, 1 - MIN_PROBABILITY)
    return -(targets * np.log(p) + (1 - targets) * np.log(1 - p))


def metrics_by_frame(targets, probabilities, images=None):
    """Returns metrics of each frame ahead, (K,): cross-entropy [nats per frame], and SSIM for 11 x 11 pixels or more.

    Args:
        targets: (N, K, H, W, C) from 0 to 1.
        probabilities: broadcast to that shape.
        images: images for SSIM, where they are not the probabilities.
    """
    metrics = {"cross_entropy": cross_entropy(targets, probabilities).sum((2, 3, 4)).mean(0)}
    images = np.broadcast_to(probabilities if images is None else images, targets.shape)
    targets, images = targets.astype("float32"), images.astype("float32")
    if min(targets.shape[2:4]) >= 11:
        ssim = SSIM()
        metrics["ssim"] = np.array(
            [np.mean(ssim.per_image(targets[:, i], images[:, i])) for i in range(targets.shape[1])]
        )
    return metrics


def baseline_frames(data, examples):
    """Returns the baselines' predictions: name -> (probabilities, images for SSIM)."""
    targets, last = data.train.targets / np.float32(255), examples.inputs[:, -1:]
    mean = targets.mean(0, keepdims=True)
    frames = targets.shape[1]
    # What pixels of each brightness became in training
    bins = data.train.inputs[:, -1].astype(int) * BINS // 256
    counts = np.maximum(np.bincount(bins.ravel(), minlength=BINS), 1)
    tables = [np.bincount(bins.ravel(), targets[:, i].ravel(), BINS) / counts for i in range(frames)]
    last_bins = last[:, 0].astype(int) * BINS // 256
    calibrated = np.stack([table[last_bins] for table in tables], axis=1).astype("float32")
    return {"mean frame": (mean, mean), "last frame": (calibrated, last / np.float32(255))}


def sequence_figure(examples, predictions, outputs):
    """Returns a matplotlib figure of the first three sequences: past, target and prediction below each other."""
    from recipes.reports.report import new_figure

    count = min(3, len(examples))
    columns = max(examples.inputs.shape[1], len(outputs))
    figure = new_figure(0.7 * columns + 1, 2.3 * count)
    axes = figure.subplots(3 * count, columns, squeeze=False)
    for ax in axes.ravel():
        ax.set_axis_off()
    for i in range(count):
        rows = (examples.inputs[i] / 255, examples.targets[i] / 255, predictions[i])
        for j, (name, row) in enumerate(zip(("past", "target", "prediction"), rows, strict=True)):
            for k, frame in enumerate(row):
                axes[3 * i + j, k].imshow(frame.squeeze(-1) if frame.shape[-1] == 1 else frame, "gray", vmin=0, vmax=1)
            axes[3 * i + j, 0].set_title(name, fontsize=7, loc="left", pad=1)
    return figure
