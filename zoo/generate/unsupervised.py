"""What autoencoders, flows and Boltzmann machines share: they learn from images from 0 to 1 and nothing else."""

import keras
import numpy as np
from keras import ops

from zoo.generate.generative import Generative, verify_range
from zoo.keras_patches import patch_adam


@keras.saving.register_keras_serializable("zoo")
class Bernoulli(keras.losses.Loss):
    """-log of the probability of black and white images, whose pixels are independent: summed over pixels [nats].

    Two (B, ...) float, images from 0 to 1 and each pixel's probability of white  ->  a number, the mean over the batch.

    Source: Kingma and Welling 2013, https://arxiv.org/abs/1312.6114, eq. 11 of appendix C.1.
    """

    def __init__(self, reduction="sum_over_batch_size", name="bernoulli", dtype=None):
        super().__init__(name=name, reduction=reduction, dtype=dtype)

    def call(self, y_true, y_pred):
        each = ops.binary_crossentropy(y_true, y_pred)
        return ops.sum(each, axis=tuple(range(1, len(each.shape))))


class KeepGood(keras.callbacks.Callback):
    """Stops a training whose loss is not finite, and brings back what the epoch began with."""

    spoilt = None  # the loss that was not finite

    def on_epoch_begin(self, epoch, logs=None):
        self.kept = [np.array(v) for v in self._variables()]

    def on_train_batch_end(self, batch, logs=None):
        if self.spoilt is None and not np.isfinite(logs["loss"]):
            self.spoilt, self.model.stop_training = float(logs["loss"]), True

    def on_epoch_end(self, epoch, logs=None):
        if self.spoilt is not None:
            for variable, value in zip(self._variables(), self.kept, strict=True):
                variable.assign(value)

    def _variables(self):
        return [*self.model.variables, *self.model.optimizer.variables]


class Unsupervised(Generative):
    """A model that `compile()` readies with its paper's settings and `fit(images)` trains; images lie from 0 to 1.

    Subclasses define `settings()`, the paper's (optimizer, loss, metrics).
    """

    low, high = 0.0, 1.0  # range of the images

    def compile(self, optimizer=None, loss=None, metrics=None, **kwargs):
        """Readies it for `fit`.

        Args:
            optimizer, loss, metrics: as `keras.Model.compile` has them; None for the paper's.
            **kwargs: as `keras.Model.compile` has them.
        """
        given, own = (optimizer, loss, metrics), self.settings()
        optimizer, loss, metrics = (o if g is None else g for g, o in zip(given, own, strict=True))
        super().compile(
            optimizer=patch_adam(keras.optimizers.get(optimizer), min_weights=1), loss=loss, metrics=metrics, **kwargs
        )

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    def verify(self, x, y):
        """Refuses images that are not of this model's shape, or do not lie from 0 to 1."""
        for images in (x, y):
            if images is not None and hasattr(images, "shape"):
                self.checked_images(images)

    def checked_images(self, images):
        """(N, H, W, C) array.

        Raises:
            ValueError: if it is not, or a value does not lie from 0 to 1.
        """
        images, wanted = np.asarray(images), self.input.shape[1:]
        if images.shape[1:] != wanted:
            raise ValueError(f"{self.name}: `images` must be (N, {str(wanted)[1:-1]}), got {images.shape}.")
        return verify_range(images, 0.0, 1.0, f"{self.name}: `images`")

    def fit(self, x=None, y=None, *args, callbacks=None, **kwargs):
        """Trains; as `keras.Model.fit`, `y` being the images themselves where it is None.

        Raises:
            ValueError: if an array of images is not of this model's shape, or does not lie from 0 to 1.
            ArithmeticError: if the loss became NaN or infinite; the model and its optimizer are then as they were when
                the epoch began.
        """
        keep = KeepGood()
        found = super().fit(x, y, *args, callbacks=[*(callbacks or ()), keep], **kwargs)
        if keep.spoilt is not None:
            raise ArithmeticError(
                f"{self.name}: the loss became {keep.spoilt} in epoch {len(found.epoch)}; the weights are those of the "
                "epoch's begin. Lower the optimizer's rate, or look for values out of range in the data."
            )
        return found

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return super().compute_loss(x, x if y is None else y, y_pred, sample_weight, training)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        return super().compute_metrics(x, x if y is None else y, y_pred, sample_weight)


def drawn(count, seed, size):
    """(count, size) numbers from N(0, 1) as an export draws them: two int32 scalars, the same for the same seed."""
    import tensorflow as tf

    return tf.random.stateless_normal((count, size), seed=tf.stack([seed, 0]))


def scalars():
    """The signature of what samples: how many, and the seed."""
    import tensorflow as tf

    return tuple(tf.TensorSpec((), "int32", name=name) for name in ("count", "seed"))
