"""The next frames of a sequence of images, beside repeating the last one."""

from inspect import signature
from typing import ClassVar

import keras
import numpy as np

from recipes.metrics import SSIM
from recipes.training.task import Recipe, recipe
from zoo.arguments import Count
from zoo.introspect.output_activation import output_activation
from zoo.registry import entry

BINS = 16  # brightnesses of the last frame that `last frame, calibrated` tells apart
LEAST = 1e-4  # no pixel is foretold with more certainty than this, so that one mistake does not cost infinitely much


@recipe
class NextFrame(Recipe):
    """Several frames ahead, each pixel as the probability of being bright.

    It needs sequences of images with those that follow, such as "bundled:moving-mnist", and a model with a sigmoid. It
    reports the binary cross-entropy [nats a frame] and SSIM of each frame ahead, beside the mean image of the training
    part and beside the last frame: as it is for SSIM, and for the cross-entropy as what the training part says of a
    pixel that was that bright, the best that can be foretold without knowing what moves.

    Args:
        global_clipnorm: largest global norm of a gradient.
        **kwargs: as `Recipe` has them; augmentation is for single images.
    """

    batch_size: Count = 16
    global_clipnorm: float | None = 1.0

    tasks: ClassVar[tuple] = ("next_frame",)
    headline: ClassVar[str] = "skill"

    def __post_init__(self):
        if self.augment:
            raise ValueError(f"`augment` must be () for sequences, as its steps are for images, got {self.augment}.")

    def answers(self, name, data):
        """What a builder is told about the answer: how many frames."""
        accepted = signature(entry(name).build).parameters
        shape = entry(name).example.get("input_shape", ())
        if "outputs" not in accepted or len(shape) != 4:
            raise ValueError(f"`model` must be an architecture that answers frames, such as convlstm, got {name}.")
        return {"outputs": len(data.outputs), "activation": "sigmoid"}

    def verify_answer(self, model, data):
        """A ValueError where the model does not answer these frames with a sigmoid."""
        wanted = tuple(data.train.targets.shape[1:])
        if tuple(model.output_shape[1:]) != wanted or output_activation(model) != "sigmoid":
            raise ValueError(
                f"`model` must answer {wanted} with a sigmoid, got {model.name} with {model.output_shape[1:]} and "
                f"{output_activation(model)}."
            )

    def target(self, y, classes=None):
        """8-bit frames from 0 to 1."""
        return keras.ops.cast(y, "float32") / 255

    def compile(self, model, steps=1000, **settings):
        """Compiles `model` for `steps` training steps; `settings` go to `model.compile` (jit_compile, ...)."""
        model.compile(optimizer=self.optimize(steps), loss=keras.losses.BinaryCrossentropy(), **settings)
        return model

    def trivial_loss(self, data):
        """Cross-entropy a pixel of always answering the training part's mean frames."""
        truth = data.train.targets / np.float32(255)
        return float(cross_entropy(truth, truth.mean(0, keepdims=True)).mean())

    def assess(self, data, part, answers):
        """Metrics of the answers to one part, by frame, beside what needs no model.

        Args:
            data: `Data`.
            part: train, validation or test.
            answers: (N, K, H, W, C) from 0 to 1.
        Returns:
            Dict of floats: cross_entropy [nats a frame], ssim, skill (1 - cross-entropy / the best rival's);
            `baseline` holds the best rival's, `rivals` all of them, `by_lead` each frame ahead.
        """
        examples = getattr(data, part)
        truth = examples.targets / np.float32(255)
        own, rivals = quality(truth, answers), {}
        for name, said in trivial(data, examples).items():
            rivals[name] = {k: float(v.mean()) for k, v in quality(truth, *said).items()}
        best = min(rivals, key=lambda name: rivals[name]["cross_entropy"])
        found = {k: float(v.mean()) for k, v in own.items()}
        return {
            "examples": len(truth),
            **found,
            "skill": 1 - found["cross_entropy"] / rivals[best]["cross_entropy"],
            "baseline": {**rivals[best], "skill": 0.0, "name": best},
            "rivals": rivals,
            "by_lead": {name: {k: float(v[i]) for k, v in own.items()} for i, name in enumerate(data.outputs)},
        }

    def verdict(self, found, part):
        """The cross-entropy and the SSIM beside the best that needs no model."""
        best, said = found["baseline"], []
        said.append(
            f"{found['cross_entropy']:.0f} nats a frame on {found['examples']} {part} sequences; {best['name']} has "
            f"{best['cross_entropy']:.0f}. SSIM {found['ssim']:.3f}; the last frame has "
            f"{found['rivals']['last frame']['ssim']:.3f}."
        )
        if found["skill"] <= 0:
            said.append(f"This model is no better than {best['name']}: do not use it.")
        return said

    def figures(self, run, part):
        """Strips: what was given, what came, and what the model said."""
        told = (
            "Each block is one sequence: the frames that were given, those that came, and the model's answer to them."
        )
        drawn = strips(getattr(run.data, part), run.answers(part), run.data.outputs)
        return [("Past, truth and answer", told, drawn)]


