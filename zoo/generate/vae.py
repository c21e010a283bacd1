"""VAE: variational autoencoder."""

import keras
import numpy as np
from keras import layers

from zoo.arguments import Count, NonNegative, Shape, Whole, checked, image_shape
from zoo.generate.autoencoder import Autoencoder, HiddenActivation, build_decoder, dense_initializer, encoder_layers
from zoo.generate.generative import noise
from zoo.generate.unsupervised import Bernoulli, sample_specs, stateless_normal
from zoo.layers.gaussian_latent import GaussianLatent
from zoo.registry import register, variant


@keras.saving.register_keras_serializable("zoo")
class VAE(Autoencoder):
    """An encoder to a normal distribution and a decoder; `fit(images)` maximizes the evidence lower bound (ELBO).

    `compile()` uses Adam at 1e-3. The loss is the Bernoulli reconstruction loss summed over pixels, plus beta times the
    KL divergence of the code from N(0, 1) [nats per image]. Both terms are metrics, `reconstruction` and `kl`. Calling
    the model and `evaluate` use the mean of the code; `elbo` samples the code.

    `encoder` returns [mean, log_variance].
    """

    def compile(self, *args, **kwargs):
        super().compile(*args, **kwargs)
        self.loss_terms = {name: keras.metrics.Mean(name=name) for name in ("reconstruction", "kl")}

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        latent = self.get_layer("latent")
        (weighted_kl,) = latent.losses
        self.loss_terms["reconstruction"].update_state(loss - weighted_kl)
        if latent.beta:
            self.loss_terms["kl"].update_state(weighted_kl / latent.beta)
        return loss

    def encode(self, images):
        """Returns the mean of each image's code: (N, H, W, C), 0 to 1  ->  (N, latent)."""
        return self.encoder.predict(self.checked_images(images), verbose=0)[0]

    @checked
    def sample(self, n: Count, *, seed: Whole | None = None):
        """Samples codes from N(0, 1) and decodes them.

        Args:
            n: number of images.
            seed: random seed, or None.
        Returns:
            (n, H, W, C) float32 array, the probability of each pixel to be 1.
        """
        return self.decoder.predict(noise(n, self.decoder.input.shape[-1], seed), verbose=0)

    @checked
    def elbo(self, images, *, samples: Count = 1, seed: Whole | None = None):
        """Returns the evidence lower bound (ELBO) on log p(image) [nats]; papers report its mean over images.

        It is a bound for binary images. For gray values it is the negative loss with beta 1.

        Args:
            images: (N, H, W, C), 0 to 1.
            samples: code samples per image, over which the reconstruction term is averaged.
            seed: random seed, or None.
        Returns:
            (N,) float64 array.
        """
        terms = self._elbo_terms(images, samples, seed)
        return np.concatenate([log_likelihood.mean(axis=0) - kl for log_likelihood, _, kl in terms])

    @checked
    def log_likelihood(self, images, *, samples: Count = 50, seed: Whole | None = None):
        """Returns the importance-weighted bound on log p(image) [nats].

        With one sample its expectation is the ELBO; with more samples it approaches log p(image) from below.

        Args:
            images: (N, H, W, C), 0 to 1.
            samples: code samples per image.
            seed: random seed, or None.
        Returns:
            (N,) float64 array.
        Source: Burda et al. 2015, https://arxiv.org/abs/1509.00519, eq. 8.
        """
        terms = self._elbo_terms(images, samples, seed)
        bounds = [np.logaddexp.reduce(log_likelihood + log_weight) for log_likelihood, log_weight, _ in terms]
        return np.concatenate(bounds) - np.log(samples)

    def _elbo_terms(self, images, samples, seed):
        """Yields per batch log p(x | z) and log p(z) - log q(z | x), (samples, n), and the KL divergence, (n,)."""
        images, rng, bernoulli = self.checked_images(images), np.random.default_rng(seed), Bernoulli(reduction=None)
        for start in range(0, len(images), 256):
            x = images[start : start + 256]
            mean, log_variance = self.encoder.predict(x, verbose=0)
            e = rng.standard_normal((samples, *mean.shape), "float32")
            z = mean + np.exp(log_variance / 2) * e
            outputs = self.decoder.predict(z.reshape(-1, mean.shape[-1]), verbose=0)
            log_likelihood = -np.asarray(bernoulli(np.concatenate([x] * samples), outputs), "float64")
            log_weight = np.sum(e**2 + log_variance - z**2, axis=-1, dtype="float64") / 2
            kl = np.asarray(GaussianLatent.kl(mean, log_variance), "float64")
            yield log_likelihood.reshape(samples, -1), log_weight, kl

    def signatures(self):
        """Returns the export signatures: reconstruct, encode, decode, and sample with a count and a seed."""
        size = self.decoder.input.shape[-1]

        def sample(count, seed):
            return self.decoder(stateless_normal(count, seed, size), training=False)

        return {**super().signatures(), "sample": (sample, sample_specs())}


