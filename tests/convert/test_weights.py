"""Loading sets every weight exactly once, or lists the differences in an error and leaves the model unchanged."""

import sys
import types

import keras
import numpy as np
import pytest

import zoo
from tests.convert.test_parity import CASES, TWO, VIT, application, golden
from tests.golden.seeded_arrays import seeded_array
from zoo.convert.match import plan_weights
from zoo.convert.name_map import ZOO_NAMES
from zoo.introspect.graph import weightless
from zoo.weights import NAME_MAPS


def small_resnet(**options):
    return zoo.resnet((32, 32, 3), **{"classes": 5, "block": "basic", **TWO, **options})


def resnet_arrays():
    return golden("resnet/torchvision_basic")[0]


def weights(model):
    return {w.path: keras.ops.convert_to_numpy(w) for w in model.weights}


def assert_refused(model, source, message, **options):
    before = weights(model)
    with pytest.raises(ValueError, match=message):
        zoo.load_weights(model, source, **options)
    for path, value in weights(model).items():
        np.testing.assert_array_equal(value, before[path])


def test_missing_unused_and_misshapen_weights_are_listed_together():
    arrays = resnet_arrays()
    del arrays["layer1.0.conv1.weight"]
    arrays["layer1.0.se.weight"] = np.zeros(3)
    arrays["bn1.running_mean"] = np.zeros(65)
    message = (
        r"`resnet` and the source \(torchvision or timm\) differ. "
        r"1 missing in the source: layer1.0.conv1.weight \(our stage0_block0_conv0/kernel\); "
        r"1 not used: layer1.0.se.weight; "
        r"1 of another shape: bn1.running_mean gives \(65,\), stem_norm/moving_mean needs \(64,\)"
    )
    assert_refused(small_resnet(), arrays, message)


def test_long_lists_are_shortened_with_a_count():
    arrays = {k: v for k, v in resnet_arrays().items() if not k.startswith("layer2.1")}
    assert_refused(
        small_resnet(), arrays, r"10 missing in the source: (layer2.1\S+ \(our \S+\), ){5}layer2.1\S+ .* and 4 more"
    )


def test_num_batches_tracked_and_wrapper_prefixes_are_ignored():
    arrays = resnet_arrays()
    assert any(k.endswith("num_batches_tracked") for k in arrays)
    plain, wrapped = small_resnet(), small_resnet()
    zoo.load_weights(plain, arrays)
    zoo.load_weights(wrapped, {f"_orig_mod.module.{k}": v for k, v in arrays.items()})
    for path, value in weights(plain).items():
        np.testing.assert_array_equal(weights(wrapped)[path], value)


def test_another_number_of_classes_needs_a_new_head():
    arrays = resnet_arrays()
    model = small_resnet(classes=3)
    assert_refused(
        model, arrays, r"2 of another shape: fc.weight gives \(128, 5\).* `head=False` keeps the model's own"
    )
    kernel = keras.ops.convert_to_numpy(model.get_layer("head").kernel)
    zoo.load_weights(model, arrays, head=False)
    np.testing.assert_array_equal(model.get_layer("head").kernel, kernel)
    np.testing.assert_array_equal(model.get_layer("stem").kernel, arrays["conv1.weight"].transpose(2, 3, 1, 0))
    headless = {k: v for k, v in arrays.items() if not k.startswith("fc.")}
    zoo.load_weights(model, headless, head=False)
    assert_refused(model, headless, r"2 missing in the source: fc.weight.*`head=False`")


def test_unknown_names_are_refused():
    assert_refused(
        small_resnet(),
        {"a.weight": np.zeros(3)},
        "must have the names of `resnet` in fieldzoo, to.*, got names such as a.weight",
    )
    assert_refused(zoo.dnn((4,), 2), resnet_arrays(), "must have the names of `dnn` in fieldzoo, .*, got names such as")


@pytest.mark.parametrize("source", [3, {}, {1: np.zeros(2)}, None, []])
def test_invalid_sources_are_refused(source):
    assert_refused(small_resnet(), source, "`source` must be a file, a model or a dict of arrays")


