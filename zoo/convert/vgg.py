"""Weight names of VGG in torchvision, timm, keras.applications and KerasHub."""

from zoo.convert.name_map import NameMap

# In PyTorch's sequence, a ReLU follows each convolution, and a pooling each stage.
_WITHOUT_NORM = {"stem": "features.0", "stage{s}_conv{b}": lambda at: f"features.{2 * (at.n + 1) + at.s}"}
_WITH_NORM = {
    "stem": "features.0",
    "stem_norm": "features.1",
    "stage{s}_conv{b}": lambda at: f"features.{3 * (at.n + 1) + at.s}",
    "stage{s}_conv{b}_norm": lambda at: f"features.{3 * (at.n + 1) + at.s + 1}",
}
_TORCHVISION = {"hidden{i}": lambda at: f"classifier.{3 * at.i}", "head": "classifier.6"}
_TIMM = {"hidden{i}": lambda at: f"pre_logits.fc{at.i + 1}", "head": "head.fc"}
_BLOCKS = {"stem": "block1_conv1", "stage{s}_conv{b}": lambda at: f"block{at.s + 1}_conv{at.b + 1}"}
_APPLICATIONS = {"hidden{i}": lambda at: f"fc{at.i + 1}", "head": "predictions"}
_HUB = {"hidden{i}": lambda at: f"head/fc{at.i + 1}", "head": "head/predictions"}

NAME_MAPS = (
    NameMap("torchvision", "torch", _WITHOUT_NORM | _TORCHVISION),
    NameMap("torchvision", "torch", _WITH_NORM | _TORCHVISION),
    NameMap("timm", "torch", _WITHOUT_NORM | _TIMM),
    NameMap("timm", "torch", _WITH_NORM | _TIMM),
    NameMap("keras.applications", "keras", _BLOCKS | _APPLICATIONS),
    NameMap("KerasHub", "keras", _BLOCKS | _HUB),
)
