"""Reference recipes of image classifiers: training as in their papers, and the ecology lecture's CIFAR-100."""

from recipes.reference.published_settings import published_settings
from recipes.tasks.classification import Classification

SILHOUETTES = "bundled:animal-silhouettes"
LECTURE = published_settings("ecology_lecture")
# So few training examples that the lecture's network overfits, as on CIFAR-100
REPLACEMENT = f"{SILHOUETTES}?validation=0.2&test=0.6"

IMAGE_CLASSIFIERS = {  # name -> fields of ReferenceRecipe
    # He et al. 2015, section 4.2: momentum, learning rate divided by ten after half and three quarters of the steps,
    # images padded, cropped and mirrored. 14 epochs instead of 182, so with a warm-up, as in their ResNet-110
    "resnet20_silhouettes": (
        Classification(
            epochs=14,
            batch_size=128,
            learning_rate=0.1,
            optimizer="momentum",
            schedule="piecewise",
            decay_boundaries=(0.5, 0.75),
            warmup=0.05,
            weight_decay=1e-3,
            augment=("crop:4", "flip"),
        ),
        "resnet20",
        SILHOUETTES,
    ),
    # DeiT's optimizer, schedule and label smoothing (Touvron et al. 2020). Only geometric augmentation: silhouettes
    # have no color, and MixUp with erasing had a lower validation accuracy in a short trial. The accuracy is below
    # that of a small CNN and of a random forest: without convolutions a few thousand images are too few
    "vit_silhouettes": (
        Classification(
            epochs=24,
            batch_size=64,
            learning_rate=2e-3,
            optimizer="adamw",
            warmup=0.1,
            weight_decay=0.05,
            label_smoothing=0.1,
            augment=("flip", "rotate:0.03", "shift:0.1", "zoom:0.1"),
            echo_epochs=2,
        ),
        "vit_tiny_16",
        SILHOUETTES,
        {"patch": 4, "depth": 4, "width": 64, "units": 128, "heads": 4},
    ),
    "cnn_cifar56eco": (LECTURE.task, LECTURE.model, LECTURE.data, LECTURE.arguments, REPLACEMENT),
    # Higher accuracy than the lecture's network with no more multiply-accumulates: residual blocks with batch
    # normalization instead of dense layers, augmentation instead of dropout, a decaying learning rate
    "resnet14_cifar56eco": (
        Classification(
            epochs=15,
            batch_size=64,
            learning_rate=0.1,
            optimizer="nesterov",
            warmup=0.1,
            weight_decay=5e-3,  # 5e-4 / (1 - momentum), as it is decoupled from the gradient
            augment=("crop:4", "flip"),
        ),
        "resnet_cifar",
        LECTURE.data,
        {"depths": (2, 2, 2)},
        REPLACEMENT,
    ),
}
