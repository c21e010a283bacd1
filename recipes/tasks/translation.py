"""Translation: images made of images, a photo of its edges or of a mask, learnt from pairs."""

from typing import ClassVar, Literal

import keras
import numpy as np
from keras import ops

from recipes.data.assemble import Options
from recipes.data.preprocessing import preprocessing
from recipes.reports.sample_images import SampleGrids, diagnose_discriminator, image_figure, panels
from recipes.tasks.generation import refuse_unused, signed
from recipes.training.task import Recipe, recipe
from zoo.arguments import Count, Positive
from zoo.registry import entry

SHOWN = 8  # pairs in a picture
EDGED = ("restoration", "classification", "multilabel")  # data whose images are to be made of their edges


@keras.saving.register_keras_serializable("recipes")
class Halfway(keras.optimizers.schedules.LearningRateSchedule):
    """A rate that stays for the first half of `steps` training steps, and then falls in a straight line to 0.

    Source: Isola et al. 2016, https://arxiv.org/abs/1611.07004, as their code has it.
    """

    def __init__(self, learning_rate, steps):
        super().__init__()
        self.learning_rate, self.steps = learning_rate, steps

    def __call__(self, step):
        left = 2.0 - 2.0 * ops.cast(step, "float32") / self.steps
        return self.learning_rate * ops.clip(left, 0.0, 1.0)

    def get_config(self):
        return {"rate": self.learning_rate, "steps": self.steps}


