"""Several kinds of inputs, each through its own backbone, before one head."""

import keras
from keras import layers, ops

from zoo.arguments import Activation, Count, Rate, checked
from zoo.backbones.backbone import open_backbone, structure
from zoo.blocks import head
from zoo.layers.mask_token import MaskToken

TAKEN = ("present", "joined", "head", "activation")


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
    """Joins backbones of different kinds before one head: bands at several resolutions, an image and a table or a series.

    {name: (B, ...), ..., "present": (B, backbones)}  ->  (B, classes) probabilities.

    Each backbone's features, without its own head, go through a dense layer of `width` with ReLU; these are put side by
    side, in the order of `backbones`. The backbones are copied, weights, preprocessing and all, and are models in the model:
    `model.get_layer("NAME_backbone")`; all train until `zoo.thaw` says otherwise.

    Where inputs can be missing (`maskable`), the model takes one more, `present`: a row for each sample, with 1 for
    each backbone, in their order, whose input is there, and 0 where it is not. What stands in a missing input's place is
    never looked at, be it NaN; its backbone is given zeros, and a learnt vector takes the place of its `width` features.
    That vector is learnt from samples that lack the input, so let training have some.

    Args:
        backbones: {name of an input: backbone with one input}, as `zoo.transfer` takes them; at least two.
        classes: how many classes the head tells apart, or numbers it answers.
        width: features that each backbone contributes.
        units: widths of dense layers with ReLU between the joined features and the head.
        maskable: whether inputs can be missing, sample by sample.
        dropout: share of the features dropped before the head.
        activation: softmax, sigmoid; None or linear for logits and numbers.
        name: the model's name.
    Returns:
        Uncompiled functional model that takes a dict of arrays.
    Raises:
        ValueError: if there are fewer than two backbones, a name cannot be an input's, or a backbone has several inputs.
    """
    if len(backbones) < 2:
        raise ValueError(f"fusion: `backbones` must be at least two, by name, got {len(backbones)}.")
    for key in backbones:
        plain = (
            isinstance(key, str)
            and key.isidentifier()
            and not key.startswith("head_")
            and not key.endswith("_backbone")
        )
        if not plain or key in TAKEN:
            raise ValueError(
                f"fusion: `backbones`: a name must be a plain word and none of {', '.join(TAKEN)}, got {key!r}."
            )
    inputs, joined = {}, []
    present = layers.Input((len(backbones),), name="present") if maskable else None
    for i, (key, backbone) in enumerate(backbones.items()):
        base = open_backbone("fusion", backbone)
        raw = structure(base)
        if not isinstance(raw, keras.KerasTensor):
            raise ValueError(f"fusion: `backbones`: {key} must have one input, got {len(base.inputs)}.")
        base.name = f"{key}_backbone"
        x = inputs[key] = layers.Input(raw.shape[1:], dtype=raw.dtype, name=key)
        there = None
        if maskable:
            there = ops.reshape(present[:, i] > 0.5, (-1,))
            # Before the backbone: a NaN in it would reach the gradients of those that are there
            x = ops.where(ops.reshape(there, (-1, *[1] * (len(raw.shape) - 1))), x, ops.zeros_like(x))
        x = layers.Dense(width, activation="relu", name=f"head_{key}")(base(x))
        joined.append(MaskToken(name=f"head_{key}_absent")([x, there]) if maskable else x)
    x = layers.Concatenate(name="joined")(joined)
    for i, size in enumerate(units):
        x = layers.Dense(size, activation="relu", name=f"head_hidden{i}")(x)
    if dropout:
        x = layers.Dropout(dropout, name="head_dropout")(x)
    if maskable:
        inputs["present"] = present
    return keras.Model(inputs, head(x, classes, activation), name=name)
