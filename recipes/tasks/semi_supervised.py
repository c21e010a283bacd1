"""The model that trains a classifier on labelled and unlabelled images, and averages its weights."""

import keras
from keras import ops

from recipes.tasks.pseudo_labels import AdaptiveThresholds, fairness_loss, label_entropy, ramp
from zoo.introspect.output_activation import as_logits
from zoo.layers.weight_average import WeightAverage

PSEUDO_LABEL_ACCURACY = "pseudo_label_accuracy"


class SemiSupervised(keras.Model):
    """A classifier with a training step for batches of labelled and unlabelled images.

    A batch is a pair of dicts. The inputs are `labelled` (B, ...) and, of unlabelled images, `weak` and for fixmatch
    and freematch `strong` (mu B, ...). The targets are `labelled`, class indices or (B, C), and `hidden`, (mu B,)
    classes that only the metric `pseudo_label_accuracy` uses, -1 where they are unknown. The forward pass of the weakly
    augmented images by which fixmatch and freematch make pseudo-labels has no gradients.

    Args:
        classifier: functional or Sequential `keras.Model` that predicts classes by a softmax or logits.
        task: `FewLabels`, with its hyperparameters.
        is_hidden: whether the classes of the unlabelled images are known, but hidden.
    """

    def __init__(self, classifier, task, is_hidden):
        super().__init__(name=classifier.name)
        self.classifier, self.task, self.steps = classifier, task, 1
        self.initial_weights = classifier.get_weights()
        self.average = WeightAverage(classifier.trainable_weights, name="average")
        self.thresholds = AdaptiveThresholds(classifier.output_shape[-1], task.threshold_momentum, name="thresholds")
        names = [] if task.method == "supervised" else ["unlabelled_loss", "above_threshold"]
        names += ["threshold"] if task.method == "freematch" else []
        self.trackers = {name: keras.metrics.Mean(name) for name in names}
        if names and is_hidden:
            self.trackers[PSEUDO_LABEL_ACCURACY] = SelectedMean(PSEUDO_LABEL_ACCURACY)
        self.built = True

    def call(self, inputs, training=None):
        return self.classifier(inputs, training=training)

    def get_config(self):
        return {"classifier": keras.saving.serialize_keras_object(self.classifier)}

    def log_probabilities(self, images):
        """Returns (B, C) logarithms of the classifier's probabilities in training, float32."""
        with as_logits(self.classifier):
            return ops.log_softmax(ops.cast(self.classifier(images, training=True), "float32"))

    def labelled_loss(self, log_probabilities, targets):
        """Returns the mean cross-entropy of labelled images, whose targets are class indices or (B, C)."""
        classes, smoothing = log_probabilities.shape[-1], self.task.label_smoothing
        targets = targets if len(targets.shape) > 1 else ops.one_hot(targets, classes, dtype="float32")
        targets = targets * (1 - smoothing) + smoothing / classes
        return -ops.mean(ops.sum(targets * log_probabilities, axis=-1))

    def pseudo_labels(self, log_probabilities):
        """Returns (labels, 1 where they are used and else 0) of (B, C) log q; FreeMatch's thresholds follow q."""
        probabilities = ops.stop_gradient(ops.exp(log_probabilities))
        labels, confidence = ops.argmax(probabilities, -1), ops.max(probabilities, -1)
        if self.task.method == "pseudo_label":
            return labels, ops.ones_like(confidence)
        threshold = self.task.threshold
        if self.task.method == "freematch":
            self.thresholds.update(probabilities)
            threshold = ops.take(self.thresholds.by_class(), labels)
        return labels, ops.cast(confidence >= threshold, "float32")

    def unlabelled_loss(self, log_probabilities, labels, selected):
        """Returns the weighted loss of unlabelled images, (B, C) log Q, with their pseudo-labels."""
        loss = self.task.loss_weight * ops.mean(selected * label_entropy(log_probabilities, labels))
        if self.task.method == "pseudo_label":
            return loss * ramp(self.optimizer.iterations, self.steps, *self.task.ramp)
        if self.task.method == "freematch" and self.task.fairness:
            state = self.thresholds.marginal.value, self.thresholds.histogram.value
            loss += self.task.fairness * fairness_loss(ops.exp(log_probabilities), selected, *state)
        return loss

    def train_step(self, data):
        import tensorflow as tf

        (inputs, targets), images, pseudo, unlabelled = data, [data[0]["labelled"]], None, 0.0
        if "strong" in inputs:
            pseudo = self.pseudo_labels(self.log_probabilities(inputs["weak"]))
        images += [inputs[name] for name in ("strong" if "strong" in inputs else "weak",) if name in inputs]
        count = ops.shape(images[0])[0]
        with tf.GradientTape() as tape:
            outputs = self.log_probabilities(ops.concatenate(images, axis=0))
            if len(images) > 1:
                pseudo = pseudo or self.pseudo_labels(outputs[count:])
                unlabelled = self.unlabelled_loss(outputs[count:], *pseudo)
            loss = self.labelled_loss(outputs[:count], targets["labelled"]) + unlabelled + sum(self.classifier.losses)
            scaled_loss = self.optimizer.scale_loss(loss)
        weights = self.classifier.trainable_weights
        self.optimizer.apply(tape.gradient(scaled_loss, [w.value for w in weights]), weights)
        self.average.update(weights, self.task.ema_momentum)
        if pseudo:
            self.track(unlabelled, *pseudo, targets["hidden"])
        self._loss_metric().update_state(loss)
        return self.compute_metrics(None, targets["labelled"], ops.exp(outputs[:count]))

    def track(self, loss, labels, selected, hidden):
        """Updates the metrics of the unlabelled images."""
        values = {"unlabelled_loss": loss, "above_threshold": selected, "threshold": self.thresholds.threshold.value}
        for name, tracker in self.trackers.items():
            if name == PSEUDO_LABEL_ACCURACY:
                tracker.update_state(ops.cast(labels, "int32") == ops.cast(hidden, "int32"), sample_weight=selected)
            else:
                tracker.update_state(values[name])

    def test_step(self, data):
        x, y = data
        outputs = self(x, training=False)
        loss = self.compute_loss(x=x, y=y, y_pred=outputs, training=False)
        self._loss_metric().update_state(loss, sample_weight=ops.shape(outputs)[0])
        logs = self.compute_metrics(x, y, outputs)
        return {name: value for name, value in logs.items() if name not in self.trackers}

    def _loss_metric(self):
        return next(metric for metric in self.metrics if metric.name == "loss")

    def set_average(self):
        """Sets the classifier's trainable weights to their moving average, and returns the classifier."""
        for weight, value in zip(self.classifier.trainable_weights, self.average.copies, strict=True):
            weight.assign(ops.cast(value, weight.dtype))
        return self.classifier


class SelectedMean(keras.metrics.Mean):
    """Mean of the values that have a weight; NaN where none has."""

    def result(self):
        return self.total / self.count


class ValidateAverage(keras.callbacks.Callback):
    """Evaluates the validation split with the moving average of the weights of a `SemiSupervised` model."""

    def on_test_begin(self, logs=None):
        self.weights = [ops.convert_to_numpy(weight) for weight in self.model.classifier.trainable_weights]
        self.model.set_average()

    def on_test_end(self, logs=None):
        for weight, value in zip(self.model.classifier.trainable_weights, self.weights, strict=True):
            weight.assign(value)
