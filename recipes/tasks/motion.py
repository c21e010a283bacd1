"""Optical flow between two frames, learned from known motion or from the frames alone."""

from typing import ClassVar, Literal

import keras
import numpy as np

from recipes import losses
from recipes.data.images.image_patches import affine_pairs, from_image_list
from recipes.data.split import SplitOptions
from recipes.reports.verdict import skill_verdict
from recipes.training.task import Task, task
from zoo.arguments import Count, NonNegative
from zoo.layers.any_size import CutToSize, PadToMultiple
from zoo.layers.warp import Warp
from zoo.registry import entry

STRIDE = 64  # pixels; every flow network of the zoo has a total stride of at most this


@task
class Motion(Task):
    """Optical flow: for each pixel of a first frame, its displacement in a second frame.

    The data are pairs of frames with their flow, or photos. Of photos the task makes pairs itself: squares that are
    warped by random affine flows, whose motion is known exactly, also where it leaves the frame. Pairs of a split are
    made of photos of that split only. A model with several flows as outputs (`all_flows=True`) is trained on all of
    them and keeps the first. FlowNetS, PWC-Net and RAFT start without any notion of matching; `tvnet` starts with the
    steps of TV-L1, which finds motion before any training. Frames of any size are mirrored up to a multiple of 64, and
    the flow is cut back.

    Metrics are the endpoint error, where the flow is known, and the warp error: the mean absolute difference between
    the first frame and the second frame warped by the flow. The baseline is no motion. The skill score is 1 - warp
    error / warp error of the baseline. Only pixels that truly stay in the frame count for the warp error.

    Args:
        loss: endpoint (supervised by the known flow) or photometric (brightness constancy and smoothness, from the
            frames alone).
        smoothness: weight of the smoothness term of the photometric loss.
        side: side of a frame that is made of a photo [pixels]; a multiple of 64.
        max_displacement: longest motion along each axis in pairs made of photos [pixels].
        samples: number of flows for each square of the training photos.
        **kwargs: as `Task` has them; the flows are the only augmentation.
    """

    loss: Literal["endpoint", "photometric"] = "endpoint"
    smoothness: NonNegative = 0.1
    side: Count = 64
    max_displacement: Count = 8
    samples: Count = 4

    data_tasks: ClassVar[tuple] = ("motion",)
    main_metric: ClassVar[str] = "skill"
    predict_batch_size: ClassVar[int] = 16

    def __post_init__(self):
        if self.augment:
            raise ValueError(f"Motion: `augment` must be empty, as it would change the motion, got {self.augment}.")
        if self.side % STRIDE:
            raise ValueError(f"Motion: `side` must be a multiple of {STRIDE}, got {self.side}.")

    def open_data(self, data):
        """Returns `Data` of pairs, made of photos where the data are photos."""
        if isinstance(data, np.ndarray | list):
            names = [f"image {i}" for i in range(len(data))]
            data = from_image_list(list(data), names, SplitOptions(seed=self.seed), name="arrays")
        data = super().open_data(data)
        if data.task == "motion":
            return data
        return affine_pairs(data, self.side, self.max_displacement, self.samples, self.seed)

    def head_arguments(self, name, data):
        """Returns an input shape of any size and flows at every scale as outputs."""
        if entry(name).task != "motion":
            raise ValueError(f"`model` must predict optical flow, got {name} ({entry(name).task}).")
        return {"input_shape": (None, None, data.shape[-1]), "all_flows": True}

    def check_model(self, model, data):
        """Raises a ValueError if the model does not take two frames or does not predict a flow."""
        names, channels = {x.name for x in model.inputs}, {o.shape[-1] for o in model.outputs}
        if not isinstance(model.input, dict) or set(model.input) != {"first", "second"} or channels != {2}:
            raise ValueError(
                f"`model` must take the frames first and second and predict (H, W, 2), got {model.name} with "
                f"{', '.join(sorted(names))} and {[tuple(o.shape[1:]) for o in model.outputs]}."
            )

    def preprocessing(self, data, model):
        """Returns the model that scales 8-bit frames of any size to -1 to 1."""
        shape = (None, None, data.shape[-1])
        inputs = {n: keras.layers.Input(shape, dtype="uint8", name=n) for n in ("first", "second")}
        scaled = {
            n: keras.layers.Rescaling(1 / 127.5, -1.0, dtype="float32", name=f"{n}-scaled")(x)
            for n, x in inputs.items()
        }
        return keras.Model(inputs, scaled, name="preprocessing")

    def prepare_target(self, y, classes=None):
        """Returns the flow as it is."""
        return y

    def pipeline(self, examples, training, preprocessing=None, classes=None):
        """Returns batches of (frames, targets): u, v, a mask of known pixels, and both frames from 0 to 1."""
        import tensorflow as tf

        def with_frames(x, y):
            has_flow = tf.reduce_all(tf.math.is_finite(y), axis=-1, keepdims=True)
            frames = (tf.concat([x["first"], x["second"]], axis=-1) + 1) / 2
            return x, tf.concat([tf.where(has_flow, y, 0.0), tf.cast(has_flow, "float32"), frames], axis=-1)

        return super().pipeline(examples, training, preprocessing, classes).map(with_frames)

    def map_batches(self, batches, model):
        """Returns batches with the same target for every flow that the model predicts."""
        flows = len(model.outputs)
        return batches if flows == 1 else batches.map(lambda x, y: (x, (y,) * flows))

    def compile(self, model, steps=1000, data=None, **settings):
        """Compiles the model; each coarser flow has half the weight, and the weights sum to 1."""
        weights = [0.5**i for i in range(len(model.outputs))]
        loss = [FlowLoss(self.loss, self.smoothness, w / sum(weights)) for w in weights]
        optimizer = self.make_optimizer(steps)
        model.compile(optimizer=optimizer, loss=loss if len(loss) > 1 else loss[0], **settings)
        return model

    def finish_run(self, run):
        """Returns the run with a model that has a single flow as output, for frames of any size."""
        return run.replace(model=finest_flow(run.model))

    def baseline_loss(self, data):
        """Returns the loss of no motion, on the first training pairs."""
        loss = FlowLoss(self.loss, self.smoothness)
        examples = data.train.take(slice(0, 2 * self.examples_per_step(len(data.train))))
        preprocessing = self.preprocessing(data, None)
        return float(np.mean([loss(y, 0.0 * y[..., :2]) for _, y in self.pipeline(examples, False, preprocessing)]))

    def predict_split(self, run, split):
        """Returns the (N, H, W, 2) flow of each pair of a split [pixels]."""
        inputs = getattr(run.data, split).inputs
        frames = run.preprocessing.predict(inputs, batch_size=self.predict_batch_size, verbose=0)
        return finest_flow(run.model).predict(frames, batch_size=self.predict_batch_size, verbose=0)

    def evaluate(self, run, split):
        """Computes the metrics of a run on one split; see `compute_metrics`."""
        return self.compute_metrics(run.data, split, run.predict_split(split))

    def compute_metrics(self, data, split, predictions):
        """Computes endpoint error and warp error of flows, and those of no motion.

        Args:
            data: `Data` of pairs.
            split: "train", "validation" or "test".
            predictions: (N, H, W, 2) flow [pixels].
        """
        examples = getattr(data, split)
        targets = examples.targets
        has_flow = np.isfinite(targets).all(-1)
        totals, counts = self.warp_errors(examples, predictions)
        baseline_totals, _ = self.warp_errors(examples, np.zeros_like(predictions))
        warp_error, baseline_error = (float(t.sum() / max(counts.sum(), 1)) for t in (totals, baseline_totals))
        verdict = skill_verdict(totals, baseline_totals, split, unit="pairs", seed=self.seed)
        metrics = {
            "verdict": verdict,
            "examples": len(targets),
            "warp_error": warp_error,
            "skill": 1 - warp_error / baseline_error,
        }
        baseline = {"warp_error": baseline_error, "skill": 0.0, "name": "no motion"}
        if has_flow.any():
            metrics["endpoint_error"] = float(np.linalg.norm(predictions - targets, axis=-1)[has_flow].mean())
            baseline["endpoint_error"] = float(np.linalg.norm(targets, axis=-1)[has_flow].mean())
        return {**metrics, "baseline": baseline}

    def warp_errors(self, examples, flows):
        """Returns (N,) sums over the pixels, and (N,) numbers of pixels, that are compared.

        They are the absolute differences of the first frame and the warped second one, for values of 0 to 1.
        """
        targets, totals, counts = examples.targets, np.zeros(len(flows)), np.zeros(len(flows), int)
        for i, flow in enumerate(flows):
            first, second = (examples.inputs[n][i].astype("float32") / 255 for n in ("first", "second"))
            has_flow = np.isfinite(targets[i]).all(-1)
            stays = stays_inside(np.where(has_flow[..., None], targets[i], 0)) & (has_flow | ~has_flow.any())
            totals[i] = np.abs(first - warp_image(second, flow))[stays].mean(-1).sum()
            counts[i] = stays.sum()
        return totals, counts

    def export_settings(self, run):
        """Returns the model, whose export outputs flows, and a tolerance of a hundredth of a pixel."""
        return run.model, None, 1e-2

    def summarize(self, metrics, split):
        """Returns the skill score, the warp error and the endpoint error."""
        baseline = metrics["baseline"]
        sentence = (
            f"The second frame warped by the flow differs from the first by {255 * metrics['warp_error']:.1f} grey "
            f"levels of 255; unwarped it differs by {255 * baseline['warp_error']:.1f}."
        )
        if "endpoint_error" in metrics:
            sentence += (
                f" The mean endpoint error is {metrics['endpoint_error']:.2f} pixels; no motion has "
                f"{baseline['endpoint_error']:.2f}."
            )
        return [
            f"The flow explains {100 * metrics['skill']:.1f} % of the difference on {metrics['examples']} "
            f"{split} pairs",
            sentence,
        ]

    def figures(self, run, split):
        """Returns some pairs: frames, true and predicted flow, remaining differences."""
        from recipes.reports.image_figures import flow_panels

        caption = (
            "Hue is the direction of the flow, as in the wheel, and saturation its length. The last two panels are the "
            "difference of the second frame to the first, unwarped and warped by the flow."
        )
        return [("Frames, flow, differences", caption, flow_panels(run, split))]


