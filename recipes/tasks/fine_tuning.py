"""Fine-tuning: a pretrained backbone learns other classes, first its new head and then its topmost stages."""

import dataclasses
import time
import warnings
import weakref
from typing import ClassVar

import keras
import numpy as np

import zoo
from recipes.tasks.backbone_features import BackboneFeatures
from recipes.tasks.classification import Classification
from recipes.tasks.logistic_head import KeepBest, fit_logistic
from recipes.training import accelerate as acceleration
from recipes.training.backup import Backup
from recipes.training.diagnosis import HEALTHY
from recipes.training.fit import adversarial_steps
from recipes.training.pipeline import can_be_indexed
from recipes.training.schedules import build_optimizer
from recipes.training.task import task
from zoo.arguments import Count, Positive, Whole
from zoo.backbones.input_range import applications_input_range
from zoo.introspect.output_activation import output_activation
from zoo.published_weights import find_published

HEAD_EXAMPLES = 10_000  # largest number whose features are computed, as all are in memory
USEFUL_SIDE = 96  # of an image for a backbone that was trained on photos of ImageNet [pixels]
HEADS = weakref.WeakKeyDictionary()  # data -> record of its logistic head, from `train` to `finish_run`


@task
class FineTuning(Classification):
    """A pretrained backbone under a new head, for few labelled images.

    The head starts as a logistic regression on the frozen backbone's features, whose regularization is chosen by
    cross-validation on the training split. Training then has two phases. The first trains the head on the frozen
    backbone. The second also trains the backbone's topmost stages, at a lower learning rate. Batch normalization stays
    frozen in inference mode. The result is the start or the epoch with the lowest validation loss among those that are
    at least as accurate as the start; without a validation split, a fifth of the training examples is held out for
    this choice. Images are passed to the backbone in the input range that it records; one gray band is repeated to
    three. Without `input_shape` they are resized to the backbone's own size. Backbones of ImageNet lose much of their
    accuracy below 96 x 96 pixels, of which a warning is given.

    `fit` takes for `model` what `zoo.transfer` takes as `backbone`: a name with bundled weights ("efficientnet_lite0"),
    a `keras.Model`, or a TF Hub module. Further arguments are those of `zoo.transfer`, such as
    `input_shape=(64, 64, 3)` and `input_range="torch"`.

    >>> run = recipes.FineTuning(epochs=10).fit("efficientnet_lite0", "folder:photos", input_shape=(224, 224, 3))

    Args:
        weights: of a backbone that is given by its name: bundled, another of `zoo.weights.names(backbone)`, such as
            imagenet or timm/resnet50.a1_in1k, a file or a preset, as `zoo.load` takes them; the folder of a run, such
            as one of `Contrastive`; None for random weights.
        epochs: epochs of the second phase.
        learning_rate: peak learning rate of the second phase.
        head_epochs: epochs of the first phase, in which only the head is trained.
        head_learning_rate: peak learning rate of the first phase.
        stages: number of `zoo.stages(model)` that are trained in the second phase, from the top; None for all.
        decay: a stage's learning rate is that of the stage above times this; 1 for one learning rate.
        train_examples: number of training examples to use, drawn with the seed in proportion to the classes' sizes;
            None for all.
        compare_untrained: whether to train the same network also from random weights: all of it, batch normalization
            too, for as many epochs, at `head_learning_rate`. Its metrics are in the record as `from_scratch`, with
            their own time.
        **kwargs: as `Classification` has them; the learning-rate schedule runs once in each phase.
    """

    weights: str | None = "bundled"
    epochs: Count = 10
    learning_rate: Positive = 1e-4
    head_epochs: Count = 5
    head_learning_rate: Positive = 1e-3
    stages: Whole | None = 2
    decay: Positive = 1.0
    train_examples: Count | None = None
    compare_untrained: bool = False

    supports_ensemble: ClassVar[bool] = False
    data_tasks: ClassVar[tuple] = ("classification",)

    def open_data(self, data):
        """Returns the `Data` with `train_examples` training examples."""
        return with_train_examples(self, super().open_data(data))

    def open_new_data(self, data):
        """Returns other `Data` with all of its examples."""
        return Classification.open_data(self, data)

    def build_model(self, model, data, **arguments):
        """Returns the backbone under a new head.

        Args:
            model: what `zoo.transfer` takes as `backbone`.
            data: `Data`, or what `recipes.load` takes.
            **arguments: arguments of `zoo.transfer`.
        """
        return transfer_for(self, model, data, arguments)

    def train(self, model, training_batches, steps, compile_arguments, fit_arguments, data):
        """Fits the head, then trains both phases one after the other; arguments as `Task.train` has them."""
        preprocessing, held_out, run_data = self.preprocessing(data, model), 0, data
        if fit_arguments["validation_data"] is None and (divided := self.hold_out(data)):
            data, held_out = divided, len(divided.validation)
            steps = max(1, len(data.train) // self.batch_size)
            training_batches, validation_batches = (
                self.map_batches(self.pipeline(examples, training, preprocessing, len(data.classes)), model)
                for examples, training in ((data.train, True), (data.validation, False))
            )
            fit_arguments = {**fit_arguments, "validation_data": validation_batches}
        start = self.fit_head(model, data, preprocessing)
        keep_best = None
        history, epoch = {}, 0
        keras.utils.set_random_seed(self.seed)
        phases = zoo.finetune_schedule(
            stages=(0, self.stages),
            epochs=(self.head_epochs, self.epochs),
            learning_rates=(self.head_learning_rate, self.learning_rate),
            decay=self.decay,
        )
        for phase in phases:
            settings = self.replace(learning_rate=phase.learning_rate, epochs=phase.epochs)

            def make_optimizer(learning_rate, settings=settings):
                return settings.make_optimizer(steps * settings.epochs)

            optimizer = phase.begin(model, training_batches, make_optimizer)
            self.compile(model, optimizer=optimizer, **compile_arguments)
            build_optimizer(model)
            if keep_best is None and fit_arguments["validation_data"] is not None:
                scores = model.evaluate(fit_arguments["validation_data"], verbose=0, return_dict=True)
                keep_best = KeepBest(scores)
                for backup in (c for c in fit_arguments["callbacks"] if isinstance(c, Backup)):
                    backup.best = keep_best
                # Before the backup, which saves the best weights of the same epoch
                fit_arguments = {**fit_arguments, "callbacks": [keep_best, *fit_arguments["callbacks"]]}
            with adversarial_steps(model, self.adversarial):
                fitted = model.fit(training_batches, initial_epoch=epoch, epochs=epoch + phase.epochs, **fit_arguments)
            epoch += phase.epochs
            for metric, values in fitted.history.items():
                history.setdefault(metric, []).extend(values)
            if keep_best is not None:
                keep_best.restore()
        best = {} if keep_best is None else {"validation_loss": keep_best.start["loss"], "epoch_kept": keep_best.epoch}
        HEADS[run_data] = start and {**start, **best, "held_out": held_out}
        return history

    def hold_out(self, data):
        """Returns the `Data` with a fifth of the training examples as validation split; None where that is impossible.

        It needs at least two training examples of each class, and examples that can be read in any order.
        """
        targets, present = data.train.targets, np.unique(data.train.targets)
        count = max(len(present), len(targets) // 5)
        is_stream = not (isinstance(data.train.inputs, np.ndarray | dict) or hasattr(data.train.inputs, "read"))
        if is_stream or np.bincount(targets)[present].min() < 2 or count > len(targets) // 2:
            return None
        held_out = stratified_sample(targets, count, self.seed)
        others = np.setdiff1d(np.arange(len(targets)), held_out)
        if len(np.unique(targets[others])) < len(present):
            return None
        return dataclasses.replace(data, train=data.train.take(others), validation=data.train.take(held_out))

    def fit_head(self, model, data, preprocessing):
        """Sets the head to a logistic regression on the frozen features of up to 10,000 training examples.

        Args:
            model: returned by `zoo.transfer`, before it is trained.
            data: `Data`.
            preprocessing: `keras.Model` from raw inputs to the model's inputs.
        Returns:
            Dict of `C` and, for the validation and the test split, the metrics; None where the model's head is no
            softmax over a dense layer, or the training split has a single class.
        """
        head = next((layer for layer in model.layers if layer.name == "head"), None)
        targets, classes = data.train.targets, len(data.classes)
        if not isinstance(head, keras.layers.Dense) or output_activation(model) not in ("softmax", "linear"):
            return None
        if len(np.unique(targets)) < 2:
            return None
        features = BackboneFeatures(self, model, data, preprocessing)
        weights, train = self.class_weights(data), sample_for_head(data.train, self.seed)
        fitted = fit_logistic(features(train), train.targets, classes, class_weight=weights, seed=self.seed)
        head.set_weights([fitted.kernel, fitted.bias])
        start = {"C": fitted.C}
        for split in ("validation", "test"):
            examples = getattr(data, split)
            if len(examples):
                probabilities = fitted.probabilities(features(examples))
                metrics = self.compute_metrics(data, examples.targets, probabilities)
                start[split] = {k: v for k, v in metrics.items() if isinstance(v, int | float)}
        return start

    def evaluate(self, run, split):
        """Computes the metrics of `Classification`; `logistic_head` has those of the start of the fine-tuning."""
        metrics = super().evaluate(run, split)
        head = (run.record.get("logistic_head") or {}).get(split)
        return {**metrics, "logistic_head": head} if head else metrics

    def summarize(self, metrics, split):
        """Returns the accuracy, beside that of the logistic regression that the fine-tuning started from."""
        sentences = super().summarize(metrics, split)
        if "logistic_head" in metrics:
            sentences.append(
                "The fine-tuning started from a logistic regression on the frozen backbone's features, which has an "
                f"accuracy of {100 * metrics['logistic_head']['accuracy']:.1f} % on these examples."
            )
        return sentences

    def diagnosis_arguments(self, run):
        """Returns the arguments of `diagnose`: learning rates are compared with those of this task's defaults."""
        head = run.record.get("logistic_head") or {}
        rates = self.learning_rate / FineTuning.learning_rate, self.head_learning_rate / FineTuning.head_learning_rate
        return {
            **super().diagnosis_arguments(run),
            "relative_rate": max(rates),
            "start_validation_loss": head.get("validation_loss"),
        }

    def diagnose(self, run):
        """Returns sentences on the learning curves, and on whether an epoch was better than the start."""
        sentences = super().diagnose(run)
        if (run.record.get("logistic_head") or {}).get("epoch_kept") == 0:
            sentences = [s for s in sentences if s != HEALTHY and not s.startswith("The validation loss did not fall")]
            sentences.append(
                "No epoch was better on the validation split than the logistic regression on frozen features, which is "
                "the result. Lower `learning_rate` and `head_learning_rate`, augment, or use more data."
            )
        return sentences

    def finish_run(self, run):
        """Returns the run with the metrics of the logistic regression that it started from in its record.

        With `compare_untrained`, the record has the same network trained from random weights, too.
        """
        start = HEADS.pop(run.data, None)
        if start:
            run.record["logistic_head"] = start
            steps = max(1, (len(run.data.train) - start["held_out"]) // self.batch_size)
            run.record |= {"steps_per_epoch": steps, "steps_trained": steps * run.record["epochs_trained"]}
        run = super().finish_run(with_notes(run, start))
        if self.compare_untrained:
            run.record["from_scratch"] = self.train_from_scratch(run)
        return run

    def train_from_scratch(self, run):
        """Trains the run's network from random weights for as many epochs.

        Args:
            run: a run of this task.
        Returns:
            Dict: accuracy, split (test, or validation where there is no test split), epochs, seconds.
        Raises:
            ValueError: if the network holds a TF Hub module, whose initial weights are not known.
        """
        data, start = run.data, time.perf_counter()
        if any(isinstance(layer, zoo.HubLayer) for layer in run.model.layers):
            raise ValueError("FineTuning: `compare_untrained` must be False for a TF Hub module, got True.")
        keras.utils.set_random_seed(self.seed)
        model = zoo.thaw(keras.models.clone_model(run.model), None, batch_norm=True)
        for layer in model.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                # After so few steps, slower moving means would still be near their initial values
                layer.momentum = min(layer.momentum, 0.9)
        epochs, steps = self.head_epochs + self.epochs, max(1, len(data.train) // self.batch_size)
        settings = self.replace(learning_rate=self.head_learning_rate, epochs=epochs)
        choice = acceleration.choose_acceleration(model, steps, self.accelerate)
        settings.compile(model, steps * epochs, **choice.settings)
        build_optimizer(model)
        training_batches = self.pipeline(data.train, True, run.preprocessing, len(data.classes))
        model.fit(training_batches, epochs=epochs, verbose=0, shuffle=False, class_weight=self.class_weights(data))
        split = "test" if len(data.test) else "validation"
        accuracy = self.evaluate(run.replace(model=model), split)["accuracy"]
        return {"accuracy": accuracy, "split": split, "epochs": epochs, "seconds": time.perf_counter() - start}


def with_train_examples(task, data):
    """Returns the `Data` with the task's `train_examples` training examples, drawn with its seed.

    Args:
        task: `FineTuning`, or another with `train_examples` and `seed`.
        data: `Data`.
    Raises:
        ValueError: if there are fewer examples, or more classes.
    """
    count, targets = task.train_examples, data.train.targets
    if count is None or count == len(targets) or data.task not in task.data_tasks:
        return data
    if not len(data.classes) <= count <= len(targets):
        raise ValueError(
            f"{type(task).__name__}: `train_examples` must be from {len(data.classes)}, one per class, to the "
            f"{len(targets)} training examples of {data.name}, got {count}."
        )
    indices = stratified_sample(targets, count, task.seed)
    note = f"{count:,} of {len(targets):,} training examples, drawn with seed {task.seed}"
    return dataclasses.replace(data, train=data.train.take(indices), notes=(*data.notes, note))


def pretrained_on_photos(model, arguments):
    """Returns whether a backbone is pretrained on photos, as those of ImageNet are.

    Args:
        model: what `zoo.transfer` takes as `backbone`.
        arguments: its other arguments.
    """
    if isinstance(model, keras.Model):
        return applications_input_range(model) is not None
    weights = arguments.get("weights", "bundled")
    if weights in ("bundled", None) or model not in zoo.names():
        return model in zoo.BUNDLED and zoo.BUNDLED[model].is_photo and weights is not None
    published = find_published(model, weights)
    return published is not None and published.is_photo


def warn_of_small_inputs(model, data):
    """Warns where the images that a backbone gets are smaller than it needs."""
    sides = [side or image_side for side, image_side in zip(model.input_shape[1:3], data.shape[:2], strict=True)]
    if None not in sides and min(sides) < USEFUL_SIDE:
        warnings.warn(
            f"images of {sides[0]} x {sides[1]} pixels are too small for a backbone that was trained on photos: it "
            f"loses much of its accuracy below {USEFUL_SIDE} x {USEFUL_SIDE}. Leave out `input_shape` to have them "
            f"enlarged, or set it to ({USEFUL_SIDE}, {USEFUL_SIDE}, 3) or more.",
            stacklevel=3,
        )


def with_notes(run, start):
    """Returns the run with notes on enlarged images and on examples that were held out."""
    notes, data, size = [], run.data, run.model.input_shape[1:3]
    sides = data.shape[:2]
    if None not in (*sides, *size) and max(sides) < min(size):
        notes.append(f"images of {sides[0]} x {sides[1]} pixels are enlarged to the backbone's {size[0]} x {size[1]}")
    if start and start["held_out"]:
        notes.append(
            f"{start['held_out']:,} training examples were held out to choose the epoch, as there is no validation "
            "split"
        )
    return run.replace(data=dataclasses.replace(data, notes=(*data.notes, *notes))) if notes else run


def stratified_sample(targets, count, seed):
    """Returns the sorted indices of `count` examples, in proportion to the classes' sizes, at least one of each.

    Args:
        targets: (N,) class index.
        count: number of examples.
        seed: seed of the draw.
    """
    order = np.random.default_rng(seed).permutation(len(targets))
    first_of_class = order[np.unique(targets[order], return_index=True)[1]]
    ranks = np.empty(len(targets))
    for value in np.unique(
        targets
    ):  # spreads every class evenly over 0 to 1, so that the first ranks hold its fraction
        members = order[targets[order] == value]
        ranks[members] = (np.arange(len(members)) + 0.5) / len(members)
    ranks[first_of_class] = -1
    return np.sort(np.argsort(ranks, kind="stable")[:count])


def sample_for_head(examples, seed):
    """Returns at most 10,000 `Examples`, in proportion to the classes' sizes, as all of their features are in memory.

    Args:
        examples: `Examples` with one class each; those that cannot be read in any order are returned as they are.
        seed: seed of the draw.
    """
    if len(examples) <= HEAD_EXAMPLES or not can_be_indexed(examples):
        return examples
    return examples.take(stratified_sample(examples.targets, HEAD_EXAMPLES, seed))


def transfer_for(task, model, data, arguments):
    """Returns a pretrained backbone under a new head, for the classes of the data.

    Args:
        task: `FineTuning`, or another with `weights`, `seed` and `accelerate`.
        model: what `zoo.transfer` takes as `backbone`.
        data: `Data`, or what `recipes.load` takes.
        arguments: dict of arguments of `zoo.transfer`.
    """
    data = task.open_data(data)
    arguments = {"weights": task.weights, **arguments}
    keras.utils.set_random_seed(task.seed)
    with acceleration.dtype_policy(task.accelerate):
        built = zoo.transfer(model, len(data.classes), **arguments)
    if pretrained_on_photos(model, arguments):
        warn_of_small_inputs(built, data)
    return built
