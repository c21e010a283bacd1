"""Weight names of DenseNet in torchvision and timm, keras.applications and KerasHub."""

from zoo.convert.name_map import NameMap


def _torch_names(separator):
    """Names in PyTorch. torchvision's files have `norm.1` where its models have `norm1`."""

    def layer(at):
        return f"features.denseblock{at.s + 1}.denselayer{at.b + 1}"

    return {
        "stem": "features.conv0",
        "stem_norm": "features.norm0",
        "stage{s}_block{b}_before_norm": lambda at: f"{layer(at)}.norm{separator}1",
        "stage{s}_block{b}_conv{c}": lambda at: f"{layer(at)}.conv{separator}{at.c + 1}",
        "stage{s}_block{b}_conv{c}_norm": lambda at: f"{layer(at)}.norm{separator}{at.c + 2}",
        "stage{s}_transition": lambda at: f"features.transition{at.s}.conv",
        "stage{s}_post_norm": lambda at: (
            "features.norm5" if at.s == at.stages - 1 else f"features.transition{at.s + 1}.norm"
        ),
        "head": "classifier",
    }


_APPLICATIONS = {
    "stem": "conv1_conv",
    "stem_norm": "conv1_bn",
    "stage{s}_block{b}_before_norm": lambda at: f"conv{at.s + 2}_block{at.b + 1}_0_bn",
    "stage{s}_block{b}_conv{c}": lambda at: f"conv{at.s + 2}_block{at.b + 1}_{at.c + 1}_conv",
    "stage{s}_block{b}_conv{c}_norm": lambda at: f"conv{at.s + 2}_block{at.b + 1}_{at.c + 1}_bn",
    "stage{s}_transition": lambda at: f"pool{at.s + 1}_conv",
    "stage{s}_post_norm": lambda at: "bn" if at.s == at.stages - 1 else f"pool{at.s + 2}_bn",
    "head": "predictions",
}
_HUB = {
    "stage{s}_block{b}_before_norm": lambda at: f"stack{at.s + 1}_block{at.b + 1}_1_bn",
    "stage{s}_block{b}_conv{c}": lambda at: f"stack{at.s + 1}_block{at.b + 1}_{at.c + 1}_conv",
    "stage{s}_block{b}_conv{c}_norm": lambda at: f"stack{at.s + 1}_block{at.b + 1}_{at.c + 2}_bn",
    "stage{s}_transition": lambda at: f"transition{at.s}_conv",
    "stage{s}_post_norm": lambda at: "bn" if at.s == at.stages - 1 else f"transition{at.s + 1}_bn",
}

NAME_MAPS = (
    NameMap("torchvision or timm", "torch", _torch_names("")),
    NameMap("torchvision", "torch", _torch_names(".")),
    NameMap("keras.applications", "keras", _APPLICATIONS, epsilon=1.001e-5),
    # KerasHub's stem pads even sizes as TensorFlow does, but the weights were trained with symmetric padding, as here
    NameMap("KerasHub", "keras", _APPLICATIONS | _HUB, epsilon=1.001e-5),
)
