"""Two networks that train each other: one makes, the other judges (Goodfellow et al. 2014)."""

import keras
from keras import ops

from zoo.arguments import Count, checked
from zoo.generate import generative
from zoo.generate.generative import Generative
from zoo.keras_patches import patch_adam


@keras.saving.register_keras_serializable("zoo")
class Adversarial(Generative):
    """A generator and the discriminator that it must deceive, trained in turns by one compiled step.

    Calling the model is calling its generator: noise, or noise and label  ->  (B, H, W, C) images.

    A step draws noise, makes images of it, teaches the discriminator to tell them from the real ones, and then the
    generator to have the same images taken for real by the discriminator as it now is. Both networks answer in
    training mode, and batches of real and of made images are normalised each by itself. A network whose loss or
    gradient is not finite stays as it is, and so does the generator after such a discriminator; moving averages go
    back, and the losses in the logs are NaN, at which `keras.callbacks.TerminateOnNaN` stops: all weights are finite.

    The state that training depends on survives a `.keras` file: both networks, both optimizers, the states of the
    noise and of the dropout.

    Args:
        generator: functional model, (noise) or (noise, label)  ->  images.
        discriminator: functional model, (images) or (images, label)  ->  (B, 1) float32 logits.
        optimizer: what `compile` uses for each network unless told otherwise: configuration as `keras.optimizers.get`
            takes it, for example `{"class_name": "Adam", "config": {"learning_rate": 2e-4}}`.
        low, high: range of the images.
        classes: how many classes the labels name, or None without labels.
        weight: factor of the discriminator's loss.
        name: the model's name.
        **kwargs: as `keras.Model` has them.
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
        self.usual = optimizer
        self.noise_seed = keras.random.SeedGenerator()
        self.total = keras.metrics.Mean(name="loss")  # Keras' own callbacks watch this name
        self.made = keras.metrics.Mean(name="generator_loss")
        self.judged = keras.metrics.Mean(name="discriminator_loss")

    @property
    def metrics(self):
        return [self.total, self.made, self.judged]

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
        """Readies the model; without arguments, with its paper's settings.

        Args:
            optimizer: of the generator; clips the gradients where it is told to, as every Keras optimizer.
            discriminator_optimizer: of the discriminator; None for what the paper has.
            run_eagerly, steps_per_execution, jit_compile, auto_scale_loss: as `keras.Model.compile` has them.
        """
        optimizer = keras.optimizers.get(self.usual if optimizer is None else optimizer)
        judge = keras.optimizers.get(self.usual if discriminator_optimizer is None else discriminator_optimizer)
        if judge is optimizer:
            raise ValueError(f"{self.name}: each network must have an optimizer of its own, got one for both.")
        super().compile(
            optimizer=patch_adam(optimizer, min_weights=1),
            run_eagerly=run_eagerly,
            steps_per_execution=steps_per_execution,
            jit_compile=jit_compile,
            auto_scale_loss=auto_scale_loss,
        )
        scaling = keras.optimizers.LossScaleOptimizer
        if auto_scale_loss and isinstance(self.optimizer, scaling) and not isinstance(judge, scaling):
            judge = scaling(judge)  # Keras scales float16's losses for the one optimizer that it knows
        self.discriminator_optimizer = patch_adam(judge, min_weights=1)
        self.optimizer.build(self.generator.trainable_variables)
        judge.build(self.discriminator.trainable_variables)
        self.compiling = {
            "run_eagerly": run_eagerly,
            "steps_per_execution": steps_per_execution,
            "jit_compile": jit_compile,
            "auto_scale_loss": auto_scale_loss,
        }

    def get_compile_config(self):
        if not self.compiled:
            return {}
        optimizers = {"optimizer": self.optimizer, "discriminator_optimizer": self.discriminator_optimizer}
        return {**{k: keras.optimizers.serialize(o) for k, o in optimizers.items()}, **self.compiling}

    def compile_from_config(self, config):
        self.compile(**{k: keras.saving.deserialize_keras_object(v) for k, v in config.items()})

    def verify(self, x, y):
        generative.verify_range(x, self.low, self.high, f"{self.name}: images")
        if (self.classes is None) != (y is None):
            needed = "images alone" if self.classes is None else "images and their labels"
            raise ValueError(
                f"{self.name} must be given {needed}, got {'images alone' if y is None else 'labels too'}."
            )
        if y is not None:
            generative.verify_labels(y, self.classes, f"{self.name}: labels")

    def parts(self, data):
        """A batch as (images, list of what both networks are told, list of the generator's inputs)."""
        images, labels, _ = keras.utils.unpack_x_y_sample_weight(data)
        told = [] if labels is None else [ops.cast(labels, "int32")]
        shape = (ops.shape(images)[0], self.latent)
        return images, told, [keras.random.normal(shape, dtype="float32", seed=self.noise_seed), *told]

    def judge(self, images, told):
        """The discriminator's logits in training mode."""
        return self.discriminator([images, *told] if told else images, training=True)

    def discriminator_loss(self, images, made, told):
        """-log D(x) - log(1 - D(G(z))), each the mean over its batch, times `weight`."""
        real, fake = self.judge(images, told), self.judge(made, told)
        return self.weight * (ops.mean(ops.softplus(-real)) + ops.mean(ops.softplus(fake)))

    def generator_loss(self, images, made, told):
        """-log D(G(z)), the paper's stronger gradient early in training, the mean over the batch."""
        return ops.mean(ops.softplus(-self.judge(made, told)))

    def train_step(self, data):
        import tensorflow as tf

        images, told, inputs = self.parts(data)
        before = [(w, tf.identity(w.value)) for w in self.non_trainable_weights]
        with tf.GradientTape() as making:
            made = self.generator(inputs if len(inputs) > 1 else inputs[0], training=True)
            with making.stop_recording():
                with tf.GradientTape() as judging:
                    judged = self.discriminator_loss(images, made, told)
                    scaled = self.discriminator_optimizer.scale_loss(judged)
                good = self.learn(self.discriminator_optimizer, self.discriminator, judging, scaled, True)
            fooled = self.generator_loss(images, made, told)
            scaled = self.optimizer.scale_loss(fooled)
        good = self.learn(self.optimizer, self.generator, making, scaled, good)
        self.restore_unless(good, before)
        return self.log(good, fooled, judged)

    def learn(self, optimizer, network, tape, loss, good):
        """One update of a network where `good`, the loss and its gradients are finite; returns whether there was."""
        import tensorflow as tf

        weights = network.trainable_variables
        gradients = tape.gradient(loss, [w.value for w in weights])
        good = tf.logical_and(good, tf.math.is_finite(loss))
        # float16's gradients may overflow: its optimizer leaves the weights as they are then, and scales less
        if not isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
            sums = tf.stack([tf.reduce_sum(tf.cast(g, "float32")) for g in gradients])
            good = tf.logical_and(good, tf.reduce_all(tf.math.is_finite(sums)))

        def update():
            optimizer.apply(gradients, weights)
            return tf.constant(0)

        tf.cond(good, update, lambda: tf.constant(0))
        return good

    def restore_unless(self, good, before):
        """Gives the moving averages their values of `before` back after a step without a finite answer."""
        import tensorflow as tf

        def restore():
            for weight, value in before:
                weight.assign(value)
            return tf.constant(0)

        tf.cond(good, lambda: tf.constant(0), restore)

    def log(self, good, made, judged):
        """The mean losses since the epoch began; NaN from the first step that was not finite."""
        made = ops.where(good, made, float("nan"))
        self.made.update_state(made)
        self.judged.update_state(judged)
        self.total.update_state(made + judged)
        return self.get_metrics_result()

    @checked
    def sample(self, n: Count, *, seed: int | None = None, labels=None):
        """Images that the generator makes of noise.

        Args:
            n: how many.
            seed: for the same images again; None for others each time. Training goes on as if nothing was sampled.
            labels: (n,) classes, where the model knows classes; None for all of them in turn.
        Returns:
            (n, H, W, C) float32 array in the model's range.
        Raises:
            ValueError: if the labels are not n classes, or the model knows none.
        """
        return self._make(generative.noise(n, self.latent, seed), labels)

    @checked
    def interpolate(self, a, b, steps: Count = 8, *, labels=None):
        """Images on the way from one point of the noise to another, along the sphere that normal noise lies on.

        Args:
            a, b: (latent,) points.
            steps: how many images, both ends included.
            labels: (steps,) classes, where the model knows classes; None for class 0.
        Returns:
            (steps, H, W, C) float32 array in the model's range.
        Raises:
            ValueError: if the points or the labels do not fit.
        """
        points = generative.between(a, b, steps)
        if points.shape[1] != self.latent:
            raise ValueError(f"{self.name}: `a` and `b` must be ({self.latent},), got ({points.shape[1]},).")
        return self._make(points, [0] * steps if labels is None and self.classes else labels)

    def _make(self, points, labels):
        if self.classes is None:
            if labels is not None:
                raise ValueError(f"{self.name} knows no classes: `labels` must be None, got {labels!r}.")
            return self.generator.predict(points, verbose=0)
        labels = [i % self.classes for i in range(len(points))] if labels is None else labels
        labels = generative.verify_labels(labels, self.classes, f"{self.name}: `labels`")
        if len(labels) != len(points):
            raise ValueError(f"{self.name}: `labels` must be {len(points)}, got {len(labels)}.")
        return self.generator.predict([points, labels], verbose=0)

    def signatures(self):
        """What an export offers: generate, noise to image; discriminate, image to the probability of being real."""
        return {
            "generate": generative.signature(self.generator),
            "discriminate": generative.signature(self.discriminator, ops.sigmoid),
        }

    def get_config(self):
        networks = {"generator": self.generator, "discriminator": self.discriminator}
        told = {name: getattr(self, name) for name in ("low", "high", "classes", "weight")}
        networks = {k: keras.saving.serialize_keras_object(v) for k, v in networks.items()}
        return {"name": self.name, "trainable": self.trainable, **networks, **told, "optimizer": dict(self.usual)}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        for network in ("generator", "discriminator"):
            config[network] = keras.saving.deserialize_keras_object(config[network], custom_objects)
        return cls(**config)
