"""Weight names of RetinaNet on ResNet in torchvision: of its models, and of its older files."""

from zoo.convert.name_map import NameMap
from zoo.convert.resnet import TORCH_NAMES

BODY_NAMES = {  # of an encoder in a detector
    pattern: lambda at, name=name: f"backbone.body.{name(at) if callable(name) else name}"
    for pattern, name in TORCH_NAMES.items()
    if pattern != "head"
}


def pyramid_names(first_scale, suffix):
    """Returns the names of a feature pyramid's layers.

    Args:
        first_scale: scale of the finest level.
        suffix: that torchvision's models have after a layer's number: ".0"; "" in its older files.
    """
    return {
        "pyramid{s}_lateral": lambda at: f"backbone.fpn.inner_blocks.{at.s - first_scale}{suffix}",
        "pyramid{s}": lambda at: f"backbone.fpn.layer_blocks.{at.s - first_scale}{suffix}",
    }


def _name_map(library, suffix, numbers, epsilon):
    coarse = {f"pyramid{scale}": f"backbone.fpn.extra_blocks.p{scale}" for scale in (6, 7)}
    heads = {
        f"{ours}_conv{{c}}": lambda at, theirs=theirs: f"head.{theirs}_head.conv.{numbers * at.c}{suffix}"
        for ours, theirs in (("class", "classification"), ("box", "regression"))
    }
    heads |= {"head": "head.classification_head.cls_logits", "box_deltas": "head.regression_head.bbox_reg"}
    return NameMap(library, "torch", {**BODY_NAMES, **coarse, **pyramid_names(3, suffix), **heads}, epsilon=epsilon)


NAME_MAPS = (
    _name_map("torchvision", ".0", 1, None),
    # convolutions and ReLUs alternate; torchvision sets the epsilon of these weights to 0
    _name_map("torchvision's file", "", 2, 0.0),
)
