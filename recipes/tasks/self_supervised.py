"""What tasks of self-supervised learning share: images without labels, and the encoder as result."""

import abc
import weakref
from typing import ClassVar

import numpy as np

from recipes.data import load
from recipes.data.examples import Examples
from recipes.data.unlabelled import UNLABELLED, join_inputs, without_labels
from recipes.reports.verdict import MIN_LOSS, skill_verdict
from recipes.tasks.linear_probe import linear_probes
from recipes.training.pipeline import can_be_indexed
from recipes.training.task import Task, task
from zoo.arguments import NonNegative, Rate

MAX_IMAGES = 1000  # images of a split whose loss is computed
IMAGE_BYTES = 256 * 2**20  # of these images, preprocessed
FEATURE_TOLERANCE = 1e-4  # largest difference of an export, in the features' units
INITIAL_WEIGHTS = weakref.WeakKeyDictionary()  # model in training -> its weights before
PRETRAINED = weakref.WeakKeyDictionary()  # encoder -> the model that trained it, for the figures of a new run


@task
class SelfSupervised(Task):
    """Base class of tasks that learn features from images without labels; the trained run's model is the encoder.

    The images are those of any image source; labels are not used in the training. Those of `unlabelled=` of
    `recipes.read_folder` are used too, and `folder:photos?labels=false` reads photos at any depth. Where the source has
    classes, a logistic regression on the features of the frozen encoder measures what they are good for, beside the
    same regression on the untrained encoder's features and on the pixels.

    `FineTuning(weights="RUN")` and `FewLabels(weights="RUN")` take the run's folder as a backbone, and so does
    `zoo.transfer`. `run.predict(images)` returns features.

    Args:
        warmup: fraction of the steps over which the learning rate first rises from 0.
        baselines: whether to fit the logistic regressions.
        **kwargs: as `Task` has them; `echo_epochs` and `adversarial` are not available.
    """

    warmup: Rate = 0.1
    weight_decay: NonNegative = 0.0
    baselines: bool = True

    data_tasks: ClassVar[tuple] = (UNLABELLED,)
    uses_unlabelled: ClassVar[bool] = True
    main_metric: ClassVar[str] = "skill"

    def __post_init__(self):
        for name, value in (("echo_epochs", 1), ("adversarial", 0)):
            if getattr(self, name) != value:
                raise ValueError(
                    f"{type(self).__name__}: `{name}` must be {value}, got {getattr(self, name)!r}; leave it out."
                )

    # What a subclass defines beside the methods of `Task`

    @abc.abstractmethod
    def encoder(self, model):
        """Returns a copy of the encoder of the model in training, (B, H, W, C)  ->  (B, F)."""

    @abc.abstractmethod
    def image_losses(self, model, images, preprocessing):
        """Returns (loss, loss of the baseline) of each image, (N,) each.

        Args:
            model: the model in training.
            images: (N, H, W, C) preprocessed.
            preprocessing: the model that preprocessed them.
        """

    # Data

    def open_data(self, data):
        """Returns the `Data` without labels; an array of images (N, H, W, C) is a data set, too."""
        is_array = isinstance(data, np.ndarray)
        source, options = ((data, np.zeros(len(data))), {"task": "regression"}) if is_array else (data, {})
        data = load(source, seed=self.seed, **options)
        return data if data.task == UNLABELLED or data.kind != "image" else without_labels(data)

    def open_new_data(self, data):
        """Raises a ValueError: such a run has no metrics on other data."""
        raise ValueError(
            f"evaluate: the run must predict classes or numbers, got one of {type(self).__name__}, whose metrics are "
            "those of its own held-out images; train fine_tuning or few_labels with weights=RUN on labelled images."
        )

    def check_data(self, data):
        """Raises a ValueError if the data are not images, or too few."""
        name = type(self).__name__
        if data.kind != "image":
            raise ValueError(f"{name}: `data` must be images, got {data.name} of kind {data.kind}.")
        if count_images(data) < 2:
            raise ValueError(f"{name}: `data` must have two training images or more, got {count_images(data)}.")

    def with_batch_size(self, data):
        """Returns this task with a `batch_size` that suits all training images, where it has none."""
        return self if self.batch_size else self.replace(batch_size=self.examples_per_step(count_images(data)))

    def count_steps(self, data):
        """Returns the number of training steps in an epoch."""
        return max(1, count_images(data) // self.batch_size)

    def prepare_target(self, y, classes):
        """Returns the target as it is; the training does not use it."""
        return y

    def pipeline(self, examples, training, preprocessing=None, classes=None):
        """Returns batches as `Task.pipeline`; in training those of the unlabelled images, too."""
        unlabelled = getattr(examples, "unlabelled", None)
        if training and unlabelled is not None:
            inputs = join_inputs([examples.inputs, unlabelled.inputs])
            examples = Examples(inputs, np.concatenate([examples.targets, unlabelled.targets]).astype(np.int32))
        return super().pipeline(examples, training, preprocessing, None)

    # Training and result

    def wrap_model(self, model, data):
        """Returns the model to train, whose initial weights are remembered for the comparison."""
        INITIAL_WEIGHTS[model] = model.get_weights()
        return model

    def compile(self, model, steps=1000, data=None, **settings):
        """Compiles the model with this task's optimizer; arguments as `Task.compile` has them."""
        settings.setdefault("optimizer", self.make_optimizer(steps))
        model.compile(**settings)
        return model

    def finish_run(self, run):
        """Returns the run with the encoder as model; its record has the metrics of the held-out splits."""
        model, encoder = run.model, self.encoder(run.model)
        result = run.replace(model=encoder)
        samples = {s: sample_images(result, s) for s in ("validation", "test") if len(getattr(run.data, s))}
        losses = {split: self.image_losses(model, images, run.preprocessing) for split, images in samples.items()}
        trained = model.get_weights()
        model.set_weights(INITIAL_WEIGHTS.pop(model))
        untrained = self.encoder(model)
        before = {split: self.image_losses(model, images, run.preprocessing)[0] for split, images in samples.items()}
        model.set_weights(trained)
        encoders = {"": encoder, "_untrained": untrained}
        probes = linear_probes(result, encoders, list(samples)) if self.baselines else {}
        result.record["pretraining"] = {
            split: {
                "examples": len(values),
                **self.loss_metrics(values, baseline, split),
                "untrained_loss": float(np.mean(before[split])),
                **probes.get(split, {}),
            }
            for split, (values, baseline) in losses.items()
        }
        result.data_record["outputs"] = tuple(f"feature_{i}" for i in range(encoder.output_shape[-1]))
        PRETRAINED[encoder] = model
        return result

    def loss_metrics(self, losses, baseline_losses, split):
        """Returns the mean loss, its skill score, the verdict and the baseline's metrics."""
        loss, baseline = float(np.mean(losses)), float(np.mean(baseline_losses))
        return {
            "loss": loss,
            "skill": 1 - loss / max(baseline, MIN_LOSS),
            "verdict": skill_verdict(losses, baseline_losses, split, unit="images", seed=self.seed),
            "baseline": {"loss": baseline, "skill": 0.0, "name": self.baseline_name},
        }

    def evaluate(self, run, split):
        """Returns the metrics of one held-out split, which were computed after the training.

        Args:
            run: `Run`.
            split: validation or test.
        Returns:
            Dict of numbers: loss, skill, untrained_loss and, where there are classes, probe_accuracy,
            probe_accuracy_untrained and probe_accuracy_pixels; `baseline` has the loss of a constant prediction.
        Raises:
            ValueError: for the training split.
        """
        metrics = run.record["pretraining"].get(split)
        if metrics is None:
            raise ValueError(
                f"evaluate: `split` must be validation or test for {type(self).__name__}, got {split}, whose losses "
                "are those of the learning curves."
            )
        return metrics

    def summarize(self, metrics, split):
        """Returns the loss beside those of the baseline and of the untrained encoder, and the linear probes."""
        baseline = metrics["baseline"]
        sentences = [
            f"Loss {metrics['loss']:.3f} on {metrics['examples']:,} {split} images; {baseline['name']} has "
            f"{baseline['loss']:.3f}, and the model before the training {metrics['untrained_loss']:.3f}."
        ]
        if "probe_accuracy" in metrics:
            accuracy, untrained, pixels = (metrics[f"probe_accuracy{of}"] for of in ("", "_untrained", "_pixels"))
            sentences.append(
                f"Linear probe, a logistic regression with {metrics['probe_labels']:,} labels: accuracy {accuracy:.1%} "
                f"of the features, {untrained:.1%} of the untrained encoder's and {pixels:.1%} of the pixels, on "
                f"{metrics['probe_examples']:,} {split} images."
            )
            if accuracy <= max(untrained, pixels):
                sentences.append("The features are no better than those without training: train longer, on more.")
        return sentences

    def export_settings(self, run):
        """Returns (encoder, no class names, largest difference to `Run.predict`)."""
        return run.model, None, FEATURE_TOLERANCE


def count_images(data):
    """Returns the number of training images, those without labels beside them included."""
    return len(data.train) + (0 if data.train.unlabelled is None else len(data.train.unlabelled))


def sample_images(run, split, count=MAX_IMAGES):
    """Returns preprocessed images of a split, (n, H, W, C) float32: at most `count`, and 256 MiB.

    They are drawn with the task's seed where the images can be read in any order, and else the first ones.
    """
    examples, model = getattr(run.data, split), run.model
    image_bytes = 4 * int(np.prod(model.input_shape[1:]))
    count = int(min(count, max(1, IMAGE_BYTES // image_bytes)))
    if len(examples) > count and can_be_indexed(examples):
        examples = examples.take(np.sort(np.random.default_rng(run.task.seed).permutation(len(examples))[:count]))
    images, total = [], 0
    for batch, *_ in run.task.pipeline(examples, False, run.preprocessing):
        images.append(batch.numpy())
        total += len(images[-1])
        if total >= count:
            break
    return np.concatenate(images)[:count]
