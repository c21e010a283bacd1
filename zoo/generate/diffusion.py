"""Diffusion: a network that answers the noise in an image, with how it is trained and how it makes images."""

from typing import Literal

import keras
import numpy as np
from keras import ops

from zoo.arguments import Count, Rate, Whole, checked
from zoo.generate.generative import verify_range
from zoo.generate.likelihood import terms
from zoo.generate.reverse import Reverse
from zoo.generate.schedule import linear
from zoo.keras_patches import patch_adam
from zoo.layers.weight_average import WeightAverage


@keras.saving.register_keras_serializable("zoo")
class Diffusion(Reverse):
    """A functional model ([noisy image, step] -> noise) that trains itself and samples.

    Images are float in [-1, 1]. Training needs the TensorFlow backend, and so do sampling and the bound.

    Args:
        inputs: symbolic [(B, H, W, C) image, (B,) int step].
        outputs: symbolic (B, H, W, C) noise.
        steps: noise levels, as `zoo.generate.schedule.linear` has them.
        averaged: whether a moving average of the weights is kept; `compile` sets it.
        name: the model's name.
    Raises:
        ValueError: if there are too few steps.

    Source: Ho et al. 2020, https://arxiv.org/abs/2006.11239; Song et al. 2021, https://arxiv.org/abs/2010.02502.
    """

    low, high = -1.0, 1.0  # range of the images

    def __init__(self, inputs, outputs, *, steps=1000, averaged=False, name=None):
        super().__init__(inputs, outputs, name=name)
        try:
            self.schedule = linear(steps)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        self.steps, self.average, self.decay = steps, None, None
        self.loss_tracker = keras.metrics.Mean(name="loss")
        self.seed_generator = keras.random.SeedGenerator()
        if averaged:
            self.average = WeightAverage(self.network_weights, name="average")
        object.__setattr__(self, "graphs", {})  # compiled functions, which are no part of what is saved

    @property
    def metrics(self):
        return [self.loss_tracker]

    # Training

    @checked
    def compile(
        self,
        optimizer=None,
        *,
        average: Rate = 0.9999,
        jit_compile: bool | Literal["auto"] = False,
        run_eagerly: bool = False,
        steps_per_execution: Count = 1,
    ):
        """Readies it for `fit`; without arguments as the paper: Adam at 2e-4, gradients clipped to a norm of 1.

        Args:
            optimizer: a Keras optimizer, or None for the paper's.
            average: decay of the weights' moving average, from which samples are drawn; it rises to this over the
                first steps, as `zoo.layers.WeightAverage` says, so that short runs have a usable one.
            jit_compile: whether XLA compiles the training step.
            run_eagerly: whether it runs without a graph.
            steps_per_execution: training steps in one call.
        Differs: the authors' code warms the rate up over 5,000 of 800,000 steps; give a schedule for that.
        """
        if keras.backend.backend() != "tensorflow":
            raise ValueError(f"{self.name}: it trains on Keras' TensorFlow backend, got {keras.backend.backend()}.")
        if optimizer is None:
            optimizer = keras.optimizers.Adam(2e-4, global_clipnorm=1.0)
        if self.average is None:
            self.average = WeightAverage(self.network_weights, name="average")
        self.decay = average
        object.__setattr__(self, "graphs", {})  # those of before have other weights
        super().compile(
            optimizer=patch_adam(optimizer, fewest=1),
            jit_compile=jit_compile,
            run_eagerly=run_eagerly,
            steps_per_execution=steps_per_execution,
        )
        self.optimizer.build(self.trainable_weights)

    def fit(self, x=None, y=None, *args, callbacks=None, **kwargs):
        """Trains on images in [-1, 1], an array or a tf.data.Dataset of batches; the rest as `keras.Model.fit`.

        Where the loss becomes NaN or infinite, it stops: the weights, their average and the optimizer are then those
        of the step before, and the last loss in the history is NaN.

        Raises:
            ValueError: if an array, or a dataset's first batch, is not in [-1, 1]; it says what was seen.
        """
        callbacks = [*(callbacks or ()), keras.callbacks.TerminateOnNaN()]
        return super().fit(x, y, *args, callbacks=callbacks, **kwargs)

    def verify(self, x, y=None):
        """Refuses images that are not of this model's shape or do not lie in [-1, 1]."""
        if hasattr(x, "shape"):
            self.images(x)

    def images(self, images):
        """(B, H, W, C) float32 in [-1, 1], or a ValueError that says what was seen."""
        images, wanted = np.asarray(images, "float32"), self.input[0].shape[1:]
        if images.shape[1:] != wanted or not images.ndim:
            raise ValueError(f"{self.name}: `images` must be (B, {str(wanted)[1:-1]}), got {images.shape}.")
        return verify_range(images, -1.0, 1.0, f"{self.name}: `images`")

    def noised(self, images, step, noise):
        """The images after `step`: sqrt(kept) of them and sqrt(1 - kept) of the noise (eq. 4)."""
        kept = ops.take(self.schedule.kept.astype("float32"), step)[:, None, None, None]
        return ops.sqrt(kept) * images + ops.sqrt(1.0 - kept) * noise

    def errors(self, images, training):
        """The mean squared error of the noise predicted at a step drawn for each image (eq. 14)."""
        images = ops.cast(images, "float32")
        seed = self.seed_generator if training else 0  # every validation meets the same noise
        step = keras.random.randint((ops.shape(images)[0],), 0, self.steps, seed=seed)
        noise = keras.random.normal(ops.shape(images), seed=seed)
        return ops.mean(ops.square(noise - self([self.noised(images, step, noise), step], training=training)))

    def train_step(self, data):
        import tensorflow as tf

        images, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        weights = self.trainable_weights
        with tf.GradientTape() as tape:
            loss = self.errors(images, True)
            scaled = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, [w.value for w in weights])
        finite = tf.math.is_finite(loss)
        # float16's gradients may overflow: its optimizer then leaves the weights as they are, and scales less.
        if not isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer):
            finite &= tf.math.is_finite(tf.linalg.global_norm(gradients))

        def learn():
            self.optimizer.apply(gradients, weights)
            self.average.update(self.network_weights, self.decay)
            return tf.constant(0)

        tf.cond(finite, learn, lambda: tf.constant(0))
        self.loss_tracker.update_state(tf.where(finite, loss, np.nan))
        return {"loss": self.loss_tracker.result()}

    def test_step(self, data):
        images, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        self.loss_tracker.update_state(self.errors(images, False))
        return {"loss": self.loss_tracker.result()}

    # What it knows of images

    @checked
    def bound(self, images, *, seed: Whole = 0):
        """The variational bound on each image's negative log-likelihood, in bits per dimension (eq. 5).

        One forward draw for each noise level, so it passes the network `steps` times, with the averaged weights. The
        reverse variance is that of the forward step (section 3.2, first choice), but the posterior's second at the
        last step, as the authors' code has it.

        Args:
            images: (B, H, W, C) in [-1, 1], of 256 grey levels evenly spread.
            seed: of the forward draws.
        Returns:
            dict of float32 arrays: bits (B,), the bound; terms (B, steps + 1), its parts L_0, ..., L_T (bits per
            dimension), where L_0 is the last step's to the 256 levels and L_T is what the noise still knows.
        Raises:
            ValueError: if the images are not in [-1, 1] or not of the model's shape.
        """
        found = self.compiled_once("bound", lambda x, seed: terms(self, x, seed))
        found = found(self.images(images), np.array([seed, 0], "int32")).numpy()
        return {"bits": found.sum(axis=1), "terms": found}

    # Saving

    def get_config(self):
        network = keras.Model(self.input, self.output, name=self.name)
        return {
            "network": keras.saving.serialize_keras_object(network),
            "steps": self.steps,
            "averaged": self.average is not None,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        network = keras.saving.deserialize_keras_object(config["network"], custom_objects=custom_objects)
        return cls(network.input, network.output, **{k: v for k, v in config.items() if k != "network"})

    def get_compile_config(self):
        if not self.compiled:
            return {}
        return {
            "optimizer": keras.saving.serialize_keras_object(self.optimizer),
            "average": self.decay,
            "jit_compile": self.jit_compile,
            "run_eagerly": self.run_eagerly,
            "steps_per_execution": self.steps_per_execution,
        }

    def compile_from_config(self, config):
        self.compile(**{**config, "optimizer": keras.saving.deserialize_keras_object(config["optimizer"])})
