"""MobileNetV2's weights by torchvision, timm, Hugging Face and keras.applications."""

from zoo.convert.name_map import NameMap

# the parts of a block in the order in which they follow one another
PARTS = {"expand": 0, "depthwise": 1, "project": 2}


def symmetric(model):
    """Whether the model pads as PyTorch does."""
    return model.get_layer("stem").padding == "valid"


def needs(kernel_size, padding=None):
    """A check that the model is of this family, whose third stage has such kernels, and pads as the weights need."""

    def refuses(model):
        if model.get_layer("stage2_block0_depthwise").kernel_size[0] != kernel_size:
            return "are of another network"
        found = "symmetric" if symmetric(model) else "same"
        if padding in (None, found):
            return None
        return f"were trained with `padding={padding!r}`, and the model has {found!r}: build it so"

    return refuses


def _torchvision():
    """A first block, which does not expand, has one convolution less; the last of a block has no ReLU of its own."""

    def inner(at, part):
        return f"features.{at.n + 1}.conv.{part if at.s else part - 1}"

    rows = {"stem": "features.0.0", "stem_norm": "features.0.1", "head": "classifier.1"}
    rows |= {"last": lambda at: f"features.{at.blocks + 1}.0", "last_norm": lambda at: f"features.{at.blocks + 1}.1"}
    for ours, part in (("expand", 0), ("depthwise", 1)):
        rows[f"stage{{s}}_block{{b}}_{ours}"] = lambda at, part=part: f"{inner(at, part)}.0"
        rows[f"stage{{s}}_block{{b}}_{ours}_norm"] = lambda at, part=part: f"{inner(at, part)}.1"
    rows["stage{s}_block{b}_project"] = lambda at: inner(at, 2)
    rows["stage{s}_block{b}_project_norm"] = lambda at: inner(at, 3)
    return rows


def timm():
    """timm's blocks of MobileNetV2 and EfficientNet; the first stage's do not expand, and are called otherwise."""
    expanding, first = ("conv_pw", "conv_dw", "conv_pwl"), (None, "conv_dw", "conv_pw")
    rows = {"stem": "conv_stem", "stem_norm": "bn1", "last": "conv_head", "last_norm": "bn2", "head": "classifier"}
    for ours, part in PARTS.items():
        rows[f"stage{{s}}_block{{b}}_{ours}"] = lambda at, part=part: (
            f"blocks.{at.s}.{at.b}.{(expanding if at.s else first)[part]}"
        )
        rows[f"stage{{s}}_block{{b}}_{ours}_norm"] = lambda at, part=part: (
            f"blocks.{at.s}.{at.b}.bn{part + 1 if at.s else part}"
        )
    return rows


def _hugging_face():
    """The stem holds what is the first block elsewhere."""

    def inner(at, part):
        if at.s == 0:
            return f"conv_stem.{('', 'conv_3x3', 'reduce_1x1')[part]}"
        return f"layer.{at.n - 1}.{('expand_1x1', 'conv_3x3', 'reduce_1x1')[part]}"

    rows = {"stem": "conv_stem.first_conv.convolution", "stem_norm": "conv_stem.first_conv.normalization"}
    rows |= {"last": "conv_1x1.convolution", "last_norm": "conv_1x1.normalization", "head": "classifier"}
    for ours, part in PARTS.items():
        rows[f"stage{{s}}_block{{b}}_{ours}"] = lambda at, part=part: f"{inner(at, part)}.convolution"
        rows[f"stage{{s}}_block{{b}}_{ours}_norm"] = lambda at, part=part: f"{inner(at, part)}.normalization"
    return rows


def _applications():
    """Blocks are counted through all stages; the first has no number."""

    def inner(at):
        return f"block_{at.n}" if at.n else "expanded_conv"

    rows = {"stem": "Conv1", "stem_norm": "bn_Conv1", "last": "Conv_1", "last_norm": "Conv_1_bn", "head": "predictions"}
    for ours in PARTS:
        rows[f"stage{{s}}_block{{b}}_{ours}"] = lambda at, ours=ours: f"{inner(at)}_{ours}"
        rows[f"stage{{s}}_block{{b}}_{ours}_norm"] = lambda at, ours=ours: f"{inner(at)}_{ours}_BN"
    return rows


SCHEMES = (
    NameMap("torchvision", "torch", _torchvision(), epsilon=1e-5, refuses=needs(3, "symmetric")),
    NameMap("timm", "torch", timm(), epsilon=1e-5, refuses=needs(3, "symmetric")),
    # their checkpoints were trained in TensorFlow
    NameMap("Hugging Face", "torch", _hugging_face(), epsilon=1e-3, backbone="mobilenet_v2.", refuses=needs(3, "same")),
    NameMap("keras.applications", "keras", _applications(), epsilon=1e-3, refuses=needs(3, "same")),
)
