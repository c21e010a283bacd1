"""EfficientNet-Lite's weights by the authors' PyTorch port, timm and KerasHub."""

from zoo.convert.mobilenet_v2 import PARTS, needs, symmetric, timm
from zoo.convert.name_map import NameMap


def _port():
    """The names of https://pypi.org/project/efficientnet-lite-pytorch/: blocks are counted through all stages."""
    norms = {"expand": 0, "depthwise": 1, "project": 2}
    rows = {"stem": "_conv_stem", "stem_norm": "_bn0", "last": "_conv_head", "last_norm": "_bn1", "head": "_fc"}
    for ours in PARTS:
        rows[f"stage{{s}}_block{{b}}_{ours}"] = lambda at, ours=ours: f"_blocks.{at.n}._{ours}_conv"
        rows[f"stage{{s}}_block{{b}}_{ours}_norm"] = lambda at, ours=ours: f"_blocks.{at.n}._bn{norms[ours]}"
    return rows


def _hub():
    """Stages count from 1 and blocks from a."""

    def inner(at):
        return f"block{at.s + 1}{chr(ord('a') + at.b)}"

    conv = {"expand": "expand_conv", "depthwise": "dwconv", "project": "project"}
    norm = {"expand": "expand_bn", "depthwise": "dwconv_bn", "project": "project_bn"}
    rows = {"stem": "stem_conv", "stem_norm": "stem_bn", "last": "top_conv", "last_norm": "top_bn"}
    for ours in PARTS:
        rows[f"stage{{s}}_block{{b}}_{ours}"] = lambda at, ours=ours: f"{inner(at)}_{conv[ours]}"
        rows[f"stage{{s}}_block{{b}}_{ours}_norm"] = lambda at, ours=ours: f"{inner(at)}_{norm[ours]}"
    return rows | {"head": "predictions"}


def _epsilon(model):
    """timm's `tf_` weights, for TensorFlow's padding, have its epsilon; those trained in PyTorch have PyTorch's."""
    return 1e-5 if symmetric(model) else 1e-3


SCHEMES = (
    NameMap("efficientnet-lite-pytorch", "torch", _port(), epsilon=1e-3, refuses=needs(5, "same")),
    NameMap("timm", "torch", timm(), epsilon=_epsilon, refuses=needs(5)),
    NameMap("KerasHub", "keras", _hub(), epsilon=_epsilon, refuses=needs(5)),
)
