"""Fine-tuning: a pretrained backbone learns other classes, first its new head and then its topmost stages."""

import dataclasses
import time
from typing import ClassVar

import keras
import numpy as np

import zoo
from recipes.tasks.classification import Classification
from recipes.training import accelerate as acceleration
from recipes.training.fit import adversarial_steps
from recipes.training.task import task
from zoo.arguments import Count, Positive, Whole


@task
class FineTuning(Classification):
    """A pretrained backbone under a new head, for few labelled images.

    Training has two phases. The first trains the head on the frozen backbone, so that the head's random weights do not
    spoil the backbone. The second also trains the backbone's topmost stages, at a lower learning rate. Batch
    normalization stays frozen in inference mode. Images are passed to the backbone in the input range that it records;
    one gray band is repeated to three.

    `fit` takes for `model` what `zoo.transfer` takes as `backbone`: a name with bundled weights ("efficientnet_lite0"),
    a `keras.Model`, or a TF Hub module. Further arguments are those of `zoo.transfer`, such as
    `input_shape=(64, 64, 3)`, `weights="file.safetensors"`, `input_range="torch"`.

    >>> run = recipes.FineTuning(epochs=10).fit("efficientnet_lite0", "folder:photos", input_shape=(224, 224, 3))

    Args:
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

    epochs: Count = 10
    learning_rate: Positive = 1e-4
    head_epochs: Count = 5
    head_learning_rate: Positive = 1e-3
    stages: Whole | None = 2
    decay: Positive = 1.0
    train_examples: Count | None = None
    compare_untrained: bool = False

    data_tasks: ClassVar[tuple] = ("classification",)

    def open_data(self, data):
        """Returns the `Data` with `train_examples` training examples."""
        data = super().open_data(data)
        count, targets = self.train_examples, data.train.targets
        if count is None or count == len(targets) or data.task not in self.data_tasks:
            return data
        if not len(data.classes) <= count <= len(targets):
            raise ValueError(
                f"FineTuning: `train_examples` must be from {len(data.classes)}, one per class, to the {len(targets)} "
                f"training examples of {data.name}, got {count}."
            )
        indices = stratified_sample(targets, count, self.seed)
        note = f"{count:,} of {len(targets):,} training examples, drawn with seed {self.seed}"
        return dataclasses.replace(data, train=data.train.take(indices), notes=(*data.notes, note))

    def build_model(self, model, data, **arguments):
        """Returns the backbone under a new head.

        Args:
            model: what `zoo.transfer` takes as `backbone`.
            data: `Data`, or what `recipes.load` takes.
            **arguments: arguments of `zoo.transfer`.
        """
        data = self.open_data(data)
        keras.utils.set_random_seed(self.seed)
        with acceleration.dtype_policy(self.accelerate):
            return zoo.transfer(model, len(data.classes), **arguments)

    def train(self, model, training_batches, steps, compile_arguments, fit_arguments, data):
        """Trains both phases, one after the other; arguments as `Task.train` has them."""
        # The backup of one phase does not fit the optimizer of the other
        callbacks = [c for c in fit_arguments["callbacks"] if not isinstance(c, keras.callbacks.BackupAndRestore)]
        fit_arguments = {**fit_arguments, "callbacks": callbacks}
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
            with adversarial_steps(model, self.adversarial):
                fitted = model.fit(training_batches, initial_epoch=epoch, epochs=epoch + phase.epochs, **fit_arguments)
            epoch += phase.epochs
            for metric, values in fitted.history.items():
                history.setdefault(metric, []).extend(values)
        return history

    def finish_run(self, run):
        """Returns the run; with `compare_untrained`, its record has the same network trained from random weights."""
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
        training_batches = self.pipeline(data.train, True, run.preprocessing, len(data.classes))
        model.fit(training_batches, epochs=epochs, verbose=0, shuffle=False, class_weight=self.class_weights(data))
        split = "test" if len(data.test) else "validation"
        accuracy = self.evaluate(run.replace(model=model), split)["accuracy"]
        return {"accuracy": accuracy, "split": split, "epochs": epochs, "seconds": time.perf_counter() - start}


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
