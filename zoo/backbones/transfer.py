"""A trained backbone under a new head."""

import typing
from typing import Literal

import keras
from keras import layers

from zoo.arguments import Activation, Count, Rate, Shape, Whole, checked
from zoo.backbones.backbone import open_backbone, structure
from zoo.backbones.stages import stages as stages_of
from zoo.backbones.stages import thaw
from zoo.blocks import head


@checked
def transfer(
    backbone: typing.Any,
    classes: Count,
    *,
    mode: Literal["features", "finetune"] = "features",
    weights: str | None = "bundled",
    input_shape: Shape | None = None,
    stages: Whole | None = 2,
    input_range: str | None = None,
    pool: Literal["average", "max", "first"] = "average",
    dropout: Rate = 0.0,
    activation: Activation = "softmax",
    name: str = "transfer",
) -> keras.Model:
    """A trained backbone under a new head, which answers other classes.

    raw inputs, for images of `keras.applications` and of bundled weights 0 to 255  ->  (B, classes) probabilities.

    The backbone is copied, so that training the copy leaves it as it is. Its old head goes; the preprocessing that it was
    trained with comes in front, as a layer that records the range (`zoo.verify_range`). A model of ours with weights
    from a file records none: `input_range` says it.

    Args:
        backbone: a model of ours, of `keras.applications`, of KerasHub (a backbone or a task) or another functional one; a
            registered name; or a TF Hub module or SavedModel, as `zoo.HubLayer` takes it.
        classes: how many classes the new head tells apart.
        mode: features trains the head alone, and switches off the backbone's dropout and drop path; finetune also trains
            the backbone's topmost stages, at the rate that the model is compiled with. `zoo.thaw` changes what trains,
            `zoo.finetune_schedule` does it in the right order.
        weights: for a name: bundled, a file or a preset, as `zoo.load` takes them; None for a random start.
        input_shape: one input of a name or a hub module, as (64, 64, 3); None for the paper's.
        stages: how many stages of the backbone finetune trains, from the top, or None for all.
        input_range: how the backbone's images were prepared, where it does not record it: caffe, torch, tf or inside (by the
            backbone's own layers), as `keras.applications` has them; as_is for not at all; None for what it records.
        pool: what makes a vector of a map or of tokens: average, max, or the first token.
        dropout: share of the features dropped before the head.
        activation: softmax, sigmoid, or None for logits.
        name: the model's name.
    Returns:
        Uncompiled functional model; batch normalisation is frozen in inference mode, and the layer `head` is new.
    Raises:
        ValueError: if there is no such name, bundle or module, or the backbone is no functional model.

    Source: Yosinski et al. 2014, https://arxiv.org/abs/1411.1792, for features and fine-tuning.
    """
    calm = mode == "features"
    base = open_backbone(
        "transfer",
        backbone,
        weights=weights,
        input_shape=input_shape,
        input_range=input_range,
        pool=pool,
        disable_dropout=calm,
    )
    x = base.output
    if dropout:
        x = layers.Dropout(dropout, name="head_dropout")(x)
    model = keras.Model(structure(base), head(x, classes, activation), name=name)
    count = min(stages, len(stages_of(model))) if stages is not None else None
    return thaw(model, 0 if calm else count)
