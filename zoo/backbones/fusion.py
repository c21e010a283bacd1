"""Models of several inputs, each with its own backbone, and one head."""

import keras
from keras import layers, ops

from zoo.arguments import Activation, Count, Rate, checked
from zoo.backbones.backbone import load_feature_backbone, model_inputs
from zoo.blocks import head
from zoo.layers.mask_token import MaskToken

RESERVED_NAMES = ("present", "joined", "head", "activation")


@checked
def fusion(
    backbones: dict,
    classes: Count,
    *,
    width: Count = 64,
    units: tuple[Count, ...] = (),
    maskable: bool = False,
    dropout: Rate = 0.0,
    activation: Activation = "softmax",
    name: str = "fusion",
) -> keras.Model:
    """Returns a model that joins backbones of several inputs, such as images, tables and time series, before one head.

    {name: (B, ...), ..., "present": (B, backbones)}  ->  (B, classes) probabilities.

    The features of each backbone, without its own head, go through a dense layer of `width` units with ReLU, and are
    concatenated in the order of `backbones`. The backbones are copied with their weights and preprocessing, and are
    nested models: `model.get_layer("NAME_backbone")`. All are trainable until `zoo.thaw` changes that.

    With `maskable`, samples can lack inputs. The model then has another input, `present`: a row per sample with 1 for
    each backbone, in order, whose input is present, and 0 otherwise. The values of a missing input are ignored, even
    NaN: its backbone gets zeros, and a learned vector replaces its `width` features. That vector is trained on samples
    that lack the input, so the training data must have some.

    Args:
        backbones: {name of an input: backbone with one input}, as `zoo.transfer` takes them; at least two.
        classes: number of classes, or of outputs in a regression.
        width: number of features from each backbone.
        units: widths of dense layers with ReLU between the concatenated features and the head.
        maskable: whether samples can lack inputs.
        dropout: fraction of the features dropped before the head.
        activation: softmax, sigmoid; None or linear for logits and numbers.
        name: the model's name.
    Returns:
        Uncompiled functional model that takes a dict of arrays.
    Raises:
        ValueError: if there are fewer than two backbones, an input has an invalid name, or a backbone has several
            inputs.
    """
    if len(backbones) < 2:
        raise ValueError(f"fusion: `backbones` must be at least two, by name, got {len(backbones)}.")
    for key in backbones:
        valid = isinstance(key, str) and key.isidentifier() and not key.endswith("_backbone")
        if not valid or key in RESERVED_NAMES or key.startswith("head_"):
            raise ValueError(
                f"fusion: `backbones`: a name must be a plain word and none of {', '.join(RESERVED_NAMES)}, got "
                f"{key!r}."
            )
    inputs, features = {}, []
    present = layers.Input((len(backbones),), name="present") if maskable else None
    for i, (key, backbone) in enumerate(backbones.items()):
        base = load_feature_backbone("fusion", backbone)
        base_input = model_inputs(base)
        if not isinstance(base_input, keras.KerasTensor):
            raise ValueError(f"fusion: `backbones`: {key} must have one input, got {len(base.inputs)}.")
        base.name = f"{key}_backbone"
        x = inputs[key] = layers.Input(base_input.shape[1:], dtype=base_input.dtype, name=key)
        is_present = None
        if maskable:
            is_present = ops.reshape(present[:, i] > 0.5, (-1,))
            # Masked before the backbone, because a NaN inside it would reach the gradients of the other samples.
            mask = ops.reshape(is_present, (-1, *[1] * (len(base_input.shape) - 1)))
            x = ops.where(mask, x, ops.zeros_like(x))
        x = layers.Dense(width, activation="relu", name=f"head_{key}")(base(x))
        features.append(MaskToken(name=f"head_{key}_absent")([x, is_present]) if maskable else x)
    x = layers.Concatenate(name="joined")(features)
    for i, size in enumerate(units):
        x = layers.Dense(size, activation="relu", name=f"head_hidden{i}")(x)
    if dropout:
        x = layers.Dropout(dropout, name="head_dropout")(x)
    if maskable:
        inputs["present"] = present
    return keras.Model(inputs, head(x, classes, activation), name=name)
