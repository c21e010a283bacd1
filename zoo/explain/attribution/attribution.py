"""Integrated gradients for each input, step and band of models with any number of inputs."""

import typing

import keras
import numpy as np

from zoo.arguments import Count, Positive, Whole, checked, suggestion
from zoo.explain.attribution.integrated_gradients import machine_epsilon
from zoo.explain.model_inputs import check_inputs
from zoo.introspect.output_activation import activation_name, activation_operation, as_logits


class Attribution(typing.NamedTuple):
    """Contributions of the inputs to a logit, in the inputs' shapes (N, ...)."""

    values: dict  # attributions by the input's name
    logit_change: np.ndarray  # (N,) logit of the inputs minus logit of the baseline: the sum of all attributions
    fixed_inputs: tuple  # names of inputs without attributions: integers, and those without a gradient

    def by_step(self, name: str | None = None):
        """Returns (N, T) attributions of each step of a series, summed over its bands.

        Args:
            name: name of the input; None for the first series.
        """
        return self._series(name).sum(axis=2)

    def by_band(self, name: str | None = None):
        """Returns (N, F) attributions of each band (or feature) of a series, summed over its steps.

        Args:
            name: name of the input; None for the first series.
        """
        return self._series(name).sum(axis=1)

    def _series(self, name):
        series = {n: values for n, values in self.values.items() if values.ndim == 3}
        if not series or name not in (None, *series):
            raise ValueError(
                f"attribution: `name` must be one of the series {', '.join(series) or '(none)'}, got {name!r}."
            )
        return next(iter(series.values())) if name is None else series[name]

    def figure(self, path=None, example: Whole = 0, name: str | None = None, bands: tuple = ()):
        """Draws one example's attributions, steps by bands, with the sums over both; red is positive, blue negative.

        Args:
            path: file to write, a PNG (or PDF, SVG: by its suffix).
            example: index of the example, from 0.
            name: name of the input; None for the first series.
            bands: names of its bands; by default they are numbered.
        Returns:
            `matplotlib.figure.Figure`.
        """
        from matplotlib.figure import Figure

        values = self._series(name)[example].T  # (F, T)
        if bands and len(bands) != len(values):
            raise ValueError(f"attribution: `bands` must be {len(values)} names, got {len(bands)}.")
        figure = Figure(figsize=(8, 2.4 + 0.24 * max(len(values), 4)), layout="constrained")
        grid = figure.subplots(2, 2, width_ratios=(3, 1), height_ratios=(1, max(len(values), 4) / 5), squeeze=False)
        limit = np.abs(values).max() or 1.0
        image = grid[1, 0].imshow(values, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
        step_sums, band_sums = values.sum(axis=0), values.sum(axis=1)
        red, blue = "#b2182b", "#2166ac"
        grid[0, 0].bar(np.arange(len(step_sums)), step_sums, color=np.where(step_sums < 0, blue, red))
        grid[1, 1].barh(np.arange(len(band_sums)), band_sums, color=np.where(band_sums < 0, blue, red))
        grid[0, 0].set(xlim=(-0.5, len(step_sums) - 0.5), xticks=[])
        grid[1, 1].set(ylim=(len(band_sums) - 0.5, -0.5), yticks=[], xlabel="sum over the steps")
        ticks = np.arange(0, len(band_sums), -(-len(band_sums) // 30))
        grid[1, 0].set_yticks(ticks, [str(bands[i]) if bands else f"band {i}" for i in ticks], fontsize=8)
        grid[1, 0].set_xlabel("step")
        grid[0, 0].set_ylabel("sum over\nthe bands", fontsize=8)
        for axes in (grid[0, 0], grid[1, 1]):
            axes.spines[["top", "right"]].set_visible(False)
            axes.tick_params(labelsize=8)
        grid[0, 1].set_axis_off()
        figure.colorbar(image, ax=grid[0, 1], fraction=0.9, aspect=4, label="logit")
        if path is not None:
            figure.savefig(path, dpi=120)
        return figure


@checked
def attribution(
    model: keras.Model,
    inputs: typing.Any,
    target: tuple[Whole, ...] | None = None,
    *,
    input_names: tuple[str, ...] | None = None,
    baseline: typing.Any = 0.0,
    output_step: Whole | None = None,
    steps: Count = 64,
    tolerance: Positive = 0.01,
    batch_size: Count = 64,
) -> Attribution:
    """Contribution of every number of every input to a logit, integrated on the straight path from a baseline.

    (N, T, F) float, or a dict or list of such inputs  ->  attributions of the same shapes, by the inputs' names.

    The attributions of all inputs sum to F(inputs) - F(baseline) (completeness), which is checked. A NaN in an input,
    such as a month that a mask hides, has an attribution of 0.

    Args:
        model: functional or Sequential, with any number of inputs and an output (B, outputs), or (B, T, outputs) with
            one prediction per step. A final softmax or sigmoid is removed.
        inputs: inputs of the model, after preprocessing.
        target: output from 0, or one for each example; None for the largest.
        input_names: names of the inputs to attribute to; the others are fixed. None for all. Integer inputs (tokens,
            months, land cover classes) are always fixed.
        baseline: uninformative input, in the inputs' unit: a number, one number for each band, or an example; for
            several inputs a dict of those by name, 0 for missing names.
        output_step: step whose prediction is explained, for a model with one prediction per step; None for the last.
        steps: points on the path; they are doubled up to five times until the sum is complete.
        tolerance: largest error of the sum, as a fraction of the difference; rounding errors are allowed on top.
        batch_size: points in one call of the model.
    Returns:
        `Attribution(values, logit_change, fixed_inputs)`; `.by_step()` and `.by_band()` return the sums of a series,
        `.figure(path)` draws it.
    Raises:
        ValueError: if the model, the inputs, the target or the baseline do not fit, or completeness is not reached.

    Source: Sundararajan, Taly, Yan 2017, https://arxiv.org/abs/1703.01365, eq. 1 and 3.
    Differs: midpoints instead of the right ends of the intervals.
    """
    path = _Path(model, inputs, input_names, baseline, output_step, batch_size)
    rows = np.arange(path.count)
    first_logits = path.evaluate(rows, np.ones(path.count), np.full(path.count, -1))[0]
    targets = path.check_targets(first_logits, target)
    logits, end_scores = zip(
        *(path.evaluate(rows, np.full(path.count, position), targets)[:2] for position in (1.0, 0.0)), strict=True
    )
    logit_change = end_scores[0] - end_scores[1]
    # A small logit can be the difference of terms as large as the other logits, and has their rounding error.
    rounding = 4 * machine_epsilon(model) * sum(np.abs(values).max(axis=-1) for values in logits)
    allowed = tolerance * np.abs(logit_change) + rounding
    for doubling in range(6):
        points = steps * 2**doubling
        total = path.integrate(targets, points)
        errors = np.abs(sum(values.reshape(path.count, -1).sum(axis=1) for values in total.values()) - logit_change)
        if (errors <= allowed).all():
            attributions = {name: values.astype("float32") for name, values in total.items()}
            return Attribution(attributions, logit_change, tuple(n for n in path.names if n not in attributions))
    worst = int(np.argmax(errors - allowed))
    raise ValueError(
        f"attribution: after {points} steps the attributions of example {worst} still miss F(inputs) - F(baseline) = "
        f"{logit_change[worst]:.3g} by {errors[worst]:.3g}; raise `steps` or `tolerance`."
    )


class _Path:
    """The straight path from the baseline to the inputs, and the model evaluated on it."""

    def __init__(self, model, inputs, input_names, baseline, output_step, batch_size):
        self.model, self.batch_size = model, batch_size
        self.structure = check_inputs("attribution", model, inputs)
        _check_model(model)
        arrays = keras.tree.flatten(self.structure)
        self.names = (
            sorted(self.structure) if isinstance(self.structure, dict) else [tensor.name for tensor in model.inputs]
        )
        self.inputs = dict(zip(self.names, arrays, strict=True))
        self.count = len(arrays[0])
        for name in input_names or ():
            if name not in self.names:
                raise ValueError(
                    f"attribution: `input_names` must be of the inputs {', '.join(self.names)}, got {name!r}."
                    f"{suggestion(name, self.names)}"
                )
        self.attributed = [
            name for name in (input_names or self.names) if np.issubdtype(self.inputs[name].dtype, np.floating)
        ]
        has_steps = len(model.outputs[0].shape) == 3
        length = model.outputs[0].shape[1] if has_steps else None
        if output_step is not None and (not has_steps or (length is not None and output_step >= length)):
            expected = f"from 0 to {length - 1}" if length else "None, as the output of the model has no steps"
            raise ValueError(f"attribution: `output_step` must be {expected}, got {output_step}.")
        self.output_step = (-1 if output_step is None else output_step) if has_steps else None
        end = activation_operation(model)
        self.single_sigmoid = model.outputs[0].shape[-1] == 1 and end is not None and activation_name(end) == "sigmoid"
        self.compute = self._compile()
        self.attributed = [name for name in self.attributed if name not in self.without_gradient]
        if not self.attributed:
            names = ", ".join(input_names or self.names)
            raise ValueError(f"attribution: the output of {model.name} has no gradient with respect to {names}.")
        self.baselines = {name: self._baseline(name, baseline) for name in self.attributed}

    def _baseline(self, name, baseline):
        """Returns the baseline of one input, in its shape; NaN stays NaN."""
        x = self.inputs[name]
        if isinstance(baseline, dict):
            for key in baseline:
                if key not in self.names:
                    raise ValueError(
                        f"attribution: `baseline` has {key!r}, which is not an input.{suggestion(key, self.names)}"
                    )
            baseline = baseline.get(name, 0.0)
        try:
            values = np.broadcast_to(np.asarray(baseline, x.dtype), x.shape[1:])
        except ValueError:
            expected = f"a number, or of a shape that broadcasts to {x.shape[1:]}"
            raise ValueError(
                f"attribution: `baseline` of {name} must be {expected}, got {np.shape(baseline)}."
            ) from None
        return np.where(np.isnan(x), x, values)

    def _compile(self):
        """Compiles (arrays in order, targets)  ->  logits (B, outputs), target logits (B,), their gradients."""
        import tensorflow as tf

        def run(arrays, target):
            tensors = dict(zip(self.names, arrays, strict=True))
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch([tensors[name] for name in self.attributed])
                output = self.model(keras.tree.pack_sequence_as(self.structure, list(tensors.values())), training=False)
                logits = tf.cast(keras.tree.flatten(output)[0], "float32")
                logits = logits if self.output_step is None else logits[:, self.output_step]
                logits = tf.concat([-logits, logits], axis=-1) if self.single_sigmoid else logits
                best = tf.argmax(logits, axis=-1, output_type="int32")
                score = tf.gather(logits, tf.where(target < 0, best, target), batch_dims=1)
            gradients = tape.gradient(score, [tensors[name] for name in self.attributed])
            self.without_gradient = [
                name for name, gradient in zip(self.attributed, gradients, strict=True) if gradient is None
            ]
            return logits, score, [tf.cast(gradient, "float32") for gradient in gradients if gradient is not None]

        specs = [tf.TensorSpec((None, *x.shape[1:]), x.dtype) for x in self.inputs.values()]
        with as_logits(self.model):
            signature = [specs, tf.TensorSpec((None,), "int32")]
            return tf.function(run, input_signature=signature, autograph=False).get_concrete_function()

    def evaluate(self, examples, positions, targets):
        """Returns (logits, target logits, gradients by name) at `positions` on the path, from 0 (baseline) to 1."""
        import tensorflow as tf

        batches = []
        for i in range(0, len(examples), self.batch_size):
            batch, position = examples[i : i + self.batch_size], positions[i : i + self.batch_size]
            arrays = []
            for name, values in self.inputs.items():
                x = values[batch]
                if name in self.attributed:
                    start = self.baselines[name][batch]
                    x = (start + position.reshape(-1, *[1] * (x.ndim - 1)) * (x - start)).astype(x.dtype)
                arrays.append(tf.constant(x))
            target = tf.constant(targets[i : i + self.batch_size], "int32")
            logits, score, gradients = self.compute(*arrays, target)
            batches.append((logits.numpy(), score.numpy(), *(g.numpy() for g in gradients)))
        logits, score, *gradients = (np.concatenate(arrays) for arrays in zip(*batches, strict=True))
        if not np.isfinite(logits).all():
            raise ValueError(f"attribution: {self.model.name} outputs NaN or infinity; check `inputs` for them.")
        return logits, score, dict(zip(self.attributed, gradients, strict=True))

    def check_targets(self, logits, target):
        """Returns (N,) targets."""
        if target is None:
            return logits.argmax(axis=-1)
        if len(target) not in (1, self.count):
            got = f"{len(target)} for {self.count} examples"
            raise ValueError(f"attribution: `target` must be one output, or one for each example, got {got}.")
        if max(target) >= logits.shape[1]:
            raise ValueError(f"attribution: `target` must be from 0 to {logits.shape[1] - 1}, got {max(target)}.")
        return np.broadcast_to(np.array(target), self.count)

    def integrate(self, targets, points):
        """Returns (inputs - baseline) times the mean gradient at the midpoints of the path (eq. 3)."""
        examples = np.repeat(np.arange(self.count), points)
        positions = np.tile((np.arange(points) + 0.5) / points, self.count)
        total = {name: np.zeros(self.inputs[name].shape, "float64") for name in self.attributed}
        chunk = self.batch_size * max(1, 256 // self.batch_size)
        for i in range(0, len(examples), chunk):
            batch = examples[i : i + chunk]
            for name, gradient in self.evaluate(batch, positions[i : i + chunk], targets[batch])[2].items():
                np.add.at(total[name], batch, gradient / points)
        return {
            name: np.where(np.isnan(self.inputs[name]), 0, (self.inputs[name] - self.baselines[name]) * gradient)
            for name, gradient in total.items()
        }


def _check_model(model):
    """Raises a ValueError for models whose logits are not accessible."""
    end = model
    while isinstance(end, keras.Model):
        inner = end.layers if isinstance(end, keras.Sequential) else getattr(end, "operations", None)
        if keras.backend.backend() != "tensorflow" or not inner:
            expected = "functional or Sequential to its end, on Keras' TensorFlow backend"
            raise ValueError(f"attribution: `model` must be {expected}; {end.name} is a {type(end).__name__}.")
        end = inner[-1]
    if len(model.outputs) != 1 or len(model.outputs[0].shape) not in (2, 3):
        got = [tuple(tensor.shape) for tensor in model.outputs]
        raise ValueError(f"attribution: `model` must output (B, outputs) or (B, T, outputs), got {got}.")
