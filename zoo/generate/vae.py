"""VAE: an autoencoder whose code is a distribution, so that it can be drawn from."""

import keras
import numpy as np
from keras import layers

from zoo.arguments import Count, NonNegative, Shape, Whole, checked, image_shape
from zoo.generate.autoencoder import Autoencoder, decode, first, hidden
from zoo.generate.generative import noise
from zoo.generate.unsupervised import Bernoulli, drawn, scalars
from zoo.layers.gaussian_latent import GaussianLatent
from zoo.registry import register, variant


@keras.saving.register_keras_serializable("zoo")
class VAE(Autoencoder):
    """An encoder to a normal distribution, and a decoder; `fit(images)` raises the evidence lower bound.

    `compile()` readies it with Adam at 1e-3; the loss is the Bernoulli reconstruction summed over pixels, plus beta
    times the divergence of the code [nats an image]. Both parts are metrics: `reconstruction` and `kl`. Calling it, and
    `evaluate`, take the code's mean; `elbo` draws.

    `encoder` answers [mean, log_variance].
    """

    def compile(self, *args, **kwargs):
        super().compile(*args, **kwargs)
        self.parts = {name: keras.metrics.Mean(name=name) for name in ("reconstruction", "kl")}

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        latent = self.get_layer("latent")
        (weighted,) = latent.losses
        self.parts["reconstruction"].update_state(loss - weighted)
        if latent.beta:
            self.parts["kl"].update_state(weighted / latent.beta)
        return loss

    def code(self, images):
        """The mean of each image's code: (N, H, W, C), 0 to 1  ->  (N, latent)."""
        return self.encoder.predict(self.checked_images(images), verbose=0)[0]

    @checked
    def sample(self, n: Count, *, seed: Whole | None = None):
        """Images from codes drawn from N(0, 1).

        Args:
            n: how many.
            seed: for the same images again; None for others each time.
        Returns:
            (n, H, W, C) float32 array, the probability of white in each pixel.
        """
        return self.decoder.predict(noise(n, self.decoder.input.shape[-1], seed), verbose=0)

    @checked
    def elbo(self, images, *, samples: Count = 1, seed: Whole | None = None):
        """The evidence lower bound on log p(image) [nats]; a mean over it is the figure that papers report.

        It bounds a probability where pixels are 0 or 1; for greys in between it is minus the loss, without beta.

        Args:
            images: (N, H, W, C), 0 to 1.
            samples: codes drawn for each image, over which the reconstruction is averaged.
            seed: for the same draws again.
        Returns:
            (N,) float64 array.
        """
        found = [fit.mean(axis=0) - divergence for fit, _, divergence in self._bounds(images, samples, seed)]
        return np.concatenate(found)

    @checked
    def log_likelihood(self, images, *, samples: Count = 50, seed: Whole | None = None):
        """The importance-weighted bound on log p(image) [nats]: it rises to it with the samples, `elbo` at 1 sample.

        Args:
            images: (N, H, W, C), 0 to 1.
            samples: codes drawn for each image.
            seed: for the same draws again.
        Returns:
            (N,) float64 array.
        Source: Burda et al. 2015, https://arxiv.org/abs/1509.00519, eq. 8.
        """
        found = [np.logaddexp.reduce(fit + weight) for fit, weight, _ in self._bounds(images, samples, seed)]
        return np.concatenate(found) - np.log(samples)

    def _bounds(self, images, samples, seed):
        """For some images after the other: log p(x | z) and log p(z) - log q(z | x), (samples, n), and `kl`, (n,)."""
        images, rng, bernoulli = self.checked_images(images), np.random.default_rng(seed), Bernoulli(reduction=None)
        for start in range(0, len(images), 256):
            x = images[start : start + 256]
            mean, log_variance = self.encoder.predict(x, verbose=0)
            e = rng.standard_normal((samples, *mean.shape), "float32")
            z = mean + np.exp(log_variance / 2) * e
            answers = self.decoder.predict(z.reshape(-1, mean.shape[-1]), verbose=0)
            fit = -np.asarray(bernoulli(np.concatenate([x] * samples), answers), "float64")
            weight = np.sum(e**2 + log_variance - z**2, axis=-1, dtype="float64") / 2
            yield fit.reshape(samples, -1), weight, np.asarray(GaussianLatent.kl(mean, log_variance), "float64")

    def signatures(self):
        """What an export offers: reconstruct, encode, decode, and sample from a count and a seed."""
        size = self.decoder.input.shape[-1]
        sample = (lambda count, seed: self.decoder(drawn(count, seed, size), training=False), scalars())
        return {**super().signatures(), "sample": sample}


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
    hidden_activation: str = "tanh",
    beta: NonNegative = 1.0,
    name: str = "vae",
) -> keras.Model:
    """VAE, dense or convolutional: images as draws from a space of `latent` normal numbers.

    (B, H, W, C) float, 0 to 1  ->  (B, H, W, C) probabilities: the image again, from its code's mean; in training, from
    a draw.

    Args:
        input_shape: (H, W, C) of one image [pixels]; with `filters`, H and W divisible by 2 ** len(filters).
        latent: length of the code.
        units: widths of the encoder's hidden dense layers; the decoder mirrors them where there are no `filters`.
        filters: widths of 3 x 3 convolutions in front, each halving the map, which the decoder mirrors; empty for none.
        hidden_activation: relu, tanh, ... of the hidden layers.
        beta: weight of the code's divergence from N(0, 1): 1 in the paper, above it in a beta-VAE.
        name: the model's name.
    Returns:
        Uncompiled `VAE`; 815,824 parameters for 28 x 28 pixels and 20 numbers.
    Raises:
        ValueError: if H or W does not divide.

    Source: Kingma and Welling 2013, section 5 and appendix C; beta: Higgins et al. 2017,
        https://openreview.net/forum?id=Sy2fzU9gl; `conv_vae` has the maps of https://keras.io/examples/generative/vae/.
    Differs: Adam, where the paper has Adagrad. The first weights are the paper's N(0, 0.01), and with `filters` those
        of keras.io.
    """
    image_shape(name, input_shape, fixed=True, multiple=2 ** len(filters))
    entry = layers.Input(input_shape, name="image")
    spread = None if filters else 0.01
    x, fold = hidden(entry, units, filters, hidden_activation, spread)
    x = x if len(x.shape) == 2 else layers.Flatten(name="features")(x)
    moments = [
        layers.Dense(latent, kernel_initializer=first(spread), dtype="float32", name=n)(x)
        for n in ("mean", "log_variance")
    ]
    encoder = keras.Model(entry, moments, name="encoder")
    decoder = decode((latent,), input_shape, units[::-1], filters, hidden_activation, fold, spread)
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
