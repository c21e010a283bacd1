"""The table of published weights: names, what is refused, and that the published files will fit, by their layouts."""

import csv
import functools
import hashlib
import re
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

import zoo
from tests.convert.test_bundled import photos
from tests.convert.test_checkpoint import write_safetensors
from tests.golden.seeded_arrays import seeded_array
from tests.tolerance import assert_close
from zoo.backbones.backbone import BYTE_RANGE
from zoo.backbones.input_range import backbone_input_layer
from zoo.convert.match import match_arrays
from zoo.file_download import DownloadError
from zoo.published_weights import find_published, read_table
from zoo.registry import entries, entry
from zoo.weights import NAME_MAPS

GOLDEN = Path(__file__).parents[1] / "golden"
CSV = Path(zoo.__file__).parent / "pretrained.csv"


def family_and_library(row):
    """What has one map of names: an architecture without its size, in one library."""
    return re.sub(r"(tiny|small|base|large|huge)|\d{2,}|\d$", "", row.architecture), row.name.partition("/")[0]


def networks():
    """The distinct networks of the table; all but the smallest of a family and a library are slow."""
    with zipfile.ZipFile(GOLDEN / "layouts.zip") as archive:
        sizes = {info.filename.removesuffix(".txt"): info.file_size for info in archive.infolist()}
    rows = {(row.architecture, repr(row.arguments), row.layout): row for row in read_table()}.values()
    rows, fast = sorted(rows, key=lambda row: sizes[row.layout]), {}
    for row in rows:
        fast.setdefault(family_and_library(row), row)
    for row in rows:
        marks = () if row in fast.values() else pytest.mark.slow
        yield pytest.param(row, marks=marks, id=f"{row.architecture}-{row.name}")


RESNETS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnet50v2", "resnet101v2", "resnet152v2")
DENSENETS = ("densenet121", "densenet169", "densenet201")
CLASSIFIERS = (
    *("alexnet_owt", "vgg16", "vgg19", *RESNETS, *DENSENETS, "mobilenet_v2"),
    *(f"efficientnet_lite{n}" for n in range(5)),
    *("vit_tiny_16", "vit_small_16", "vit_base_16", "vit_large_16"),
)


@functools.cache
def layout(name):
    """The names and shapes of the arrays in a published file."""
    with zipfile.ZipFile(GOLDEN / "layouts.zip") as archive:
        lines = archive.read(f"{name}.txt").decode().splitlines()
    pairs = (line.split(" ") for line in lines)
    return {key: tuple(int(side) for side in shape.split("x")) if shape else () for key, shape in pairs}


@pytest.mark.parametrize("row", list(networks()))
def test_every_published_file_fits_its_network(row):
    """By the names and the shapes of its arrays, without memory for them."""
    model = zoo.introspect.outline(row.architecture, **{**entry(row.architecture).example, **row.arguments})
    arrays = {key: np.broadcast_to(np.float32(0.5), shape) for key, shape in layout(row.layout).items()}
    name_map, values = match_arrays(model, arrays, NAME_MAPS, head=row.classes != 0)
    heads = [w for w in model.weights if w.path.startswith("head/")] if row.classes == 0 else []
    assert len(values) == len(model.weights) - len(heads)
    assert [tuple(value.shape) for _, value in values] == [tuple(weight.shape) for weight, _ in values]
    expected_library = {"keras": "keras.applications", "kair": "KAIR", "torchgeo": "timm"}
    library = row.name.partition("/")[0]
    assert expected_library.get(library, library).split(".")[0] in name_map.library
    assert model.input_shape[-1] == len(row.bands) or not row.bands


def test_the_layouts_are_small_and_all_in_use():
    with zipfile.ZipFile(GOLDEN / "layouts.zip") as archive:
        sizes = {info.filename.removesuffix(".txt"): info.compress_size for info in archive.infolist()}
    assert sizes.keys() == {row.layout for row in read_table()}
    assert max(sizes.values()) < 50_000


