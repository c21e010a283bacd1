"""Transfer learning: a trained backbone with a new head."""

import typing
from typing import Literal

import keras
from keras import layers

from zoo.arguments import Activation, Count, Rate, Shape, Whole, checked
from zoo.backbones.backbone import load_feature_backbone, model_inputs
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
    """Returns a model of a trained backbone with a new head for other classes.

    raw inputs, for images of `keras.applications` and of bundled weights 0 to 255  ->  (B, classes) probabilities.

    The backbone is copied, so training does not change the original. Its old head is removed. The preprocessing that it
    was trained with is put in front, as a layer that records the input range (`zoo.verify_range`); for weights by name
    it is that of `zoo.weights.table`. A model of the zoo with weights from a file does not record its range; use
    `input_range`.

    Args:
        backbone: a functional model of the zoo, of `keras.applications`, of KerasHub (a backbone or a task) or another;
            a registered name; the folder of a run; or a TF Hub module or SavedModel, as `zoo.HubLayer` takes it.
        classes: number of classes.
        mode: features trains the head alone, and disables dropout and drop path in the backbone. finetune also trains
            the topmost stages of the backbone, with the learning rate that the model is compiled with. `zoo.thaw`
            changes what is trainable, `zoo.finetune_schedule` does so in the recommended order.
        weights: for a name: bundled, another of `zoo.weights.names(backbone)`, such as imagenet, a file or a preset, as
            `zoo.load` takes them; the folder of a run of this architecture; None for random weights.
        input_shape: of one input, for a name or a hub module, as (64, 64, 3); None for that of the paper.
        stages: number of stages of the backbone that finetune trains, from the top, or None for all.
        input_range: range of the images in the backbone's training, for a backbone that does not record it: caffe,
            torch or tf, as in `keras.applications`, or inside for a backbone whose own layers scale images from 0 to
            255; as_is for no preprocessing; None for the recorded range.
        pool: how a map or tokens become a vector: average, max, or first for the first token.
        dropout: fraction of the features dropped before the head.
        activation: softmax, sigmoid, or None for logits.
        name: the model's name.
    Returns:
        Uncompiled functional model. Batch normalization is frozen in inference mode, and the layer `head` is new.
    Raises:
        ValueError: if there is no such name, bundle or module, or the backbone is not a functional model.

    Source: Yosinski et al. 2014, https://arxiv.org/abs/1411.1792, for features and fine-tuning.
    """
    frozen = mode == "features"
    base = load_feature_backbone(
        "transfer",
        backbone,
        weights=weights,
        input_shape=input_shape,
        input_range=input_range,
        pool=pool,
        disable_dropout=frozen,
    )
    x = base.output
    if dropout:
        x = layers.Dropout(dropout, name="head_dropout")(x)
    model = keras.Model(model_inputs(base), head(x, classes, activation), name=name)
    count = min(stages, len(stages_of(model))) if stages is not None else None
    return thaw(model, 0 if frozen else count)
