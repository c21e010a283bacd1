"""The number that an explanation explains: the logit of a class, before softmax or sigmoid."""

import contextlib
import importlib.util

import keras
import numpy as np

from zoo.explain.shared_functions import functions
from zoo.introspect.output_activation import activation_name, activation_operation, as_logits, layer_operations


def _last(model):
    """The operation that answers, or the subclassed model around it."""
    while isinstance(model, keras.Model) and layer_operations(model):
        model = layer_operations(model)[-1]
    return model


def refusal(model, dense=False):
    """Why the logits of `model` cannot be explained, as the end of a sentence; empty where they can.

    Args:
        model: what should be explained.
        dense: whether it may answer for every place, (B, ..., classes).
    """
    if keras.backend.backend() != "tensorflow":
        return f"explanations run on Keras' TensorFlow backend, this is {keras.backend.backend()}"
    if not isinstance(model, keras.Model):
        return f"`model` must be a keras.Model, got {type(model).__name__}"
    if not isinstance(model, keras.Sequential) and not hasattr(model, "operations"):
        return "`model` must be functional or Sequential: the end of a subclassed model cannot be read"
    if not model.built:
        return "`model` must be built: give it an Input or call it once"
    if isinstance(_last(model), keras.Model):
        return f"`model` must not end in a subclassed model, whose end cannot be read, as {_last(model).name} is"
    if len(model.inputs) != 1:
        return f"`model` must have one input, got {len(model.inputs)}"
    if len(model.outputs) != 1 or len(model.outputs[0].shape) < 2 or (len(model.outputs[0].shape) > 2 and not dense):
        wanted = "(B, classes)" + (" or (B, ..., classes)" if dense else "")
        return f"`model` must answer {wanted}, got {[tuple(o.shape) for o in model.outputs]}"
    return ""


def without_gradients(model):
    """Why the answer of `model` has no gradient with respect to its input; empty where it can have one."""
    kind = model.inputs[0].dtype
    return "" if "float" in kind else f"gradients need inputs of real numbers, the model's are {kind}"


def missing(package):
    """What to say where a package that an explanation needs is not installed; empty where it is."""
    if importlib.util.find_spec(package) is None:
        return f"the package {package} is missing; pip install 'fieldzoo[shap]'"
    return ""


