"""DDIM sampling: from noise to images and back, as one graph loop over the timesteps."""

import keras
import numpy as np
from keras import ops

from zoo.arguments import Count, Fraction, Whole, checked
from zoo.generate.generative import Generative, interpolate_latent
from zoo.generate.noise_schedule import ddim_timesteps


class DDIMSampler(Generative):
    """Base class that samples with a noise prediction network.

    Subclasses define `schedule` (a `NoiseSchedule`), `steps`, `average` (a `WeightAverage` or None) and
    `compiled_functions` (an empty dict).

    Source: Song et al. 2021, https://arxiv.org/abs/2010.02502.
    """

    @property
    def network_weights(self):
        """The network's weights without their moving averages."""
        averages = {id(v) for v in self.average.weights} if self.average else ()
        return [w for w in self.weights if id(w) not in averages]

    def predict_noise(self, x, t):
        """Predicts the noise in a batch x at timestep index t, with the averaged weights."""
        import tensorflow as tf

        pairs = zip(self.network_weights, self.average.copies, strict=True) if self.average else ()
        with keras.StatelessScope(state_mapping=[(w, ops.cast(c.value, w.dtype)) for w, c in pairs]):
            return self([x, tf.fill(tf.shape(x)[:1], t)], training=False)

    def compiled_function(self, name, function):
        """Compiles `function` with XLA on the first call and returns the compiled one afterwards."""
        import tensorflow as tf

        if name not in self.compiled_functions:
            self.compiled_functions[name] = tf.function(function, jit_compile=True)
        return self.compiled_functions[name]

    def timesteps(self, steps, method):
        """Returns `steps` timestep indices from the noisiest down, and -1 for the clean image at the end.

        Args:
            steps: number of sampling steps.
            method: name of the calling method, for the error message.
        Raises:
            ValueError: if `steps` is above the number of timesteps.
        """
        if steps > self.steps:
            raise ValueError(f"{self.name}: `{method}` can take at most {self.steps} `steps`, got {steps}.")
        return np.append(ddim_timesteps(self.steps, steps), -1).astype("int32")

    @checked
    def sample(self, n: Count, *, steps: Count = 50, eta: Fraction = 0.0, seed: Whole | None = None):
        """Samples new images with the averaged weights, in one compiled loop.

        Args:
            n: number of images. With the same seed, the first images are the same for every n.
            steps: number of sampling steps, evenly spaced over the timesteps (DDIM).
            eta: scale of the noise added at each step, 0 to 1: 0 is deterministic DDIM, 1 with all timesteps is DDPM.
            seed: random seed, or None.
        Returns:
            (n, H, W, C) float32 in [-1, 1].
        Raises:
            ValueError: if `steps` is above the number of timesteps.
        Source: Song et al. 2021, section 4.
        Differs: of DDPM's two variances of the reverse step this is the posterior's (section 3.2, second choice).
        """
        import tensorflow as tf

        timesteps = self.timesteps(steps, "sample")
        seeds = tf.constant(np.random.SeedSequence(seed).generate_state(n).view("int32"))
        noise = normal_per_seed(seeds, 0, self.input[0].shape[1:])
        if eta:
            loop = self.compiled_function("random", lambda *args, eta: ddim_loop(self, *args, eta=eta))
            return loop(noise, seeds, timesteps, eta=tf.constant(eta)).numpy()
        return self.decode(noise, steps=steps)

    @checked
    def encode(self, images, *, steps: Count = 50):
        """Encodes images as the noise from which `decode` reconstructs them: deterministic DDIM in reverse.

        Args:
            images: (B, H, W, C) in [-1, 1].
            steps: number of sampling steps; with more the reconstruction is closer.
        Returns:
            (B, H, W, C) float32.
        Raises:
            ValueError: if the images are not in [-1, 1] or do not have the model's shape, or `steps` is too large.
        Source: Song et al. 2021, section 5.4.
        """
        images, timesteps = self.checked_images(images), self.timesteps(steps, "encode")[::-1]
        loop = self.compiled_function("encode", lambda x, t: ddim_loop(self, x, None, t, clip=False))
        return loop(images, timesteps.copy()).numpy()

    @checked
    def decode(self, noise, *, steps: Count = 50):
        """Turns noise into images with deterministic DDIM.

        Args:
            noise: (B, H, W, C), standard normal or from `encode`.
            steps: number of sampling steps.
        Returns:
            (B, H, W, C) float32 in [-1, 1].
        Raises:
            ValueError: if `steps` is above the number of timesteps.
        """
        timesteps = self.timesteps(steps, "decode")
        loop = self.compiled_function("decode", lambda x, t: ddim_loop(self, x, None, t))
        return loop(np.asarray(noise, "float32"), timesteps).numpy()

    @checked
    def interpolate(self, a, b, steps: Count = 8):
        """Interpolates between two images: encodes both, interpolates their noise on the sphere and decodes it.

        Args:
            a: (H, W, C), the first image, in [-1, 1].
            b: (H, W, C), the last image.
            steps: number of images, both ends included.
        Returns:
            (steps, H, W, C) float32; the ends are the reconstructions of `a` and `b`.
        Raises:
            ValueError: if an image is not in [-1, 1] or does not have the model's shape.
        Source: Song et al. 2021, section 5.3.
        """
        sampling_steps = min(50, self.steps)
        first, last = self.encode(np.stack([a, b]), steps=sampling_steps)
        points = interpolate_latent(first.ravel(), last.ravel(), steps)
        return self.decode(points.reshape(steps, *first.shape), steps=sampling_steps)

    def signatures(self):
        """Returns the export signature `sample` as {name: (function of tensors, (tf.TensorSpec, ...))}.

        sample: (B,) int32 seeds -> images (B, H, W, C) in [-1, 1], with 50 deterministic steps, one image per seed.
        """
        import tensorflow as tf

        timesteps = self.timesteps(min(50, self.steps), "sample")

        def sample(seed):
            noise = normal_per_seed(seed, 0, self.input[0].shape[1:])
            return {"images": ddim_loop(self, noise, seed, tf.constant(timesteps))}

        return {"sample": (sample, (tf.TensorSpec((None,), "int32", name="seed"),))}


