"""One small case for every registered name: the arguments with which the shared tests build it.

`output_shape` is the shape of the output for a batch of two. `invalid_shape` is an input shape that the builder must
refuse, or None. Random inputs have `free` pixels or steps along axes of size None. `train` is for models with a custom
train step: the shape of one example of each array that `fit` takes (numbers from 0 to 1), or () for a class.
"""

import inspect
import typing

from zoo.registry import entries


class Case(typing.NamedTuple):
    arguments: dict
    output_shape: tuple
    invalid_shape: tuple | None = None
    free: int = 32
    train: tuple | None = None


VIT = Case(
    {"input_shape": (8, 12, 4), "classes": 3, "patch": 4, "depth": 2, "width": 8, "units": 12, "heads": 2},
    (2, 3),
    invalid_shape=(8, 10, 4),
)
COATNET = {"input_shape": (32, 64, 2), "classes": 3, "filters": (4, 4, 6, 8, 12), "head_size": 4}
COATNET = Case({**COATNET, "depths": (2, 1, 1, 1, 1)}, (2, 3), invalid_shape=(32, 48, 2))
COATNET_MIXED = {"layout": "C-C-CT-T", "depths": (2, 1, 1, 1, 1, 1), "filters": (4, 4, 6, 6, 8, 12)}
COATNET_MIXED = COATNET._replace(arguments={**COATNET.arguments, **COATNET_MIXED})

RESNET = Case(
    {"input_shape": (None, None, 2), "classes": 3, "depths": (1, 1)}, (2, 3), invalid_shape=(7, 8, 2), free=12
)
RESNET_CIFAR = Case(
    {"input_shape": (None, 6, 2), "classes": 3, "depths": (1, 2)}, (2, 3), invalid_shape=(1, 6, 2), free=5
)
DENSENET = Case(
    {"input_shape": (8, 12, 2), "classes": 3, "depths": (2, 1), "growth": 4}, (2, 3), invalid_shape=(7, 8, 2)
)
VGG = Case({"input_shape": (4, 6, 2), "classes": 3, "depths": (1, 2), "units": (6,)}, (2, 3), invalid_shape=(3, 6, 2))
ALEXNET = {"classes": 3, "filters": (4, 6, 4, 4, 4), "units": (6,)}
LITE = Case(
    {"input_shape": (32, None, 2), "classes": 3, "width": 0.1, "depth": 0.3, "drop_path": 0.5},
    (2, 3),
    invalid_shape=(31, 32, 2),
)
DNCNN = Case({"input_shape": (None, 6, 2), "depth": 4, "filters": 4}, (2, 5, 6, 2), free=5)
SRCNN = Case(
    {"input_shape": (None, 15, 2), "kernel_sizes": (5, 1, 3), "filters": (4, 3)},
    (2, 6, 9, 2),
    invalid_shape=(6, 15, 2),
    free=12,
)
EDSR = Case({"input_shape": (None, 6, 2), "scale": 4, "depth": 2, "filters": 4}, (2, 20, 24, 2), free=5)
FASTER_RCNN = {"input_shape": (None, 32, 2), "classes": 2, "encoder": "mobilenet_v2", "filters": 4}
FASTER_RCNN = Case(
    {**FASTER_RCNN, "units": (6, 6), "anchor_sizes": (4, 8, 16, 24, 32), "proposals": 5},
    (2, 5, 4 + 3 * 5),
    invalid_shape=(40, 32, 2),
    free=64,
)
TRANSFORMER = Case({"vocabulary": 6, "depth": 1, "width": 8, "units": 12, "heads": 2}, (2, 5, 6), free=5)
DDPM = {"image_shape": (8, 4, 2), "filters": (4, 8), "depth": 1}
DDPM = Case(DDPM, (2, 8, 4, 2), invalid_shape=(8, 5, 2), train=((8, 4, 2),))
PRESTO = {"input_shape": (3, 17), "width": 16, "depth": 1, "units": 12, "heads": 2}
MAE = {"input_shape": (8, 12, 2), "patch": 4, "depth": 2, "width": 8, "units": 12, "heads": 2, "decoder_depth": 1}
MAE = Case({**MAE, "decoder_width": 4, "decoder_heads": 2, "mask": 0.5}, (2, 8, 12, 2), invalid_shape=(8, 10, 2))
DCGAN = {"image_shape": (8, 12, 2), "latent": 3, "filters": 4}
DCGAN = Case(DCGAN, (2, 8, 12, 2), invalid_shape=(8, 13, 2), train=((8, 12, 2),))

TABM = {"input_shape": (6,), "outputs": 3, "levels": (2, 2), "members": 3, "depth": 2, "width": 5, "embedding": 2}
MAXENT = ("linear", "quadratic", "product", "hinge", "threshold")

