"""Fine-tuning: a trained backbone learns other classes, the new head first and then the backbone's top."""

import dataclasses
import time
from typing import ClassVar

import keras
import numpy as np

import zoo
from recipes.tasks.classification import Classification
from recipes.training import accelerate as speed
from recipes.training.pipeline import attacked
from recipes.training.task import recipe
from zoo.arguments import Count, Positive, Whole


@recipe
class FineTuning(Classification):
    """A trained backbone under a new head, for few labelled images.

    Two phases: first the head on the frozen backbone, so that its random start spoils nothing; then the backbone's topmost
    stages too, at a lower rate. Batch normalisation stays frozen in inference mode. Images go to the backbone in the range
    that it records; one grey band is repeated to the three of photos.

    `fit` takes for `model` what `zoo.transfer` takes for a backbone: a name with bundled weights ("efficientnet_lite0"), a
    `keras.Model`, or a TF Hub module; its further arguments are those of `zoo.transfer`, such as
    `input_shape=(64, 64, 3)`, `weights="file.safetensors"`, `pixels="torch"`.

    >>> run = recipes.FineTuning(epochs=10).fit("efficientnet_lite0", "folder:photos", input_shape=(224, 224, 3))

    Args:
        epochs: passes of the second phase.
        learning_rate: peak learning rate of the second phase.
        head_epochs: passes of the first phase, with the head alone.
        head_learning_rate: peak learning rate of the first phase.
        stages: how many of `zoo.stages(model)` train in the second phase, from the top; None for all.
        decay: a stage's rate is that of the one above times this; 1 for one rate.
        train_examples: how many training examples are used, drawn with the seed in the classes' shares; None for all.
        compare_untrained: whether the same network is also trained from a random start: all of it, batch normalisation too, for
            as many epochs, at `head_learning_rate`. Its figures are in the record as `from_scratch`, and the time is its own.
        **kwargs: as `Classification` has them; the schedule runs once in each phase.
    """

    epochs: Count = 10
    learning_rate: Positive = 1e-4
    head_epochs: Count = 5
    head_learning_rate: Positive = 1e-3
    stages: Whole | None = 2
    decay: Positive = 1.0
    train_examples: Count | None = None
    compare_untrained: bool = False

    tasks: ClassVar[tuple] = ("classification",)

    def open(self, data):
        """`Data` with as many training examples as asked for."""
        data = super().open(data)
        count, targets = self.examples, data.train.targets
        if count is None or count == len(targets) or data.task not in self.tasks:
            return data
        if not len(data.classes) <= count <= len(targets):
            raise ValueError(
                f"FineTuning: `train_examples` must be from {len(data.classes)}, one a class, to the {len(targets)} training "
                f"examples of {data.name}, got {count}."
            )
        chosen = drawn(targets, count, self.seed)
        note = f"{count:,} of {len(targets):,} training examples, drawn with seed {self.seed}"
        return dataclasses.replace(data, train=data.train.take(chosen), notes=(*data.notes, note))

    def build(self, model, data, **arguments):
        """The backbone under a new head.

        Args:
            model: what `zoo.transfer` takes as `backbone`.
            data: a `Data`, or what `recipes.load` takes.
            **arguments: of `zoo.transfer`.
        """
        data = self.open(data)
        keras.utils.set_random_seed(self.seed)
        with speed.dtype_policy(self.accelerate):
            return zoo.transfer(model, len(data.classes), **arguments)

    def phases(self):
        """The two `zoo.finetune_schedule`."""
        return zoo.finetune_schedule(
            stages=(0, self.stages),
            epochs=(self.head_epochs, self.epochs),
            learning_rates=(self.head_learning_rate, self.learning_rate),
            decay=self.decay,
        )

    def learn(self, model, training, steps, settings, fitting):
        """Both phases, one after the other."""
        # A backup of one phase does not fit the optimizer of the other
        watchers = [w for w in fitting["callbacks"] if not isinstance(w, keras.callbacks.BackupAndRestore)]
        fitting = {**fitting, "callbacks": watchers}
        history, before = {}, 0
        keras.utils.set_random_seed(self.seed)
        for phase in self.phases():
            numbers = self.replace(learning_rate=phase.learning_rate, epochs=phase.epochs)

            def optimizer(learning_rate, numbers=numbers):
                return numbers.optimize(steps * numbers.epochs)

            self.compile(model, optimizer=phase.begin(model, training, optimizer), **settings)
            with attacked(model, self.adversarial):
                found = model.fit(training, initial_epoch=before, epochs=before + phase.epochs, **fitting)
            before += phase.epochs
            for name, values in found.history.items():
                history.setdefault(name, []).extend(values)
        return history

    def fit(self, model, data, *, out=None, verbose=True, **arguments):
        """Trains a new head on a backbone, then the backbone's top, and returns the run.

        Args:
            model: what `zoo.transfer` takes as `backbone`.
            data: what `recipes.load` takes.
            out: folder for what the run leaves behind; None leaves nothing. A run that was killed starts again.
            verbose: whether to show progress (on stderr).
            **arguments: of `zoo.transfer`.
        Returns:
            `Run`.
        Raises:
            ValueError: if backbone and data do not go together, the images are not in the backbone's range, or there are
                fewer stages.
        """
        run = super().fit(model, data, out=out, verbose=verbose, **arguments)
        if self.compare_untrained:
            run.record["from_scratch"] = self.from_scratch(run)
            if out:
                run.save(out)
        return run

    def from_scratch(self, run):
        """Figures of the run's own network after as many epochs from a random start.

        Args:
            run: a run of this recipe.
        Returns:
            Dict: accuracy, part (test, or validation where there is none), epochs, seconds.
        Raises:
            ValueError: if the network holds a TF Hub module, whose random start is not known.
        """
        data, began = run.data, time.perf_counter()
        if any(isinstance(layer, zoo.HubLayer) for layer in run.model.layers):
            raise ValueError("FineTuning: `compare_untrained` must be False for a TF Hub module, got True.")
        keras.utils.set_random_seed(self.seed)
        model = zoo.thaw(keras.models.clone_model(run.model), None, batch_norm=True)
        for layer in model.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                # Slower moving means would, after so few steps, still be near their start
                layer.momentum = min(layer.momentum, 0.9)
        epochs, steps = self.head_epochs + self.epochs, max(1, len(data.train) // self.batch_size)
        numbers = self.replace(learning_rate=self.head_learning_rate, epochs=epochs)
        chosen = speed.choose_acceleration(model, steps, self.accelerate)
        numbers.compile(model, steps * epochs, **chosen.settings)
        training = self.pipeline(data.train, True, run.preprocessing, len(data.classes))
        model.fit(training, epochs=epochs, verbose=0, shuffle=False, class_weight=self.weights(data))
        part = "test" if len(data.test) else "validation"
        answers = self.respond(dataclasses.replace(run, model=model), part)
        accuracy = self.assess(data, part, answers)["accuracy"]
        return {"accuracy": accuracy, "part": part, "epochs": epochs, "seconds": time.perf_counter() - began}


def drawn(targets, count, seed):
    """Places of `count` examples, in the classes' shares but at least one of each class; in order."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(targets))
    first = order[np.unique(targets[order], return_index=True)[1]]
    ranks = np.empty(len(targets))
    for value in np.unique(targets):  # every class spread evenly over 0 to 1: the first ones hold its share
        own = order[targets[order] == value]
        ranks[own] = (np.arange(len(own)) + 0.5) / len(own)
    ranks[first] = -1
    return np.sort(np.argsort(ranks, kind="stable")[:count])
