"""Image generation: autoencoders, GANs, flows and diffusion models, compared with baselines without a network."""

from inspect import signature
from typing import ClassVar, Literal

import keras
import numpy as np
from keras import layers

from recipes.data.preprocessing import preprocessing
from recipes.reports.sample_images import (
    GRID_IMAGES,
    SampleGrids,
    diagnose_discriminator,
    draw_samples,
    grid,
    to_unit_range,
)
from recipes.reports.verdict import skill_verdict
from recipes.tasks.classification import Classification
from recipes.training.task import Task, task
from zoo.arguments import Count, Positive
from zoo.registry import entry

MAX_IMAGES = 1000  # images on which quality metrics are computed
LIKELIHOODS = (("elbo", "ELBO [nats]", "more"), ("bits_per_dimension", "Bits per dimension", "less"))


@task
class Generation(Task):
    """Autoencoders, GANs, flows and diffusion models, each trained with its paper's own optimizers and loss.

    The data are images. Labels are used by conditional models, and to train the small classifier whose features the
    distances are computed from. Samples are written every `sample_every` epochs as PNG, and for TensorBoard. After
    training they are compared with held-out images: Frechet and kernel distance, precision and recall, and copies of
    training images. The baselines are a normal distribution fitted to the pixels, and training images with noise. Where
    a model has likelihoods, the metrics include bits per dimension or the ELBO, and those of a model of independent
    pixels.

    Args:
        learning_rate: learning rate of all optimizers, or None for the paper's.
        optimizer: the paper's.
        schedule: constant.
        sample_every: epochs between two grids of samples.
        steps: sampling steps of a diffusion model.
        **kwargs: as `Task` has them; weight decay, warm-up and early stopping are not available.
    """

    learning_rate: Positive | None = None
    optimizer: Literal["paper"] = "paper"
    schedule: Literal["constant"] = "constant"
    sample_every: Count = 1
    steps: Count = 50

    data_tasks: ClassVar[tuple] = ("classification",)
    largest_batch_size: ClassVar[int] = 64
    main_metric: ClassVar[str] = "skill"

    def __post_init__(self):
        refuse_unused(self)

    def check_data(self, data):
        """Raises a ValueError if the data are not images of one size."""
        super().check_data(data)
        if data.kind != "image" or None in data.shape:
            raise ValueError(f"Generation: `data` must be images of one size, got {data!r}.")

    def head_arguments(self, name, data):
        """Returns the images' shape, the latent size of the paper, and the classes of a conditional model."""
        architecture = entry(name)
        if architecture.task != "generate":
            raise ValueError(
                f"`model` must be an architecture that generates images, got {name} ({architecture.task})."
            )
        parameters = signature(architecture.build).parameters
        arguments = {
            "image_shape": data.shape,
            "input_shape": data.shape,
            "classes": len(data.classes),
            "latent": architecture.example.get("latent"),
        }
        return {k: v for k, v in arguments.items() if k in parameters and v is not None}

    def check_model(self, model, data):
        """Raises a ValueError if the model does not generate images."""
        from zoo.generate.generative import Generative

        if not isinstance(model, Generative):
            raise ValueError(f"`model` must generate images, got {model.name}, {type(model).__name__}.")

    def preprocessing(self, data, model):
        """Returns the model that resizes images and scales them to the range of the generative model."""
        images = preprocessing(data, model.image_shape)
        return images if model.low == 0 else scale_to_signed(images)

    def value_range(self, preprocessing):
        """Returns (smallest, largest) value of preprocessed images."""
        signed = preprocessing is not None and preprocessing.layers[-1].name == "signed"
        return (-1.0, 1.0) if signed else super().value_range(preprocessing)

    def prepare_target(self, y, classes=None):
        """Returns the label as it is."""
        return y

    def map_batches(self, batches, model):
        """Returns batches with labels for conditional models, else of images alone."""
        return batches if getattr(model, "classes", None) else batches.map(lambda x, y: x)

    def has_validation_loss(self, model):
        """Returns whether there is a loss on held-out images; a GAN has none."""
        return not hasattr(model, "discriminator")

    def compile(self, model, steps=1000, data=None, **settings):
        """Compiles the model with its paper's settings, and this task's learning rate and clipping."""
        model.compile(**settings)
        for optimizer in (model.optimizer, getattr(model, "discriminator_optimizer", None)):
            if optimizer is not None and self.learning_rate is not None:
                schedule = optimizer.get_config()["learning_rate"]
                is_schedule = isinstance(schedule, dict)
                if is_schedule:  # of the paper: it begins with this rate
                    schedule["config"]["initial_learning_rate"] = self.learning_rate
                    schedule = keras.optimizers.schedules.deserialize(schedule)
                optimizer.learning_rate = schedule if is_schedule else self.learning_rate
            if optimizer is not None and self.global_clipnorm is not None:
                optimizer.global_clipnorm = self.global_clipnorm
        return model

    def callbacks(self, model, out, data):
        """Returns the callback that writes samples during training."""
        if not out or not hasattr(model, "sample"):
            return []

        def draw(model):
            return grid(to_unit_range(model, draw_samples(model, GRID_IMAGES, self)))

        return [SampleGrids(out, self.sample_every, draw)]

    def baseline_loss(self, data):
        """Returns None: these losses have no baseline in common."""
        return None

    def predict_split(self, run, split):
        """Returns as many samples as the split has images, of the same classes; or reconstructions."""
        examples = getattr(run.data, split)
        count = min(len(examples), MAX_IMAGES)
        if not hasattr(run.model, "sample"):
            return run.model.predict(preprocessed_images(run, split)[:count], batch_size=256, verbose=0)
        labels = examples.targets[:count] if getattr(run.model, "classes", None) else None
        return draw_samples(run.model, count, self, labels)

    def evaluate(self, run, split):
        """Computes quality metrics on one split, and those of the baselines.

        Args:
            run: `Run`.
            split: "train", "validation" or "test".
        Returns:
            Dict of numbers; `subjects` holds those of every baseline, `baseline` those of a normal distribution of the
            pixels.
        """
        from zoo.generate import quality

        held_out, samples = preprocessed_images(run, split)[:MAX_IMAGES], self.predict_split(run, split)
        training = preprocessed_images(run, "train")
        if not hasattr(run.model, "sample"):
            axes = tuple(range(1, held_out.ndim))
            losses = [((held_out - x) ** 2).mean(axis=axes) for x in (samples, training.mean(0))]
            error, baseline_error = (float(values.mean()) for values in losses)
            verdict = skill_verdict(*losses, split, unit="images", seed=self.seed)
            metrics = {"verdict": verdict, "examples": len(held_out), "mse": error, "skill": 1 - error / baseline_error}
            return {**metrics, "baseline": {"mse": baseline_error, "skill": 0.0, "name": "the mean image"}}
        features, description = classifier_features(run.data, held_out.shape[1:], self.seed)
        low, high = run.model.low, run.model.high
        unit_range = ((x - low) / (high - low) for x in (training[: max(MAX_IMAGES, len(held_out))], held_out, samples))
        subjects = quality.compare(*unit_range, features, seed=self.seed)
        generator, normal = subjects["generator"], subjects["gaussian"]
        likelihood, baseline_likelihood = likelihoods(run.model, held_out, training)
        return {
            "examples": len(held_out),
            **generator,
            "skill": 1 - generator["frechet"] / normal["frechet"],
            **likelihood,
            "features": description,
            "subjects": subjects,
            "baseline": {
                **normal,
                **baseline_likelihood,
                "skill": 0.0,
                "name": "a normal distribution of the pixels",
            },
        }

    def summarize(self, metrics, split):
        """Returns the distance of the samples to real images, beside that of the baseline."""
        baseline, images = metrics["baseline"], f"{metrics['examples']} {split} images"
        if "mse" in metrics:
            return [
                f"Mean squared error {metrics['mse']:.4f} on {images}; {baseline['name']} has {baseline['mse']:.4f}."
            ]
        return [
            f"Frechet distance {metrics['frechet']:.1f} to {images}; {baseline['name']} has {baseline['frechet']:.1f}.",
            f"Computed from {metrics['features']}; distances from other features cannot be compared. The precision is "
            f"{100 * metrics['precision']:.0f} % (samples that look like real images), and the recall "
            f"{100 * metrics['recall']:.0f} % (real images that some sample looks like). {100 * metrics['copies']:.1f} "
            "% of the samples are nearer to a training image than 99 % of the held-out images are.",
            *(
                f"{title} of the held-out images {metrics[name]:.2f}; a model of independent pixels has "
                f"{baseline[name]:.2f}, and {better} is better."
                for name, title, better in LIKELIHOODS
                if name in metrics
            ),
        ]

    def diagnose(self, run):
        """Returns sentences on what the losses and the samples show and what to try."""
        history, sentences = run.history, []
        metrics = run.evaluate("test" if len(run.data.test) else "validation")
        if not hasattr(run.model, "critic_steps"):
            sentences += diagnose_discriminator(history)
        if "recall" in metrics and metrics["recall"] < 0.1 and metrics["precision"] > 2 * metrics["recall"]:
            sentences.append(
                f"Mode collapse: the precision is {100 * metrics['precision']:.0f} %, but samples look like only "
                f"{100 * metrics['recall']:.0f} % of the real images. Train longer, or use wgan_gp, whose critic "
                "penalizes this."
            )
        if "kl" in history and history["kl"][-1] < 0.5:
            sentences.append(
                f"Posterior collapse: the latent code carries {history['kl'][-1]:.2f} nats; the decoder ignores it. "
                "Lower `beta`, or use a weaker decoder."
            )
        if metrics.get("copies", 0) > 0.1:
            sentences.append(
                f"Memorization: {100 * metrics['copies']:.0f} % of the samples are nearer to a training image than "
                "held-out images are. Use more data, or a smaller model."
            )
        if metrics["skill"] <= 0:
            sentences.append(f"Samples are no nearer to real images than {metrics['baseline']['name']}: train longer.")
        return sentences or ["No problem found: no collapse, no copies, and the samples beat the baseline."]

    def figures(self, run, split):
        """Returns samples, real images, and interpolations between images."""
        from recipes.reports.sample_images import sample_figures

        return sample_figures(run, split, self)