RSVQA = {"input_shape": (8, 8, 2), "classes": 3, "question_shape": (5,), "question_units": 4, "units": (6, 5)}
RSVQA |= {"encoder": "cnn", "encoder_arguments": {"filters": (4, 4)}, "frozen": False, "image_features": 12}

CASES = {
    # tabular
    "deepmaxent": Case({"input_shape": (4,), "classes": 2, "width": 6, "depth": 2}, (2, 2)),
    "maxent_features": Case(
        {"input_shape": (5,), "classes": 2, "levels": (2,), "feature_classes": MAXENT, "hinges": 3, "thresholds": 2},
        (2, 2),
        invalid_shape=(1,),
    ),
    "sinr": Case(
        {"input_shape": (3,), "classes": 2, "environment": 1, "width": 6, "depth": 2}, (2, 2), invalid_shape=(1,)
    ),
    "dnn": Case({"input_shape": (4,), "outputs": 2, "units": (5, 3), "hidden_activation": "tanh"}, (2, 2)),
    "ft_transformer": Case(
        {"input_shape": (6,), "outputs": 3, "levels": (2, 2), "depth": 2, "width": 8, "units": 5, "heads": 2},
        (2, 3),
        invalid_shape=(3,),
    ),
    "tabm": Case({**TABM, "activation": "softmax"}, (2, 3), invalid_shape=(3,)),
    "tabm_ple": Case({**TABM, "bins": 4, "activation": "sigmoid"}, (2, 3), invalid_shape=(3,)),
    # classify
    "cnn": Case(
        {"input_shape": (8, 8, 3), "classes": 3, "filters": (4, 4), "units": (6,)}, (2, 3), invalid_shape=(3, 3, 3)
    ),
    "lenet5": Case({"input_shape": (14, 14, 2), "classes": 3}, (2, 3), invalid_shape=(8, 8, 1)),
    "lenet5_1998": Case({"input_shape": (16, 16, 1), "classes": 3}, (2, 3), invalid_shape=(14, 14, 1)),
    "alexnet": Case({"input_shape": (67, 75, 2), **ALEXNET}, (2, 3), invalid_shape=(66, 75, 2)),
    "alexnet_owt": Case({"input_shape": (63, 71, 2), **ALEXNET}, (2, 3), invalid_shape=(62, 71, 2)),
    "vgg": VGG,
    "vgg16": VGG,
    "vgg19": VGG._replace(arguments={**VGG.arguments, "batch_norm": True}),
    "resnet": RESNET._replace(arguments={**RESNET.arguments, "version": 1}),
    "resnet18": RESNET,
    "resnet34": RESNET,
    "resnet50": RESNET,
    "resnet101": RESNET,
    "resnet152": RESNET,
    "resnet_v2": RESNET._replace(arguments={**RESNET.arguments, "depths": (2, 1)}),
    "resnet50v2": RESNET,
    "resnet101v2": RESNET,
    "resnet152v2": RESNET,
    "resnet_cifar": RESNET_CIFAR,
    "resnet20": RESNET_CIFAR,
    "resnet32": RESNET_CIFAR,
    "resnet44": RESNET_CIFAR,
    "resnet56": RESNET_CIFAR,
    "resnet110": RESNET_CIFAR,
    "densenet": DENSENET,
    "densenet121": DENSENET,
    "densenet161": DENSENET,
    "densenet169": DENSENET,
    "densenet201": DENSENET,
    "mobilenet_v2": Case(
        {"input_shape": (32, None, 2), "classes": 3, "alpha": 0.1, "depths": (1, 2, 1, 1, 1, 1, 1)},
        (2, 3),
        invalid_shape=(31, 32, 2),
    ),
    "efficientnet_lite": LITE,
    "efficientnet_lite0": LITE,
    "efficientnet_lite1": LITE,
    "efficientnet_lite2": LITE,
    "efficientnet_lite3": LITE,
    "efficientnet_lite4": LITE,
    "vit": VIT,
    "vit_tiny_16": VIT,
    "vit_small_16": VIT,
    "vit_small_32": VIT,
    "vit_base_16": VIT,
    "vit_base_32": VIT,
    "vit_large_16": VIT,
    "vit_large_32": VIT,
    "vit_huge_14": VIT,
    "vit_g_14": VIT,
    "vit_giant_14": VIT,
    "coatnet": COATNET,
    "coatnet_0": COATNET,
    "coatnet_1": COATNET,
    "coatnet_2": COATNET,
    "coatnet_3": COATNET,
    "coatnet_4": COATNET,
    "coatnet_5": COATNET,
    "coatnet_6": COATNET_MIXED,
    "coatnet_7": COATNET_MIXED,
    # segment
    "unet": Case(
        {"input_shape": (None, None, 2), "classes": 3, "filters": (4, 6, 8), "batch_norm": True},
        (2, 8, 8, 3),
        invalid_shape=(8, 10, 2),
        free=8,
    ),
    # detect
    "localizer": Case(
        {"input_shape": (None, 32, 2), "classes": 3, "encoder": "resnet20"},
        (2, 1, 7),
        invalid_shape=(0, 32, 2),
        free=40,
    ),
    "retinanet": Case(
        {"input_shape": (None, 32, 2), "classes": 3, "encoder": "mobilenet_v2", "filters": 4, "depth": 1},
        (2, 9 * (8 * 4 + 4 * 2 + 2 + 1 + 1), 11),
        invalid_shape=(40, 32, 2),
        free=64,
    ),
    "faster_rcnn": FASTER_RCNN,
    "faster_rcnn_vgg16": FASTER_RCNN._replace(
        arguments={**FASTER_RCNN.arguments, "encoder": "resnet18", "anchor_sizes": (16,)},
    ),
    "mask_rcnn": FASTER_RCNN,
    "fast_rcnn": Case(
        {"input_shape": (64, 32, 2), "classes": 2, "encoder": "mobilenet_v2", "units": (6, 6)},
        (2, 5, 4 + 3 * 5),
        invalid_shape=(40, 32, 2),
        free=5,
    ),
    "rcnn": Case(
        {"input_shape": (20, 30, 2), "classes": 2, "encoder": "resnet20", "side": 16, "context": 2, "units": (6, 6)},
        (2, 5, 4 + 3 * 5),
        invalid_shape=(0, 32, 2),
        free=5,
    ),
    # restore
    "dncnn": DNCNN,
    "dncnn_blind": DNCNN._replace(arguments={**DNCNN.arguments, "batch_norm": False}),
    "srcnn": SRCNN,
    "srcnn_935": SRCNN,
    "srcnn_955": SRCNN,
    "edsr": EDSR,
    "edsr_baseline": EDSR._replace(arguments={**EDSR.arguments, "scale": 3}, output_shape=(2, 15, 18, 2)),
    # series
    "rnn": Case(
        {"input_shape": (None, 3), "outputs": 2, "units": (4, 3), "mask_value": -1.0}, (2, 2), invalid_shape=(3,)
    ),
    "lstm": Case(
        {"input_shape": (5, 3), "outputs": 2, "units": (4, 3), "every_step": True}, (2, 5, 2), invalid_shape=(5, None)
    ),
    "gru": Case(
        {"input_shape": (None,), "outputs": 2, "units": (4,), "vocabulary": 6}, (2, 2), invalid_shape=(5, 3), free=5
    ),
    "tempcnn": Case(
        {"input_shape": (5, 2), "outputs": 3, "filters": (4, 4), "units": (6,)}, (2, 3), invalid_shape=(None, 2)
    ),
    "cnn_lstm": Case({"input_shape": (3, 8, 10, 2), "outputs": 3, "units": (4,)}, (2, 3), invalid_shape=(3, 8, 6, 2)),
    "convlstm": Case(
        {"input_shape": (2, 4, 6, 2), "outputs": 3, "filters": (3, 2), "kernel_size": 3, "patch": 2},
        (2, 3, 4, 6, 2),
        invalid_shape=(2, 4, 5, 2),
    ),
    "convlstm_keras": Case(
        {"input_shape": (None, 4, 6, 2), "filters": (3, 2), "kernel_sizes": (3, 1)},
        (2, 5, 4, 6, 2),
        invalid_shape=(5, None, 6, 2),
        free=5,
    ),
    "transformer": TRANSFORMER,
    "transformer_big": TRANSFORMER,
    "transformer_encoder": Case(
        {"input_shape": (None, 3), "outputs": 2, "depth": 1, "width": 8, "units": 12, "heads": 2, "mask_value": -1.0},
        (2, 2),
        invalid_shape=(5, None),
        free=5,
    ),
    "presto": Case(PRESTO, (2, 16), invalid_shape=(25, 17)),
    "presto_autoencoder": Case({**PRESTO, "decoder_depth": 1}, (2, 3, 9), invalid_shape=(3, 18)),
    # sound
    "spectrogram_classifier": Case(
        {"input_shape": (1000, 2), "classes": 3, "sample_rate": 2000, "pooling": "attention", "spec_augment": 0.2},
        (2, 3),
        invalid_shape=(40, 2),
    ),
    "crnn": Case(
        {
            "input_shape": (1000, 2),
            "classes": 3,
            "sample_rate": 2000,
            "spectrogram": {"bands": 8, "hop": 0.01},
            "filters": (4, 4),
            "time_strides": (2, 2),
            "units": (3, 2),
            "bidirectional": True,
        },
        (2, 3),
        invalid_shape=(100, 2),
    ),
    "m5": Case({"input_shape": (128, 2), "classes": 3, "filters": (4, 5)}, (2, 3), invalid_shape=(60, 2)),
    # question
    "rsvqa": Case({**RSVQA, "vocabulary": 5}, (2, 3), invalid_shape=(3, 8, 2)),
    # motion
    "flownet_s": Case(
        {"input_shape": (None, 64, 2), "width": 0.01, "all_flows": True},
        (2, 64, 64, 2),
        invalid_shape=(60, 64, 2),
        free=64,
    ),
    "pwcnet": Case(
        {"input_shape": (64, None, 2), "width": 0.01, "search_radius": 1},
        (2, 64, 64, 2),
        invalid_shape=(64, 96, 2),
        free=64,
    ),
    "raft_small": Case(
        {"input_shape": (None, 64, 2), "updates": 2, "search_radius": 1},
        (2, 64, 64, 2),
        invalid_shape=(56, 64, 2),
        free=64,
    ),
    "tvnet": Case(
        {"input_shape": (None, 8, 2), "scales": 2, "iterations": 3}, (2, 6, 8, 2), invalid_shape=(7, 8, 2), free=6
    ),
    # generate
    "gan": Case(
        {"image_shape": (4, 5, 2), "latent": 3, "units": (6,), "maxout": (5,), "maxout_pieces": 2},
        (2, 4, 5, 2),
        invalid_shape=(None, 5, 2),
        train=((4, 5, 2),),
    ),
    "dcgan": DCGAN,
    "dcgan_paper": DCGAN,
    "conditional_gan": Case(
        {
            "image_shape": (4, 5, 2),
            "classes": 3,
            "latent": 3,
            "units": (4, 3, 6),
            "maxout": (5, 3, 4),
            "maxout_pieces": (2, 2, 2),
        },
        (2, 4, 5, 2),
        invalid_shape=(4, None, 2),
        train=((4, 5, 2), ()),
    ),
    "mae": MAE,
    "mae_base_16": MAE,
    "mae_large_16": MAE,
    "mae_huge_14": MAE,
    "mae_small": MAE,
    "autoencoder": Case(
        {"input_shape": (4, 6, 2), "latent": 3, "units": (5, 4)}, (2, 4, 6, 2), invalid_shape=(4, None, 2)
    ),
    "denoising_autoencoder": Case({"input_shape": (4, 8, 2), "filters": (3, 4)}, (2, 4, 8, 2), invalid_shape=(4, 6, 2)),
    "vae": Case({"input_shape": (4, 6, 2), "latent": 3, "units": (5, 4)}, (2, 4, 6, 2), invalid_shape=(4, None, 2)),
    "conv_vae": Case(
        {"input_shape": (4, 8, 2), "latent": 3, "filters": (3, 4), "units": (5,)}, (2, 4, 8, 2), invalid_shape=(4, 6, 2)
    ),
    "realnvp": Case(
        {"input_shape": (4, 8, 2), "scales": 2, "filters": 4, "blocks": 1}, (2, 64), invalid_shape=(4, 7, 2)
    ),
    "rbm": Case({"input_shape": (4, 3, 2), "latent": 5}, (2, 4, 3, 2), invalid_shape=(4, None, 2)),
    "dbn": Case({"input_shape": (4, 3, 2), "latent": 5, "units": (4, 3)}, (2, 4, 3, 2), invalid_shape=(4, None, 2)),
    "wgan_gp": Case(
        {"image_shape": (16, 20, 2), "latent": 3, "filters": 4, "critic_steps": 1},
        (2, 16, 20, 2),
        invalid_shape=(15, 20, 2),
        train=((16, 20, 2),),
    ),
    "ddpm": DDPM,
    "ddpm_256": DDPM._replace(arguments={**DDPM.arguments, "attention": (0,)}),
    "pix2pix": Case(
        {"input_shape": (None, 16, 2), "outputs": 3, "filters": 4, "depth": 3, "patch_depth": 1},
        (2, 16, 16, 3),
        invalid_shape=(16, 20, 2),
        free=16,
        train=((16, 16, 2), (16, 16, 3)),
    ),
}


def distinct(names):
    """Returns the first name of each distinct network: variants whose cases have equal arguments are one network.

    Args:
        names: names of the registry that are keys of `CASES`.
    Returns:
        List in the order of `CASES`, where a family comes before its variants.
    """
    first = {}
    for name in (n for n in CASES if n in set(names)):
        defaults = {k: p.default for k, p in inspect.signature(entries[name].build).parameters.items() if k != "name"}
        first.setdefault((entries[name].parent or name, repr({**defaults, **CASES[name].arguments})), name)
    return list(first.values())
