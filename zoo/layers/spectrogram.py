"""Spectrograms of sound, with parameters in Hz and seconds."""

import math
from typing import Literal

import keras
import numpy as np
from keras import layers, ops

from zoo.arguments import Count, NonNegative, Positive, convert, suggestion

Compression = Literal["log", "pcen", "none"]
SMALLEST_POWER = 1e-10  # -100 dB
DYNAMIC_RANGE = 80.0  # decibels below the loudest value of an example at which values are cut
PCEN_SMOOTHING, PCEN_GAIN, PCEN_BIAS, PCEN_POWER, PCEN_EPSILON = 0.025, 0.98, 2.0, 0.5, 1e-6
PCEN_SCALE = 2.0**15  # of samples, as the constants are for whole numbers of 16 bits
PCEN_LEFT_OUT = 1e-3  # weight of the older steps that the smoothing leaves out
OPTIONS = {"bands": Count | None, "window": Positive, "hop": Positive, "low": NonNegative, "high": Positive | None}
OPTIONS |= {"compression": Compression}


@keras.saving.register_keras_serializable("zoo")
class Spectrogram(layers.Layer):
    """Computes the spectrogram of each channel of a sound: bands of frequency as rows, steps of time as columns.

    (B, N, C) float, samples from -1 to 1  ->  (B, bands, 1 + N // (hop x sample_rate), C) float32. The first row is the
    lowest band. Step i has its middle at i x hop. It has no weights, and an example is independent of its batch.

    Args:
        sample_rate: samples per second [Hz].
        bands: number of mel bands, whose triangles lie between `low` and `high`; None for the linear frequencies of the
            Fourier transform.
        window: length of the Hann window [s].
        hop: time between two steps [s].
        low, high: lowest and highest frequency [Hz]; None is half of the sample rate.
        compression: log (decibels, at most 80 below the loudest of the example, divided by 20), pcen (per-channel
            energy normalization, which removes stationary noise), or none (power).
        **kwargs: passed to `keras.layers.Layer`.
    Raises:
        ValueError: if a frequency is above half of the sample rate, or `hop` or `window` is shorter than two samples.

    Source: mel bands by `keras.layers.MelSpectrogram` (HTK's formula); PCEN by Wang et al. 2016,
        https://arxiv.org/abs/1607.05666, equations 1 and 2 with the constants of section 2.
    Differs: the smoothing of PCEN leaves out steps of a weight below 0.001. Keras' decibels are relative to the loudest
        value of a batch, and so not used.
    """

    def __init__(
        self, sample_rate, *, bands=64, window=0.032, hop=0.01, low=50.0, high=None, compression="log", **kwargs
    ):
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        options = {"bands": bands, "window": window, "hop": hop, "low": low, "high": high, "compression": compression}
        for name, value in options.items():
            setattr(self, name, convert(value, OPTIONS[name], f"Spectrogram: `{name}`"))
        self.sample_rate = convert(sample_rate, Count, "Spectrogram: `sample_rate`")
        nyquist = self.sample_rate / 2
        self.window_samples, self.hop_samples = (round(t * self.sample_rate) for t in (self.window, self.hop))
        if min(self.window_samples, self.hop_samples) < 2:
            raise ValueError(
                f"Spectrogram: `window` and `hop` must have two samples or more at `sample_rate` {self.sample_rate}, "
                f"got {self.window:g} and {self.hop:g} s."
            )
        if not self.low < (self.high or nyquist) <= nyquist:
            raise ValueError(
                f"Spectrogram: `low` and `high` must rise up to half of the sample rate, {nyquist:g} Hz, got "
                f"{self.low:g} and {self.high} Hz."
            )
        self.fft_length = 2 ** math.ceil(math.log2(self.window_samples))
        self.mel = None
        if self.bands:
            self.mel = layers.MelSpectrogram(
                self.fft_length, self.hop_samples, self.window_samples, sampling_rate=self.sample_rate,
                num_mel_bins=self.bands, min_freq=self.low, max_freq=self.high or nyquist, power_to_db=False,
                dtype="float32", name="mel",
            )  # fmt: skip

    @property
    def frequencies(self):
        """(bands,) middle of each band [Hz]."""
        high = self.high or self.sample_rate / 2
        if self.bands:
            mel = np.linspace(*(2595 * np.log10(1 + f / 700) for f in (self.low, high)), self.bands + 2)[1:-1]
            return 700 * (10 ** (mel / 2595) - 1)
        frequencies = np.arange(self.fft_length // 2 + 1) * self.sample_rate / self.fft_length
        return frequencies[self._linear_rows()]

    def times(self, steps):
        """Returns (steps,) the middle of each step [s]."""
        return np.arange(steps) * self.hop_samples / self.sample_rate

    def _linear_rows(self):
        width = self.sample_rate / self.fft_length
        return slice(math.ceil(self.low / width), math.floor((self.high or self.sample_rate / 2) / width) + 1)

    def build(self, input_shape):
        if self.mel:
            self.mel.build(input_shape[:2])
        self.built = True

    def call(self, x):
        channels = x.shape[-1]
        x = ops.cast(x, "float32")
        if self.compression == "pcen":
            x = x * PCEN_SCALE
        x = ops.reshape(ops.swapaxes(x, 1, 2), (-1, x.shape[1]) if x.shape[1] else (-1, ops.shape(x)[1]))
        power = self._power(x)
        power = ops.matmul(power, self._mel_matrix()) if self.mel else power[:, :, self._linear_rows()]
        x = self._compress(ops.swapaxes(power, 1, 2))  # (B * C, bands, steps)
        x = ops.reshape(x, (-1, channels, *ops.shape(x)[1:]))
        return ops.transpose(x, (0, 2, 3, 1))

    def _power(self, x):
        """Returns (rows, steps, frequencies); Keras' mel layer takes the square root and squares it again."""
        real, imaginary = ops.stft(x, self.window_samples, self.hop_samples, self.fft_length, center=True)
        return ops.square(real) + ops.square(imaginary)

    def _mel_matrix(self):
        """Returns (frequencies, bands), the weights of Keras' mel layer."""
        return self.mel.linear_to_mel_weight_matrix(
            num_mel_bins=self.bands,
            num_spectrogram_bins=self.fft_length // 2 + 1,
            sampling_rate=self.sample_rate,
            lower_edge_hertz=self.low,
            upper_edge_hertz=self.high or self.sample_rate / 2,
        )

    def _compress(self, power):
        if self.compression == "log":
            decibels = 10 / math.log(10) * ops.log(ops.maximum(power, SMALLEST_POWER))
            loudest = ops.max(decibels, axis=(1, 2), keepdims=True)
            return ops.maximum(decibels, loudest - DYNAMIC_RANGE) / 20
        return self._pcen(power) if self.compression == "pcen" else power

    def _pcen(self, energy):
        bands, steps = energy.shape[1:]
        count = math.ceil(math.log(PCEN_LEFT_OUT) / math.log(1 - PCEN_SMOOTHING))
        weights = PCEN_SMOOTHING * (1 - PCEN_SMOOTHING) ** np.arange(count)[::-1]
        first = ops.repeat(energy[:, :, :1], count - 1, axis=2)  # the smoothing begins with the first step
        rows = ops.reshape(ops.concatenate([first, energy], axis=2), (-1, steps + count - 1, 1))
        kernel = ops.convert_to_tensor((weights / weights.sum()).reshape(-1, 1, 1), dtype="float32")
        smooth = ops.reshape(ops.conv(rows, kernel, padding="valid"), (-1, bands, steps))
        ratio = energy / ops.power(PCEN_EPSILON + smooth, PCEN_GAIN)
        return ops.power(ratio + PCEN_BIAS, PCEN_POWER) - PCEN_BIAS**PCEN_POWER

    def macs(self, input_shape):
        """Returns 0 multiply-accumulates: those of the Fourier transform and of the bands are not counted."""
        return 0

    def compute_output_shape(self, input_shape):
        batch, samples, channels = input_shape
        rows = self._linear_rows()
        steps = None if samples is None else 1 + samples // self.hop_samples
        return batch, self.bands or rows.stop - rows.start, steps, channels

    def get_config(self):
        names = ("sample_rate", *OPTIONS)
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def spectrogram_layer(name, sample_rate, options, input_shape):
    """Returns the layer `spectrogram` of a model for sounds of a fixed length.

    Args:
        name: what an error calls the model.
        sample_rate: [Hz].
        options: dict of arguments of `Spectrogram`, or None.
        input_shape: (samples, channels).
    Raises:
        ValueError: if an option is unknown (the nearest is offered), or the sound is shorter than a window.
    """
    for option in options or {}:
        if option not in OPTIONS:
            raise ValueError(
                f"{name}: `spectrogram` has no option {option!r}.{suggestion(option, OPTIONS)} It takes "
                f"{', '.join(OPTIONS)}."
            )
    layer = Spectrogram(sample_rate, name="spectrogram", **(options or {}))
    if input_shape[0] < layer.fft_length:
        raise ValueError(
            f"{name}: `input_shape` must have {layer.fft_length} samples or more for windows of {layer.window:g} s, "
            f"got {tuple(input_shape)}."
        )
    return layer
