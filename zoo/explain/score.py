"""The scalar that an explanation explains: the logit of a class, before softmax or sigmoid."""

import contextlib

import numpy as np

from zoo.explain.function_cache import compiled_functions
from zoo.explain.model_inputs import check_array
from zoo.explain.model_requirements import no_gradient_reason, unsupported_reason
from zoo.introspect.output_activation import activation_name, activation_operation, as_logits, to_probabilities


class Score:
    """A model, a batch of inputs and their target classes, with compiled functions for logits and gradients.

    A single sigmoid has two classes: the logit of class 1 is the model's, the logit of class 0 is its negative.
    For a dense prediction, (B, ..., classes), the score is the mean over all positions, or over those in `mask`.

    Args:
        caller: name of the explanation in error messages.
        model: a classifier or regressor with one input.
        inputs: (N, ...) inputs of the model.
        target: one class for all examples, or one for each; None for the class with the largest logit.
        batch_size: largest number of rows in one call of the model.
        dense: whether the model may output a prediction for every position.
        mask: array of the size of a dense prediction, without its channels; nonzero positions count. None uses all.
    Raises:
        ValueError: if the model, the inputs, the target or the mask do not fit.
    """

    def __init__(self, caller, model, inputs, target, batch_size, *, dense=False, mask=None):
        reason = unsupported_reason(model, dense)
        if reason:
            raise ValueError(f"{caller}: {reason}.")
        self.caller, self.model, self.batch_size = caller, model, batch_size
        end = activation_operation(model)
        self.single_sigmoid = model.outputs[0].shape[-1] == 1 and end is not None and activation_name(end) == "sigmoid"
        self.inputs = check_array(caller, "`inputs`", inputs, model.inputs[0])
        if self.inputs.dtype.kind == "f" and not np.isfinite(self.inputs).all():
            raise ValueError(f"{caller}: `inputs` must be finite, got NaN or infinity.")
        self.targets = np.full(len(self.inputs), -1, "int32") if target is None else self.class_indices(target)
        self.position_axes = list(range(1, len(model.outputs[0].shape) - 1))
        self.mask_weights = None if mask is None else self._mask_weights(mask)
        self.functions = compiled_functions(model, self.inputs.shape[1:]) if mask is None else {}

    def class_indices(self, classes, argument="target"):
        """Returns (N,) int32 classes, one for each example.

        Args:
            classes: one class for all examples, or one for each.
            argument: name of the argument in error messages.
        Raises:
            ValueError: if there are too few or too many, or the model has no such class.
        """
        count = 2 if self.single_sigmoid else self.model.outputs[0].shape[-1]
        if len(classes) not in (1, len(self.inputs)):
            got = f"{len(classes)} for {len(self.inputs)} examples"
            raise ValueError(f"{self.caller}: `{argument}` must be one class, or one for each example, got {got}.")
        if max(classes) >= count:
            raise ValueError(f"{self.caller}: `{argument}` must be a class from 0 to {count - 1}, got {max(classes)}.")
        return np.broadcast_to(np.array(classes, "int32"), len(self.inputs))

    def _mask_weights(self, mask):
        """Returns the weight of each position, (..., 1), with a sum of 1."""
        mask = np.asarray(mask)
        shape = tuple(self.model(self.inputs[:1], training=False).shape[1:-1])
        if not shape or mask.shape != shape or mask.dtype.kind not in "biuf" or not np.any(mask):
            expected = f"{shape} with a nonzero value" if shape else f"None, as {self.model.name} has no dense output"
            values = f"{int(np.count_nonzero(mask))} nonzero values" if mask.dtype.kind in "biuf" else mask.dtype
            raise ValueError(f"{self.caller}: `mask` must be {expected}, got {mask.shape} with {values}.")
        return (mask != 0).astype("float32")[..., None] / np.count_nonzero(mask)

    def batch_slices(self, rows):
        """Returns slices of at most `batch_size` of `rows` rows."""
        return [slice(i, i + self.batch_size) for i in range(0, rows, self.batch_size)]

    def logits(self, x):
        """Returns (B, classes) float32 logits of a tensor x (B, ...); call it inside `as_logits`."""
        import tensorflow as tf

        logits = tf.cast(self.model(x, training=False), "float32")
        return self._mean_over_positions(tf.concat([-logits, logits], axis=-1) if self.single_sigmoid else logits)

    def _mean_over_positions(self, outputs):
        """(B, ..., classes)  ->  (B, classes)."""
        import tensorflow as tf

        if not self.position_axes:
            return outputs
        if self.mask_weights is None:
            return tf.reduce_mean(outputs, self.position_axes)
        return tf.reduce_sum(outputs * self.mask_weights, self.position_axes)

    def compile_function(self, name, function, *specs, logits=True):
        """Compiles `function` for any number of rows, or returns the one compiled under this name before.

        Args:
            name: key of the compiled function.
            function: takes inputs (rows, ...) and one tensor for each of `specs`; it must not depend on the examples.
            *specs: `tf.TensorSpec` of its further arguments.
            logits: whether the model outputs logits inside it, instead of probabilities.
        """
        import tensorflow as tf

        if name not in self.functions:
            with as_logits(self.model) if logits else contextlib.nullcontext():
                compiled = tf.function(function, input_signature=[self.input_spec(), *specs], autograph=False)
                self.functions[name] = compiled.get_concrete_function()
        return self.functions[name]

    def predict_logits(self, x):
        """Returns (rows, classes) float32 logits of an array x (rows, ...)."""
        import tensorflow as tf

        compute = self.compile_function("logits", self.logits)
        return np.concatenate([compute(tf.constant(x[rows])).numpy() for rows in self.batch_slices(len(x))])

    def predict(self, x):
        """Returns (rows, classes) float32 predictions for an array x (rows, ...): the model's own outputs."""
        import tensorflow as tf

        def predictions(x):
            outputs = tf.cast(self.model(x, training=False), "float32")
            return self._mean_over_positions(to_probabilities(outputs, "sigmoid") if self.single_sigmoid else outputs)

        compute = self.compile_function("predictions", predictions, logits=False)
        return np.concatenate([compute(tf.constant(x[rows])).numpy() for rows in self.batch_slices(len(x))])

    def gradients(self, x, targets):
        """Returns the logits (rows, classes) of x (rows, ...) and the gradient of each row's target logit, as x.

        A target of -1 is the class with the largest logit.
        """
        import tensorflow as tf

        reason = no_gradient_reason(self.model)
        if reason:
            raise ValueError(f"{self.caller}: {reason}.")
        compute = self.compile_function("gradients", self._differentiate, tf.TensorSpec((None,), "int32"))
        batches = [compute(tf.constant(x[rows]), tf.constant(targets[rows])) for rows in self.batch_slices(len(x))]
        logits, gradients = zip(*batches, strict=True)
        return np.concatenate(logits), np.concatenate(gradients)

    def _differentiate(self, x, target):
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(x)
            logits = self.logits(x)
            score = target_logits(logits, target)
        gradient = tape.gradient(score, x)
        if gradient is None:
            raise ValueError(
                f"{self.caller}: the output of {self.model.name} has no gradient with respect to its input."
            )
        return logits, tf.cast(gradient, "float32")

    def input_spec(self):
        """Returns the `tf.TensorSpec` of any number of input rows."""
        import tensorflow as tf

        return tf.TensorSpec((None, *self.inputs.shape[1:]), self.inputs.dtype)


def target_logits(logits, targets):
    """Returns (B,) the logit of each row's target class; a target of -1 is the class with the largest logit."""
    import tensorflow as tf

    targets = tf.where(targets < 0, tf.argmax(logits, axis=-1, output_type="int32"), targets)
    return tf.gather(logits, targets, batch_dims=1)


def resolve_targets(targets, logits):
    """Returns `targets` with -1 replaced by the class with the largest logit."""
    return np.where(targets < 0, logits.argmax(axis=-1), targets).astype("int32")
