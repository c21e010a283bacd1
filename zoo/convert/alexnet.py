"""Weight names of AlexNet without towers, `alexnet_owt`, in torchvision."""

from zoo.convert.name_map import NameMap

_CONVOLUTIONS = {"stem": 0, "conv1": 3, "conv2": 6, "conv3": 8, "conv4": 10}  # in a sequence with ReLUs and poolings
_NAMES = {name: f"features.{i}" for name, i in _CONVOLUTIONS.items()}

NAME_MAPS = (
    NameMap(
        "torchvision",
        "torch",
        {**_NAMES, "hidden{i}": lambda at: f"classifier.{3 * at.i + 1}", "head": "classifier.6"},
    ),
)
