"""Generation: models that learn what images look like and make others, judged beside what needs no network."""

from typing import ClassVar, Literal

import keras
import numpy as np
from keras import layers

from recipes.data.preprocessing import preprocessing
from recipes.reports.sample_images import MAX_IMAGES, SampleGrids, diagnose, draw_samples, grid, to_unit_range
from recipes.training.task import Recipe, recipe
from zoo.arguments import Count, Positive
from zoo.registry import entry

MOST = 1000  # images that the figures of quality are taken on
LIKELIHOODS = (("elbo", "ELBO [nats]", "more"), ("bits_per_dimension", "Bits per dimension", "less"))


@recipe
class Generation(Recipe):
    """Autoencoders, GANs, flows and diffusion models, each trained with its paper's own optimizers and loss.

    It needs images; their labels are used by models that make images of a class, and to train the small classifier
    whose features the distances are measured on. Samples are drawn each `sample_every` epochs as PNG (and for TensorBoard),
    and compared at the end with held-out images: Frechet and kernel distance, precision and recall, copies of training
    images; beside a normal distribution fitted to the pixels and training images with noise. Where a model knows
    likelihoods, bits per dimension or the bound on it, beside those of pixels that know nothing of each other.

    Args:
        learning_rate: learning rate of all optimizers, or None for the paper's.
        optimizer: the paper's.
        schedule: constant.
        sample_every: epochs between two grids of samples.
        steps: of a diffusion model's sampler.
        **kwargs: as `Recipe` has them; weight decay, warm-up and early stopping are not for these models.
    """

    batch_size: Count = 64
    learning_rate: Positive | None = None
    optimizer: Literal["paper"] = "paper"
    schedule: Literal["constant"] = "constant"
    sample_every: Count = 1
    steps: Count = 50

    tasks: ClassVar[tuple] = ("classification",)
    headline: ClassVar[str] = "skill"

    def __post_init__(self):
        refuse_unused(self)

    def verify_task(self, data):
        """A ValueError where the data are no images."""
        super().verify_task(data)
        if data.kind != "image" or None in data.shape:
            raise ValueError(f"Generation: `data` must be images of one size, got {data!r}.")

    def answers(self, name, data):
        """What a builder is told: the images' shape, the latent size of its paper, and the classes if it has them."""
        from inspect import signature

        known = entry(name)
        if known.task != "generate":
            raise ValueError(f"`model` must be an architecture that generates, got {name} ({known.task}).")
        accepted = signature(known.build).parameters
        told = {"image_shape": data.shape, "input_shape": data.shape, "classes": len(data.classes)}
        told["latent"] = known.example.get("latent")
        return {k: v for k, v in told.items() if k in accepted and v is not None}

    def verify_answer(self, model, data):
        """A ValueError where the model makes no images of this shape."""
        from zoo.generate.generative import Generative

        if not isinstance(model, Generative):
            raise ValueError(f"`model` must be one that generates, got {model.name}, {type(model).__name__}.")

    def prepare(self, data, model):
        """Images brought to the size and the range that the model was made for."""
        images = preprocessing(data, model.image_shape)
        return images if model.low == 0 else signed(images)

    def bounds(self, preprocessing):
        """Smallest and largest value of prepared images."""
        signed = preprocessing is not None and preprocessing.layers[-1].name == "signed"
        return (-1.0, 1.0) if signed else super().bounds(preprocessing)

    def target(self, y, classes=None):
        """Labels as they are."""
        return y

    def feed(self, batches, model):
        """Batches as the model trains on them: with labels where it knows classes, else images alone."""
        return batches if getattr(model, "classes", None) else batches.map(lambda x, y: x)

    def validated(self, model):
        """Whether there is a loss to watch on held-out images; of networks that train each other there is none."""
        return not hasattr(model, "discriminator")

    def compile(self, model, steps=1000, **settings):
        """Compiles `model` with its paper's settings, but for what the recipe says of rate and clipping."""
        model.compile(**settings)
        for optimizer in (model.optimizer, getattr(model, "discriminator_optimizer", None)):
            if optimizer is not None and self.learning_rate is not None:
                optimizer.learning_rate = self.learning_rate
            if optimizer is not None and self.global_clipnorm is not None:
                optimizer.global_clipnorm = self.global_clipnorm
        return model

    def watchers(self, model, out, data):
        """The callback that draws samples while the model learns."""
        if not out or not hasattr(model, "sample"):
            return []
        return [SampleGrids(out, self.sample_every, lambda model: grid(to_unit_range(model, draw_samples(model, MAX_IMAGES, self))))]

    def trivial_loss(self, data):
        """None: these losses have no trivial answer in common."""
        return None

    def respond(self, run, part):
        """What a run answers to one part: as many samples as it has images, of the same classes; or reconstructions."""
        examples = getattr(run.data, part)
        count = min(len(examples), MOST)
        if not hasattr(run.model, "sample"):
            return run.model.predict(real(run, part)[:count], batch_size=256, verbose=0)
        labels = examples.targets[:count] if getattr(run.model, "classes", None) else None
        return draw_samples(run.model, count, self, labels)

    def examine(self, run, part):
        """Figures of quality on one part, beside the trivial baselines'.

        Args:
            run: a `Run`.
            part: train, validation or test.
        Returns:
            Dict of floats; `subjects` holds each baseline's, `baseline` those of a normal distribution of the pixels.
        """
        from zoo.generate import quality

        held, made = real(run, part)[:MOST], self.respond(run, part)
        if not hasattr(run.model, "sample"):
            mean = real(run, "train").mean(0)
            error, trivial = (float(((held - a) ** 2).mean()) for a in (made, mean))
            found = {"examples": len(held), "mse": error, "skill": 1 - error / trivial}
            return {**found, "baseline": {"mse": trivial, "skill": 0.0, "name": "the mean image"}}
        features, told = classifier_features(run.data, held.shape[1:], self.seed)
        low, high = run.model.low, run.model.high
        training = real(run, "train")
        shown, held01, made01 = ((v - low) / (high - low) for v in (training[: max(MOST, len(held))], held, made))
        subjects = quality.compare(shown, held01, made01, features, seed=self.seed)
        own, normal = subjects["generator"], subjects["gaussian"]
        found = {"examples": len(held), **own, "skill": 1 - own["frechet"] / normal["frechet"]}
        likely, trivial = likelihoods(run.model, held, training)
        found |= likely
        baseline = {**normal, **trivial, "skill": 0.0, "name": "a normal distribution of the pixels"}
        return {**found, "features": told, "subjects": subjects, "baseline": baseline}

    def verdict(self, found, part):
        """How far the samples are from real images, beside the trivial baseline."""
        trivial, on = found["baseline"], f"{found['examples']} {part} images"
        if "mse" in found:
            return [f"Mean squared error {found['mse']:.4f} on {on}; the mean image has {trivial['mse']:.4f}."]
        return [
            f"Frechet distance {found['frechet']:.1f} to {on}; {trivial['name']} has {trivial['frechet']:.1f}.",
            f"Measured on {found['features']}; figures on other features cannot be compared. "
            f"{found['precision']:.0%} of the samples look like real images, and {found['recall']:.0%} of the real "
            f"ones are like some sample. {found['copies']:.1%} of the samples are nearer to a training image than 99 % "
            "of the held-out images are.",
            *(
                f"{told} of the held-out images {found[name]:.2f}; pixels that know nothing of each other have "
                f"{trivial[name]:.2f}, and {better} is better."
                for name, told, better in LIKELIHOODS
                if name in found
            ),
        ]

    def signs(self, run):
        """What the losses and the samples say, in plain words."""
        return diagnose(run)

    def figures(self, run, part):
        """Samples, the way from one to another, and real images beside them."""
        from recipes.reports.sample_images import sample_figures

        return sample_figures(run, part, self)


