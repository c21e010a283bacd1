"""What a training leaves behind: the model, how its inputs are prepared, what it reached, and what it cost."""

import dataclasses
import json
import os
import typing
from pathlib import Path

import keras
import numpy as np

from recipes.data.input_batches import read_batch
from zoo.arguments import FilePath, checked, suggestion
from zoo.introspect.output_activation import output_activation

PARTS = ("train", "validation", "test")


@dataclasses.dataclass
class Run:
    """A trained model with its data and its record; `recipe.fit` makes it.

    Attributes:
        recipe: the recipe that made it.
        model: the trained `keras.Model`.
        data: the `Data` it was trained on.
        preprocessing: `keras.Model` from raw inputs to the model's.
        history: metric name -> one number per epoch.
        record: model's name, seed, acceleration, energy, seconds, machine.
    """

    recipe: typing.Any
    model: keras.Model
    data: typing.Any
    preprocessing: keras.Model
    history: dict
    record: dict
    measured: dict = dataclasses.field(default_factory=dict)

    def __repr__(self):
        return f"<Run: {type(self.recipe).__name__} of {self.record.get('model')} on {self.data!r}>"

    @checked
    def predict(self, inputs, *, labels: bool = False):
        """The model's answers to raw inputs.

        Args:
            inputs: a batch as the user has it: array, data frame, dict of columns, or a list of images that differ in
                size.
            labels: whether to answer the name of each one's class; in R, `factor(labels, run$data$classes)`.
        Returns:
            (N, classes) probabilities, or (N, outputs) numbers, or (N, H, W, classes) probabilities for every pixel, a
            list of (H, W, classes) where the images differ in size; float32. With `labels` the last axis is gone, and
            the array holds strings.
        Raises:
            ValueError: if the inputs are not like those of the training, or `labels` is asked of what has no classes.
        """
        if labels and (not self.data.classes or self.data.task == "multilabel"):
            raise ValueError(f"predict: `labels` must be False for {self.data.task}, which has no single class.")
        answers = self._answers(inputs)
        if not labels:
            return answers
        names = np.array(self.data.classes)
        return [names[a.argmax(-1)] for a in answers] if isinstance(answers, list) else names[answers.argmax(-1)]

    def _answers(self, inputs):
        if isinstance(inputs, list) and inputs and all(np.ndim(image) > 1 for image in inputs):
            raw = [self._raw(np.asarray(image)[None]) for image in inputs]
            prepared = [np.asarray(self.preprocessing(image, training=False)) for image in raw]
            if len({image.shape for image in prepared}) > 1:  # maps of different sizes
                answers = [self.model.predict(image, verbose=0) for image in prepared]
                return [probabilities(self.model, answer, self.data.classes)[0] for answer in answers]
            prepared = np.concatenate(prepared)
        else:
            prepared = self.preprocessing.predict(
                self._raw(inputs), batch_size=self.recipe.predict_batch_size, verbose=0
            )
        answers = self.model.predict(prepared, batch_size=self.recipe.predict_batch_size, verbose=0)
        return probabilities(self.model, answers, self.data.classes)

    def _raw(self, inputs):
        shape = None if self.data.kind == "table" else self.preprocessing.input_shape[1:]
        return read_batch(inputs, self.data, shape)

    @checked
    def evaluate(self, part: typing.Literal["train", "validation", "test"] = "test"):
        """Metrics on one part of the data, beside those of the trivial answer; computed once.

        Args:
            part: train, validation or test.
        Returns:
            Dict of metrics; `baseline` holds those of the trivial answer.
        Raises:
            ValueError: if that part is empty.
        """
        if part not in self.measured:
            examples = getattr(self.data, part)
            if not len(examples):
                raise ValueError(f"evaluate: the {part} part of {self.data.name} is empty.")
            self.measured[part] = self.recipe.examine(self, part)
        return self.measured[part]

    def answers(self, part="test"):
        """The model's answers to one part, in its order: (N, classes) probabilities or (N, outputs) numbers."""
        return self.recipe.respond(self, part)

    @property
    def metrics(self):
        """Everything measured, as `metrics.json` has it."""
        found = {part: self.evaluate(part) for part in ("validation", "test") if len(getattr(self.data, part))}
        best = {k: v[-1] for k, v in self.history.items()}
        return {**found, "last_epoch": best, "diagnosis": self.diagnosis(), **self.record}

    def diagnosis(self):
        """What the learning curves say, in plain words."""
        return self.recipe.signs(self)

    def export(self, path, *, inputs=None, tolerance=None, formats=(), training_statistics=None):
        """Writes a SavedModel that takes raw inputs, and proves in a process of its own that it answers as `predict`.

        Args:
            path: folder; the model lands in PATH/1, PATH/2, ...
            inputs: raw inputs to prove it with; 16 of the test part where None.
            tolerance: largest difference allowed, in the answers' own unit; the recipe's where None.
            formats: faster forms, as `zoo.export` has them.
            training_statistics: what `run.seen()` answers, for the output `skew`; None for none.
        Returns:
            `zoo.export.Export`.
        """
        import zoo

        if tolerance is None:
            tolerance = self.recipe.tolerance(self.data)
        asked = {"inputs": inputs, "tolerance": tolerance, "forms": formats, "seen": training_statistics}
        model = self.recipe.served(self.model)
        if not hasattr(model, "signatures"):
            if inputs is None:
                asked["inputs"] = (self.data.test if len(self.data.test) else self.data.train).head(16)
            asked |= {"preprocessing": self.preprocessing, "classes": self.recipe.labels(self.data)}
        return self.exported(zoo.export(model, path, **asked), tolerance)

    @checked
    def seen(self, *, nodata: float | None = None):
        """What training saw of its raw inputs, in up to 10,000 examples of the training part, for `run.export(seen=)`.

        Args:
            nodata: the value that stands for a missing one; NaN always does.
        Returns:
            `zoo.serving.TrainingStatistics`.
        """
        import zoo

        return zoo.serving.training_statistics(self.data.train.head(10_000), nodata=nodata)

    def exported(self, done, tolerance):
        """Notes an export in the record, and returns it."""
        self.record["export"] = {
            "largest_difference": done.difference,
            "tolerance": tolerance,
            "path": Path(done.path).name,
        }
        return done

    @checked
    def report(self, path: FilePath):
        """Writes one self-contained HTML page on this run and returns its path."""
        from recipes.reports.report import write

        return write(self, path)

    @checked
    def table(self, what: typing.Literal["history", "metrics", "examples"] = "history", part: str = "test"):
        """What was found, as a data frame: in R a data.frame.

        Args:
            what: history (a row an epoch), metrics (a row a part and metric, beside the trivial answer's), or examples
                (a row an example of `part`: its name, the truth, the answer; for classes also each one's probability).
            part: train, validation or test; for examples.
        Returns:
            pandas.DataFrame.
        Raises:
            ValueError: if that part is empty, or its examples have no single answer each.
        """
        from recipes.reports import data_frames

        return data_frames.examples(self, part) if what == "examples" else getattr(data_frames, what)(self)

    @checked
    def plots(self, folder: FilePath, part: typing.Literal["train", "validation", "test"] = "test") -> dict:
        """Writes the report's figures as PNG files, and returns the path of each by its name.

        Args:
            folder: made where it is not there.
            part: train, validation or test: what the figures are of.
        """
        from recipes.reports.data_frames import plots

        return plots(self, folder, part)

    @checked
    def save(self, out: FilePath):
        """Writes model.keras, preprocessing.keras, run.json, history.json and metrics.json into the folder `out`."""
        out = Path(out)
        out.mkdir(parents=True, exist_ok=True)
        self.model.save(out / "model.keras")
        self.preprocessing.save(out / "preprocessing.keras")
        told = {
            "recipe": type(self.recipe).__name__,
            "numbers": {f.name: _number(getattr(self.recipe, f.name)) for f in dataclasses.fields(self.recipe)},
            "data": {k: getattr(self.data, k) for k in DESCRIBED},
            "record": self.record,
        }
        write_json(out / "run.json", told)
        write_json(out / "history.json", self.history)
        write_json(out / "metrics.json", self.metrics)
        return out


