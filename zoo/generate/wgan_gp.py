"""WGAN-GP: a critic that measures a distance, held to slopes of one."""

import keras
from keras import layers, ops

from zoo.arguments import Count, NonNegative, Shape
from zoo.generate import generative
from zoo.generate.adversarial import Adversarial
from zoo.generate.dcgan import halvings
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
    """WGAN-GP: the critic's mean difference between real and made images estimates how far apart they are.

    (B, latent) standard normal noise  ->  (B, H, W, C) images from -1 to 1.

    Both networks have as many stages of stride 2 as `dcgan`; the critic normalises nothing, for its penalty concerns
    each image by itself. `fit` takes images from -1 to 1.

    Args:
        image_shape: (H, W, C) of one image [pixels]; H and W even and at least 8.
        latent: size of the noise.
        filters: width of the stage next to the image; it doubles at each further stage.
        kernel_size: side of the square kernels of stride 2.
        critic_steps: batches that the critic learns from for each step of the generator.
        penalty: weight of the squared difference of the critic's slopes from 1.
        name: the model's name.
    Returns:
        Uncompiled `Wasserstein`; for 32 x 32 x 3 the generator has 5,179,907 trainable parameters and the critic
        4,114,688. `compile()` takes Adam with the rate 1e-4, beta1 0.5 and beta2 0.9 for both.
    Raises:
        ValueError: if a side is not even or below 8.

    Source: Gulrajani et al. 2017, https://arxiv.org/abs/1704.00028, algorithm 1; layers of
        https://github.com/igul222/improved_wgan_training/blob/master/gan_cifar.py.
    Differs: the critic's answer has no bias, for no difference of answers depends on it; strides have no part in the
        spread of the first weights.
    """
    stages = halvings(name, image_shape)
    start = (image_shape[0] >> stages, image_shape[1] >> stages)
    widths = [filters * 2**i for i in range(stages)]
    generator = _generator(start, widths[::-1], image_shape[2], latent, kernel_size)
    critic = _critic(image_shape, widths, kernel_size)
    return Wasserstein(
        generator, critic, optimizer=ADAM, critic_steps=critic_steps, penalty=penalty, weight=1.0, name=name
    )


def _generator(start, widths, bands, latent, kernel_size):
    inputs = layers.Input((latent,), name="noise")
    x = layers.Dense(start[0] * start[1] * widths[0], name="generator_dense")(inputs)
    x = _norm_relu(x, "generator_dense")
    x = layers.Reshape((*start, widths[0]), name="generator_reshape")(x)
    for i, width in enumerate(widths[1:]):
        x = layers.Conv2DTranspose(
            width, kernel_size, 2, "same", kernel_initializer=_start(), name=f"generator_stage{i}"
        )(x)
        x = _norm_relu(x, f"generator_stage{i}")
    options = {"kernel_initializer": _start(), "dtype": "float32", "name": "generator_head"}
    x = layers.Conv2DTranspose(bands, kernel_size, 2, "same", **options)(x)
    return keras.Model(inputs, layers.Activation("tanh", dtype="float32", name="generator_tanh")(x), name="generator")


def _critic(image_shape, widths, kernel_size):
    inputs = x = layers.Input(image_shape, name="image")
    for i, width in enumerate(widths):
        x = layers.Conv2D(width, kernel_size, 2, "same", kernel_initializer=_start(), name=f"discriminator_stage{i}")(x)
        x = layers.LeakyReLU(0.2, name=f"discriminator_stage{i}_relu")(x)
    x = layers.Flatten(name="discriminator_flatten")(x)
    x = layers.Dense(1, use_bias=False, dtype="float32", name="discriminator_head")(x)
    return keras.Model(inputs, x, name="discriminator")


def _norm_relu(x, name):
    x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def _start():
    return keras.initializers.VarianceScaling(2.0, "fan_avg", "uniform")


@keras.saving.register_keras_serializable("zoo")
class Wasserstein(Adversarial):
    """A generator and a critic whose slopes are held to 1: every batch teaches the critic, every fifth the generator.

    `discriminator_loss` in the logs is the critic's, its penalty included, and `loss` is the same; `generator_loss` is
    the mean over the generator's own steps, 0 before the first. What else there is to know says `Adversarial`.

    Args:
        *args: as `Adversarial` has them.
        critic_steps: batches that the critic learns from for each step of the generator.
        penalty: weight of the squared difference of the slopes from 1.
        **kwargs: as `Adversarial` has them.
    """

    def __init__(self, *args, critic_steps=5, penalty=10.0, **kwargs):
        super().__init__(*args, **kwargs)
        self.critic_steps, self.penalty = critic_steps, penalty
        self.mix_seed = keras.random.SeedGenerator()

    def discriminator_loss(self, images, made, told):
        """E D(G(z)) - E D(x), and `penalty` times E (|grad D| - 1)^2 on the lines between pairs of both."""
        import tensorflow as tf

        images = tf.cast(images, "float32")
        share = keras.random.uniform((ops.shape(images)[0], 1, 1, 1), dtype="float32", seed=self.mix_seed)
        mixed = images + share * (made - images)
        with tf.GradientTape() as sloping:
            sloping.watch(mixed)
            answer = self.judge(mixed, told)
        squares = ops.sum(ops.square(sloping.gradient(answer, mixed)), axis=(1, 2, 3))
        slopes = ops.sqrt(squares + 1e-12)  # the root's own slope at 0 is infinite
        distance = ops.mean(self.judge(images, told)) - ops.mean(self.judge(made, told))
        return self.weight * (self.penalty * ops.mean(ops.square(slopes - 1)) - distance)

    def generator_loss(self, images, made, told):
        """-E D(G(z))."""
        return -ops.mean(self.judge(made, told))

    def train_step(self, data):
        import tensorflow as tf

        images, told, inputs = self.parts(data)
        before = [(w, tf.identity(w.value)) for w in self.non_trainable_weights]
        made = self.generator(inputs if len(inputs) > 1 else inputs[0], training=True)
        with tf.GradientTape() as judging:
            judged = self.discriminator_loss(images, made, told)
            scaled = self.discriminator_optimizer.scale_loss(judged)
        good = self.learn(self.discriminator_optimizer, self.discriminator, judging, scaled, True)

        def teach():
            _, _, inputs = self.parts(data)  # other noise, as algorithm 1 has it
            with tf.GradientTape() as making:
                made = self.generator(inputs if len(inputs) > 1 else inputs[0], training=True)
                fooled = self.generator_loss(images, made, told)
                scaled = self.optimizer.scale_loss(fooled)
            learnt = self.learn(self.optimizer, self.generator, making, scaled, good)
            self.made.update_state(ops.where(learnt, fooled, float("nan")))
            return learnt

        due = tf.equal(self.discriminator_optimizer.iterations % self.critic_steps, 0)
        good = tf.cond(tf.logical_and(due, good), teach, lambda: good)
        self.restore_unless(good, before)
        self.judged.update_state(judged)
        self.total.update_state(ops.where(good, judged, float("nan")))
        return self.get_metrics_result()

    def signatures(self):
        """What an export offers: generate, noise to image; discriminate, image to the critic's number."""
        return {
            "generate": generative.signature(self.generator),
            "discriminate": generative.signature(self.discriminator),
        }

    def get_config(self):
        return {**super().get_config(), "critic_steps": self.critic_steps, "penalty": self.penalty}