def test_the_table_is_complete_and_plausible():
    rows = read_table()
    assert len({(row.architecture, row.name) for row in rows}) == len(rows)
    assert len({row.path for row in rows}) == len({row.url for row in rows})
    for row in rows:
        assert row.architecture in entries
        assert row.url.startswith("https://")
        assert len(row.mean) == len(row.deviation) == len(row.bands)
        assert all(deviation > 0 for deviation in row.deviation)
        assert re.fullmatch(r"([0-9a-f]{8}|[0-9a-f]{64})?", row.sha256)
        assert re.fullmatch(r"([0-9a-f]{32})?", row.md5)
        assert row.license and row.training_data and row.library
    with CSV.open(encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == len(rows)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_imagenet_is_a_name_of_every_classifier(name):
    row = find_published(name, "imagenet")
    assert row.classes == 1000 and "ImageNet-1k" in row.training_data
    assert set(row.arguments) <= {"input_shape"}  # it is the architecture as `zoo.load` builds it
    assert "imagenet" in zoo.weights.names(name)


def test_names_and_table():
    assert zoo.weights.names("resnet50")[:2] == ["imagenet", "torchvision/IMAGENET1K_V1"]
    assert zoo.weights.names("efficientnet_lite0")[0] == "bundled"
    assert zoo.weights.names("lenet5") == []
    assert {"bundled", "coco", "keras/imagenet"} <= set(zoo.weights.names())
    table = zoo.weights.table("resnet50")
    assert set(zoo.weights.names("resnet50")) == {"imagenet", *table["name"]}
    assert table.set_index("name").loc["torchvision/IMAGENET1K_V2", "sha256"] == "11ad3fa6"
    with pytest.raises(ValueError, match=r"no architecture is called 'resnet5'\. Did you mean"):
        zoo.weights.names("resnet5")
    with pytest.raises(ValueError, match="no architecture is called 'resnet5'"):
        zoo.weights.table("resnet5")


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ("IMAGENET1K_V2", "Did you mean `torchvision/IMAGENET1K_V2`"),
        ("timm/resnet50.a1in1k", "Did you mean `timm/resnet50.a1_in1k`"),
        ("timm/vit_tiny_patch16_384.augreg_in21k_ft_in1k", "They are of vit_tiny_16"),
        ("bundled", "others by name: imagenet, torchvision/IMAGENET1K_V1"),
    ],
)
def test_a_wrong_name_is_refused_with_the_nearest(weights, message):
    with pytest.raises(ValueError, match=message):
        zoo.load("resnet50", weights, input_shape=(32, 32, 3))


def test_an_ambiguous_name_lists_all_it_may_be():
    with pytest.raises(ValueError, match="Did you mean `timm/densenet121.tv_in1k`"):
        zoo.load("densenet121", "tv_in1k")
    with pytest.raises(ValueError, match="Did you mean `timm/vit_base_patch16_224.dino`"):
        zoo.load("vit_base_16", "dino")


def test_a_file_of_the_name_takes_precedence_over_the_nearest_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("dino").write_bytes(b"no weights")
    assert find_published("vit_base_16", "dino") is None


def put(monkeypatch, tmp_path, row, arrays):
    """Puts a file of weights where a download would be, and has the table know its checksum."""
    monkeypatch.setenv("FIELDZOO_CACHE", str(tmp_path))
    row.path.parent.mkdir(parents=True)
    write_safetensors(row.path, arrays)
    digest = hashlib.sha256(row.path.read_bytes()).hexdigest()
    fitting = tuple(r._replace(sha256=digest, mebibytes=None) if r == row else r for r in read_table())
    monkeypatch.setattr("zoo.published_weights.read_table", lambda: fitting)


@functools.cache
def drawn_arrays(layout_name):
    return {key: seeded_array(key, shape) for key, shape in layout(layout_name).items()}


