"""Adversarial training of a generator and a discriminator (Goodfellow et al. 2014)."""

import keras
from keras import ops

from zoo.arguments import Count, checked
from zoo.generate import generative
from zoo.generate.generative import Generative
from zoo.keras_patches import patch_adam


@keras.saving.register_keras_serializable("zoo")
class Adversarial(Generative):
    """A generator and a discriminator, trained in turns by one compiled step.

    Calling the model calls its generator: noise, or noise and label  ->  (B, H, W, C) images.

    A step samples noise and generates images from it. It updates the discriminator on the real and the generated
    images, then the generator against the updated discriminator on the same images. Both networks run in training
    mode; real and generated batches are normalized separately.

    If the loss or a gradient of a network is not finite, that network is not updated, and neither is the generator
    after its discriminator. The moving averages are restored and the logged losses are NaN, on which
    `keras.callbacks.TerminateOnNaN` stops the training. The weights therefore stay finite.

    A `.keras` file has the complete training state: both networks, both optimizers and the random states of noise and
    dropout.

    Args:
        generator: functional model, (noise) or (noise, label)  ->  images.
        discriminator: functional model, (images) or (images, label)  ->  (B, 1) float32 logits.
        optimizer: default optimizer of each network in `compile`, as a config for `keras.optimizers.get`, for example
            `{"class_name": "Adam", "config": {"learning_rate": 2e-4}}`.
        low, high: range of the images.
        classes: number of classes of the labels, or None without labels.
        weight: factor of the discriminator's loss.
        name: the model's name.
        **kwargs: arguments of `keras.Model`.
    """

    def __init__(
        self,
        generator,
        discriminator,
        *,
        optimizer,
        low=-1.0,
        high=1.0,
        classes=None,
        weight=1.0,
        name="adversarial",
        **kwargs,
    ):
        super().__init__(generator.input, generator(generator.input), name=name, **kwargs)
        self.generator, self.discriminator = generator, discriminator
        self.low, self.high, self.classes, self.weight = low, high, classes, weight
        self.default_optimizer = optimizer
        self.noise_seed = keras.random.SeedGenerator()
        self.loss_tracker = keras.metrics.Mean(name="loss")  # the name that Keras' callbacks monitor
        self.generator_loss_tracker = keras.metrics.Mean(name="generator_loss")
        self.discriminator_loss_tracker = keras.metrics.Mean(name="discriminator_loss")

    @property
    def metrics(self):
        return [self.loss_tracker, self.generator_loss_tracker, self.discriminator_loss_tracker]

    @property
    def latent(self):
        """Size of the noise."""
        return self.generator.inputs[0].shape[-1]

    @checked
    def compile(
        self,
        optimizer=None,
        discriminator_optimizer=None,
        *,
        run_eagerly: bool = False,
        steps_per_execution: Count = 1,
        jit_compile="auto",
        auto_scale_loss: bool = True,
    ):
        """Configures the training; without arguments as in the model's paper.

        Args:
            optimizer: optimizer of the generator, or None for the paper's. To clip gradients, set `clipnorm` or
                `global_clipnorm` of the optimizer.
            discriminator_optimizer: optimizer of the discriminator, or None for the paper's.
            run_eagerly, steps_per_execution, jit_compile, auto_scale_loss: as in `keras.Model.compile`.
        Raises:
            ValueError: if both networks have the same optimizer object.
        """
        optimizer = keras.optimizers.get(self.default_optimizer if optimizer is None else optimizer)
        discriminator_optimizer = keras.optimizers.get(
            self.default_optimizer if discriminator_optimizer is None else discriminator_optimizer
        )
        if discriminator_optimizer is optimizer:
            raise ValueError(
                f"{self.name}: `optimizer` and `discriminator_optimizer` must be two objects, got the same one twice."
            )
        super().compile(
            optimizer=patch_adam(optimizer, min_weights=1),
            run_eagerly=run_eagerly,
            steps_per_execution=steps_per_execution,
            jit_compile=jit_compile,
            auto_scale_loss=auto_scale_loss,
        )
        loss_scale = keras.optimizers.LossScaleOptimizer
        scaled = isinstance(self.optimizer, loss_scale) and not isinstance(discriminator_optimizer, loss_scale)
        if auto_scale_loss and scaled:  # Keras wraps only `self.optimizer` for float16
            discriminator_optimizer = loss_scale(discriminator_optimizer)
        self.discriminator_optimizer = patch_adam(discriminator_optimizer, min_weights=1)
        self.optimizer.build(self.generator.trainable_variables)
        discriminator_optimizer.build(self.discriminator.trainable_variables)
        self.compile_options = {
            "run_eagerly": run_eagerly,
            "steps_per_execution": steps_per_execution,
            "jit_compile": jit_compile,
            "auto_scale_loss": auto_scale_loss,
        }

    def get_compile_config(self):
        if not self.compiled:
            return {}
        optimizers = {"optimizer": self.optimizer, "discriminator_optimizer": self.discriminator_optimizer}
        return {**{k: keras.optimizers.serialize(o) for k, o in optimizers.items()}, **self.compile_options}

    def compile_from_config(self, config):
        self.compile(**{k: keras.saving.deserialize_keras_object(v) for k, v in config.items()})

    def verify(self, x, y):
        generative.verify_value_range(x, self.low, self.high, f"{self.name}: images")
        if (self.classes is None) != (y is None):
            expected = "images alone" if self.classes is None else "images and labels"
            received = "images alone" if y is None else "images and labels"
            raise ValueError(f"{self.name}: the training data must be {expected}, got {received}.")
        if y is not None:
            generative.verify_labels(y, self.classes, f"{self.name}: labels")

    def unpack_batch(self, data):
        """Returns a batch as (real images, [condition], [inputs of the generator]).

        The condition is what both networks receive, such as the labels; the list is empty without one.
        """
        images, labels, _ = keras.utils.unpack_x_y_sample_weight(data)
        condition = [] if labels is None else [ops.cast(labels, "int32")]
        shape = (ops.shape(images)[0], self.latent)
        images = ops.convert_to_tensor(images)  # an array in eager mode
        return images, condition, [keras.random.normal(shape, dtype="float32", seed=self.noise_seed), *condition]

    def generate(self, inputs):
        """Returns the generator's images in training mode; `inputs` is a list."""
        return self.generator(inputs if len(inputs) > 1 else inputs[0], training=True)

    def discriminate(self, images, condition):
        """Returns the discriminator's logits in training mode."""
        return self.discriminator([images, *condition] if condition else images, training=True)

    def discriminator_loss(self, images, generated, condition):
        """Returns `weight` (-log D(x) - log(1 - D(G(z)))), each term the mean over its batch."""
        real, fake = self.discriminate(images, condition), self.discriminate(generated, condition)
        return self.weight * (ops.mean(ops.softplus(-real)) + ops.mean(ops.softplus(fake)))

    def generator_loss(self, images, generated, condition):
        """Returns the mean of -log D(G(z)), the loss of the paper with stronger gradients early in training."""
        return ops.mean(ops.softplus(-self.discriminate(generated, condition)))

    def train_step(self, data):
        import tensorflow as tf

        images, condition, inputs = self.unpack_batch(data)
        previous_values = [(w, tf.identity(w.value)) for w in self.non_trainable_weights]
        with tf.GradientTape() as generator_tape:
            generated = self.generate(inputs)
            with generator_tape.stop_recording():
                with tf.GradientTape() as discriminator_tape:
                    discriminator_loss = self.discriminator_loss(images, generated, condition)
                    scaled_loss = self.discriminator_optimizer.scale_loss(discriminator_loss)
                is_finite = self.update_network(
                    self.discriminator_optimizer, self.discriminator, discriminator_tape, scaled_loss, True
                )
            generator_loss = self.generator_loss(images, generated, condition)
            scaled_loss = self.optimizer.scale_loss(generator_loss)
        is_finite = self.update_network(self.optimizer, self.generator, generator_tape, scaled_loss, is_finite)
        self.restore_unless(is_finite, previous_values)
        generator_loss = ops.where(is_finite, generator_loss, float("nan"))
        self.generator_loss_tracker.update_state(generator_loss)
        self.discriminator_loss_tracker.update_state(discriminator_loss)
        self.loss_tracker.update_state(generator_loss + discriminator_loss)
        return self.get_metrics_result()

    def update_network(self, optimizer, network, tape, loss, enabled):
        """Updates a network if `enabled` and its loss and gradients are finite; returns whether it did."""
        import tensorflow as tf

        weights = network.trainable_variables
        gradients = tape.gradient(loss, [w.value for w in weights])
        is_finite = tf.logical_and(enabled, tf.math.is_finite(loss))
        # Gradients in float16 may overflow: LossScaleOptimizer then skips the step itself and lowers its scale.
        if not isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
            sums = tf.stack([tf.reduce_sum(tf.cast(g, "float32")) for g in gradients])
            is_finite = tf.logical_and(is_finite, tf.reduce_all(tf.math.is_finite(sums)))

        def apply_gradients():
            optimizer.apply(gradients, weights)
            return tf.constant(0)

        tf.cond(is_finite, apply_gradients, lambda: tf.constant(0))
        return is_finite

    def restore_unless(self, is_finite, previous_values):
        """Restores the moving averages, a list of (variable, value), after a step that was not finite."""
        import tensorflow as tf

        def restore():
            for weight, value in previous_values:
                weight.assign(value)
            return tf.constant(0)

        tf.cond(is_finite, lambda: tf.constant(0), restore)

    @checked
    def sample(self, n: Count, *, seed: int | None = None, labels=None):
        """Generates images from random noise.

        The random state of the training does not change.

        Args:
            n: number of images.
            seed: random seed, or None.
            labels: (n,) class indices of a conditional model; None cycles through the classes.
        Returns:
            (n, H, W, C) float32 array in the model's range.
        Raises:
            ValueError: if `labels` are not n class indices, or the model is not conditional.
        """
        return self._generate_images(generative.noise(n, self.latent, seed), labels)

    @checked
    def interpolate(self, a, b, steps: Count = 8, *, labels=None):
        """Generates images along the spherical interpolation between two latent vectors.

        Args:
            a, b: (latent,) vectors.
            steps: number of images, both ends included.
            labels: (steps,) class indices of a conditional model; None for class 0.
        Returns:
            (steps, H, W, C) float32 array in the model's range.
        Raises:
            ValueError: if the vectors or the labels have the wrong size.
        """
        vectors = generative.interpolate_latent(a, b, steps)
        if vectors.shape[1] != self.latent:
            raise ValueError(f"{self.name}: `a` and `b` must be ({self.latent},), got ({vectors.shape[1]},).")
        return self._generate_images(vectors, [0] * steps if labels is None and self.classes else labels)

    def _generate_images(self, vectors, labels):
        if self.classes is None:
            if labels is not None:
                raise ValueError(f"{self.name} is not conditional: `labels` must be None, got {labels!r}.")
            return self.generator.predict(vectors, verbose=0)
        labels = [i % self.classes for i in range(len(vectors))] if labels is None else labels
        labels = generative.verify_labels(labels, self.classes, f"{self.name}: `labels`")
        if len(labels) != len(vectors):
            raise ValueError(f"{self.name}: `labels` must have {len(vectors)} values, got {len(labels)}.")
        return self.generator.predict([vectors, labels], verbose=0)

    def signatures(self):
        """Returns the export signatures: generate, noise to image; discriminate, image to the probability of real."""
        return {
            "generate": generative.signature(self.generator),
            "discriminate": generative.signature(self.discriminator, ops.sigmoid),
        }

    def get_config(self):
        networks = {"generator": self.generator, "discriminator": self.discriminator}
        arguments = {name: getattr(self, name) for name in ("low", "high", "classes", "weight")}
        return {
            "name": self.name,
            "trainable": self.trainable,
            **{k: keras.saving.serialize_keras_object(v) for k, v in networks.items()},
            **arguments,
            "optimizer": dict(self.default_optimizer),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        for network in ("generator", "discriminator"):
            config[network] = keras.saving.deserialize_keras_object(config[network], custom_objects)
        return cls(**config)