@recipe
class Translation(Recipe):
    """pix2pix: a generator translates, and a discriminator judges, at the paper's settings.

    It needs pairs of 8-bit images of one size: "pairs:IMAGES?labels=PHOTOS", or two arrays. Data for segmentation are
    turned round: their images are to be made of their masks. Other images are to be made of their edges.

    Optimizers are Adam with beta1 0.5; the weight of the mean absolute difference is the model's `l1`, the paper's 100.
    Each `sample_every` epochs a picture shows held-out pairs as input, target and answer, as PNG and for TensorBoard. At the
    end the mean absolute difference (of the range 0 to 1), PSNR and SSIM stand beside those of two answers that need no
    network: the mean of the training part's targets, and the median of the target's colour over all training pixels of
    an input's colour. The `skill` is the share of the difference of the better one that is gone.

    Args:
        learning_rate: learning rate of both optimizers.
        optimizer: the paper's.
        schedule: halfway: the rate falls in a straight line to 0 over the second half, as in the paper; or constant.
        sample_every: epochs between two pictures.
        patch: side of the squares that images are cut into to be made of their edges [pixels]; None takes images of one
            size as they are, and of others squares of 256, the paper's size.
        **kwargs: as `Recipe` has them; weight decay, warm-up and early stopping are not for these models.
    """

    epochs: Count = 200
    batch_size: Count = 1
    learning_rate: Positive = 2e-4
    optimizer: Literal["paper"] = "paper"
    schedule: Literal["halfway", "constant"] = "halfway"
    sample_every: Count = 1
    patch: Count | None = None

    tasks: ClassVar[tuple] = ("translation",)
    headline: ClassVar[str] = "skill"
    predict_batch_size: ClassVar[int] = 16

    def __post_init__(self):
        refuse_unused(self)

    def open(self, data):
        """`Data` of pairs; images with masks, or alone, are made such."""
        from recipes.data.images import pairs

        if isinstance(data, tuple | list) and len(data) == 2 and all(isinstance(a, np.ndarray) for a in data):
            return pairs.from_arrays(*data, Options(seed=self.seed))
        data = super().open(data)
        if data.task == "segmentation":
            return pairs.from_masks(data)
        return pairs.from_edges(data, self.patch) if data.task in EDGED else data

    def answers(self, name, data):
        """What a builder is told: the sizes, and as many stages as the sides can be halved, 8 at most."""
        if name != "pix2pix":
            raise ValueError(f"`model` must translate images, as pix2pix does, got {name} ({entry(name).task}).")
        depth = 0
        while depth < 8 and all(side % 2 ** (depth + 1) == 0 for side in data.shape[:2]):
            depth += 1
        if not depth:
            raise ValueError(f"Translation: both sides of `data` must be even, got {data.shape[:2]}; give `tile`.")
        return {"input_shape": data.shape, "outputs": data.train.targets.shape[-1], "depth": depth}

    def verify_answer(self, model, data):
        """A ValueError where the model does not make such targets of such inputs."""
        from zoo.generate.pix2pix import Translator

        if not isinstance(model, Translator):
            raise ValueError(f"`model` must translate images, got {model.name}, {type(model).__name__}.")
        for got, wanted in ((model.input_shape, data.shape), (model.output_shape, data.train.targets.shape[1:])):
            if any(side not in (None, w) for side, w in zip(got[1:], wanted, strict=True)):
                raise ValueError(f"`model` must go with images of {wanted} of {data.name}, got {got[1:]}.")

    def prepare(self, data, model):
        """Inputs from 0 to 255 brought to -1 to 1."""
        return signed(preprocessing(data))

    def bounds(self, preprocessing):
        """Smallest and largest value of prepared images."""
        return -1.0, 1.0

    def target(self, y, classes=None):
        """The image to be made, from -1 to 1."""
        return ops.cast(y, "float32") / 127.5 - 1.0

    def changes(self, preprocessing, classes):
        """The augmentation of prepared pairs, which changes both images of a pair alike, or None."""
        return Alike(super().changes(preprocessing, classes)) if self.augment else None

    def compile(self, model, steps=1000, **settings):
        """Compiles `model` with an optimizer for each network."""
        rate = Halfway(self.learning_rate, steps) if self.schedule == "halfway" else self.learning_rate
        both = [keras.optimizers.Adam(rate, beta_1=0.5, global_clipnorm=self.global_clipnorm) for _ in range(2)]
        model.compile(*both, **settings)
        return model

    def watchers(self, model, out, data):
        """The callback that shows held-out pairs while the model learns."""
        if not out:
            return []
        part = data.validation if len(data.validation) else data.train
        given, made = prepared(self.prepare(data, model), part.take(slice(0, SHOWN)))
        return [SampleGrids(out, self.sample_every, lambda model: panels(given, made, model.predict(given, verbose=0)))]

    def trivial_loss(self, data):
        """None: the losses of networks that train each other have no trivial answer."""
        return None

    def served(self, model):
        """The generator: an export takes raw inputs, and answers images from -1 to 1 as `run.predict` does."""
        return model.generator

    def respond(self, run, part):
        """The images that are made of a part's inputs, (N, H, W, C) from -1 to 1."""
        given, _ = prepared(run.preprocessing, getattr(run.data, part))
        return run.model.predict(given, batch_size=self.predict_batch_size, verbose=0)

    def examine(self, run, part):
        """Difference, PSNR and SSIM of a part's answers and of the trivial ones, averaged over the images.

        Args:
            run: a `Run`.
            part: train, validation or test.
        Returns:
            Dict of floats; `subjects` holds each one's, `baseline` those of the trivial one with the least difference,
            and `variety`, where the targets differ, says how much the answers differ from each other, 1 being as much.
        """
        held = getattr(run.data, part)
        mean = np.broadcast_to(run.data.train.targets.mean(0) / 255, held.targets.shape)
        made = {
            "generator": (self.respond(run, part) + 1) / 2,
            "the mean image": mean,
            "the median of each input's colour": median_colours(run.data.train, held.inputs),
        }
        subjects = {name: likeness(held.targets / 255, images) for name, images in made.items()}
        own, *trivial = subjects.items()
        name, least = min(trivial, key=lambda one: one[1]["difference"])
        skill = 1 - own[1]["difference"] / max(least["difference"], 1e-9)
        baseline = {**least, "skill": 0.0, "name": name}
        told = {"examples": len(held), **own[1], "skill": skill, **variety(held.targets / 255, made["generator"])}
        return {**told, "subjects": subjects, "baseline": baseline}

    def labels(self, data):
        """None: an export answers images."""
        return None

    def verdict(self, found, part):
        """How far the answers are from their targets, beside the better trivial answer."""
        base, on = found["baseline"], f"{found['examples']} {part} pairs"
        return [
            f"{found['skill']:.0%} closer to the targets of {on} than {base['name']}.",
            f"The mean difference is {found['difference']:.4f} of the range, that of {base['name']} "
            f"{base['difference']:.4f}; the PSNR {found['psnr']:.1f} and {base['psnr']:.1f} dB, the structural "
            f"similarity {found['ssim']:.3f} and {base['ssim']:.3f}. Blur makes these figures better and pictures "
            "worse: look at them too.",
        ]

    def signs(self, run):
        """What the losses and the answers say, in plain words."""
        found = run.evaluate("test" if len(run.data.test) else "validation")
        said = diagnose_discriminator(run.history)
        if found.get("variety", 1) < 0.1:
            said.append(
                f"The answers are alike whatever the input: they differ {found['variety']:.0%} as much from each other "
                "as the targets do. Train longer, or look whether inputs and targets belong together."
            )
        if found["skill"] <= 0:
            said.append(f"The answers are no nearer to their targets than {found['baseline']['name']}: train longer.")
        return said or ["Nothing looks wrong: the answers differ as the inputs do, and beat the trivial baseline."]

    def figures(self, run, part):
        """Pairs as input, target and answer."""
        given, made = prepared(run.preprocessing, getattr(run.data, part).take(slice(0, 2 * SHOWN)))
        answer = run.model.predict(given, batch_size=self.predict_batch_size, verbose=0)
        told = f"From the {part} part; none of them was chosen."
        return [("Input, target, answer", told, image_figure(panels(given, made, answer), 2))]