def cross_entropy(truth, answers):
    """Binary cross-entropy of every pixel [nats]; `answers` broadcast."""
    p = np.clip(answers, LEAST, 1 - LEAST)
    return -(truth * np.log(p) + (1 - truth) * np.log(1 - p))


def quality(truth, answers, shown=None):
    """By frame ahead, (K,): cross-entropy [nats a frame], and SSIM where frames have 11 x 11 pixels or more.

    Args:
        truth: (N, K, H, W, C) from 0 to 1.
        answers: probabilities, which broadcast to that shape.
        shown: images for SSIM, where they are not the probabilities.
    """
    found = {"cross_entropy": cross_entropy(truth, answers).sum((2, 3, 4)).mean(0)}
    shown = np.broadcast_to(answers if shown is None else shown, truth.shape)
    truth, shown = truth.astype("float32"), shown.astype("float32")
    if min(truth.shape[2:4]) >= 11:
        metric, frames = SSIM(), range(truth.shape[1])
        found["ssim"] = np.array([np.mean(metric.per_image(truth[:, i], shown[:, i])) for i in frames])
    return found


def trivial(data, examples):
    """What needs no model: name -> (probabilities, images for SSIM)."""
    truth, last = data.train.targets / np.float32(255), examples.inputs[:, -1:]
    mean = truth.mean(0, keepdims=True)
    ahead = truth.shape[1]
    # What a pixel of that brightness became in training: the best that the last frame by itself can tell
    bins = data.train.inputs[:, -1].astype(int) * BINS // 256
    counts = np.maximum(np.bincount(bins.ravel(), minlength=BINS), 1)
    became = [np.bincount(bins.ravel(), truth[:, i].ravel(), BINS) / counts for i in range(ahead)]
    asked = last[:, 0].astype(int) * BINS // 256
    said = np.stack([table[asked] for table in became], axis=1).astype("float32")
    return {"mean frame": (mean, mean), "last frame": (said, last / np.float32(255))}


def strips(examples, answers, outputs, shown=3):
    """A matplotlib figure of a few sequences: past, truth and answer below each other."""
    from recipes.reports.report import new_figure

    shown = min(shown, len(examples))
    past, ahead = examples.inputs.shape[1], len(outputs)
    columns = max(past, ahead)
    figure = new_figure(0.7 * columns + 1, 2.3 * shown)
    axes = figure.subplots(3 * shown, columns, squeeze=False)
    for ax in axes.ravel():
        ax.set_axis_off()
    for i in range(shown):
        rows = (examples.inputs[i] / 255, examples.targets[i] / 255, answers[i])
        for j, (name, row) in enumerate(zip(("past", "truth", "answer"), rows, strict=True)):
            for k, frame in enumerate(row):
                axes[3 * i + j, k].imshow(frame.squeeze(-1) if frame.shape[-1] == 1 else frame, "gray", vmin=0, vmax=1)
            axes[3 * i + j, 0].set_title(name, fontsize=7, loc="left", pad=1)
    return figure