@pytest.fixture
def resnet18(monkeypatch, tmp_path):
    """The row of ResNet-18, a seeded file in the place of its download, and its arrays."""
    row = find_published("resnet18", "imagenet")
    arrays = drawn_arrays(row.layout)
    put(monkeypatch, tmp_path, row, arrays)
    return arrays


def test_a_model_loads_from_the_cache_by_name(resnet18):
    model = zoo.load("resnet18", "imagenet", input_shape=(32, 32, 3), activation=None)
    reference = zoo.resnet18((32, 32, 3), 1000, activation=None)
    zoo.load_weights(reference, resnet18)
    x = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype("float32")
    assert_close(model(x, training=False), reference(x, training=False))


def test_transfer_applies_the_normalization_of_the_weights(resnet18):
    model = zoo.transfer("resnet18", 3, weights="imagenet", input_shape=(32, 32, 3))
    layer = backbone_input_layer(model)
    assert layer.mean == (123.675, 116.28, 103.53) and layer.deviation == (58.395, 57.12, 57.375)
    assert {"low": layer.low, "high": layer.high} == BYTE_RANGE
    features = zoo.resnet18((32, 32, 3), 1000)
    zoo.load_weights(features, resnet18)
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype("float32")
    backbone = keras.Model(model.input, model.get_layer("head").input)
    expected = keras.Model(features.input, features.get_layer("head").input)((images - layer.mean) / layer.deviation)
    assert_close(backbone(images), expected)
    with pytest.raises(zoo.RangeError, match="from 0 to 255"):
        zoo.verify_range(model, images / 255)


def test_a_model_of_other_bands_and_a_head_of_other_classes_are_refused(resnet18):
    with pytest.raises(ValueError, match=r"takes 3 bands: red, green, blue; got `input_shape` \(32, 32, 5\)"):
        zoo.load("resnet18", "imagenet", input_shape=(32, 32, 5))
    with pytest.raises(ValueError, match=r"fc.weight gives \(512, 1000\).*`head=False`.*The file is .*pth"):
        zoo.load("resnet18", "imagenet", input_shape=(32, 32, 3), classes=4)
    assert zoo.load("resnet18", "imagenet", head=False, input_shape=(32, 32, 3), classes=4).output_shape == (None, 4)


SENTINEL2 = "torchgeo/SENTINEL2_ALL_SOFTCON"


@pytest.fixture
def sentinel2(monkeypatch, tmp_path):
    """Weights of 13 bands, with statistics of each, for a ResNet-50 of which the test needs the first layers only."""
    row = find_published("resnet50", SENTINEL2)
    monkeypatch.setattr(zoo.published_weights.PublishedWeights, "fetch", lambda self: tmp_path / "weights.pth")
    arrays = {key: np.full(shape, 0.01, "f4") for key, shape in layout(row.layout).items()}
    arrays["conv1.weight"] = seeded_array("conv1.weight", arrays["conv1.weight"].shape)
    monkeypatch.setattr("zoo.weights.read_checkpoint", lambda path: arrays)
    return row, arrays["conv1.weight"].transpose(2, 3, 1, 0)


def test_bands_of_a_satellite_are_matched_by_name(sentinel2):
    row, kernel = sentinel2
    model = zoo.adapt_bands("resnet50", ["B08", "B04", "B03"], weights=SENTINEL2, input_shape=(32, 32, 3))
    band_indices = [row.bands.index(name) for name in ("nir", "red", "green")]
    assert model.input_shape == (None, 32, 32, 3)
    assert_close(model.get_layer("stem").kernel, kernel[:, :, band_indices])
    layer = backbone_input_layer(model)
    assert layer.bands == ("B08", "B04", "B03")
    assert layer.mean == tuple(row.mean[i] for i in band_indices)
    assert layer.deviation == tuple(row.deviation[i] for i in band_indices)


