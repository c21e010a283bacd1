"""Weight names of EfficientNet-Lite in a PyTorch port, timm and KerasHub."""

from zoo.convert.mobilenet_v2 import BLOCK_LAYERS, mismatch_check, pads_symmetrically, timm_names
from zoo.convert.name_map import NameMap


def _port_names():
    """Names in https://github.com/ml-illustrated/EfficientNet-Lite-PyTorch. Blocks are counted through all stages."""
    norms = {"expand": 0, "depthwise": 1, "project": 2}
    names = {"stem": "_conv_stem", "stem_norm": "_bn0", "last": "_conv_head", "last_norm": "_bn1", "head": "_fc"}
    for layer in BLOCK_LAYERS:
        names[f"stage{{s}}_block{{b}}_{layer}"] = lambda at, layer=layer: f"_blocks.{at.n}._{layer}_conv"
        names[f"stage{{s}}_block{{b}}_{layer}_norm"] = lambda at, layer=layer: f"_blocks.{at.n}._bn{norms[layer]}"
    return names


def _hub_names():
    """Names in KerasHub. Stages are counted from 1, blocks from a."""

    def block(at):
        return f"block{at.s + 1}{chr(ord('a') + at.b)}"

    convs = {"expand": "expand_conv", "depthwise": "dwconv", "project": "project"}
    norms = {"expand": "expand_bn", "depthwise": "dwconv_bn", "project": "project_bn"}
    names = {"stem": "stem_conv", "stem_norm": "stem_bn", "last": "top_conv", "last_norm": "top_bn"}
    for layer in BLOCK_LAYERS:
        names[f"stage{{s}}_block{{b}}_{layer}"] = lambda at, layer=layer: f"{block(at)}_{convs[layer]}"
        names[f"stage{{s}}_block{{b}}_{layer}_norm"] = lambda at, layer=layer: f"{block(at)}_{norms[layer]}"
    return names | {"head": "predictions"}


def _epsilon(model):
    """timm's `tf_` weights, for TensorFlow's padding, have TensorFlow's epsilon; others have PyTorch's."""
    return 1e-5 if pads_symmetrically(model) else 1e-3


NAME_MAPS = (
    NameMap("efficientnet-lite-pytorch", "torch", _port_names(), epsilon=1e-3, mismatch=mismatch_check(5, "same")),
    NameMap("timm", "torch", timm_names(), epsilon=_epsilon, mismatch=mismatch_check(5)),
    NameMap("KerasHub", "keras", _hub_names(), epsilon=_epsilon, mismatch=mismatch_check(5)),
)
