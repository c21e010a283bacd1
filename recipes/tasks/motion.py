"""Motion: optical flow between two frames, learnt from known motions or from the frames alone."""

from typing import ClassVar, Literal

import keras
import numpy as np

from recipes import losses
from recipes.data.assemble import Options
from recipes.data.images.image_patches import from_photos, known_warps
from recipes.training.task import Recipe, recipe
from zoo.arguments import Count, NonNegative
from zoo.layers.any_size import CutToSize, PadToMultiple
from zoo.layers.warp import Warp
from zoo.registry import entry

UNIT = 64  # pixels that every network of the zoo divides both sides by, at most


@recipe
class Motion(Recipe):
    """Optical flow: where each pixel of a first frame is in a second.

    It needs pairs of frames with their flow, or photos, of which it makes pairs itself: squares seen through random
    affine flows, whose motion is known exactly, also where it leads out of the frame. Photos of one part make pairs of
    that part only. A model that answers several flows (`all_flows=True`) is trained on all of them and keeps the first.
    FlowNetS, PWC-Net and RAFT know nothing of matching at first; `tvnet` starts with the steps of TV-L1, which find
    motions before any training.
    Frames of any size are mirrored up to a multiple of 64 and the flow is cut back.

    It reports the endpoint error beside that of no motion, where the flow is known, and the warp error: how far the
    second frame, seen where the flow points, is from the first, beside that of the second frame as it is. `skill` is
    the share of that which the flow explains. Only pixels that truly stay in the frame count for the warp error.

    Args:
        loss: endpoint (the known flow teaches) or photometric (the frames do: brightness constancy, smoothness).
        smoothness: weight of the smoothness beside the photometric loss.
        side: of a frame that is made of a photo [pixels]; a multiple of 64.
        max_displacement: longest motion along each axis that is made [pixels].
        samples: flows for each square of the training photos.
        **kwargs: as `Recipe` has them; there is no augmentation but the flows.
    """

    loss: Literal["endpoint", "photometric"] = "endpoint"
    smoothness: NonNegative = 0.1
    side: Count = 64
    max_displacement: Count = 8
    samples: Count = 4

    tasks: ClassVar[tuple] = ("motion",)
    headline: ClassVar[str] = "skill"
    predict_batch_size: ClassVar[int] = 16

    def __post_init__(self):
        if self.augment:
            raise ValueError(f"Motion: `augment` must be empty, as it would change the motion, got {self.augment}.")
        if self.side % UNIT:
            raise ValueError(f"Motion: `side` must be a multiple of {UNIT}, got {self.side}.")

    def open(self, data):
        """`Data` of pairs; made of photos where it is given these."""
        if isinstance(data, np.ndarray | list):
            names = [f"image {i}" for i in range(len(data))]
            data = from_photos(list(data), names, Options(seed=self.seed), name="arrays")
        data = super().open(data)
        return (
            data
            if data.task == "motion"
            else known_warps(data, self.side, self.max_displacement, self.samples, self.seed)
        )

    def answers(self, name, data):
        """What a builder is told: frames of any size, and to answer the flow at every scale."""
        if entry(name).task != "motion":
            raise ValueError(f"`model` must answer a motion, got {name} ({entry(name).task}).")
        return {"input_shape": (None, None, data.shape[-1]), "all_flows": True}

    def verify_answer(self, model, data):
        """A ValueError where the model takes no two frames or answers no flow."""
        names, ends = {x.name for x in model.inputs}, {o.shape[-1] for o in model.outputs}
        if not isinstance(model.input, dict) or set(model.input) != {"first", "second"} or ends != {2}:
            raise ValueError(
                f"`model` must take the frames first and second and answer (H, W, 2), got {model.name} with "
                f"{', '.join(sorted(names))} and {[tuple(o.shape[1:]) for o in model.outputs]}."
            )

    def prepare(self, data, model):
        """8-bit frames of any size, from -1 to 1."""
        shape = (None, None, data.shape[-1])
        inputs = {n: keras.layers.Input(shape, dtype="uint8", name=n) for n in ("first", "second")}
        scaled = {
            n: keras.layers.Rescaling(1 / 127.5, -1.0, dtype="float32", name=f"{n}-scaled")(x)
            for n, x in inputs.items()
        }
        return keras.Model(inputs, scaled, name="preprocessing")

    def target(self, y, classes=None):
        """The flow as it is."""
        return y

    def pipeline(self, examples, training, preprocessing=None, classes=None):
        """Batches of (frames, targets), targets being u, v, whether they are known, and both frames from 0 to 1."""
        import tensorflow as tf

        def joined(x, y):
            known = tf.reduce_all(tf.math.is_finite(y), axis=-1, keepdims=True)
            frames = (tf.concat([x["first"], x["second"]], axis=-1) + 1) / 2
            return x, tf.concat([tf.where(known, y, 0.0), tf.cast(known, "float32"), frames], axis=-1)

        return super().pipeline(examples, training, preprocessing, classes).map(joined)

    def feed(self, batches, model):
        """The same target for every flow that the model answers."""
        count = len(model.outputs)
        return batches if count == 1 else batches.map(lambda x, y: (x, (y,) * count))

    def compile(self, model, steps=1000, **settings):
        """Compiles `model` for `steps` training steps; coarser flows count less, the sum of all weights is 1."""
        count = len(model.outputs)
        weights = [0.5**i for i in range(count)]
        loss = [FlowLoss(self.loss, self.smoothness, w / sum(weights)) for w in weights]
        model.compile(optimizer=self.optimize(steps), loss=loss if count > 1 else loss[0], **settings)
        return model

    def fit(self, model, data, *, out=None, verbose=True, **arguments):
        """Trains as `Recipe.fit` does; the model of the run answers one flow, for frames of any size."""
        run = super().fit(model, data, out=out, verbose=verbose, **arguments)
        run.model = finest(run.model)
        if out:
            run.save(out)
        return run

    def trivial_loss(self, data):
        """Loss of no motion, on the first training pairs."""
        loss = FlowLoss(self.loss, self.smoothness)
        head = data.train.take(slice(0, 2 * self.batch_size))
        prepare = self.prepare(data, None)
        return float(np.mean([loss(y, 0.0 * y[..., :2]) for _, y in self.pipeline(head, False, prepare)]))

    def respond(self, run, part):
        """(N, H, W, 2) flow of each pair of a part."""
        inputs = getattr(run.data, part).inputs
        frames = run.preprocessing.predict(inputs, batch_size=self.predict_batch_size, verbose=0)
        return finest(run.model).predict(frames, batch_size=self.predict_batch_size, verbose=0)

    def assess(self, data, part, answers):
        """Endpoint error and warp error of flows, beside those of no motion.

        Args:
            data: a `Data` of pairs.
            part: train, validation or test.
            answers: (N, H, W, 2) flow [pixels].
        """
        examples = getattr(data, part)
        truth = examples.targets
        known = np.isfinite(truth).all(-1)
        own, trivial = self.errors(examples, answers), self.errors(examples, np.zeros_like(answers))
        found = {"examples": len(truth), "warp_error": own, "skill": 1 - own / trivial}
        baseline = {"warp_error": trivial, "skill": 0.0, "name": "no motion"}
        if known.any():
            found["endpoint_error"] = float(np.linalg.norm(answers - truth, axis=-1)[known].mean())
            baseline["endpoint_error"] = float(np.linalg.norm(truth, axis=-1)[known].mean())
        return {**found, "baseline": baseline}

    def errors(self, examples, flows):
        """Mean absolute difference, of 1, between the first frames and the second seen where the flows point."""
        truth, total, count = examples.targets, 0.0, 0
        for i, flow in enumerate(flows):
            first, second = (examples.inputs[n][i].astype("float32") / 255 for n in ("first", "second"))
            known = np.isfinite(truth[i]).all(-1)
            stays = inside(np.where(known[..., None], truth[i], 0)) & (known | ~known.any())
            total += float(np.abs(first - seen(second, flow))[stays].mean(-1).sum())
            count += int(stays.sum())
        return total / max(count, 1)

    def labels(self, data):
        """None: an export answers flows."""
        return None

    def tolerance(self, data):
        """A hundredth of a pixel."""
        return 1e-2

    def verdict(self, found, part):
        """How much of the difference between the frames the flow explains."""
        base = found["baseline"]
        told = (
            f"The second frame, seen where the flow points, differs from the first by {255 * found['warp_error']:.1f} "
            f"of 255; as it is, by {255 * base['warp_error']:.1f}."
        )
        if "endpoint_error" in found:
            told += (
                f" The motion is wrong by {found['endpoint_error']:.2f} pixels on average; no motion is wrong by "
                f"{base['endpoint_error']:.2f}."
            )
        return [f"{found['skill']:.1%} of the change is explained, on {found['examples']} {part} pairs", told]

    def figures(self, run, part):
        """Some pairs: frames, true and answered flow, what is left unexplained."""
        from recipes.reports.image_figures import flow_panels

        told = (
            "Colours are directions, as the wheel has them, the stronger the longer the motion. The last two panels "
            "are how far the second frame is from the first, as it is, and seen where the flow points."
        )
        return [("Frames, flow, what is left", told, flow_panels(run, part))]