def test_invalid_models_and_arrays_are_refused():
    with pytest.raises(ValueError, match="`model` must be a Keras model, got str"):
        zoo.load_weights("resnet50", {"a": np.zeros(3)})
    assert_refused(
        small_resnet(), resnet_arrays() | {"fc.bias": "text"}, "fc.bias in the source is no array of numbers"
    )


def test_weights_of_another_version_or_padding_are_refused():
    deep = {"block": "bottleneck", **TWO}
    model = small_resnet(version=1, **deep)
    assert_refused(
        model, golden("resnet/torchvision_bottleneck")[0], "were trained with `version=1.5`, and the model has 1:"
    )
    assert_refused(
        small_resnet(**deep), application("resnet", 32), "were trained with `version=1`, and the model has 1.5:"
    )
    model = zoo.mobilenet_v2((32, 32, 3), 5, alpha=0.35)
    arrays = golden("mobilenet_v2/timm")[0]
    assert_refused(
        model, arrays, "timm's weights for `mobilenet_v2` were trained with `padding='symmetric'`.* has 'same'"
    )
    model = zoo.mobilenet_v2((32, 32, 3), 5, alpha=0.35, padding="symmetric")
    assert_refused(model, application("mobilenet_v2", 32), "keras.applications's weights .*`padding='same'`")


def test_older_and_newer_spellings_of_names_are_known():
    model = zoo.densenet((32, 32, 3), 5, depths=(1, 2, 1), growth=8)
    arrays = golden("densenet/torchvision")[0]
    dotted = {k.replace(".norm1", ".norm.1").replace(".norm2", ".norm.2"): v for k, v in arrays.items()}
    dotted = {k.replace(".conv1", ".conv.1").replace(".conv2", ".conv.2"): v for k, v in dotted.items()}
    assert len(dotted.keys() - arrays.keys()) > 20
    zoo.load_weights(model, dotted)
    model = zoo.vit((16, 16, 3), 5, **VIT)
    arrays = golden("vit/torchvision")[0]
    zoo.load_weights(
        model, {k.replace("mlp.0", "mlp.linear_1").replace("mlp.3", "mlp.linear_2"): v for k, v in arrays.items()}
    )
    arrays = {k.removeprefix("vit."): v for k, v in golden("vit/hugging_face")[0].items() if "classifier" not in k}
    arrays |= {"pooler.dense.weight": np.zeros((16, 16)), "pooler.dense.bias": np.zeros(16)}
    zoo.load_weights(model, arrays, head=False)
    assert_refused(model, arrays, "2 missing in the source: classifier.weight.*2 not used: pooler.dense.weight")


def test_a_keras_applications_backbone_sets_a_zoo_model():
    source = keras.applications.VGG16(weights=None, include_top=False, input_shape=(32, 32, 3))
    model = zoo.vgg16((32, 32, 3), 5, units=())
    zoo.load_weights(model, source, head=False)
    np.testing.assert_array_equal(model.get_layer("stage4_conv2").kernel, source.get_layer("block5_conv3").kernel)


def test_position_embeddings_not_of_a_square_are_refused():
    arrays = golden("vit/timm")[0]
    arrays["pos_embed"] = arrays["pos_embed"][:, :-2]
    assert_refused(zoo.vit((16, 16, 3), 5, **VIT), arrays, "15 positions, 1 of them for tokens, form no square")


def test_files_and_models_of_the_zoo_are_sources(tmp_path):
    model, other = zoo.vit((16, 16, 3), 5, **VIT, drop_path=0.1), zoo.vit((24, 16, 3), 4, **VIT)
    same = zoo.vit((16, 16, 3), 5, **VIT, drop_path=0.1)
    for weight in model.weights:
        weight.assign(seeded_array(weight.path, tuple(weight.shape)))
    model.save(tmp_path / "m.keras")
    model.save_weights(tmp_path / "m.weights.h5")
    for source in (tmp_path / "m.keras", tmp_path / "m.weights.h5", model, weights(model)):
        for weight in same.weights:
            weight.assign(np.zeros(weight.shape))
        assert zoo.load_weights(same, source) is same
        for path, value in weights(model).items():
            np.testing.assert_array_equal(weights(same)[path], value)
    assert_refused(other, tmp_path / "m.keras", r"head/kernel gives \(16, 5\), head/kernel needs \(16, 4\)")
    zoo.load_weights(other, tmp_path / "m.keras", head=False)
    assert other.get_layer("position").table.shape == (25, 16)


