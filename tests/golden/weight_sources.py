"""Names of published weights in torchvision, timm, Keras and torchgeo, for `make_weights_table.py`."""

SYMMETRIC = {"padding": "symmetric"}

# zoo architecture, its arguments, model of the library
TORCHVISION = (
    ("alexnet_owt", {}, "alexnet"),
    *((n, {}, n) for n in ("vgg16", "vgg19")),
    *((n, {"batch_norm": True}, f"{n}_bn") for n in ("vgg16", "vgg19")),
    *((f"resnet{n}", {}, f"resnet{n}") for n in (18, 34, 50, 101, 152)),
    *((f"densenet{n}", {}, f"densenet{n}") for n in (121, 161, 169, 201)),
    ("mobilenet_v2", SYMMETRIC, "mobilenet_v2"),
    *((f"vit_{n}", {}, f"vit_{n[0]}_{n[-2:]}") for n in ("base_16", "base_32", "large_16", "large_32", "huge_14")),
    ("retinanet", {}, "retinanet_resnet50_fpn"),
    ("faster_rcnn", {}, "fasterrcnn_resnet50_fpn"),
    ("mask_rcnn", {}, "maskrcnn_resnet50_fpn"),
)
TIMM = (
    *((n, {}, n) for n in ("vgg16", "vgg19")),
    *((n, {"batch_norm": True}, f"{n}_bn") for n in ("vgg16", "vgg19")),
    *((f"resnet{n}", {}, f"resnet{n}") for n in (18, 34, 50, 101, 152)),
    *((f"densenet{n}", {}, f"densenet{n}") for n in (121, 161, 169, 201)),
    ("mobilenet_v2", SYMMETRIC, "mobilenetv2_100"),
    ("efficientnet_lite0", SYMMETRIC, "efficientnet_lite0"),
    *((f"efficientnet_lite{n}", {}, f"tf_efficientnet_lite{n}") for n in range(5)),
    *(
        (f"vit_{size}_{patch}", {}, f"vit_{size}_patch{patch}_{side}")
        for size, patches in (("tiny", (16,)), ("small", (16, 32)), ("base", (16, 32)), ("large", (16, 32)))
        for patch in patches
        for side in (224, 384)
    ),
    ("vit_huge_14", {}, "vit_huge_patch14_224"),
    *((f"vit_{size}_16", {}, f"deit_{size}_patch16_224") for size in ("tiny", "small", "base")),
    ("vit_base_16", {}, "deit_base_patch16_384"),
)
KERAS = (
    *(("vgg16", {}, "VGG16"), ("vgg19", {}, "VGG19")),
    *((f"resnet{n}", {"version": 1}, f"ResNet{n}") for n in (50, 101, 152)),
    *((f"resnet{n}v2", {}, f"ResNet{n}V2") for n in (50, 101, 152)),
    *((f"densenet{n}", {}, f"DenseNet{n}") for n in (121, 169, 201)),
    ("mobilenet_v2", {}, "MobileNetV2"),
)
TORCHGEO = (*((f"resnet{n}", f"ResNet{n}") for n in (18, 50, 152)), ("vit_small_16", "ViTSmall16"))
LEFT_OUT = ("bamboo", "untrained")  # tags of timm whose license is not stated, or that have no weights
# What `imagenet` and `coco` mean: files of known license and checksum, for the architecture's own arguments
ALIASES = {
    **dict.fromkeys(("alexnet_owt", "vgg16", "vgg19"), "torchvision/IMAGENET1K_V1"),
    **{f"resnet{n}": "torchvision/IMAGENET1K_V1" for n in (18, 34, 50, 101, 152)},
    **{f"densenet{n}": "torchvision/IMAGENET1K_V1" for n in (121, 161, 169, 201)},
    **dict.fromkeys(("resnet50v2", "resnet101v2", "resnet152v2", "mobilenet_v2"), "keras/imagenet"),
    **{f"efficientnet_lite{n}": f"timm/tf_efficientnet_lite{n}.in1k" for n in range(5)},
    **{
        f"vit_{size}": f"timm/vit_{size.split('_')[0]}_patch{size[-2:]}_224.augreg_in21k_ft_in1k"
        for size in ("tiny_16", "small_16", "small_32", "base_16", "base_32", "large_16")
    },
    "vit_large_32": "timm/vit_large_patch32_384.orig_in21k_ft_in1k",
    **dict.fromkeys(("retinanet", "faster_rcnn", "mask_rcnn"), "torchvision/COCO_V1"),
}
TRAINING_DATA = {  # of timm's tags
    "in1k": "ImageNet-1k",
    "in21k": "ImageNet-21k",
    "in21k_ft_in1k": "ImageNet-21k, then ImageNet-1k",
    "fb_ssl_yfcc100m_ft_in1k": "YFCC100M (semi-supervised), then ImageNet-1k",
    "fb_swsl_ig1b_ft_in1k": "1 billion Instagram photos (weakly supervised), then ImageNet-1k",
    "dino": "ImageNet-1k without labels (DINO)",
    "mae": "ImageNet-1k without labels (MAE)",
}
LICENSES = {"apache-2.0": "Apache-2.0", "bsd-3-clause": "BSD-3-Clause", "cc-by-nc-4.0": "CC-BY-NC-4.0"}
BAND_NAMES = {  # of the bands in torchgeo -> the names in zoo/backbones/sensors.py
    "sentinel2": {
        "B1": "coastal",
        "B2": "blue",
        "B3": "green",
        "B4": "red",
        "B5": "red_edge1",
        "B6": "red_edge2",
        "B7": "red_edge3",
        "B8": "nir",
        "B8a": "nir_narrow",
        "B9": "water_vapour",
        "B10": "cirrus",
        "B11": "swir1",
        "B12": "swir2",
    },
    "sentinel1": {"VV": "vv", "VH": "vh"},
    "landsat_tm": {
        "B1": "blue",
        "B2": "green",
        "B3": "red",
        "B4": "nir",
        "B5": "swir1",
        "B6": "thermal1",
        "B7": "swir2",
    },
    "landsat_etm": {
        "B1": "blue",
        "B2": "green",
        "B3": "red",
        "B4": "nir",
        "B5": "swir1",
        "B6_VCID_1": "thermal_low_gain",
        "B6_VCID_2": "thermal_high_gain",
        "B7": "swir2",
        "B8": "pan",
    },
    "landsat_oli": {
        "B1": "coastal",
        "B2": "blue",
        "B3": "green",
        "B4": "red",
        "B5": "nir_narrow",
        "B6": "swir1",
        "B7": "swir2",
        "B8": "pan",
        "B9": "cirrus",
        "B10": "thermal1",
        "B11": "thermal2",
    },
}
