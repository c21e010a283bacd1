"""Mel-frequency cepstral coefficients (MFCC) of sounds, for baselines without a network."""

import numpy as np

from zoo.layers.spectrogram import Spectrogram

COEFFICIENTS = 13
BANDS = 40
CLIPS = 256  # that are computed together


def mfcc_means(inputs, sample_rate):
    """Returns the mean over time of the first 13 MFCCs of each clip, (N, 13) float32.

    The coefficients are the orthonormal cosine transform (`scipy.fft.dct`) of 40 mel bands in decibels, in windows of
    32 ms every 10 ms.

    Args:
        inputs: (N, samples, 1) array, or clips that are read on demand.
        sample_rate: [Hz].
    """
    from scipy.fft import dct

    layer = Spectrogram(sample_rate, bands=BANDS)
    rows = []
    for start in range(0, len(inputs), CLIPS):
        stop = min(start + CLIPS, len(inputs))
        clips = [inputs.read(i) for i in range(start, stop)] if hasattr(inputs, "read") else inputs[start:stop]
        bands = np.asarray(layer(np.asarray(clips)))[..., 0]
        rows.append(dct(bands, type=2, norm="ortho", axis=1)[:, :COEFFICIENTS].mean(-1))
    return np.concatenate(rows).astype(np.float32)