@register(
    task="generate",
    source="https://arxiv.org/abs/1312.6114",
    example={"input_shape": (28, 28, 1), "latent": 20},
)
def vae(
    input_shape: Shape,
    latent: Count,
    *,
    units: tuple[Count, ...] = (500,),
    filters: tuple[Count, ...] = (),
    hidden_activation: HiddenActivation = "tanh",
    beta: NonNegative = 1.0,
    name: str = "vae",
) -> keras.Model:
    """VAE, dense or convolutional: an autoencoder whose code has a normal distribution that can be sampled.

    (B, H, W, C) float, 0 to 1  ->  (B, H, W, C) probabilities: the image reconstructed from a sample of the code in
    training, and from its mean at inference.

    Args:
        input_shape: (H, W, C) of one image [pixels]; with `filters`, H and W divisible by 2 ** len(filters).
        latent: size of the code.
        units: number of units of the encoder's hidden dense layers; the decoder mirrors them without `filters`.
        filters: number of channels of 3 x 3 convolutions with stride 2 before the dense layers; the decoder mirrors
            them. Empty for a dense VAE.
        hidden_activation: activation of the hidden layers, as `zoo.autoencoder` takes it.
        beta: weight of the KL divergence from N(0, 1): 1 in the paper, above 1 in a beta-VAE.
        name: the model's name.
    Returns:
        Uncompiled `VAE`; 815,824 parameters for 28 x 28 pixels and a code of 20 numbers.
    Raises:
        ValueError: if H or W is not divisible by 2 ** len(filters).

    Source: Kingma and Welling 2013, section 5 and appendix C; beta: Higgins et al. 2017,
        https://openreview.net/forum?id=Sy2fzU9gl; `conv_vae` has the layers of
        https://keras.io/examples/generative/vae/.
    Differs: Adam, where the paper has Adagrad. Weights are initialized from the paper's N(0, 0.01), with `filters` as
        in keras.io's example.
    """
    image_shape(name, input_shape, fixed=True, multiple=2 ** len(filters))
    entry = layers.Input(input_shape, name="image")
    stddev = None if filters else 0.01
    x, map_shape = encoder_layers(entry, units, filters, hidden_activation, stddev)
    x = x if len(x.shape) == 2 else layers.Flatten(name="features")(x)
    moments = [
        layers.Dense(latent, kernel_initializer=dense_initializer(stddev), dtype="float32", name=n)(x)
        for n in ("mean", "log_variance")
    ]
    encoder = keras.Model(entry, moments, name="encoder")
    decoder = build_decoder((latent,), input_shape, units[::-1], filters, hidden_activation, map_shape, stddev)
    inputs = layers.Input(input_shape, name="image")
    return VAE(inputs, decoder(GaussianLatent(beta, name="latent")(encoder(inputs))), name=name)


conv_vae = variant(
    vae,
    "conv_vae",
    source="https://keras.io/examples/generative/vae/",
    example={"input_shape": (28, 28, 1), "latent": 2},
    units=(16,),
    filters=(32, 64),
    hidden_activation="relu",
)