@keras.saving.register_keras_serializable("recipes")
class FlowLoss(keras.losses.Loss):
    """The loss of a flow at any scale, on the target that `Motion.pipeline` makes.

    (B, H, W, 3 + 2 C) and (B, h, w, 2) flow [pixels of the frames]  ->  one number; targets are averaged down to h, w.

    Args:
        kind: endpoint or photometric.
        smoothness: weight of the smoothness term of the photometric loss.
        weight: factor of the loss.
    """

    def __init__(self, kind, smoothness=0.1, weight=1.0, name="flow", reduction=None, dtype=None):
        super().__init__(name=name, reduction="sum", dtype=dtype or "float32")
        self.kind, self.smoothness, self.weight = kind, smoothness, weight

    def call(self, y_true, y_pred):
        factor = y_true.shape[1] // y_pred.shape[1]
        if factor > 1:
            y_true = keras.ops.average_pool(y_true, factor, factor)
        flow_fraction, frames = y_true[..., 2], y_true[..., 3:]
        if self.kind == "endpoint":
            flow = y_true[..., :2] / keras.ops.maximum(flow_fraction, 1e-6)[..., None]
            valid = keras.ops.cast(flow_fraction > 0.5, "float32")
            return self.weight * losses.masked_mean(losses.safe_norm(flow - y_pred), valid)
        flow = y_pred / factor
        # A flow of one pixel has no neighbors; the gradient of an empty mean stops the whole process
        has_neighbors = self.smoothness and min(flow.shape[1:3]) > 1
        smoothness = losses.Smoothness()(frames, flow) if has_neighbors else 0.0
        return self.weight * (losses.Photometric()(frames, flow) + self.smoothness * smoothness)

    def get_config(self):
        return {"kind": self.kind, "smoothness": self.smoothness, "weight": self.weight, "name": self.name}


def finest_flow(model):
    """Returns a model with the same weights and only the finest flow as output, for frames of any size."""
    if any(isinstance(layer, CutToSize) for layer in model.layers):
        return model
    inputs = {n: keras.layers.Input(tuple(t.shape[1:]), name=n) for n, t in model.input.items()}
    flow = model({n: PadToMultiple(STRIDE, name=f"{n}-padded")(x) for n, x in inputs.items()})
    flow = flow[0] if isinstance(flow, list | tuple) else flow
    cut = CutToSize(name="cut", dtype="float32")([flow, inputs["first"]])
    return keras.Model(inputs, cut, name=model.name)


def warp_image(image, flow):
    """Returns an (H, W, C) image sampled where an (H, W, 2) flow points."""
    return np.asarray(Warp()([image[None], flow[None].astype("float32")]))[0]


def stays_inside(flow):
    """Returns (H, W) whether a flow ends inside of the frame."""
    height, width = flow.shape[:2]
    y, x = np.mgrid[:height, :width]
    u, v = x + flow[..., 0], y + flow[..., 1]
    return (u >= 0) & (u <= width - 1) & (v >= 0) & (v <= height - 1)
