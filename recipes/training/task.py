"""The interface between a task and `fit`: what a task must define, and what it may change."""

import abc
import dataclasses
import inspect
import typing
from typing import Literal

import keras
import numpy as np

from recipes.data import Data, load
from recipes.data.augment import augmentation
from recipes.data.preprocessing import level_counts
from recipes.prediction.predict import to_outputs
from recipes.reports.verdict import MIN_EXAMPLES
from recipes.training import accelerate as acceleration
from recipes.training import fit as training
from recipes.training.diagnosis import USUAL_RATES, diagnose
from recipes.training.pipeline import batches, default_batch_size, input_shape, preprocessing_for
from recipes.training.schedules import Optimizer, Schedule, build_optimizer, optimizer, schedule
from zoo.arguments import Count, Fraction, NonNegative, Positive, Rate, Whole, checked
from zoo.registry import entry


def task(cls):
    """Class decorator: makes a frozen dataclass whose constructor checks its arguments as every public call does."""
    cls = dataclasses.dataclass(frozen=True)(cls)
    cls.__init__ = checked(cls.__init__)
    return cls


@task
class Task(abc.ABC):
    """Hyperparameters of one training, and the methods by which `fit` trains, evaluates and reports.

    A subclass defines the eight abstract methods. The other methods have a default that suits most tasks. `fit` calls
    no method that is not declared here.

    Args:
        epochs: passes over the training split.
        batch_size: examples per step. None takes 32, or less for fewer than 256 training examples: the power of two
            that gives at least 8 steps per epoch, and at least 4.
        learning_rate: peak learning rate.
        optimizer: sgd, momentum (0.9), nesterov (0.9), adagrad, adadelta, rmsprop, adam or adamw.
        schedule: constant, inverse_time, exponential, step, piecewise, cosine, cosine_restarts or cosine_7_16.
        decay_boundaries: for piecewise, the fractions of the steps after which the learning rate is divided by ten.
        warmup: fraction of the steps over which the learning rate first rises from 0.
        weight_decay: decoupled weight decay; 0 keeps the optimizer's default, which is 0.004 for adamw.
        global_clipnorm: largest global norm of a gradient, or None.
        augment: names of augmentation steps with amounts, as `recipes.data.augment.steps()` lists them.
        echo_epochs: number of epochs that reuse one augmented copy of the data (data echoing). Above 1 helps where
            augmentation takes longer than the training step.
        patience: epochs without a better validation loss after which training stops at the best weights, or None.
        seed: seed of the split, the weights, the order and the augmentation.
        country: where the electricity comes from, ISO 3166 in three letters; sets the CO2 figure of the record.
        accelerate: auto (the fastest measured for this kind of model and machine), off, xla or mixed.
        deterministic: whether operations must give the same bits in every run, at some cost in speed.
        adversarial: FGSM epsilon in preprocessed units, applied to half of each batch. 0 disables adversarial training.
    Raises:
        ValueError: if a number is out of range or an argument is unknown; the nearest name is offered.
    """

    epochs: Count = 20
    batch_size: Count | None = None
    learning_rate: Positive = 1e-3
    optimizer: Optimizer = "adam"
    schedule: Schedule = "cosine"
    decay_boundaries: tuple[Fraction, ...] = ()
    warmup: Rate = 0.0
    weight_decay: NonNegative = 0.0
    global_clipnorm: Positive | None = None
    augment: tuple = ()
    echo_epochs: Count = 1
    patience: Count | None = None
    seed: Whole = 0
    country: str = "FRA"
    accelerate: Literal["auto", "off", "xla", "mixed"] = "auto"
    deterministic: bool = False
    adversarial: NonNegative = 0.0

    data_tasks: typing.ClassVar[tuple] = ()  # values of `Data.task` that this task trains on
    predict_batch_size: typing.ClassVar[int] = 256  # examples per batch in `Run.predict`
    largest_batch_size: typing.ClassVar[int] = 32  # the default for many training examples
    uses_unlabelled: typing.ClassVar[bool] = False  # whether it trains on `unlabelled` of the training split, too
    main_metric: typing.ClassVar[str] = ""  # key of `evaluate` and of its baseline by which a run is judged

    # What a task must define

    @abc.abstractmethod
    def head_arguments(self, name, data):
        """Returns the arguments of a builder that depend on the data's targets.

        Args:
            name: registered name of the architecture.
            data: `Data`.
        Returns:
            Dict such as {"classes": 3, "activation": "softmax"}; `input_shape` too where the task decides on it.
        Raises:
            ValueError: if the architecture does not suit the task.
        """

    @abc.abstractmethod
    def check_model(self, model, data):
        """Raises a ValueError if the model's inputs or outputs do not fit the data.

        Args:
            model: `keras.Model`.
            data: `Data`.
        """

    @abc.abstractmethod
    def prepare_target(self, y, classes):
        """Returns one target in the form that the loss takes.

        Args:
            y: tensor, one target as the data set has it.
            classes: number of classes, or 0.
        """

    @abc.abstractmethod
    def compile(self, model, steps=1000, data=None, **settings):
        """Compiles the model with this task's loss, metrics and optimizer, and returns it.

        Args:
            model: `keras.Model`.
            steps: training steps of the whole run, for the learning-rate schedule.
            data: `Data`, for losses that depend on it (class weights); None trains without them.
            **settings: further arguments of `model.compile`, such as `jit_compile`.
        """

    @abc.abstractmethod
    def baseline_loss(self, data):
        """Returns the training loss of a constant prediction, or None where losses have no such baseline.

        Args:
            data: `Data`.
        """

    @abc.abstractmethod
    def evaluate(self, run, split):
        """Computes the metrics of a run on one split, and those of a baseline.

        Args:
            run: `Run`.
            split: "train", "validation" or "test".
        Returns:
            Dict of numbers and lists; `examples` counts them, `baseline` is a dict with the baseline's metrics.
        """

    @abc.abstractmethod
    def summarize(self, metrics, split):
        """Returns the result as sentences; the first one is the headline of the report.

        Args:
            metrics: what `evaluate` returned.
            split: "train", "validation" or "test".
        """

    @abc.abstractmethod
    def figures(self, run, split):
        """Returns the figures of the report beside the learning curves: (title, caption, matplotlib figure), in order.

        Args:
            run: `Run`.
            split: "train", "validation" or "test".
        """

    # What a task may change

    def open_data(self, data):
        """Returns the `Data` to train on, split with this task's seed.

        Args:
            data: anything that `recipes.load` takes. Arrays get this task's kind of target.
        Raises:
            ValueError: if the data set is for another task.
        """
        options = {} if isinstance(data, str | Data) or len(self.data_tasks) != 1 else {"task": self.data_tasks[0]}
        return load(data, seed=self.seed, **options)

    def open_new_data(self, data):
        """Returns other `Data`, of which a trained run predicts all examples, split as `open_data` does."""
        return self.open_data(data)

    def check_data(self, data):
        """Raises a ValueError if the data set is for another task."""
        if data.task not in self.data_tasks:
            fitting = [cls.__name__ for cls in subclasses(Task) if data.task in cls.data_tasks]
            raise ValueError(
                f"{type(self).__name__}: `data` must be for {' or '.join(self.data_tasks)}, got {data.name} for "
                f"{data.task}; train it with {' or '.join(sorted(fitting))}."
            )

    def build_model(self, model, data, **arguments):
        """Returns a new model for the data.

        Args:
            model: one of `zoo.names()`, or a `keras.Model`, which is returned as it is.
            data: `Data`, or what `recipes.load` takes.
            **arguments: arguments of the builder, which override those that the data suggest.
        """
        if isinstance(model, keras.Model):
            if arguments:
                raise ValueError(f"build_model: arguments {sorted(arguments)} need a model's name, got a built model.")
            return model
        builder, data = entry(model).build, self.open_data(data)
        keras.utils.set_random_seed(self.seed)
        arguments = {**self.head_arguments(model, data), **arguments}
        if not {"input_shape", "image_shape"} & set(arguments):
            arguments["input_shape"] = input_shape(model, data)
        if data.kind == "table" and "levels" in inspect.signature(builder).parameters:
            arguments.setdefault("levels", level_counts(data))
        with acceleration.dtype_policy(self.accelerate):
            return builder(**arguments)

    def preprocessing(self, data, model):
        """Returns the `keras.Model` that turns raw inputs of the data into inputs of the model."""
        return preprocessing_for(data, model)

    def wrap_model(self, model, data):
        """Returns the model with the layers that depend on the data, such as the targets' units."""
        return model

    def pipeline(self, examples, training, preprocessing=None, classes=None):
        """Returns batches for `model.fit`: preprocessed, cached where they fit in memory, shuffled and augmented.

        Args:
            examples: `Examples`, or a tf.data.Dataset of single (input, target).
            training: whether to shuffle and augment.
            preprocessing: model from raw inputs to the model's inputs, or None where they are the same.
            classes: number of classes; needed where targets are mixed or smoothed.
        Returns:
            tf.data.Dataset of (inputs, targets) batches.
        """
        return batches(self, examples, training, preprocessing, classes)

    def map_batches(self, batches, model):
        """Returns the pipeline's batches in the structure that the model trains on."""
        return batches

    def augmentation(self, preprocessing, classes):
        """Returns the random changes of preprocessed images, or None.

        Args:
            preprocessing: the model that preprocessed them, or None.
            classes: number of classes, or None.
        """
        if not self.augment:
            return None
        value_range = self.value_range(preprocessing)
        return augmentation(self.augment, seed=self.seed, classes=classes or None, value_range=value_range)

    def value_range(self, preprocessing):
        """Returns (smallest, largest) value of preprocessed images; None for standardized ones, without bounds."""
        layers = preprocessing.layers if preprocessing is not None else ()
        rescaling = next((x for x in layers if x.name == "rescaling"), None)
        if rescaling is None or preprocessing.inputs[0].dtype != "uint8":
            return None
        scale, offset = np.asarray(rescaling.scale), np.asarray(rescaling.offset)
        return float(offset.min()), float((255 * scale + offset).max())

    def learning_rate_schedule(self, steps):
        """Returns the learning rate over `steps` training steps: a number or a Keras schedule."""
        boundaries = tuple(round(fraction * steps) for fraction in self.decay_boundaries)
        return schedule(
            self.schedule, self.learning_rate, steps, warmup=self.warmup, boundaries=boundaries, epochs=self.epochs
        )

    def make_optimizer(self, steps):
        """Returns the Keras optimizer for `steps` training steps."""
        return optimizer(self, steps)

    def class_weights(self, data):
        """Returns class weights by class index for `model.fit`, or None."""
        return None

    def has_validation_loss(self, model):
        """Returns whether the model has a loss to monitor on the validation split."""
        return True

    def callbacks(self, model, out, data):
        """Returns the task's Keras callbacks; `out` is the run's folder or None."""
        return []

    def train(self, model, training_batches, steps, compile_arguments, fit_arguments, data):
        """Compiles and trains the model in place.

        Args:
            model: `keras.Model`.
            training_batches: tf.data.Dataset.
            steps: steps per epoch.
            compile_arguments: of `compile`.
            fit_arguments: of `keras.Model.fit`.
            data: `Data`.
        Returns:
            History: metric name -> one number per epoch.
        """
        self.compile(model, steps * self.epochs, data, **compile_arguments)
        build_optimizer(model)
        keras.utils.set_random_seed(self.seed)
        with training.adversarial_steps(model, self.adversarial):
            return model.fit(training_batches, epochs=self.epochs, **fit_arguments).history

    def finish_run(self, run):
        """Returns the trained run as it is saved, for changes that need a trained model."""
        return run

    def predict_split(self, run, split):
        """Returns the model's predictions for one split, in its order: (N, classes) probabilities or (N, outputs)."""
        batches = self.pipeline(getattr(run.data, split), False, run.preprocessing, len(run.data.classes))
        return to_outputs(run, run.model.predict(batches, verbose=0))

    def format_predictions(self, run, outputs, inputs):
        """Returns the predictions for raw inputs as `Run.predict` returns them.

        Args:
            run: `Run`.
            outputs: what the model predicts for them.
            inputs: what `Run.predict` received.
        """
        return outputs

    def point_predictions(self, predictions):
        """Returns the predictions that `Run.data_frame` puts beside the targets: (N, outputs) for numbers."""
        return predictions

    def diagnose(self, run):
        """Returns sentences on what the learning curves show and what to try."""
        return diagnose(run.history, **self.diagnosis_arguments(run))

    def diagnosis_arguments(self, run):
        """Returns the arguments of `diagnose` beside the history: baseline, learning rate, steps and verdict."""
        split = next((split for split in ("test", "validation") if len(getattr(run.data, split))), None)
        verdict = run.evaluate(split).get("verdict") if split else None
        verdict = verdict if verdict and verdict.get("blocks", verdict["examples"]) >= MIN_EXAMPLES else None
        return {
            "baseline_loss": self.baseline_loss(run.data),
            "echo_epochs": self.echo_epochs if self.augment else 1,
            "relative_rate": self.learning_rate / USUAL_RATES[self.optimizer],
            "steps_per_epoch": run.record.get("steps_per_epoch"),
            "batch_size": self.batch_size,
            "beats_baseline": verdict and verdict["result"] == "better",
        }

    def export_settings(self, run):
        """Returns (model to export, class names or None, largest difference to `Run.predict` in its unit)."""
        return run.model, run.data.classes or None, 1e-5

    def count_steps(self, data):
        """Returns the number of training steps in an epoch."""
        return max(1, len(data.train) // self.batch_size)

    # What a task inherits

    def examples_per_step(self, count):
        """Returns `batch_size`; where it is None, the default for a training split of `count` examples."""
        return self.batch_size or default_batch_size(count, self.largest_batch_size)

    def with_batch_size(self, data):
        """Returns this task with a `batch_size` that suits the training split of the `Data`, where it has none."""
        return self if self.batch_size else self.replace(batch_size=self.examples_per_step(len(data.train)))

    def replace(self, **changes):
        """Returns this task with some hyperparameters changed; they are checked as by the constructor."""
        return type(self)(**{**{f.name: getattr(self, f.name) for f in dataclasses.fields(self)}, **changes})

    def fit(
        self,
        model,
        data,
        *,
        out=None,
        verbose=True,
        overwrite=False,
        distribute=None,
        callbacks=(),
        track=None,
        **arguments,
    ):
        """Trains `model` on `data` and returns the run; the same as `recipes.fit(task, model, data)`.

        Args:
            model: one of `zoo.names()`, or a `keras.Model`; for `FineTuning` what `zoo.transfer` takes as `backbone`.
            data: anything that `recipes.load` takes: "bundled:mnist-5k", "folder:photos", (x, y), ...
            out: folder for the run's files; a run that was killed resumes there. None writes nothing.
            verbose: whether to show progress (on stderr).
            overwrite, distribute, callbacks, track: as `recipes.fit` has them.
            **arguments: arguments of the model's builder.
        Raises:
            ValueError: if model and data do not fit together.
            ArithmeticError: if the loss became NaN or infinite.
        """
        options = {"out": out, "verbose": verbose, "overwrite": overwrite, "distribute": distribute}
        return training.fit(self, model, data, callbacks=callbacks, track=track, **options, **arguments)


def subclasses(cls):
    """Returns all subclasses of a class, direct or not."""
    return [sub for child in cls.__subclasses__() for sub in (child, *subclasses(child))]
