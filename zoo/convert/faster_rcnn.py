"""Weight names of Faster R-CNN and Mask R-CNN on ResNet in torchvision: of its models, and of its older files."""

from zoo.convert.name_map import NameMap
from zoo.convert.retinanet import BODY_NAMES, pyramid_names

_PROPOSALS = {"proposal_logits": "rpn.head.cls_logits", "proposal_deltas": "rpn.head.bbox_pred"}
_BOXES = {
    "hidden{i}": lambda at: f"roi_heads.box_head.fc{at.i + 6}",
    "head": "roi_heads.box_predictor.cls_score",
    "head_deltas": "roi_heads.box_predictor.bbox_pred",
}
_MASKS = {"mask_up": "roi_heads.mask_predictor.conv5_mask", "head_masks": "roi_heads.mask_predictor.mask_fcn_logits"}


def _name_map(library, suffix, proposal_conv, mask_conv, epsilon):
    convolutions = {"proposal_conv": proposal_conv, "mask_conv{i}": lambda at: mask_conv(at.i)}
    names = {**BODY_NAMES, **pyramid_names(2, suffix), **convolutions, **_PROPOSALS, **_BOXES, **_MASKS}
    return NameMap(library, "torch", names, epsilon=epsilon)


NAME_MAPS = (
    _name_map("torchvision", ".0", "rpn.head.conv.0.0", lambda i: f"roi_heads.mask_head.{i}.0", None),
    # torchvision sets the epsilon of these weights to 0
    _name_map("torchvision's file", "", "rpn.head.conv", lambda i: f"roi_heads.mask_head.mask_fcn{i + 1}", 0.0),
)
