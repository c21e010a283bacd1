"""WGAN-GP: Wasserstein GAN with gradient penalty."""

import keras
from keras import layers, ops

from zoo.arguments import Count, NonNegative, Shape
from zoo.generate import generative
from zoo.generate.adversarial import Adversarial
from zoo.generate.dcgan import stride_2_stages
from zoo.registry import register

ADAM = {"class_name": "Adam", "config": {"learning_rate": 1e-4, "beta_1": 0.5, "beta_2": 0.9}}


@register(task="generate", source="https://arxiv.org/abs/1704.00028", example={"image_shape": (32, 32, 3)})
def wgan_gp(
    image_shape: Shape,
    latent: Count = 128,
    *,
    filters: Count = 128,
    kernel_size: Count = 5,
    critic_steps: Count = 5,
    penalty: NonNegative = 10.0,
    name: str = "wgan_gp",
) -> keras.Model:
    """WGAN-GP: the critic estimates the Wasserstein distance between the real and the generated images.

    (B, latent) standard normal noise  ->  (B, H, W, C) images from -1 to 1.

    Both networks have as many stages of stride 2 as `dcgan`. The critic has no batch normalization, because the
    gradient penalty is defined for each image separately. `fit` takes images from -1 to 1.

    Args:
        image_shape: (H, W, C) of one image [pixels]; H and W even and at least 8.
        latent: size of the noise.
        filters: number of channels of the stage next to the image; it doubles at each further stage.
        kernel_size: side of the kernels of stride 2 [pixels].
        critic_steps: critic updates per generator update.
        penalty: weight of the gradient penalty, the paper's lambda.
        name: the model's name.
    Returns:
        Uncompiled `Wasserstein`; for 32 x 32 x 3 the generator has 5,179,907 trainable parameters and the critic
        4,114,688. `compile()` takes Adam with learning rate 1e-4, beta_1 0.5 and beta_2 0.9 for both.
    Raises:
        ValueError: if H or W is odd or below 8.

    Source: Gulrajani et al. 2017, https://arxiv.org/abs/1704.00028, algorithm 1; layers of
        https://github.com/igul222/improved_wgan_training/blob/master/gan_cifar.py.
    Differs: the critic's output has no bias, because the loss depends on differences of outputs only; the initializer
        ignores strides.
    """
    stages = stride_2_stages(name, image_shape)
    start_size = (image_shape[0] >> stages, image_shape[1] >> stages)
    widths = [filters * 2**i for i in range(stages)]
    generator = _generator(start_size, widths[::-1], image_shape[2], latent, kernel_size)
    critic = _critic(image_shape, widths, kernel_size)
    return Wasserstein(
        generator, critic, optimizer=ADAM, critic_steps=critic_steps, penalty=penalty, weight=1.0, name=name
    )


def _generator(start_size, widths, bands, latent, kernel_size):
    inputs = layers.Input((latent,), name="noise")
    x = layers.Dense(start_size[0] * start_size[1] * widths[0], name="generator_dense")(inputs)
    x = _norm_relu(x, "generator_dense")
    x = layers.Reshape((*start_size, widths[0]), name="generator_reshape")(x)
    for i, width in enumerate(widths[1:]):
        x = layers.Conv2DTranspose(
            width, kernel_size, 2, "same", kernel_initializer=_initializer(), name=f"generator_stage{i}"
        )(x)
        x = _norm_relu(x, f"generator_stage{i}")
    options = {"kernel_initializer": _initializer(), "dtype": "float32", "name": "generator_head"}
    x = layers.Conv2DTranspose(bands, kernel_size, 2, "same", **options)(x)
    return keras.Model(inputs, layers.Activation("tanh", dtype="float32", name="generator_tanh")(x), name="generator")


def _critic(image_shape, widths, kernel_size):
    inputs = x = layers.Input(image_shape, name="image")
    for i, width in enumerate(widths):
        x = layers.Conv2D(
            width, kernel_size, 2, "same", kernel_initializer=_initializer(), name=f"discriminator_stage{i}"
        )(x)
        x = layers.LeakyReLU(0.2, name=f"discriminator_stage{i}_relu")(x)
    x = layers.Flatten(name="discriminator_flatten")(x)
    x = layers.Dense(1, use_bias=False, dtype="float32", name="discriminator_head")(x)
    return keras.Model(inputs, x, name="discriminator")