def ddim_loop(model, x, seeds, timesteps, *, eta=None, clip=True):
    """Applies the DDIM update along `timesteps`, with the model's averaged weights.

    Args:
        model: a `Diffusion`.
        x: (B, H, W, C) float32 at the first timestep.
        seeds: (B,) int32, one per image, for the noise added at each step; unused without `eta`.
        timesteps: (S + 1,) int32 indices; -1 is the clean image, `steps` - 1 the noisiest.
        eta: scale of the added noise, 0 to 1; None for the deterministic update.
        clip: whether to clip the predicted x_0 to [-1, 1] at each step, as DDPM's code does, and to recompute the
            noise from it.
    Returns:
        (B, H, W, C) float32 at the last timestep.

    Source: Song et al. 2021, https://arxiv.org/abs/2010.02502, eqs. 12, 13 and 16.
    """
    import tensorflow as tf

    alphas_cumprod = tf.constant(np.append(1.0, model.schedule.alphas_cumprod), "float32")

    def step(i, x):
        t, t_next = timesteps[i], timesteps[i + 1]
        alpha, alpha_next = alphas_cumprod[t + 1], alphas_cumprod[t_next + 1]
        # The network receives the noisier of both timesteps; in encoding that is the next one.
        noise = model.predict_noise(x, tf.maximum(t, t_next))
        x0 = (x - tf.sqrt(1 - alpha) * noise) / tf.sqrt(alpha)
        if clip:
            x0 = tf.clip_by_value(x0, -1.0, 1.0)
            noise = (x - tf.sqrt(alpha) * x0) / tf.sqrt(1 - alpha)
        if eta is None:
            return i + 1, tf.sqrt(alpha_next) * x0 + tf.sqrt(1 - alpha_next) * noise
        variance = eta**2 * (1 - alpha_next) / (1 - alpha) * (1 - alpha / alpha_next)  # eq. 16, squared
        x = tf.sqrt(alpha_next) * x0 + tf.sqrt(tf.maximum(1 - alpha_next - variance, 0.0)) * noise
        return i + 1, x + tf.sqrt(variance) * normal_per_seed(seeds, i + 1, x.shape[1:])

    steps = tf.shape(timesteps)[0] - 1
    return tf.while_loop(lambda i, _: i < steps, step, [tf.constant(0), x])[1]


def normal_per_seed(seeds, stream, shape):
    """Returns standard normal numbers that depend on each image's own seed, not on its batch.

    Args:
        seeds: (B,) int32.
        stream: int32 index of the random stream.
        shape: shape of one image.
    Returns:
        (B, *shape) float32.
    """
    import tensorflow as tf

    def normal(seed):
        return tf.random.stateless_normal(shape, tf.stack([seed, stream]), alg="philox")

    return tf.map_fn(normal, seeds, fn_output_signature="float32")
