"""ResNet's weights by torchvision and timm, Hugging Face, keras.applications and KerasHub; ResNet v2's."""

from zoo.convert.name_map import NameMap

_TORCH = {
    "stem": "conv1",
    "stem_norm": "bn1",
    "stage{s}_block{b}_conv{c}": lambda at: f"layer{at.s + 1}.{at.b}.conv{at.c + 1}",
    "stage{s}_block{b}_conv{c}_norm": lambda at: f"layer{at.s + 1}.{at.b}.bn{at.c + 1}",
    "stage{s}_block{b}_shortcut": lambda at: f"layer{at.s + 1}.{at.b}.downsample.0",
    "stage{s}_block{b}_shortcut_norm": lambda at: f"layer{at.s + 1}.{at.b}.downsample.1",
    "head": "fc",
}


def _hugging(at):
    return f"encoder.stages.{at.s}.layers.{at.b}"


_HUGGING_FACE = {
    "stem": "embedder.embedder.convolution",
    "stem_norm": "embedder.embedder.normalization",
    "stage{s}_block{b}_conv{c}": lambda at: f"{_hugging(at)}.layer.{at.c}.convolution",
    "stage{s}_block{b}_conv{c}_norm": lambda at: f"{_hugging(at)}.layer.{at.c}.normalization",
    "stage{s}_block{b}_shortcut": lambda at: f"{_hugging(at)}.shortcut.convolution",
    "stage{s}_block{b}_shortcut_norm": lambda at: f"{_hugging(at)}.shortcut.normalization",
    "head": "classifier.1",
}


def _keras(block):
    """The shortcut is their convolution 0; `block` says what a block is called."""
    return {
        "stem": "conv1_conv",
        "stem_norm": "conv1_bn",
        "stage{s}_block{b}_conv{c}": lambda at: f"{block(at)}_{at.c + 1}_conv",
        "stage{s}_block{b}_conv{c}_norm": lambda at: f"{block(at)}_{at.c + 1}_bn",
        "stage{s}_block{b}_shortcut": lambda at: f"{block(at)}_0_conv",
        "stage{s}_block{b}_shortcut_norm": lambda at: f"{block(at)}_0_bn",
        "head": "predictions",
    }


def _application(at):
    return f"conv{at.s + 2}_block{at.b + 1}"


_V2 = {
    "stage{s}_block{b}_before_norm": lambda at: f"{_application(at)}_preact_bn",
    "post_norm": "post_bn",
}


def _version(model):
    """1 or 1.5, by where the second stage's first bottleneck halves the map; None where nothing tells them apart."""
    names = {layer.name for layer in model.layers}
    if "stage1_block0_conv2" not in names:
        return None
    return 1 if model.get_layer("stage1_block0_conv0").strides[0] == 2 else 1.5


def _refuses(version):
    def refuses(model):
        if _version(model) in (None, version):
            return None
        return f"were trained with `version={version}`, and the model has {_version(model)}: build it so"

    return refuses


def _not_v2(model):
    return None if any(layer.name == "post_norm" for layer in model.layers) else "are of another network"


SCHEMES = (
    NameMap("torchvision or timm", "torch", _TORCH, refuses=_refuses(1.5)),
    NameMap("Hugging Face", "torch", _HUGGING_FACE, backbone="resnet.", refuses=_refuses(1.5)),
    NameMap("keras.applications", "keras", _keras(_application), epsilon=1.001e-5, refuses=_refuses(1)),
    NameMap("KerasHub", "keras", _keras(lambda at: f"stack{at.s}_block{at.b}"), refuses=_refuses(1.5)),
    NameMap("keras.applications", "keras", _keras(_application) | _V2, epsilon=1.001e-5, refuses=_not_v2),
)