def _norm_relu(x, name):
    x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def _initializer():
    return keras.initializers.VarianceScaling(2.0, "fan_avg", "uniform")


@keras.saving.register_keras_serializable("zoo")
class Wasserstein(Adversarial):
    """A generator and a critic with gradient penalty; the generator is updated once per `critic_steps` batches.

    `discriminator_loss` in the logs is the critic's loss including the penalty, and `loss` is the same.
    `generator_loss` is the mean over the generator's updates, 0 before the first. All else is as in `Adversarial`.

    Args:
        *args: arguments of `Adversarial`.
        critic_steps: critic updates per generator update.
        penalty: weight of the gradient penalty, the paper's lambda.
        **kwargs: arguments of `Adversarial`.
    """

    def __init__(self, *args, critic_steps=5, penalty=10.0, **kwargs):
        super().__init__(*args, **kwargs)
        self.critic_steps, self.penalty = critic_steps, penalty
        self.mix_seed = keras.random.SeedGenerator()

    def discriminator_loss(self, images, generated, condition):
        """Returns E D(G(z)) - E D(x) + `penalty` E (|grad D(x_hat)| - 1)^2, x_hat between real and generated images."""
        import tensorflow as tf

        images = tf.cast(images, "float32")
        epsilon = keras.random.uniform((ops.shape(images)[0], 1, 1, 1), dtype="float32", seed=self.mix_seed)
        mixed = images + epsilon * (generated - images)
        with tf.GradientTape() as tape:
            tape.watch(mixed)
            outputs = self.discriminate(mixed, condition)
        squared_norms = ops.sum(ops.square(tape.gradient(outputs, mixed)), axis=(1, 2, 3))
        norms = ops.sqrt(squared_norms + 1e-12)  # the gradient of the square root is infinite at 0
        distance = ops.mean(self.discriminate(images, condition)) - ops.mean(self.discriminate(generated, condition))
        return self.weight * (self.penalty * ops.mean(ops.square(norms - 1)) - distance)

    def generator_loss(self, images, generated, condition):
        """Returns -E D(G(z))."""
        return -ops.mean(self.discriminate(generated, condition))

    def train_step(self, data):
        import tensorflow as tf

        images, condition, inputs = self.unpack_batch(data)
        previous_values = [(w, tf.identity(w.value)) for w in self.non_trainable_weights]
        generated = self.generate(inputs)
        with tf.GradientTape() as tape:
            critic_loss = self.discriminator_loss(images, generated, condition)
            scaled_loss = self.discriminator_optimizer.scale_loss(critic_loss)
        critic_updated = self.update_network(self.discriminator_optimizer, self.discriminator, tape, scaled_loss, True)

        def update_generator():
            _, _, inputs = self.unpack_batch(data)  # new noise, as in algorithm 1
            with tf.GradientTape() as tape:
                generator_loss = self.generator_loss(images, self.generate(inputs), condition)
                scaled_loss = self.optimizer.scale_loss(generator_loss)
            updated = self.update_network(self.optimizer, self.generator, tape, scaled_loss, critic_updated)
            self.generator_loss_tracker.update_state(ops.where(updated, generator_loss, float("nan")))
            return updated

        due = tf.equal(self.discriminator_optimizer.iterations % self.critic_steps, 0)
        is_finite = tf.cond(tf.logical_and(due, critic_updated), update_generator, lambda: critic_updated)
        self.restore_unless(is_finite, previous_values)
        self.discriminator_loss_tracker.update_state(critic_loss)
        self.loss_tracker.update_state(ops.where(is_finite, critic_loss, float("nan")))
        return self.get_metrics_result()

    def signatures(self):
        """Returns the export signatures: generate, noise to image; discriminate, image to the critic's output."""
        return {
            "generate": generative.signature(self.generator),
            "discriminate": generative.signature(self.discriminator),
        }

    def get_config(self):
        return {**super().get_config(), "critic_steps": self.critic_steps, "penalty": self.penalty}
