"""What an attack changes the input for: a higher loss of the right class, or a lower one of the class aimed at."""

import numpy as np

from zoo.explain.score import Score, resolved
from zoo.introspect.output_activation import activation_name, activation_operation


class Attack:
    """A classifier, a batch, its labels, and the box that the inputs must stay in.

    Args:
        caller: what errors call the attack.
        model: classifier with one input.
        inputs: (N, ...), what the model takes.
        labels: one class for all, or one for each example; None for the predicted class.
        targeted: whether `labels` are the classes to reach, not those to leave.
        low: smallest value that an input may have, one number or one for each band; None for no limit.
        high: the largest.
        batch_size: how many rows a call of the model has at most.
        word: what errors call the labels.
    Raises:
        ValueError: if the model, the inputs, the labels or the limits do not suit.
    """

    def __init__(self, caller, model, inputs, labels, targeted, low, high, batch_size, word="labels"):
        if targeted and labels is None:
            raise ValueError(f"{caller}: `labels` must be given, the classes to reach, where `targeted` is True.")
        self.score = score = Score(caller, model, inputs, None, batch_size)
        self.caller, self.sign = caller, -1.0 if targeted else 1.0
        dtype = score.inputs.dtype
        if not np.issubdtype(dtype, np.floating):
            raise ValueError(f"{caller}: gradients need inputs of real numbers, the model's are {dtype}.")
        if model.outputs[0].shape[-1] == 1 and not score.yes_or_no:
            raise ValueError(f"{caller}: `model` must tell classes apart, {model.name} answers one number.")
        end = activation_operation(model)
        self.independent = not score.yes_or_no and end is not None and activation_name(end) == "sigmoid"
        self.inputs = score.inputs
        self.low, self.high = self._limit("low", low, -np.inf), self._limit("high", high, np.inf)
        if not (self.low < self.high).all():
            raise ValueError(f"{caller}: `low` must be below `high`, got {low} and {high}.")
        outside = (self.inputs < self.low) | (self.inputs > self.high)
        if outside.any():
            told = f"got {self.inputs.min():g} to {self.inputs.max():g}"
            raise ValueError(f"{caller}: `inputs` must lie within `low` = {low} and `high` = {high}, {told}.")
        self.labels = self._classes(word, labels)

    def _classes(self, word, labels):
        score = self.score
        if labels is None:
            return resolved(score.targets, score.values(self.inputs))
        classes = 2 if score.yes_or_no else score.model.outputs[0].shape[-1]
        if len(labels) not in (1, len(self.inputs)):
            many = f"got {len(labels)} for {len(self.inputs)} examples"
            raise ValueError(f"{self.caller}: `{word}` must be one class, or one for each example, {many}.")
        if max(labels) >= classes:
            raise ValueError(f"{self.caller}: `{word}` must be a class from 0 to {classes - 1}, got {max(labels)}.")
        return np.broadcast_to(np.array(labels, "int32"), len(self.inputs))

    def _limit(self, name, value, none):
        bands = self.inputs.shape[-1]
        if value is not None and len(value) not in (1, bands):
            wanted = f"one number or {bands}, one for each band"
            raise ValueError(f"{self.caller}: `{name}` must be {wanted}, got {len(value)}.")
        return np.broadcast_to(np.asarray(none if value is None else value, self.inputs.dtype), bands)

    def loss(self, logits, labels):
        """(B,): the cross-entropy of each row's label; of the label's own sigmoid where classes do not exclude others.

        Args:
            logits: (B, classes), as `Score` answers them.
            labels: (B,) classes.
        """
        import tensorflow as tf

        if self.independent:
            return tf.nn.softplus(-tf.gather(logits, labels, batch_dims=1))
        if self.score.yes_or_no:  # the softmax of l / 2 and -l / 2 is the sigmoid of l
            logits = logits / 2
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)

    def ascent(self, x, labels):
        """(B, ...): where the loss grows (toward labels, where it falls), while `unsquashed` lasts."""
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = self.loss(self.score.logits(x), labels)
        gradient = tape.gradient(loss, x)
        if gradient is None:
            told = f"the answer of {self.score.model.name} has no gradient with respect to its input"
            raise ValueError(f"{self.caller}: {told}.")
        return self.sign * tf.cast(gradient, x.dtype)
