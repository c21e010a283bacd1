"""Diffusion model: training and variational bound of a noise prediction network."""

from typing import Literal

import keras
import numpy as np
from keras import ops

from zoo.arguments import Count, Rate, Whole, checked
from zoo.generate.ddim import DDIMSampler
from zoo.generate.generative import verify_value_range
from zoo.generate.noise_schedule import linear_schedule
from zoo.generate.variational_bound import variational_bound_terms
from zoo.keras_patches import patch_adam
from zoo.layers.weight_average import WeightAverage


@keras.saving.register_keras_serializable("zoo")
class Diffusion(DDIMSampler):
    """Functional model [noisy image, timestep] -> noise, with its training, sampling and variational bound.

    Images are float in [-1, 1]. Training, sampling and the bound need the TensorFlow backend.

    Args:
        inputs: symbolic [(B, H, W, C) image, (B,) int timestep index].
        outputs: symbolic (B, H, W, C) noise.
        steps: number of timesteps, as in `zoo.generate.noise_schedule.linear_schedule`.
        averaged: whether the model has a moving average of its weights; `compile` creates it.
        name: the model's name.
    Raises:
        ValueError: if `steps` is too small.

    Source: Ho et al. 2020, https://arxiv.org/abs/2006.11239; Song et al. 2021, https://arxiv.org/abs/2010.02502.
    """

    low, high = -1.0, 1.0  # range of the images

    def __init__(self, inputs, outputs, *, steps=1000, averaged=False, name=None):
        super().__init__(inputs, outputs, name=name)
        try:
            self.schedule = linear_schedule(steps)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        self.steps, self.average, self.ema_momentum = steps, None, None
        self.loss_tracker = keras.metrics.Mean(name="loss")
        self.seed_generator = keras.random.SeedGenerator()
        if averaged:
            self.average = WeightAverage(self.network_weights, name="average")
        self._reset_compiled_functions()

    def _reset_compiled_functions(self):
        object.__setattr__(self, "compiled_functions", {})  # past Keras' tracking, which would try to save them

    @property
    def metrics(self):
        return [self.loss_tracker]

    # Training

    @checked
    def compile(
        self,
        optimizer=None,
        *,
        ema_momentum: Rate = 0.9999,
        jit_compile: bool | Literal["auto"] = False,
        run_eagerly: bool = False,
        steps_per_execution: Count = 1,
    ):
        """Configures the training; without arguments as in the paper: Adam at 2e-4 with `global_clipnorm` 1.

        Args:
            optimizer: a Keras optimizer, or None for the paper's.
            ema_momentum: decay of the exponential moving average of the weights that sampling uses. It rises to this
                value over the first steps, as described in `zoo.layers.WeightAverage`.
            jit_compile: whether to compile the training step with XLA.
            run_eagerly: whether to run without a graph.
            steps_per_execution: training steps per call of the compiled function.
        Raises:
            ValueError: if Keras' backend is not TensorFlow.
        Differs: the authors' code warms the learning rate up over 5,000 of 800,000 steps; pass a learning rate
            schedule for that.
        """
        if keras.backend.backend() != "tensorflow":
            raise ValueError(
                f"{self.name}: training needs Keras' TensorFlow backend, got {keras.backend.backend()}. "
                "Set KERAS_BACKEND=tensorflow."
            )
        if optimizer is None:
            optimizer = keras.optimizers.Adam(2e-4, global_clipnorm=1.0)
        if self.average is None:
            self.average = WeightAverage(self.network_weights, name="average")
        self.ema_momentum = ema_momentum
        self._reset_compiled_functions()  # the old ones refer to the weights of before
        super().compile(
            optimizer=patch_adam(optimizer, min_weights=1),
            jit_compile=jit_compile,
            run_eagerly=run_eagerly,
            steps_per_execution=steps_per_execution,
        )
        self.optimizer.build(self.trainable_weights)

    def fit(self, x=None, y=None, *args, callbacks=None, **kwargs):
        """Trains on images in [-1, 1], an array or a tf.data.Dataset of batches; otherwise as `keras.Model.fit`.

        Training stops when the loss becomes NaN or infinite. The weights, their average and the optimizer are then
        those before that step, and the last loss in the history is NaN.

        Raises:
            ValueError: if an array, or a dataset's first batch, is not in [-1, 1]; the message has the actual range.
        """
        callbacks = [*(callbacks or ()), keras.callbacks.TerminateOnNaN()]
        return super().fit(x, y, *args, callbacks=callbacks, **kwargs)

    def verify(self, x, y=None):
        """Raises a ValueError for images of another shape or range."""
        if hasattr(x, "shape"):
            self.checked_images(x)

    def checked_images(self, images):
        """Returns the images as (B, H, W, C) float32.

        Raises:
            ValueError: if they have another shape, or a value is not in [-1, 1].
        """
        images, shape = np.asarray(images, "float32"), self.input[0].shape[1:]
        if images.shape[1:] != shape or not images.ndim:
            raise ValueError(f"{self.name}: `images` must be (B, {str(shape)[1:-1]}), got {images.shape}.")
        return verify_value_range(images, -1.0, 1.0, f"{self.name}: `images`")

    def add_noise(self, images, t, noise):
        """Returns x_t = sqrt(alphas_cumprod) x_0 + sqrt(1 - alphas_cumprod) noise for timestep indices t (eq. 4)."""
        alphas_cumprod = ops.take(self.schedule.alphas_cumprod.astype("float32"), t)[:, None, None, None]
        return ops.sqrt(alphas_cumprod) * images + ops.sqrt(1.0 - alphas_cumprod) * noise

    def noise_error(self, images, training):
        """Returns the mean squared error of the predicted noise at a random timestep per image (eq. 14)."""
        images = ops.cast(images, "float32")
        seed = self.seed_generator if training else 0  # every validation uses the same noise
        t = keras.random.randint((ops.shape(images)[0],), 0, self.steps, seed=seed)
        noise = keras.random.normal(ops.shape(images), seed=seed)
        return ops.mean(ops.square(noise - self([self.add_noise(images, t, noise), t], training=training)))

    def train_step(self, data):
        import tensorflow as tf

        images, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        weights = self.trainable_weights
        with tf.GradientTape() as tape:
            loss = self.noise_error(images, True)
            scaled_loss = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled_loss, [w.value for w in weights])
        is_finite = tf.math.is_finite(loss)
        # Gradients in float16 may overflow: LossScaleOptimizer then skips the step itself and lowers its scale.
        if not isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer):
            is_finite &= tf.math.is_finite(tf.linalg.global_norm(gradients))

        def update_weights():
            self.optimizer.apply(gradients, weights)
            self.average.update(self.network_weights, self.ema_momentum)
            return tf.constant(0)

        tf.cond(is_finite, update_weights, lambda: tf.constant(0))
        self.loss_tracker.update_state(tf.where(is_finite, loss, np.nan))
        return {"loss": self.loss_tracker.result()}

    def test_step(self, data):
        images, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        self.loss_tracker.update_state(self.noise_error(images, False))
        return {"loss": self.loss_tracker.result()}

    # Likelihood

    @checked
    def variational_bound(self, images, *, seed: Whole = 0):
        """Returns the variational bound on the negative log-likelihood of each image [bits per dimension] (eq. 5).

        It needs one pass of the network with the averaged weights per timestep, with one noise sample each. The reverse
        variance is beta_t (section 3.2, first choice), but at the last reverse step that of the posterior at index 1,
        as in the authors' code.

        Args:
            images: (B, H, W, C) in [-1, 1], of 256 evenly spaced gray levels.
            seed: random seed of the noise.
        Returns:
            dict of float32 arrays: bits (B,), the bound; terms (B, steps + 1), its terms L_0, ..., L_T. L_0 is the
            reconstruction of the 256 levels, L_T the KL divergence of x_T from N(0, 1).
        Raises:
            ValueError: if the images are not in [-1, 1] or do not have the model's shape.
        """
        function = self.compiled_function("bound", lambda x, seed: variational_bound_terms(self, x, seed))
        terms = function(self.checked_images(images), np.array([seed, 0], "int32")).numpy()
        return {"bits": terms.sum(axis=1), "terms": terms}

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
            "ema_momentum": self.ema_momentum,
            "jit_compile": self.jit_compile,
            "run_eagerly": self.run_eagerly,
            "steps_per_execution": self.steps_per_execution,
        }

    def compile_from_config(self, config):
        self.compile(**{**config, "optimizer": keras.saving.deserialize_keras_object(config["optimizer"])})
