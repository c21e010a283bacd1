"""Weight names of ResNet in torchvision and timm, Hugging Face, keras.applications and KerasHub, and of ResNet v2."""

from zoo.convert.name_map import NameMap

TORCH_NAMES = {
    "stem": "conv1",
    "stem_norm": "bn1",
    "stage{s}_block{b}_conv{c}": lambda at: f"layer{at.s + 1}.{at.b}.conv{at.c + 1}",
    "stage{s}_block{b}_conv{c}_norm": lambda at: f"layer{at.s + 1}.{at.b}.bn{at.c + 1}",
    "stage{s}_block{b}_shortcut": lambda at: f"layer{at.s + 1}.{at.b}.downsample.0",
    "stage{s}_block{b}_shortcut_norm": lambda at: f"layer{at.s + 1}.{at.b}.downsample.1",
    "head": "fc",
}

# Of geoembed's network for aerial photos, whose stem is a 3 x 3 convolution
_GEOEMBED = {
    **TORCH_NAMES,
    "stem": "stem.0",
    "stem_norm": "stem.1",
    "stage{s}_block{b}_shortcut": lambda at: f"layer{at.s + 1}.{at.b}.short.0",
    "stage{s}_block{b}_shortcut_norm": lambda at: f"layer{at.s + 1}.{at.b}.short.1",
}


def _hugging_face_block(at):
    return f"encoder.stages.{at.s}.layers.{at.b}"


_HUGGING_FACE = {
    "stem": "embedder.embedder.convolution",
    "stem_norm": "embedder.embedder.normalization",
    "stage{s}_block{b}_conv{c}": lambda at: f"{_hugging_face_block(at)}.layer.{at.c}.convolution",
    "stage{s}_block{b}_conv{c}_norm": lambda at: f"{_hugging_face_block(at)}.layer.{at.c}.normalization",
    "stage{s}_block{b}_shortcut": lambda at: f"{_hugging_face_block(at)}.shortcut.convolution",
    "stage{s}_block{b}_shortcut_norm": lambda at: f"{_hugging_face_block(at)}.shortcut.normalization",
    "head": "classifier.1",
}


def _keras_names(block):
    """Names in Keras, where the shortcut is convolution 0. `block` returns the name of a block."""
    return {
        "stem": "conv1_conv",
        "stem_norm": "conv1_bn",
        "stage{s}_block{b}_conv{c}": lambda at: f"{block(at)}_{at.c + 1}_conv",
        "stage{s}_block{b}_conv{c}_norm": lambda at: f"{block(at)}_{at.c + 1}_bn",
        "stage{s}_block{b}_shortcut": lambda at: f"{block(at)}_0_conv",
        "stage{s}_block{b}_shortcut_norm": lambda at: f"{block(at)}_0_bn",
        "head": "predictions",
    }


def _application_block(at):
    return f"conv{at.s + 2}_block{at.b + 1}"


_V2 = {
    "stage{s}_block{b}_before_norm": lambda at: f"{_application_block(at)}_preact_bn",
    "post_norm": "post_bn",
}


def _version(model):
    """Returns 1 or 1.5, by the layer that halves the map in the second stage; None where the versions do not differ."""
    names = {layer.name for layer in model.layers}
    if "stage1_block0_conv2" not in names:
        return None
    return 1 if model.get_layer("stage1_block0_conv0").strides[0] == 2 else 1.5


def _mismatch_check(version):
    def mismatch(model):
        if _version(model) in (None, version):
            return None
        return f"were trained with `version={version}`, and the model has {_version(model)}: build it so"

    return mismatch


def _mismatch_v2(model):
    return None if any(layer.name == "post_norm" for layer in model.layers) else "are of another network"


NAME_MAPS = (
    NameMap("torchvision or timm", "torch", TORCH_NAMES, mismatch=_mismatch_check(1.5)),
    NameMap("geoembed", "torch", _GEOEMBED, prefix="bb.", unused_prefixes=("embed_dim", "base_channels", "pool_size")),
    NameMap("Hugging Face", "torch", _HUGGING_FACE, prefix="resnet.", mismatch=_mismatch_check(1.5)),
    NameMap(
        "keras.applications", "keras", _keras_names(_application_block), epsilon=1.001e-5, mismatch=_mismatch_check(1)
    ),
    NameMap("KerasHub", "keras", _keras_names(lambda at: f"stack{at.s}_block{at.b}"), mismatch=_mismatch_check(1.5)),
    NameMap(
        "keras.applications", "keras", _keras_names(_application_block) | _V2, epsilon=1.001e-5, mismatch=_mismatch_v2
    ),
)