def test_files_of_another_architecture_are_refused(tmp_path):
    deep = zoo.dnn((4,), 2, units=(3, 3, 3))
    deep.save_weights(tmp_path / "deep.weights.h5")
    deep.save(tmp_path / "deep.keras")
    model = zoo.dnn((4,), 2, units=(3, 3))
    assert_refused(model, tmp_path / "deep.weights.h5", "deep.weights.h5 does not fit `dnn`, or cannot be read")
    assert_refused(model, tmp_path / "deep.keras", "2 not used: hidden2/kernel, hidden2/bias")
    (tmp_path / "bad.keras").write_bytes(b"no")
    assert_refused(model, tmp_path / "bad.keras", "bad.keras does not fit `dnn`, or cannot be read")
    assert_refused(model, tmp_path / "none.keras", "none.keras is not a file")
    (tmp_path / "old.h5").write_bytes(b"no")
    assert_refused(model, tmp_path / "old.h5", "an .h5 file of Keras 2")


def test_a_keras_hub_preset_needs_keras_hub(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    assert_refused(small_resnet(), "resnet_18_imagenet", "'resnet_18_imagenet' is no file.*pip install keras-hub")


def test_a_keras_hub_preset_sets_a_model(monkeypatch):
    requested = []

    class Preset:
        @staticmethod
        def from_preset(name):
            if name == "nothing":
                raise FileNotFoundError("no such preset")
            requested.append(name)
            return application("resnet", 32)

    hub = types.SimpleNamespace(models=types.SimpleNamespace(ImageClassifier=Preset, Backbone=Preset))
    monkeypatch.setitem(sys.modules, "keras_hub", hub)
    model = small_resnet(block="bottleneck", version=1)
    zoo.load_weights(model, "resnet_50_imagenet")
    assert requested == ["resnet_50_imagenet"]
    assert_refused(model, "nothing", "KerasHub cannot load the preset 'nothing': no such preset")


@pytest.mark.parametrize("case", ["vgg/torchvision", "vgg/timm", "vit/timm", "vit/hub"])
def test_an_array_of_another_shape_is_always_refused(case):
    build, size, arguments = CASES[case]
    model, (arrays, _) = build((size, size, 3), 5, **arguments), golden(case)
    for name in [*list(arrays)[:12], *list(arrays)[-4:]]:
        array = arrays[name]
        for wrong in (np.zeros(()), np.zeros(0), np.zeros((2,) * 5), array[..., None], array[:-1], array.ravel()[:-1]):
            with pytest.raises(ValueError, match="load_weights: "):
                zoo.load_weights(model, {**arrays, name: wrong})


PLANS = {
    "vgg": (zoo.vgg, 28, {**TWO, "batch_norm": True}),
    "resnet": (zoo.resnet, 32, TWO),
    "resnet_v2": (zoo.resnet_v2, 32, TWO),
    "densenet": (zoo.densenet, 32, TWO),
    "vit": (zoo.vit, 16, VIT),
    "mobilenet_v2": (zoo.mobilenet_v2, 32, {"alpha": 0.35}),
    "efficientnet_lite": (zoo.efficientnet_lite0, 32, {}),
}


@pytest.mark.parametrize("family", PLANS)
def test_name_maps_use_every_slice_of_an_array_once(family):
    build, size, arguments = PLANS[family]
    with weightless():
        model = build((size, size, 3), 5, **arguments)
    plans = [plan for name_map in (ZOO_NAMES, *NAME_MAPS) if (plan := plan_weights(model, name_map, True))]
    assert len(plans) > 1
    for plan in plans:
        slices = [(row.name, row.index) for row in plan]
        assert len(set(slices)) == len(slices)
        for row in plan:
            assert {index for name, index in slices if name == row.name} == set(range(row.slices))
