"""Base class of autoencoders, normalizing flows and Boltzmann machines: models trained on images alone."""

import keras
import numpy as np
from keras import ops

from zoo.generate.generative import Generative, verify_value_range
from zoo.keras_patches import patch_adam


@keras.saving.register_keras_serializable("zoo")
class Bernoulli(keras.losses.Loss):
    """Negative log-likelihood of binary images with independent pixels, summed over the pixels [nats].

    Images from 0 to 1, (B, ...), and probabilities that a pixel is 1, (B, ...)  ->  the mean over the batch.

    Source: Kingma and Welling 2013, https://arxiv.org/abs/1312.6114, eq. 11 of appendix C.1.
    """

    def __init__(self, reduction="sum_over_batch_size", name="bernoulli", dtype=None):
        super().__init__(name=name, reduction=reduction, dtype=dtype)

    def call(self, y_true, y_pred):
        per_pixel = ops.binary_crossentropy(y_true, y_pred)
        return ops.sum(per_pixel, axis=tuple(range(1, len(per_pixel.shape))))


class RestoreOnNaN(keras.callbacks.Callback):
    """Stops the training when the loss is NaN or infinite and restores the state at the start of the epoch."""

    bad_loss = None  # the NaN or infinite loss

    def on_epoch_begin(self, epoch, logs=None):
        self.values = [np.array(v) for v in self._variables()]

    def on_train_batch_end(self, batch, logs=None):
        if self.bad_loss is None and not np.isfinite(logs["loss"]):
            self.bad_loss, self.model.stop_training = float(logs["loss"]), True

    def on_epoch_end(self, epoch, logs=None):
        if self.bad_loss is not None:
            for variable, value in zip(self._variables(), self.values, strict=True):
                variable.assign(value)

    def _variables(self):
        return [*self.model.variables, *self.model.optimizer.variables]


class Unsupervised(Generative):
    """Base class of models that learn from images in [0, 1] without labels.

    `compile()` uses the settings of the model's paper and `fit(images)` trains. Subclasses define `default_settings()`,
    which returns the paper's (optimizer, loss, metrics).
    """

    low, high = 0.0, 1.0  # range of the images

    def compile(self, optimizer=None, loss=None, metrics=None, **kwargs):
        """Configures the training; without arguments as in the model's paper.

        Args:
            optimizer, loss, metrics: as in `keras.Model.compile`; None for the paper's.
            **kwargs: arguments of `keras.Model.compile`.
        """
        arguments, defaults = (optimizer, loss, metrics), self.default_settings()
        optimizer, loss, metrics = (d if a is None else a for a, d in zip(arguments, defaults, strict=True))
        super().compile(
            optimizer=patch_adam(keras.optimizers.get(optimizer), min_weights=1), loss=loss, metrics=metrics, **kwargs
        )

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    def verify(self, x, y):
        """Raises a ValueError for images of another shape or range."""
        for images in (x, y):
            if images is not None and hasattr(images, "shape"):
                self.checked_images(images)

    def checked_images(self, images):
        """Returns the images as an (N, H, W, C) array.

        Raises:
            ValueError: if they have another shape, or a value is not in [0, 1].
        """
        images, shape = np.asarray(images), self.input.shape[1:]
        if images.shape[1:] != shape:
            raise ValueError(f"{self.name}: `images` must be (N, {str(shape)[1:-1]}), got {images.shape}.")
        return verify_value_range(images, 0.0, 1.0, f"{self.name}: `images`")

    def fit(self, x=None, y=None, *args, callbacks=None, **kwargs):
        """Trains as `keras.Model.fit`; the targets are the images themselves where `y` is None.

        Raises:
            ValueError: if an array of images has another shape than the model, or a value is not in [0, 1].
            ArithmeticError: if the loss becomes NaN or infinite; the model and its optimizer are then as at the start
                of the epoch.
        """
        restore = RestoreOnNaN()
        history = super().fit(x, y, *args, callbacks=[*(callbacks or ()), restore], **kwargs)
        if restore.bad_loss is not None:
            raise ArithmeticError(
                f"{self.name}: the loss became {restore.bad_loss} in epoch {len(history.epoch)}; the weights are those "
                "at the start of the epoch. Lower the learning rate, or look for values out of range in the data."
            )
        return history

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return super().compute_loss(x, x if y is None else y, y_pred, sample_weight, training)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        return super().compute_metrics(x, x if y is None else y, y_pred, sample_weight)


def stateless_normal(count, seed, size):
    """Returns (count, size) standard normal numbers for an exported sampler; `count` and `seed` are int32 scalars."""
    import tensorflow as tf

    return tf.random.stateless_normal((count, size), seed=tf.stack([seed, 0]))


def sample_specs():
    """Returns the input specs of an exported sampler: the number of samples and the seed."""
    import tensorflow as tf

    return tuple(tf.TensorSpec((), "int32", name=name) for name in ("count", "seed"))
