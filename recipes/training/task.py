"""What every recipe shares: numbers in, plain Keras and tf.data objects out, and a run that leaves all behind."""

import dataclasses
import time
import typing
from pathlib import Path
from typing import Literal

import keras

from recipes.data import Data, load
from recipes.data.augment import augmentation
from recipes.training import accelerate as speed
from recipes.training.callbacks import callbacks, verify_finite, whole
from recipes.training.diagnosis import diagnose
from recipes.training.energy import energy
from recipes.training.pipeline import attacked, batches, input_shape, preparation
from recipes.training.run import Run, probabilities
from recipes.training.schedules import Optimizer, Schedule, optimizer, schedule
from zoo.arguments import Count, Fraction, NonNegative, Positive, Rate, Whole, checked
from zoo.registry import entry


def recipe(cls):
    """A frozen dataclass whose constructor checks its arguments as every public call does."""
    cls = dataclasses.dataclass(frozen=True)(cls)
    cls.__init__ = checked(cls.__init__)
    return cls


@recipe
class Recipe:
    """What all tasks have in common; a task adds its loss, its metrics and its baselines.

    Args:
        epochs: passes over the training part.
        batch_size: examples per step.
        learning_rate: peak learning rate.
        optimizer: sgd, momentum (0.9), nesterov (0.9), adagrad, adadelta, rmsprop, adam or adamw.
        schedule: constant, inverse_time, exponential, step, cosine, ...: how the rate falls over the run.
        decay_boundaries: for piecewise, the shares of the steps after which the rate is divided by ten.
        warmup: share of the steps over which the rate first rises from 0.
        weight_decay: decoupled weight decay; adamw's is 0.004 where this is 0.
        global_clipnorm: largest global norm of a gradient, or None.
        augment: names of augmentation steps with amounts, as `recipes.data.augment.steps()` lists them.
        echo_epochs: epochs that share one draw of the augmentation; above 1 where drawing costs more than the step does.
        patience: epochs without a better validation loss after which training stops at the best weights, or None.
        seed: of the weights, the order and the augmentation.
        country: where the electricity comes from, ISO 3166 in three letters; decides on the CO2 of the record.
        accelerate: auto (as measured for this kind of model and machine), off, xla, or mixed.
        deterministic: whether operations must be bit-exact between runs; costs speed.
        adversarial: largest change of a prepared value by which half of what is learnt is attacked (FGSM); 0 is off.
    Raises:
        ValueError: if a number is out of range or an argument is unknown; the nearest is offered.
    """

    epochs: Count = 20
    batch_size: Count = 32
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

    tasks: typing.ClassVar[tuple] = ()  # what Data.task may be
    predict_batch_size: typing.ClassVar[int] = 256  # examples that `Run.predict` takes through the model together
    headline: typing.ClassVar[str] = ""  # the metric, in `measure` and in its baseline, that a run is judged by

    def replace(self, **changes):
        """This recipe with some numbers changed, checked like the first ones."""
        return type(self)(**{**{f.name: getattr(self, f.name) for f in dataclasses.fields(self)}, **changes})

    def build(self, model, data, **arguments):
        """The model by its registered name with the data's shape and answers, or `model` itself if it is one.

        Args:
            model: one of `zoo.names()`, or a `keras.Model`.
            data: a `Data`, or what `recipes.load` takes.
            **arguments: of the builder.
        """
        if isinstance(model, keras.Model):
            if arguments:
                raise ValueError(f"build: arguments {sorted(arguments)} are for a model's name, got a built model.")
            return model
        builder = entry(model).build
        data = self.open(data)
        keras.utils.set_random_seed(self.seed)
        arguments = {**self.answers(model, data), **arguments}
        if not {"input_shape", "image_shape"} & set(arguments):
            arguments["input_shape"] = input_shape(model, data)
        with speed.dtype_policy(self.accelerate):
            return builder(**arguments)

    def rates(self, steps):
        """The learning rate over `steps` training steps: a number or a Keras schedule."""
        placed = tuple(round(share * steps) for share in self.decay_boundaries)
        return schedule(
            self.schedule, self.learning_rate, steps, warmup=self.warmup, boundaries=placed, epochs=self.epochs
        )

    def optimize(self, steps):
        """The Keras optimizer over `steps` training steps."""
        return optimizer(self, steps)

    def pipeline(self, examples, training, preprocessing=None, classes=None):
        """Batches for `model.fit`: prepared once and kept in memory where they fit, then shuffled and augmented.

        Args:
            examples: `Examples`, or a tf.data.Dataset of single (input, target).
            training: whether to shuffle and augment.
            preprocessing: model from raw inputs to the model's, or None where they are ready.
            classes: how many classes there are; needed where targets are mixed or smoothed.
        Returns:
            tf.data.Dataset of (inputs, targets) batches.
        """
        return batches(self, examples, training, preprocessing, classes)

    def changes(self, preprocessing, classes):
        """The augmentation of prepared images, or None."""
        if not self.augment:
            return None
        bounds = self.bounds(preprocessing)
        return augmentation(self.augment, seed=self.seed, classes=classes or None, value_range=bounds)

    def bounds(self, preprocessing):
        """Smallest and largest value of prepared images: of 8-bit images; what is standardised has none."""
        layers = preprocessing.layers if preprocessing is not None else ()
        scale = next((x.scale for x in layers if x.name == "rescaling"), None)
        return None if scale is None or preprocessing.inputs[0].dtype != "uint8" else (0.0, 255 * scale)

    def prepare(self, data, model):
        """The preprocessing of the data for the model."""
        return preparation(data, model)

    def known(self, data):
        """What `compile` must know of the data, as arguments; here nothing."""
        return {}

    def fit(self, model, data, *, out=None, verbose=True, **arguments):
        """Trains `model` on `data` and returns the run: history, metrics, evaluate, predict, report, export.

        Args:
            model: one of `zoo.names()`, or a `keras.Model`.
            data: what `recipes.load` takes: "bundled:mnist-5k", "folder:photos", (x, y), ...
            out: folder for what the run leaves behind; a run that was killed goes on from there. None leaves nothing.
            verbose: whether to show progress (on stderr).
            **arguments: of the builder, where `model` is a name.
        Returns:
            `Run`.
        Raises:
            ValueError: if model and data do not go together.
            ArithmeticError: if the loss became NaN or infinite.
        """
        data, out = self.open(data), out and Path(out).expanduser()
        self.verify_task(data)
        began = time.perf_counter()
        if self.deterministic:
            speed.enable_determinism()
        name = model if isinstance(model, str) else model.name
        model = self.build(model, data, **arguments)
        self.verify_answer(model, data)
        prepare = self.prepare(data, model)
        model = self.finish(model, data)
        training = self.feed(self.pipeline(data.train, True, prepare, len(data.classes)), model)
        validation = None
        if len(data.validation) and self.validated(model):
            validation = self.feed(self.pipeline(data.validation, False, prepare, len(data.classes)), model)
        steps = max(1, len(data.train) // self.batch_size)
        chosen = speed.choose_acceleration(model, steps, self.accelerate)
        with energy(self.country) as used:
            watchers = callbacks(self, out, validation is not None, verbose, used)
            watchers += self.watchers(model, out, data)
            fitting = {
                "validation_data": validation,
                "callbacks": watchers,
                "verbose": 0,
                "shuffle": False,  # the pipeline does; Keras warns otherwise
                "class_weight": self.weights(data),
            }
            history = self.learn(model, training, steps, {**self.known(data), **chosen.settings}, fitting)
        record = {
            "model": name,
            "arguments": arguments,
            "data": data.origin,
            "seed": self.seed,
            "acceleration": chosen.record,
            "energy": dict(used),
            "seconds": time.perf_counter() - began,
            "machine": speed.machine_info(),
        }
        history, record = whole(watchers, history, record)
        verify_finite(history, self)
        run = Run(
            recipe=self,
            model=model,
            data=data,
            preprocessing=prepare,
            history={k: [float(v) for v in values] for k, values in history.items()},
            record=record,
        )
        if out:
            run.save(out)
        return run

    def learn(self, model, training, steps, settings, fitting):
        """Compiles and trains the model, and returns its history: metric name -> one number per epoch.

        Args:
            model: `keras.Model`, changed in place.
            training: tf.data.Dataset of batches.
            steps: of one epoch.
            settings: arguments of `compile`.
            fitting: arguments of `keras.Model.fit`.
        """
        self.compile(model, steps * self.epochs, **settings)
        keras.utils.set_random_seed(self.seed)
        with attacked(model, self.adversarial):
            return model.fit(training, epochs=self.epochs, **fitting).history

    def open(self, data):
        """`Data` from what `recipes.load` takes, split with this recipe's seed; bare arrays have this recipe's task."""
        told = {} if isinstance(data, str | Data) or len(self.tasks) != 1 else {"task": self.tasks[0]}
        return load(data, seed=self.seed, **told)

    def verify_task(self, data):
        """A ValueError where the data's task is not this recipe's."""
        if data.task not in self.tasks:
            from recipes.reference.recipes import TASKS

            fitting = next(name for name, kind in TASKS.items() if data.task in kind.tasks)
            raise ValueError(
                f"{type(self).__name__}: `data` must be for {' or '.join(self.tasks)}, got {data.name} for "
                f"{data.task}; the recipe for that is `{fitting}`."
            )

    def weights(self, data):
        """Class weights for `model.fit`, or None."""
        return None

    def finish(self, model, data):
        """What the task adds to the model once the data are known; here nothing."""
        return model

    def feed(self, batches, model):
        """The pipeline's batches as the model trains on them."""
        return batches

    def validated(self, model):
        """Whether the model has a loss to watch on held-out examples."""
        return True

    def watchers(self, model, out, data):
        """Callbacks of the task's own; `out` is the run's folder or None."""
        return []

    def served(self, model):
        """The model that an export holds."""
        return model

    def respond(self, run, part):
        """The model's answers to one part, in its order: (N, classes) probabilities or (N, outputs) numbers."""
        batches = self.pipeline(getattr(run.data, part), False, run.preprocessing, len(run.data.classes))
        return probabilities(run.model, run.model.predict(batches, verbose=0), run.data.classes)

    def signs(self, run):
        """What the learning curves say, in plain words."""
        return diagnose(run.history, baseline_loss=self.trivial_loss(run.data))

    def labels(self, data):
        """Names of an answer's columns, which an export answers beside the values; or None."""
        return data.classes or None

    def tolerance(self, data):
        """Largest difference allowed between an export's answers and `predict`, in the answers' own unit."""
        return 1e-5

    def examine(self, run, part):
        """Metrics of a run on one part of its data, beside those of the trivial answer."""
        return self.assess(run.data, part, run.answers(part))

    def assess(self, data, part, answers):
        """Metrics of the answers to one part of the data; `measure` with that part's targets."""
        return self.measure(data, getattr(data, part).targets, answers)

    def verdict(self, found, part):
        """What `measure` found, in sentences; the first is the headline of the report."""
        key = self.headline
        return [f"{key} {found[key]:.3f} on the {part} part; the trivial answer gets {found['baseline'][key]:.3f}."]

    def figures(self, run, part):
        """What the report shows of a run beside its curves: (title, what to see in it, matplotlib figure), in order."""
        return []
