"""The loss that adversarial attacks increase (or decrease, for targeted attacks), and the limits of the inputs."""

import numpy as np

from zoo.explain.score import Score, resolve_targets
from zoo.introspect.output_activation import activation_name, activation_operation


class Attack:
    """A classifier, a batch of inputs, its labels, and the limits that the attacked inputs must respect.

    Args:
        caller: name of the attack in error messages.
        model: classifier with one input.
        inputs: (N, ...) inputs of the model.
        labels: one class for all examples, or one for each; None for the predicted class.
        targeted: whether `labels` are the classes to reach, instead of the true ones.
        low: lower limit of the inputs, one number or one for each band; None for no limit.
        high: upper limit of the inputs, likewise.
        batch_size: largest number of rows in one call of the model.
        labels_argument: name of the argument `labels` in error messages.
    Raises:
        ValueError: if the model, the inputs, the labels or the limits do not fit.
    """

    def __init__(self, caller, model, inputs, labels, targeted, low, high, batch_size, labels_argument="labels"):
        if targeted and labels is None:
            raise ValueError(f"{caller}: `labels` must be given, the classes to reach, if `targeted` is True.")
        self.score = score = Score(caller, model, inputs, None, batch_size)
        self.caller, self.sign = caller, -1.0 if targeted else 1.0
        dtype = score.inputs.dtype
        if not np.issubdtype(dtype, np.floating):
            raise ValueError(f"{caller}: gradients need floating-point inputs, the model's inputs are {dtype}.")
        if model.outputs[0].shape[-1] == 1 and not score.single_sigmoid:
            raise ValueError(f"{caller}: `model` must be a classifier, {model.name} outputs one number.")
        end = activation_operation(model)
        self.multi_label = not score.single_sigmoid and end is not None and activation_name(end) == "sigmoid"
        self.inputs = score.inputs
        self.low, self.high = self._limit("low", low, -np.inf), self._limit("high", high, np.inf)
        if not (self.low < self.high).all():
            raise ValueError(f"{caller}: `low` must be below `high`, got {low} and {high}.")
        outside = (self.inputs < self.low) | (self.inputs > self.high)
        if outside.any():
            got = f"{self.inputs.min():g} to {self.inputs.max():g}"
            raise ValueError(f"{caller}: `inputs` must be within `low` = {low} and `high` = {high}, got {got}.")
        if labels is None:
            self.labels = resolve_targets(score.targets, score.predict_logits(self.inputs))
        else:
            self.labels = score.class_indices(labels, labels_argument)

    def _limit(self, name, value, default):
        """Returns one limit for each band."""
        bands = self.inputs.shape[-1]
        if value is not None and len(value) not in (1, bands):
            expected = f"one number or {bands}, one for each band"
            raise ValueError(f"{self.caller}: `{name}` must be {expected}, got {len(value)}.")
        return np.broadcast_to(np.asarray(default if value is None else value, self.inputs.dtype), bands)

    def loss(self, logits, labels):
        """Returns (B,) cross-entropies; of the label's own sigmoid if the classes are not exclusive.

        Args:
            logits: (B, classes), as `Score.logits` returns them.
            labels: (B,) classes.
        """
        import tensorflow as tf

        if self.multi_label:
            return tf.nn.softplus(-tf.gather(logits, labels, batch_dims=1))
        if self.score.single_sigmoid:  # the softmax of l / 2 and -l / 2 is the sigmoid of l
            logits = logits / 2
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)

    def ascent_direction(self, x, labels):
        """Returns (B, ...) the gradient of the loss, negated for targeted attacks; call it inside `as_logits`."""
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = self.loss(self.score.logits(x), labels)
        gradient = tape.gradient(loss, x)
        if gradient is None:
            name = self.score.model.name
            raise ValueError(f"{self.caller}: the output of {name} has no gradient with respect to its input.")
        return self.sign * tf.cast(gradient, x.dtype)
