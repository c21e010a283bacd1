"""Training with a pretrained encoder: its weights, and the normalization of photos that it needs."""

import dataclasses

import zoo
from recipes.data.preprocessing import preprocessing


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
