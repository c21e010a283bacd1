"""Image-to-image translation: photos from their edges or masks, learned from pairs."""

from typing import ClassVar, Literal

import keras
import numpy as np
from keras import ops

from recipes.data.preprocessing import preprocessing
from recipes.data.split import SplitOptions
from recipes.reports.sample_images import SampleGrids, diagnose_discriminator, image_figure, panels
from recipes.reports.verdict import skill_verdict
from recipes.tasks.generation import refuse_unused, scale_to_signed
from recipes.training.task import Task, task
from zoo.arguments import Count, Positive
from zoo.registry import entry

PAIRS_SHOWN = 8  # pairs in a picture
EDGE_TASKS = ("restoration", "classification", "multilabel")  # of data whose images are translated from their edges


@keras.saving.register_keras_serializable("recipes")
class LinearDecayAfterHalf(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that is constant for the first half of `steps` training steps, and then falls linearly to 0.

    Source: Isola et al. 2016, https://arxiv.org/abs/1611.07004, as their code has it.
    """

    def __init__(self, learning_rate, steps):
        super().__init__()
        self.learning_rate, self.steps = learning_rate, steps

    def __call__(self, step):
        factor = 2.0 - 2.0 * ops.cast(step, "float32") / self.steps
        return self.learning_rate * ops.clip(factor, 0.0, 1.0)

    def get_config(self):
        return {"learning_rate": self.learning_rate, "steps": self.steps}


@task
class Translation(Task):
    """pix2pix: a generator translates images, and a discriminator judges them, with the paper's settings.

    The data are pairs of 8-bit images of one size: "pairs:IMAGES?labels=PHOTOS", or two arrays. For segmentation data,
    images are translated from their masks. Other images are translated from their edges.

    The optimizers are Adam with beta1 0.5; the weight of the mean absolute error is the model's `l1`, the paper's 100.
    Every `sample_every` epochs a picture shows held-out pairs as input, target and prediction, as PNG and for
    TensorBoard. Metrics are the mean absolute error (of the range 0 to 1), PSNR and SSIM. The baselines are the mean
    image of the training targets, and the median target color of all training pixels with the input's color. The skill
    score is 1 - error / error of the better baseline.

    Args:
        learning_rate: learning rate of both optimizers.
        optimizer: the paper's.
        schedule: halfway (constant, then linear to 0 over the second half, as in the paper) or constant.
        sample_every: epochs between two pictures.
        patch: side of the squares into which images are cut before their edges are taken [pixels]; None takes images of
            one size as they are, and of others squares of 256, the paper's size.
        **kwargs: as `Task` has them; weight decay, warm-up and early stopping are not available.
    """

    epochs: Count = 200
    batch_size: Count = 1
    learning_rate: Positive = 2e-4
    optimizer: Literal["paper"] = "paper"
    schedule: Literal["halfway", "constant"] = "halfway"
    sample_every: Count = 1
    patch: Count | None = None

    data_tasks: ClassVar[tuple] = ("translation",)
    main_metric: ClassVar[str] = "skill"
    predict_batch_size: ClassVar[int] = 16

    def __post_init__(self):
        refuse_unused(self)

    def open_data(self, data):
        """Returns `Data` of pairs, made of images with masks or of images alone where the data are such."""
        from recipes.data.images import pairs

        if isinstance(data, tuple | list) and len(data) == 2 and all(isinstance(a, np.ndarray) for a in data):
            return pairs.from_pair_arrays(*data, SplitOptions(seed=self.seed))
        data = super().open_data(data)
        if data.task == "segmentation":
            return pairs.masks_to_images(data)
        return pairs.edges_to_images(data, self.patch) if data.task in EDGE_TASKS else data

    def head_arguments(self, name, data):
        """Returns the image sizes, and the depth: how often the sides can be halved, 8 at most."""
        if name != "pix2pix":
            raise ValueError(f"`model` must translate images, as pix2pix does, got {name} ({entry(name).task}).")
        depth = 0
        while depth < 8 and all(side % 2 ** (depth + 1) == 0 for side in data.shape[:2]):
            depth += 1
        if not depth:
            raise ValueError(f"Translation: both sides of `data` must be even, got {data.shape[:2]}; set `tile`.")
        return {"input_shape": data.shape, "outputs": data.train.targets.shape[-1], "depth": depth}

    def check_model(self, model, data):
        """Raises a ValueError if the model does not predict such targets from such inputs."""
        from zoo.generate.pix2pix import Translator

        if not isinstance(model, Translator):
            raise ValueError(f"`model` must translate images, got {model.name}, {type(model).__name__}.")
        shapes = ((model.input_shape, data.shape), (model.output_shape, data.train.targets.shape[1:]))
        for shape, expected in shapes:
            if any(side not in (None, e) for side, e in zip(shape[1:], expected, strict=True)):
                raise ValueError(f"`model` must have images of {expected}, as {data.name} has, got {shape[1:]}.")

    def preprocessing(self, data, model):
        """Returns the model that scales inputs from 0 to 255 to -1 to 1."""
        return scale_to_signed(preprocessing(data))

    def value_range(self, preprocessing):
        """Returns (smallest, largest) value of preprocessed images."""
        return -1.0, 1.0

    def prepare_target(self, y, classes=None):
        """Returns the target image, from -1 to 1."""
        return ops.cast(y, "float32") / 127.5 - 1.0

    def augmentation(self, preprocessing, classes):
        """Returns the augmentation that changes both images of a pair in the same way, or None."""
        return PairAugmentation(super().augmentation(preprocessing, classes)) if self.augment else None

    def compile(self, model, steps=1000, data=None, **settings):
        """Compiles the model with one optimizer for each network; arguments as `Task.compile` has them."""
        halfway = self.schedule == "halfway"
        learning_rate = LinearDecayAfterHalf(self.learning_rate, steps) if halfway else self.learning_rate
        optimizers = [
            keras.optimizers.Adam(learning_rate, beta_1=0.5, global_clipnorm=self.global_clipnorm) for _ in range(2)
        ]
        model.compile(*optimizers, **settings)
        return model

    def callbacks(self, model, out, data):
        """Returns the callback that shows held-out pairs during training."""
        if not out:
            return []
        examples = data.validation if len(data.validation) else data.train
        inputs, targets = scaled_pairs(self.preprocessing(data, model), examples.take(slice(0, PAIRS_SHOWN)))

        def picture(model):
            return panels(inputs, targets, model.predict(inputs, verbose=0))

        return [SampleGrids(out, self.sample_every, picture)]

    def baseline_loss(self, data):
        """Returns None: adversarial losses have no baseline."""
        return None

    def export_settings(self, run):
        """Returns the generator, whose export outputs images from -1 to 1, as `Run.predict` does."""
        return run.model.generator, None, 1e-5

    def predict_split(self, run, split):
        """Returns the translations of a split's inputs, (N, H, W, C) from -1 to 1."""
        inputs, _ = scaled_pairs(run.preprocessing, getattr(run.data, split))
        return run.model.predict(inputs, batch_size=self.predict_batch_size, verbose=0)

    def evaluate(self, run, split):
        """Computes the mean absolute error, PSNR and SSIM of a split, and those of the baselines.

        Args:
            run: `Run`.
            split: "train", "validation" or "test".
        Returns:
            Dict of numbers; `subjects` holds those of the generator and of each baseline, `baseline` those of the
            baseline with the smallest error. Where the targets differ, `variety` is the standard deviation between
            predictions divided by that between targets.
        """
        examples = getattr(run.data, split)
        targets = examples.targets / 255
        images = {
            "generator": (self.predict_split(run, split) + 1) / 2,
            "the mean image": np.broadcast_to(run.data.train.targets.mean(0) / 255, targets.shape),
            "the median of each input's color": median_colors(run.data.train, examples.inputs),
        }
        subjects = {name: similarity(targets, x) for name, x in images.items()}
        generator, *baselines = subjects.items()
        name, best = min(baselines, key=lambda item: item[1]["difference"])
        losses = (np.abs(images[subject] - targets).mean((1, 2, 3)) for subject in ("generator", name))
        return {
            "verdict": skill_verdict(*losses, split, unit="pairs", seed=self.seed),
            "examples": len(examples),
            **generator[1],
            "skill": 1 - generator[1]["difference"] / max(best["difference"], 1e-9),
            **variety(targets, images["generator"]),
            "subjects": subjects,
            "baseline": {**best, "skill": 0.0, "name": name},
        }

    def summarize(self, metrics, split):
        """Returns the error of the predictions, beside that of the better baseline."""
        baseline, pairs = metrics["baseline"], f"{metrics['examples']} {split} pairs"
        return [
            f"Skill score {metrics['skill']:.2f} against {baseline['name']}, on {pairs}.",
            f"The mean absolute error is {metrics['difference']:.4f} of the range, that of {baseline['name']} "
            f"{baseline['difference']:.4f}; the PSNR {metrics['psnr']:.1f} and {baseline['psnr']:.1f} dB, the "
            f"structural similarity {metrics['ssim']:.3f} and {baseline['ssim']:.3f}. Blur improves these metrics and "
            "spoils images: look at them too.",
        ]

    def diagnose(self, run):
        """Returns sentences on what the losses and the predictions show and what to try."""
        metrics = run.evaluate("test" if len(run.data.test) else "validation")
        sentences = diagnose_discriminator(run.history)
        if metrics.get("variety", 1) < 0.1:
            sentences.append(
                f"The predictions hardly depend on the input: they vary {100 * metrics['variety']:.0f} % as much as "
                "the targets do. Train longer, or check that inputs and targets belong together."
            )
        if metrics["skill"] <= 0:
            sentences.append(
                f"The predictions are no nearer to their targets than {metrics['baseline']['name']}: train longer."
            )
        return sentences or ["No problem found: the predictions vary with the inputs, and beat the baseline."]

    def figures(self, run, split):
        """Returns pairs as input, target and prediction."""
        examples = getattr(run.data, split).take(slice(0, 2 * PAIRS_SHOWN))
        inputs, targets = scaled_pairs(run.preprocessing, examples)
        predictions = run.model.predict(inputs, batch_size=self.predict_batch_size, verbose=0)
        caption = f"The first pairs of the {split} split, not selected."
        return [("Input, target, prediction", caption, image_figure(panels(inputs, targets, predictions), 2))]


class PairAugmentation:
    """An augmentation of images that changes their targets in the same way; used as `Augmentation.over`.

    Args:
        augmentation: an `Augmentation`.
    """

    def __init__(self, augmentation):
        self.augmentation = augmentation

    def over(self, dataset):
        """Returns `dataset` of (inputs, targets) batches, both (B, H, W, C), changed as one image of all bands."""
        bands = dataset.element_spec[0].shape[-1]
        joined = self.augmentation.over(dataset.map(lambda x, y: ops.concatenate([x, y], -1)))
        return joined.map(lambda images: (images[..., :bands], images[..., bands:]))


def scaled_pairs(preprocessing, examples):
    """Returns inputs and targets of `Examples`, both (N, H, W, C) float32 from -1 to 1."""
    inputs = preprocessing.predict(examples.inputs, batch_size=256, verbose=0)
    return inputs, examples.targets.astype("float32") / 127.5 - 1


def median_colors(train, inputs):
    """Predicts each pixel from its input color: the median training target of all pixels with that color.

    Args:
        train: `Examples` of pairs, (N, H, W, C) uint8.
        inputs: (M, H, W, C) uint8.
    Returns:
        (M, H, W, bands of the targets) float64 from 0 to 1; a color that training lacks gets the median of all pixels.
    """
    bands = inputs.shape[-1]
    colors, index = np.unique(train.inputs.reshape(-1, bands), axis=0, return_inverse=True)
    targets = train.targets.reshape(-1, train.targets.shape[-1])
    order = np.argsort(index.ravel(), kind="stable")
    groups = np.split(targets[order], np.cumsum(np.bincount(index.ravel()))[:-1])
    medians = {color.tobytes(): np.median(group, axis=0) / 255 for color, group in zip(colors, groups, strict=True)}
    input_colors, index = np.unique(inputs.reshape(-1, bands), axis=0, return_inverse=True)
    overall = np.median(targets, axis=0) / 255
    predictions = np.stack([medians.get(color.tobytes(), overall) for color in input_colors])
    return predictions[index.ravel()].reshape(*inputs.shape[:-1], -1)


def variety(targets, images):
    """Returns {"variety": standard deviation between images divided by that between targets}; {} for equal targets."""
    deviation, target_deviation = (float(np.std(a, axis=0).mean()) for a in (images, targets))
    return {"variety": deviation / target_deviation} if target_deviation else {}


def similarity(targets, images):
    """Returns mean absolute error, PSNR [dB] and SSIM of images to targets, (N, H, W, C) from 0 to 1 each."""
    import tensorflow as tf

    squared = np.maximum(((images - targets) ** 2).mean((1, 2, 3)), 1e-10)
    pair = [tf.constant(v, "float32") for v in (images, targets)]
    window = min(11, *targets.shape[1:3])  # of SSIM; smaller images have a smaller one
    return {
        "difference": float(np.abs(images - targets).mean()),
        "psnr": float((-10 * np.log10(squared)).mean()),
        "ssim": float(tf.reduce_mean(tf.image.ssim(*pair, 1.0, filter_size=window))),
    }