class Score:
    """A model, a batch and the classes to explain; logits and their gradients come from compiled functions.

    A single sigmoid answers two classes: the logit of class 1 is its own, that of class 0 minus it. Of a dense answer,
    (B, ..., classes), the score is the mean over its places, or over those in `mask`.

    Args:
        caller: what errors call the explanation.
        model: a classifier or regressor with one input.
        inputs: (N, ...), what the model takes.
        target: one class for all, or one for each example; None for the class with the largest logit.
        batch_size: how many rows a call of the model has at most.
        dense: whether the model may answer for every place.
        mask: of the size of a dense answer's places, true (not 0) where they count; None for all of them.
    Raises:
        ValueError: if the model, the inputs, the targets or the mask do not suit.
    """

    def __init__(self, caller, model, inputs, target, batch_size, *, dense=False, mask=None):
        reason = refusal(model, dense)
        if reason:
            raise ValueError(f"{caller}: {reason}.")
        self.caller, self.model, self.batch_size = caller, model, batch_size
        end = activation_operation(model)
        self.yes_or_no = model.outputs[0].shape[-1] == 1 and end is not None and activation_name(end) == "sigmoid"
        self.inputs = self._fitting(inputs)
        self.targets = self._classes(target)
        self.places = len(model.outputs[0].shape) - 2
        self.share = None if mask is None else self._region(mask)
        self.functions = functions(model, self.inputs.shape[1:]) if mask is None else {}

    def _fitting(self, inputs):
        wanted = tuple(self.model.inputs[0].shape)
        found = np.asarray(inputs)
        fits = found.ndim == len(wanted) and all(w in (None, f) for w, f in zip(wanted, found.shape, strict=True))
        if found.dtype.kind not in "fiub" or not fits or not len(found):
            told = f"{found.dtype} {found.shape}"
            hint = " One example needs a batch axis: inputs[None]." if found.ndim == len(wanted) - 1 else ""
            raise ValueError(f"{self.caller}: `inputs` must be numbers of shape {wanted}, got {told}.{hint}")
        if found.dtype.kind == "f" and not np.isfinite(found).all():
            raise ValueError(f"{self.caller}: `inputs` must be finite, got NaN or infinity.")
        return found.astype(self.model.inputs[0].dtype)

    def _classes(self, target):
        if target is None:
            return np.full(len(self.inputs), -1, "int32")
        classes = 2 if self.yes_or_no else self.model.outputs[0].shape[-1]
        if len(target) not in (1, len(self.inputs)):
            many = f"got {len(target)} for {len(self.inputs)} examples"
            raise ValueError(f"{self.caller}: `target` must be one class, or one for each example, {many}.")
        if max(target) >= classes:
            raise ValueError(f"{self.caller}: `target` must be a class from 0 to {classes - 1}, got {max(target)}.")
        return np.broadcast_to(np.array(target, "int32"), len(self.inputs))

    def _region(self, mask):
        """What each place counts, (..., 1), the sum being 1."""
        found = np.asarray(mask)
        sides = tuple(self.model(self.inputs[:1], training=False).shape[1:-1])
        if not sides or found.shape != sides or found.dtype.kind not in "biuf" or not np.any(found):
            wanted = f"{sides} and true somewhere" if sides else f"None, as {self.model.name} answers for no places"
            true = f"{int(np.count_nonzero(found))} of them true" if found.dtype.kind in "biuf" else found.dtype
            raise ValueError(f"{self.caller}: `mask` must be {wanted}, got {found.shape} with {true}.")
        return (found != 0).astype("float32")[..., None] / np.count_nonzero(found)

    def batches(self, rows):
        """Slices of at most `batch_size` rows."""
        return [slice(i, i + self.batch_size) for i in range(0, rows, self.batch_size)]

    def logits(self, x):
        """(B, classes) float32, while `unsquashed` lasts."""
        import tensorflow as tf

        logits = tf.cast(self.model(x, training=False), "float32")
        return self._over_places(tf.concat([-logits, logits], axis=-1) if self.yes_or_no else logits)

    def _over_places(self, answer):
        """(B, ..., classes) -> (B, classes), the mean over the region."""
        import tensorflow as tf

        if not self.places:
            return answer
        axes = list(range(1, 1 + self.places))
        if self.share is None:
            return tf.reduce_mean(answer, axes)
        return tf.reduce_sum(answer * self.share, axes)

    def compiled(self, name, function, *more, logits=True):
        """`function` of any number of rows, compiled once; of explanations that share, by the first of them.

        Args:
            name: what it is kept by.
            function: of (rows, ...) inputs, and of `more`; it must not depend on the examples.
            *more: types of its further arguments.
            logits: whether the model answers logits in it, not probabilities.
        """
        import tensorflow as tf

        if name not in self.functions:
            with as_logits(self.model) if logits else contextlib.nullcontext():
                made = tf.function(function, input_signature=[self.spec(), *more])
                self.functions[name] = made.get_concrete_function()
        return self.functions[name]

    def values(self, x):
        """(rows, classes) float32 logits of x (rows, ...)."""
        import tensorflow as tf

        values = self.compiled("values", self.logits)
        return np.concatenate([values(tf.constant(x[s])).numpy() for s in self.batches(len(x))])

    def answers(self, x):
        """(rows, classes) float32 answers to x (rows, ...) as the model gives them: probabilities, or numbers."""
        import tensorflow as tf

        def answer(x):
            found = tf.cast(self.model(x, training=False), "float32")
            return self._over_places(tf.concat([1 - found, found], axis=-1) if self.yes_or_no else found)

        answers = self.compiled("answers", answer, logits=False)
        return np.concatenate([answers(tf.constant(x[s])).numpy() for s in self.batches(len(x))])

    def gradients(self, x, targets):
        """The logits (rows, classes) of x (rows, ...) and the gradient of each row's target, of x's shape.

        A target of -1 is the class with the largest logit.
        """
        import tensorflow as tf

        reason = without_gradients(self.model)
        if reason:
            raise ValueError(f"{self.caller}: {reason}.")
        gradients = self.compiled("gradients", self._differentiate, tf.TensorSpec((None,), "int32"))
        found = [gradients(tf.constant(x[s]), tf.constant(targets[s])) for s in self.batches(len(x))]
        return tuple(np.concatenate([np.asarray(f[i]) for f in found]) for i in range(2))

    def _differentiate(self, x, target):
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(x)
            logits = self.logits(x)
            score = chosen(logits, target)
        gradient = tape.gradient(score, x)
        if gradient is None:
            raise ValueError(
                f"{self.caller}: the answer of {self.model.name} has no gradient with respect to its input."
            )
        return logits, tf.cast(gradient, "float32")

    def spec(self):
        """The type of any number of rows."""
        import tensorflow as tf

        return tf.TensorSpec((None, *self.inputs.shape[1:]), self.inputs.dtype)


def chosen(logits, target):
    """(B,): the logit of each row's target, -1 being the largest."""
    import tensorflow as tf

    target = tf.where(target < 0, tf.argmax(logits, axis=-1, output_type="int32"), target)
    return tf.gather(logits, target, batch_dims=1)


def resolved(targets, logits):
    """`targets` with -1 replaced by the class with the largest logit."""
    return np.where(targets < 0, logits.argmax(axis=-1), targets).astype("int32")


def over_bands(attribution, reduce):
    """(N, ..., C) -> (N, ...) with `reduce` over the last axis; tables (N, F) keep their features."""
    return np.asarray(attribution if attribution.ndim == 2 else reduce(attribution, axis=-1), "float32")


def precision(model):
    """The relative rounding error of the coarsest numbers that a layer of the model computes with."""
    import ml_dtypes  # NumPy's own finfo does not know bfloat16

    kinds = {model.compute_dtype, *(layer.compute_dtype for layer in model.layers)}
    return max(float(ml_dtypes.finfo(k).eps) for k in kinds if "float" in k)
