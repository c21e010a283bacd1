"""The spectrogram inside of a model of sound, and the classifier behind it."""

import typing

import keras

from zoo.layers.spectrogram import Spectrogram


class SpectrogramParts(typing.NamedTuple):
    """A model of sound in two parts.

    Args:
        layer: its `Spectrogram`.
        front: model from sounds (B, N, C) to spectrograms (B, bands, steps, C).
        classifier: model from spectrograms to the outputs, which explanations take.
    """

    layer: Spectrogram
    front: keras.Model
    classifier: keras.Model


def split_at_spectrogram(model):
    """Returns the `SpectrogramParts` of a functional model, or None where it has no spectrogram."""
    layer = next((layer for layer in model.layers if isinstance(layer, Spectrogram)), None)
    if layer is None:
        return None
    front = keras.Model(model.inputs, layer.output, name="front")
    return SpectrogramParts(layer, front, keras.Model(layer.output, model.outputs[0], name=model.name))