class Alike:
    """An augmentation of images that changes their targets in the same way; used as `Augmentation.over`."""

    def __init__(self, changes):
        self.changes = changes

    def over(self, dataset):
        """`dataset` of (inputs, targets) batches, both (B, H, W, C), changed as one image of all bands."""
        bands = dataset.element_spec[0].shape[-1]
        whole = self.changes.over(dataset.map(lambda x, y: ops.concatenate([x, y], -1)))
        return whole.map(lambda both: (both[..., :bands], both[..., bands:]))


def prepared(preprocessing, examples):
    """Inputs and targets of `Examples`, both (N, H, W, C) float32 from -1 to 1."""
    given = preprocessing.predict(examples.inputs, batch_size=256, verbose=0)
    return given, examples.targets.astype("float32") / 127.5 - 1


def median_colours(train, inputs):
    """Targets made of each pixel's own input colour: the median of the training targets where it has that colour.

    Args:
        train: `Examples` of pairs, (N, H, W, C) uint8.
        inputs: (M, H, W, C) uint8.
    Returns:
        (M, H, W, bands of the targets) float64 from 0 to 1; a colour that training lacks has the median of all.
    """
    bands = inputs.shape[-1]
    known, place = np.unique(train.inputs.reshape(-1, bands), axis=0, return_inverse=True)
    targets = train.targets.reshape(-1, train.targets.shape[-1])
    order = np.argsort(place.ravel(), kind="stable")
    groups = np.split(targets[order], np.cumsum(np.bincount(place.ravel()))[:-1])
    table = {colour.tobytes(): np.median(group, axis=0) / 255 for colour, group in zip(known, groups, strict=True)}
    seen, place = np.unique(inputs.reshape(-1, bands), axis=0, return_inverse=True)
    rest = np.median(targets, axis=0) / 255
    answer = np.stack([table.get(colour.tobytes(), rest) for colour in seen])
    return answer[place.ravel()].reshape(*inputs.shape[:-1], -1)


def variety(targets, images):
    """{"variety": how much images differ from each other, by how much their targets do}; {} where these do not."""
    spread, wanted = (float(np.std(a, axis=0).mean()) for a in (images, targets))
    return {"variety": spread / wanted} if wanted else {}


def likeness(targets, images):
    """Mean absolute difference, PSNR [dB] and SSIM of images from their targets, (N, H, W, C) from 0 to 1 each."""
    import tensorflow as tf

    squared = np.maximum(((images - targets) ** 2).mean((1, 2, 3)), 1e-10)
    both = [tf.constant(v, "float32") for v in (images, targets)]
    size = min(11, *targets.shape[1:3])  # of SSIM's window; smaller images have a smaller one
    return {
        "difference": float(np.abs(images - targets).mean()),
        "psnr": float((-10 * np.log10(squared)).mean()),
        "ssim": float(tf.reduce_mean(tf.image.ssim(*both, 1.0, filter_size=size))),
    }
