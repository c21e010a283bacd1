"""Weight names of MobileNetV2 in torchvision, timm, Hugging Face and keras.applications."""

from zoo.convert.name_map import NameMap

# the layers of a block and their order
BLOCK_LAYERS = {"expand": 0, "depthwise": 1, "project": 2}


def pads_symmetrically(model):
    """Whether the model pads as PyTorch does."""
    return model.get_layer("stem").padding == "valid"


def mismatch_check(kernel_size, padding=None):
    """Returns a check for `NameMap.mismatch`: whether the model has the kernel size of its family, and the padding."""

    def mismatch(model):
        if model.get_layer("stage2_block0_depthwise").kernel_size[0] != kernel_size:
            return "are of another network"
        model_padding = "symmetric" if pads_symmetrically(model) else "same"
        if padding in (None, model_padding):
            return None
        return f"were trained with `padding={padding!r}`, and the model has {model_padding!r}: build it so"

    return mismatch


def _torchvision_names():
    """Names in torchvision. The first block has no expansion, and the last layer of a block has no ReLU."""

    def block_layer(at, i):
        return f"features.{at.n + 1}.conv.{i if at.s else i - 1}"

    names = {"stem": "features.0.0", "stem_norm": "features.0.1", "head": "classifier.1"}
    names |= {"last": lambda at: f"features.{at.blocks + 1}.0", "last_norm": lambda at: f"features.{at.blocks + 1}.1"}
    for layer, i in (("expand", 0), ("depthwise", 1)):
        names[f"stage{{s}}_block{{b}}_{layer}"] = lambda at, i=i: f"{block_layer(at, i)}.0"
        names[f"stage{{s}}_block{{b}}_{layer}_norm"] = lambda at, i=i: f"{block_layer(at, i)}.1"
    names["stage{s}_block{b}_project"] = lambda at: block_layer(at, 2)
    names["stage{s}_block{b}_project_norm"] = lambda at: block_layer(at, 3)
    return names


def timm_names():
    """Names in timm, for MobileNetV2 and EfficientNet. Blocks of the first stage have no expansion and other names."""
    with_expansion, without = ("conv_pw", "conv_dw", "conv_pwl"), (None, "conv_dw", "conv_pw")
    names = {"stem": "conv_stem", "stem_norm": "bn1", "last": "conv_head", "last_norm": "bn2", "head": "classifier"}
    for layer, i in BLOCK_LAYERS.items():
        names[f"stage{{s}}_block{{b}}_{layer}"] = lambda at, i=i: (
            f"blocks.{at.s}.{at.b}.{(with_expansion if at.s else without)[i]}"
        )
        names[f"stage{{s}}_block{{b}}_{layer}_norm"] = lambda at, i=i: f"blocks.{at.s}.{at.b}.bn{i + 1 if at.s else i}"
    return names


def _hugging_face_names():
    """Names in Hugging Face's transformers. The stem contains the first block."""

    def block_layer(at, i):
        if at.s == 0:
            return f"conv_stem.{('', 'conv_3x3', 'reduce_1x1')[i]}"
        return f"layer.{at.n - 1}.{('expand_1x1', 'conv_3x3', 'reduce_1x1')[i]}"

    names = {"stem": "conv_stem.first_conv.convolution", "stem_norm": "conv_stem.first_conv.normalization"}
    names |= {"last": "conv_1x1.convolution", "last_norm": "conv_1x1.normalization", "head": "classifier"}
    for layer, i in BLOCK_LAYERS.items():
        names[f"stage{{s}}_block{{b}}_{layer}"] = lambda at, i=i: f"{block_layer(at, i)}.convolution"
        names[f"stage{{s}}_block{{b}}_{layer}_norm"] = lambda at, i=i: f"{block_layer(at, i)}.normalization"
    return names


def _application_names():
    """Names in keras.applications. Blocks are counted through all stages; the first has no number."""

    def block(at):
        return f"block_{at.n}" if at.n else "expanded_conv"

    names = {"stem": "Conv1", "stem_norm": "bn_Conv1", "last": "Conv_1", "last_norm": "Conv_1_bn"}
    for layer in BLOCK_LAYERS:
        names[f"stage{{s}}_block{{b}}_{layer}"] = lambda at, layer=layer: f"{block(at)}_{layer}"
        names[f"stage{{s}}_block{{b}}_{layer}_norm"] = lambda at, layer=layer: f"{block(at)}_{layer}_BN"
    return names | {"head": "predictions"}


_SYMMETRIC, _SAME = mismatch_check(3, "symmetric"), mismatch_check(3, "same")

NAME_MAPS = (
    NameMap("torchvision", "torch", _torchvision_names(), epsilon=1e-5, mismatch=_SYMMETRIC),
    NameMap("timm", "torch", timm_names(), epsilon=1e-5, mismatch=_SYMMETRIC),
    # the checkpoints were trained in TensorFlow
    NameMap("Hugging Face", "torch", _hugging_face_names(), epsilon=1e-3, prefix="mobilenet_v2.", mismatch=_SAME),
    NameMap("keras.applications", "keras", _application_names(), epsilon=1e-3, mismatch=_SAME),
)