def refuse_unused(task):
    """Raises a ValueError if a hyperparameter is set that models with their paper's own training do not use."""
    for name in ("warmup", "weight_decay", "patience", "adversarial"):
        if getattr(task, name):
            raise ValueError(f"`{name}` must be left out for models that generate images, got {getattr(task, name)}.")


def scale_to_signed(images):
    """Returns a preprocessing to the range -1 to 1, from one to the range 0 to 1."""
    output = layers.Rescaling(2.0, -1.0, dtype="float32", name="signed")(images.outputs[0])
    return keras.Model(images.inputs, output, name="preprocessing")


def preprocessed_images(run, split):
    """Returns the preprocessed images of a split, (N, H, W, C)."""
    examples = getattr(run.data, split)
    return run.preprocessing.predict(examples.head(len(examples)), batch_size=256, verbose=0)


def likelihoods(model, images, training):
    """Returns two dicts: the mean log-likelihood of images under a model, and under a model of independent pixels."""
    from zoo.generate import quality

    model_values, baseline_values = {}, {}
    if hasattr(model, "elbo"):
        model_values["elbo"] = model.elbo(images, seed=0)
        baseline_values["elbo"] = quality.pixel_likelihood(training, images)
    if hasattr(model, "bits_per_dimension"):
        model_values["bits_per_dimension"] = model.bits_per_dimension(images, seed=0)
        baseline_values["bits_per_dimension"] = quality.pixel_bits(training, images, model.levels)
    return tuple({k: float(np.mean(v)) for k, v in values.items()} for values in (model_values, baseline_values))