def probabilities(model, answers, classes):
    """A head's answers as one column a class; numbers, which have no classes, stay as they are."""
    if not classes:
        return answers
    ending = output_activation(model)
    if answers.shape[-1] == 1 and len(classes) == 2:
        yes = 1 / (1 + np.exp(-answers)) if ending == "linear" else answers
        return np.concatenate([1 - yes, yes], axis=-1)
    return np.asarray(keras.ops.softmax(answers)) if ending == "linear" else answers


def _number(value):
    """A recipe's number as run.json has it; of a tokenizer what it is, for preprocessing.keras holds it whole."""
    tokenizer = isinstance(value, keras.Layer)
    return {"class": type(value).__name__, "tokens": value.vocabulary_size()} if tokenizer else value


DESCRIBED = (
    "name", "task", "kind", "shape", "dtype", "classes", "outputs", "columns", "source", "licence", "split", "notes",
)  # fmt: skip


def write_json(path, value):
    """Writes JSON beside, then renames, so that a reader never sees half a file."""
    beside = path.with_suffix(".part")
    beside.write_text(json.dumps(value, indent=1, default=str) + "\n")
    os.replace(beside, path)


class Saved(typing.NamedTuple):
    """A run read back from its folder: what is needed to predict and to explain, without the data."""

    model: keras.Model
    preprocessing: keras.Model
    told: dict

    @property
    def classes(self):
        return tuple(self.told["data"]["classes"])


@checked
def load_run(path: FilePath):
    """Reads back what `Run.save` wrote.

    Args:
        path: the run's folder.
    Returns:
        `Saved`: model, preprocessing, and what run.json tells.
    Raises:
        ValueError: if there is no run in that folder.
    """
    path = Path(path)
    missing = [n for n in ("model.keras", "preprocessing.keras", "run.json") if not (path / n).is_file()]
    if missing:
        near = suggestion(path.name, [p.name for p in path.parent.glob("*") if (p / "run.json").is_file()])
        raise ValueError(f"`run` must be the folder of a run, got {path}: {', '.join(missing)} not there.{near}")
    told = json.loads((path / "run.json").read_text())
    return Saved(
        keras.models.load_model(path / "model.keras", compile=False),
        keras.models.load_model(path / "preprocessing.keras", compile=False),
        told,
    )


def revive(path, data):
    """A saved run on data: its own, or others with the same classes.

    Args:
        path: the run's folder.
        data: a `Data`.
    Returns:
        `Run`.
    """
    import recipes
    from recipes.tasks.preset_tokens import preset_tokens

    saved = load_run(path)
    numbers = {k: tuple(v) if isinstance(v, list) else v for k, v in saved.told["numbers"].items()}
    if isinstance(numbers.get("tokenizer"), dict):
        numbers["tokenizer"] = preset_tokens(saved.preprocessing).tokenizer
    recipe = getattr(recipes, saved.told["recipe"])(**numbers)
    history = json.loads((Path(path) / "history.json").read_text())
    return Run(recipe, saved.model, recipe.open(data), saved.preprocessing, history, saved.told["record"])
