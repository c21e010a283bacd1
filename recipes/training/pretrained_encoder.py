"""Training with pretrained weights: those of an encoder, its normalization of photos, and what a run says of them."""

import dataclasses

import keras

import zoo
from recipes.data.preprocessing import preprocessing
from zoo.published_weights import describe_weights


def describe_pretrained(task, model):
    """Returns in words which pretrained weights a training starts from; None where it starts from random ones.

    Args:
        task: `Task`, with `weights` (of a backbone) or `encoder_weights`, or without.
        model: what `fit` takes as `model`.
    """
    if getattr(task, "encoder_weights", None) is not None:
        return describe_weights(task.encoder, task.encoder_weights)
    if getattr(task, "weights", None) is None:
        return None
    if isinstance(model, keras.Model):
        return f"{model.name}, as it was passed"
    return describe_weights(model, task.weights) if model in zoo.names() else str(model)


def load_encoder(task, model, is_new):
    """Returns the model with the weights that a task's `encoder_weights` names in its encoder.

    Args:
        task: `Task` with `encoder` and `encoder_weights`.
        model: `keras.Model`.
        is_new: whether it was built by its name with the encoder, and is no model of the user.
    Raises:
        ValueError: if there are weights without an encoder, or for a model of the user.
    """
    if task.encoder_weights is None:
        return model
    caller = f"{type(task).__name__}: `encoder_weights` must be None"
    if not is_new:
        raise ValueError(
            f"{caller} for a model that is built already, got {task.encoder_weights!r}; give the name of the "
            "architecture, or load them by zoo.load_encoder_weights and normalize the images by zoo.encoder_moments."
        )
    if task.encoder is None:
        raise ValueError(
            f"{caller} without an `encoder`, got {task.encoder_weights!r}; set encoder='efficientnet_lite0', whose "
            "weights are bundled."
        )
    return zoo.load_encoder_weights(model, task.encoder, task.encoder_weights)


def encoder_preprocessing(task, data, model):
    """Returns the preprocessing of photos for a task's encoder: normalized as its weights need it."""
    if None in model.input_shape[1:3]:
        data = dataclasses.replace(data, shape=(None, None, data.shape[-1]))
    moments = None
    if task.encoder_weights is not None:
        moments = zoo.encoder_moments(task.encoder, task.encoder_weights)
    return preprocessing(data, model.input_shape[1:], photo_moments=moments)