def test_bands_that_the_weights_lack_are_refused(sentinel2):
    with pytest.raises(ValueError, match=f"must be different bands of {SENTINEL2}: .*; pan is none of"):
        zoo.adapt_bands("resnet50", ["red", "pan"], weights=SENTINEL2)
    with pytest.raises(ValueError, match="must be different bands of .*; got a, b"):
        zoo.adapt_bands("resnet50", {"a": "red", "b": "red"}, weights=SENTINEL2)
    with pytest.raises(ValueError, match="`statistics` must be None for torchgeo/SENTINEL2_ALL_SOFTCON"):
        zoo.adapt_bands("resnet50", ["red"], weights=SENTINEL2, statistics=((0,), (1,)))
    with pytest.raises(ValueError, match="takes 13 bands.*`zoo.adapt_bands` matches other bands by name"):
        zoo.transfer("resnet50", 2, weights=SENTINEL2, input_shape=(32, 32, 4))


def test_weights_without_classes_need_a_new_head():
    with pytest.raises(ValueError, match="have no classes: their file ends with the features. Give head=False"):
        zoo.load("vit_small_16", "timm/vit_small_patch16_224.dino")


def test_the_file_of_another_architecture_is_refused(monkeypatch, tmp_path):
    row = find_published("resnet18", "imagenet")
    shapes = layout(find_published("vgg16", "imagenet").layout)
    put(monkeypatch, tmp_path, row, {k: np.zeros([1] * len(s), "f4") for k, s in shapes.items()})
    with pytest.raises(ValueError, match="must have the names of `resnet18`.*features.0.weight.*The file is"):
        zoo.load("resnet18", "imagenet", input_shape=(32, 32, 3))


def test_caffe_weights_take_the_bands_in_reverse_order():
    arguments = find_published("vgg16", "keras/imagenet").input_arguments()
    assert arguments["reverse"] and arguments["mean"] == (123.68, 116.779, 103.939)
    assert arguments["bands"] == ("red", "green", "blue")


def test_without_a_network_the_error_says_where_to_put_the_file(monkeypatch, tmp_path):
    monkeypatch.setenv("FIELDZOO_CACHE", str(tmp_path))
    monkeypatch.setenv("FIELDZOO_MIRROR", "http://127.0.0.1:9")
    with pytest.raises(ValueError, match="could not be fetched") as error:
        zoo.load("resnet18", "imagenet", input_shape=(32, 32, 3))
    place = tmp_path / "weights" / "torchvision" / "IMAGENET1K_V1" / "resnet18-f37072fd.pth"
    assert f"put it at {place}" in str(error.value)
    assert 'weights="bundled" has efficientnet_lite0' in str(error.value)
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_the_weights_of_an_encoder_by_name(resnet18):
    assert zoo.encoder_moments("resnet18", "imagenet")[0] == (123.675, 116.28, 103.53)
    model = zoo.load_encoder_weights(zoo.unet((32, 32, 3), 2, encoder="resnet18"), "resnet18", "imagenet")
    assert_close(model.get_layer("stem").kernel, resnet18["conv1.weight"].transpose(2, 3, 1, 0))
    with pytest.raises(ValueError, match="need version=1, and encoders are built for red, green, blue"):
        zoo.encoder_moments("resnet50", "keras/imagenet")


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.parametrize("row", read_table(), ids=lambda row: f"{row.architecture}-{row.name}")
def test_the_published_file_loads(row):
    """Downloads every file. Classifiers of ImageNet-1k get the classes of most of 20 photos."""
    try:
        row.fetch()
    except DownloadError as error:
        pytest.skip(f"needs a network: {error}")
    model = zoo.load(row.architecture, row.name, head=row.classes != 0)
    if row.classes == 1000:
        images, classes = photos()
        images = keras.ops.image.resize(images, model.input_shape[1:3])
        layer = zoo.layers.backbone_input.BackboneInput(**row.input_arguments())
        probabilities = model.predict(layer(images), verbose=0, batch_size=4)
        assert np.mean([c in np.argsort(-p)[:5] for p, c in zip(probabilities, classes, strict=True)]) >= 0.7