def refuse_unused(recipe):
    """A ValueError where a number is set that models with a paper's own training have no use for."""
    for name in ("warmup", "weight_decay", "patience", "adversarial"):
        if getattr(recipe, name):
            raise ValueError(f"`{name}` must be left out for models that generate, got {getattr(recipe, name)}.")


def signed(images):
    """A preprocessing whose images go from -1 to 1, out of one whose images go from 0 to 1."""
    answer = layers.Rescaling(2.0, -1.0, dtype="float32", name="signed")(images.outputs[0])
    return keras.Model(images.inputs, answer, name="preprocessing")


def real(run, part):
    """The prepared images of a part, (N, H, W, C)."""
    raw = getattr(run.data, part)
    return run.preprocessing.predict(raw.head(len(raw)), batch_size=256, verbose=0)


def likelihoods(model, images, training):
    """What a model knows of the images' likelihood, under its usual name; and what independent pixels know of it."""
    from zoo.generate import quality

    found, trivial = {}, {}
    if hasattr(model, "elbo"):
        found["elbo"] = model.elbo(images, seed=0)
        trivial["elbo"] = quality.pixel_likelihood(training, images)
    if hasattr(model, "bits_per_dimension"):
        found["bits_per_dimension"] = model.bits_per_dimension(images, seed=0)
        trivial["bits_per_dimension"] = quality.pixel_bits(training, images, model.levels)
    return tuple({name: float(np.mean(each)) for name, each in figures.items()} for figures in (found, trivial))


FEATURES = {}  # (data, size and seed) -> features, as several parts and baselines ask for the same


def classifier_features(data, shape, seed):
    """(function of images from 0 to 1 to features, what it is): the last layer but one of a classifier of the data.

    Args:
        data: `Data` of images with their classes.
        shape: (H, W, C) that the classifier sees them in.
        seed: of the classifier.
    """
    key = (data.name, data.split, tuple(shape), seed)
    if key not in FEATURES:
        from recipes.tasks.classification import Classification

        learnt = Classification(epochs=8, batch_size=64, learning_rate=2e-3, seed=seed)
        sizes = {"input_shape": tuple(shape), "filters": (16, 32), "units": (64,), "dropout": 0.2}
        run = learnt.fit("cnn", data, verbose=False, **sizes)
        accuracy = run.evaluate("test" if len(data.test) else "validation")["accuracy"]
        inner = run.model.get_layer("head").input
        FEATURES[key] = keras.Model(run.model.inputs, inner), accuracy
    model, accuracy = FEATURES[key]
    told = f"64 features of a small CNN that classifies these images ({accuracy:.1%} right, seed {seed})"
    return (lambda images: model.predict(np.asarray(images, "float32"), batch_size=256, verbose=0)), told
