"""What each input, step and band adds to an answer: integrated gradients of models with any number of inputs."""

import typing

import keras
import numpy as np

from zoo.arguments import Count, Positive, Whole, checked, suggestion
from zoo.explain.layer_outputs import fitting
from zoo.explain.score import precision
from zoo.introspect.output_activation import activation_name, activation_operation, as_logits


class Attribution(typing.NamedTuple):
    """What the numbers of each input add to a logit, of the inputs' shapes (N, ...)."""

    parts: dict  # by the input's name
    change: np.ndarray  # (N,) the logit of the inputs minus that of the baseline: what all parts sum to
    held: tuple  # inputs that stay as they are: whole numbers, and what the answer has no gradient to

    def steps(self, name: str | None = None):
        """(N, T): what each step of a series adds, all its bands together.

        Args:
            name: of the input; None for the first series.
        """
        return self._series(name).sum(axis=2)

    def bands(self, name: str | None = None):
        """(N, F): what each band (or feature) of a series adds, all its steps together.

        Args:
            name: of the input; None for the first series.
        """
        return self._series(name).sum(axis=1)

    def _series(self, name):
        series = {n: values for n, values in self.parts.items() if values.ndim == 3}
        if not series or name not in (None, *series):
            raise ValueError(
                f"attribution: `name` must be one of the series {', '.join(series) or '(none)'}, got {name!r}."
            )
        return next(iter(series.values())) if name is None else series[name]

    def figure(self, path=None, example: Whole = 0, name: str | None = None, bands: tuple = ()):
        """Draws one example's steps by bands, with the sums over both; red speaks for the answer, blue against it.

        Args:
            path: a PNG (or PDF, SVG: by its ending) is written there.
            example: which one, from 0.
            name: of the input; None for the first series.
            bands: names of its bands; numbers else.
        Returns:
            `matplotlib.figure.Figure`.
        """
        from matplotlib.figure import Figure

        values = self._series(name)[example].T  # (F, T)
        if bands and len(bands) != len(values):
            raise ValueError(f"attribution: `bands` must be {len(values)} names, got {len(bands)}.")
        figure = Figure(figsize=(8, 2.4 + 0.24 * max(len(values), 4)), layout="constrained")
        grid = figure.subplots(2, 2, width_ratios=(3, 1), height_ratios=(1, max(len(values), 4) / 5), squeeze=False)
        reach = np.abs(values).max() or 1.0
        drawn = grid[1, 0].imshow(values, cmap="RdBu_r", vmin=-reach, vmax=reach, aspect="auto")
        sums, rows = values.sum(axis=0), values.sum(axis=1)
        red, blue = "#b2182b", "#2166ac"
        grid[0, 0].bar(np.arange(len(sums)), sums, color=np.where(sums < 0, blue, red))
        grid[1, 1].barh(np.arange(len(rows)), rows, color=np.where(rows < 0, blue, red))
        grid[0, 0].set(xlim=(-0.5, len(sums) - 0.5), xticks=[])
        grid[1, 1].set(ylim=(len(rows) - 0.5, -0.5), yticks=[], xlabel="sum over the steps")
        shown = np.arange(0, len(rows), -(-len(rows) // 30))
        grid[1, 0].set_yticks(shown, [str(bands[i]) if bands else f"band {i}" for i in shown], fontsize=8)
        grid[1, 0].set_xlabel("step")
        grid[0, 0].set_ylabel("sum over\nthe bands", fontsize=8)
        for axes in (grid[0, 0], grid[1, 1]):
            axes.spines[["top", "right"]].set_visible(False)
            axes.tick_params(labelsize=8)
        grid[0, 1].set_axis_off()
        figure.colorbar(drawn, ax=grid[0, 1], fraction=0.9, aspect=4, label="logit")
        if path is not None:
            figure.savefig(path, dpi=120)
        return figure


@checked
def attribution(
    model: keras.Model,
    inputs: typing.Any,
    target: tuple[Whole, ...] | None = None,
    *,
    only: tuple[str, ...] | None = None,
    baseline: typing.Any = 0.0,
    step: Whole | None = None,
    steps: Count = 64,
    tolerance: Positive = 0.01,
    batch_size: Count = 64,
) -> Attribution:
    """What every number of every input adds to a logit, on the straight way from a baseline to the inputs.

    (N, T, F) float, or a dict or list of such inputs  ->  attributions of the same shapes, by the inputs' names.

    Over all inputs the sum is F(inputs) - F(baseline), and that is checked. A NaN in an input, as of a month that a
    mask hides, adds nothing.

    Args:
        model: functional or Sequential, of any number of inputs; it answers (B, outputs), or (B, T, outputs) for every
            step. A final softmax or sigmoid is undone.
        inputs: what the model takes, after preprocessing.
        target: output from 0, or one for each example; None for the largest.
        only: names of the inputs that go from the baseline to their values, the others staying as they are; None for
            all. Whole numbers (tokens, months, classes of land cover) always stay.
        baseline: what says nothing, in the inputs' unit: a number, or numbers as many as bands, or an example; for
            several inputs a dict of those by name, 0 for what it lacks.
        step: whose answer is explained, of a model that answers every step; None for the last.
        steps: points on the way; they are doubled up to five times until the sum holds.
        tolerance: largest miss of the sum, as a share of the difference; rounding comes on top.
        batch_size: points in one call of the model.
    Returns:
        `Attribution(parts, change, held)`; `.steps()` and `.bands()` sum a series' up, `.figure(path)` draws it.
    Raises:
        ValueError: if the model, the inputs, the target or the baseline do not suit, or the sum does not hold.

    Source: Sundararajan, Taly, Yan 2017, https://arxiv.org/abs/1703.01365, eq. 1 and 3.
    Differs: midpoints instead of the right ends of the pieces.
    """
    path = _Path(model, inputs, only, baseline, step, batch_size)
    rows = np.arange(path.count)
    first = path.at(rows, np.ones(path.count), np.full(path.count, -1))[0]
    targets = path.chosen(first, target)
    logits, ends = zip(*(path.at(rows, np.full(path.count, place), targets)[:2] for place in (1.0, 0.0)), strict=True)
    change = ends[0] - ends[1]
    # Every layer rounds, and a small logit is what is left of terms as large as the others'
    rounding = 4 * path.precision * sum(np.abs(answers).max(axis=-1) for answers in logits)
    allowed = tolerance * np.abs(change) + rounding
    for doubling in range(6):
        points = steps * 2**doubling
        total = path.integrate(targets, points)
        missed = np.abs(sum(values.reshape(path.count, -1).sum(axis=1) for values in total.values()) - change)
        if (missed <= allowed).all():
            parts = {name: values.astype("float32") for name, values in total.items()}
            return Attribution(parts, change, tuple(n for n in path.names if n not in parts))
    worst = int(np.argmax(missed - allowed))
    raise ValueError(
        f"attribution: after {points} steps the parts of example {worst} still miss F(inputs) - F(baseline) = "
        f"{change[worst]:.3g} by {missed[worst]:.3g}; raise `steps` or `tolerance`."
    )


class _Path:
    """The straight way from the baseline to the inputs, and the model along it."""

    def __init__(self, model, inputs, only, baseline, step, batch_size):
        self.model, self.batch_size = model, batch_size
        packed = fitting("attribution", model, inputs)
        _check(model)
        self.shape = packed
        arrays = keras.tree.flatten(packed)
        self.names = sorted(packed) if isinstance(packed, dict) else [tensor.name for tensor in model.inputs]
        self.ends = dict(zip(self.names, arrays, strict=True))
        self.count = len(arrays[0])
        for name in only or ():
            if name not in self.names:
                told = f"of the inputs {', '.join(self.names)}, got {name!r}"
                raise ValueError(f"attribution: `only` must be names {told}.{suggestion(name, self.names)}")
        self.moving = [n for n in (only or self.names) if np.issubdtype(self.ends[n].dtype, np.floating)]
        places = len(model.outputs[0].shape) - 2
        length = model.outputs[0].shape[1] if places else None
        if step is not None and (not places or (length is not None and step >= length)):
            wanted = f"from 0 to {length - 1}" if length else "None, as the model gives one answer"
            raise ValueError(f"attribution: `step` must be {wanted}, got {step}.")
        self.step = (-1 if step is None else step) if places else None
        end = activation_operation(model)
        self.yes_or_no = model.outputs[0].shape[-1] == 1 and end is not None and activation_name(end) == "sigmoid"
        self.precision = precision(model)
        self.compute = self._compiled()
        self.moving = [n for n in self.moving if n not in self.blind]
        if not self.moving:
            raise ValueError(
                f"attribution: the answer of {model.name} has no gradient to {', '.join(only or self.names)}."
            )
        self.starts = {name: self._start(name, baseline) for name in self.moving}

    def _start(self, name, baseline):
        x = self.ends[name]
        if isinstance(baseline, dict):
            for key in baseline:
                if key not in self.names:
                    raise ValueError(f"attribution: `baseline` has {key!r}, no input.{suggestion(key, self.names)}")
            baseline = baseline.get(name, 0.0)
        try:
            start = np.broadcast_to(np.asarray(baseline, x.dtype), x.shape[1:])
        except ValueError:
            wanted = f"a number, or of a shape that fits {x.shape[1:]}"
            raise ValueError(f"attribution: `baseline` of {name} must be {wanted}, got {np.shape(baseline)}.") from None
        return np.where(np.isnan(x), x, start)

    def _compiled(self):
        """(arrays in order, targets)  ->  logits (B, outputs), that of the target (B,), its gradients."""
        import tensorflow as tf

        def run(arrays, target):
            given = dict(zip(self.names, arrays, strict=True))
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch([given[name] for name in self.moving])
                answer = self.model(keras.tree.pack_sequence_as(self.shape, list(given.values())), training=False)
                logits = tf.cast(keras.tree.flatten(answer)[0], "float32")
                logits = logits if self.step is None else logits[:, self.step]
                logits = tf.concat([-logits, logits], axis=-1) if self.yes_or_no else logits
                best = tf.argmax(logits, axis=-1, output_type="int32")
                score = tf.gather(logits, tf.where(target < 0, best, target), batch_dims=1)
            found = tape.gradient(score, [given[name] for name in self.moving])
            self.blind = [name for name, gradient in zip(self.moving, found, strict=True) if gradient is None]
            return logits, score, [tf.cast(gradient, "float32") for gradient in found if gradient is not None]

        specs = [tf.TensorSpec((None, *x.shape[1:]), x.dtype) for x in self.ends.values()]
        with as_logits(self.model):
            signature = [specs, tf.TensorSpec((None,), "int32")]
            return tf.function(run, input_signature=signature).get_concrete_function()

    def at(self, owners, places, targets):
        """(logits, score, gradients by name) of the examples `owners` at `places` of the way, 1 being the inputs."""
        import tensorflow as tf

        found = []
        for i in range(0, len(owners), self.batch_size):
            own, place = owners[i : i + self.batch_size], places[i : i + self.batch_size]
            arrays = []
            for name, end in self.ends.items():
                x = end[own]
                if name in self.moving:
                    start = self.starts[name][own]
                    x = (start + place.reshape(-1, *[1] * (x.ndim - 1)) * (x - start)).astype(x.dtype)
                arrays.append(tf.constant(x))
            chosen = tf.constant(targets[i : i + self.batch_size], "int32")
            logits, score, gradients = self.compute(*arrays, chosen)
            found.append((logits.numpy(), score.numpy(), *(g.numpy() for g in gradients)))
        logits, score, *gradients = (np.concatenate(part) for part in zip(*found, strict=True))
        if not np.isfinite(logits).all():
            raise ValueError(f"attribution: {self.model.name} answers NaN or infinity; `inputs` may hold some.")
        return logits, score, dict(zip(self.moving, gradients, strict=True))

    def chosen(self, logits, target):
        """(N,) the targets, checked."""
        if target is None:
            return logits.argmax(axis=-1)
        if len(target) not in (1, self.count):
            many = f"got {len(target)} for {self.count} examples"
            raise ValueError(f"attribution: `target` must be one output, or one for each example, {many}.")
        if max(target) >= logits.shape[1]:
            raise ValueError(f"attribution: `target` must be from 0 to {logits.shape[1] - 1}, got {max(target)}.")
        return np.broadcast_to(np.array(target), self.count)

    def integrate(self, targets, points):
        """(inputs - baseline) times the mean gradient at the midpoints between them (eq. 3)."""
        owners = np.repeat(np.arange(self.count), points)
        places = np.tile((np.arange(points) + 0.5) / points, self.count)
        total = {name: np.zeros(self.ends[name].shape, "float64") for name in self.moving}
        chunk = self.batch_size * max(1, 256 // self.batch_size)
        for i in range(0, len(owners), chunk):
            own = owners[i : i + chunk]
            for name, gradient in self.at(own, places[i : i + chunk], targets[own])[2].items():
                np.add.at(total[name], own, gradient / points)
        return {n: np.where(np.isnan(self.ends[n]), 0, (self.ends[n] - self.starts[n]) * total[n]) for n in self.moving}


def _check(model):
    """Refuses models whose logits cannot be read."""
    end = model
    while isinstance(end, keras.Model):
        inside = end.layers if isinstance(end, keras.Sequential) else getattr(end, "operations", None)
        if keras.backend.backend() != "tensorflow" or not inside:
            wanted = "functional or Sequential to its end, on Keras' TensorFlow backend"
            raise ValueError(f"attribution: `model` must be {wanted}; {end.name} is a {type(end).__name__}.")
        end = inside[-1]
    if len(model.outputs) != 1 or len(model.outputs[0].shape) not in (2, 3):
        told = [tuple(tensor.shape) for tensor in model.outputs]
        raise ValueError(f"attribution: `model` must answer (B, outputs) or (B, T, outputs), got {told}.")