_FEATURE_EXTRACTORS = {}  # (data, size, seed) -> (model, accuracy), as several splits and baselines use the same


def classifier_features(data, shape, seed):
    """Returns a function of images from 0 to 1 to features, and its description.

    The features are the last layer but one of a small classifier that is trained on the data.

    Args:
        data: `Data` of images with their classes.
        shape: (H, W, C) of the classifier's input.
        seed: seed of the classifier.
    """
    key = (data.name, data.split_description, tuple(shape), seed)
    if key not in _FEATURE_EXTRACTORS:
        task = Classification(epochs=8, batch_size=64, learning_rate=2e-3, seed=seed)
        sizes = {"input_shape": tuple(shape), "filters": (16, 32), "units": (64,), "dropout": 0.2}
        run = task.fit("cnn", data, verbose=False, **sizes)
        accuracy = run.evaluate("test" if len(data.test) else "validation")["accuracy"]
        features = run.model.get_layer("head").input
        _FEATURE_EXTRACTORS[key] = keras.Model(run.model.inputs, features), accuracy
    model, accuracy = _FEATURE_EXTRACTORS[key]
    description = f"64 features of a small CNN that classifies these images (accuracy {accuracy:.1%}, seed {seed})"
    return (lambda images: model.predict(np.asarray(images, "float32"), batch_size=256, verbose=0)), description