@keras.saving.register_keras_serializable("recipes")
class FlowLoss(keras.losses.Loss):
    """The loss of a flow at any scale, on the target that `Motion.pipeline` makes.

    (B, H, W, 3 + 2 C) and (B, h, w, 2) flow [pixels of the frames]  ->  one number; targets are averaged down to h, w.

    Args:
        kind: endpoint or photometric.
        smoothness: weight of the smoothness beside the photometric loss.
        weight: what the loss is multiplied with.
    """

    def __init__(self, kind, smoothness=0.1, weight=1.0, name="flow", reduction=None, dtype=None):
        super().__init__(name=name, reduction="sum", dtype=dtype or "float32")
        self.kind, self.smoothness, self.weight = kind, smoothness, weight

    def call(self, y_true, y_pred):
        factor = y_true.shape[1] // y_pred.shape[1]
        if factor > 1:
            y_true = keras.ops.average_pool(y_true, factor, factor)
        known, frames = y_true[..., 2], y_true[..., 3:]
        if self.kind == "endpoint":
            flow = y_true[..., :2] / keras.ops.maximum(known, 1e-6)[..., None]
            some = keras.ops.cast(known > 0.5, "float32")
            return self.weight * losses.mean_of(losses.length(flow - y_pred), some)
        flow = y_pred / factor
        # A flow of one pixel has no neighbours; the gradient of an empty mean stops the whole process
        neighbours = self.smoothness and min(flow.shape[1:3]) > 1
        smooth = losses.Smoothness()(frames, flow) if neighbours else 0.0
        return self.weight * (losses.Photometric()(frames, flow) + self.smoothness * smooth)

    def get_config(self):
        return {"kind": self.kind, "smoothness": self.smoothness, "weight": self.weight, "name": self.name}


def finest(model):
    """The model's first flow, for frames of any size where it takes such; the weights are the same."""
    if any(isinstance(layer, CutToSize) for layer in model.layers):
        return model
    inputs = {n: keras.layers.Input(tuple(t.shape[1:]), name=n) for n, t in model.input.items()}
    answer = model({n: PadToMultiple(UNIT, name=f"{n}-padded")(x) for n, x in inputs.items()})
    answer = answer[0] if isinstance(answer, list | tuple) else answer
    cut = CutToSize(name="cut", dtype="float32")([answer, inputs["first"]])
    return keras.Model(inputs, cut, name=model.name)


def seen(image, flow):
    """(H, W, C) an image where an (H, W, 2) flow points."""
    return np.asarray(Warp()([image[None], flow[None].astype("float32")]))[0]


def inside(flow):
    """(H, W) whether a flow stays in the frame."""
    height, width = flow.shape[:2]
    y, x = np.mgrid[:height, :width]
    u, v = x + flow[..., 0], y + flow[..., 1]
    return (u >= 0) & (u <= width - 1) & (v >= 0) & (v <= height - 1)
