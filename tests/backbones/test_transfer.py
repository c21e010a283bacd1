"""Transfer learning with backbones of every kind: inputs, features, copies and refused arguments."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import zoo
from tests.tolerance import assert_close
from zoo.backbones.input_range import applications_input_range

RESNET = {"depths": (1, 1), "block": "basic"}


def images(count=8, side=32, bands=3):
    return np.random.default_rng(3).integers(0, 256, (count, side, side, bands)).astype("float32")


def mobilenet():
    return keras.applications.MobileNetV2(alpha=0.35, weights=None, input_shape=(32, 32, 3))


def savedmodel_difference(model, x, path):
    """Largest difference between the outputs of the model and of its SavedModel after loading."""
    archive = keras.export.ExportArchive()
    archive.track(model)
    signature = keras.tree.map_structure(
        lambda t: tf.TensorSpec((None, *t.shape[1:]), t.dtype, name=t.name), model.input
    )
    archive.add_endpoint("serve", lambda x: model(x, training=False), input_signature=[signature])
    archive.write_out(str(path), verbose=False)
    loaded = tf.saved_model.load(str(path))
    outputs = loaded.serve(keras.tree.map_structure(lambda a: tf.constant(a, "float32"), x))
    return float(np.abs(outputs - model.predict(x, verbose=0)).max())


def small_mobilenet():
    """A small model that has the name and first layer of a MobileNetV2 of `keras.applications`."""
    x = inputs = layers.Input((32, 32, 3))
    for i, name in enumerate(("Conv1", "block_1_conv")):
        x = layers.Conv2D(4 + 2 * i, 3, 2, padding="same", use_bias=False, name=name)(x)
        x = layers.BatchNormalization(name=f"{name}_BN")(x)
        x = layers.ReLU(6, name=f"{name}_relu")(x)
    x = layers.Dense(5, activation="softmax", name="predictions")(layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, x, name="mobilenetv2_0.35_32")


def outputs(model, x):
    return np.asarray(model(x, training=False))


def test_a_model_of_keras_applications_takes_raw_pixels_and_loses_its_head():
    backbone = mobilenet()
    model = zoo.transfer(backbone, 5)
    assert model.output_shape == (None, 5)
    prepared = keras.applications.mobilenet_v2.preprocess_input(images())
    last = backbone.get_layer("out_relu").output
    expected = keras.ops.mean(keras.Model(backbone.input, last)(prepared, training=False), axis=(1, 2))
    features = keras.Model(model.input, model.get_layer("head").input)(images(), training=False)
    assert_close(features, expected)
    assert [w.path for w in model.trainable_weights] == ["head/kernel", "head/bias"]


@pytest.mark.parametrize(
    ("input_range", "module"),
    [("caffe", "resnet"), ("torch", "densenet"), ("tf", "mobilenet_v2"), ("inside", "efficientnet")],
)
def test_every_input_range_is_that_of_keras_applications(input_range, module):
    backbone = keras.Sequential([layers.Input((4, 4, 3)), layers.Identity()])
    prepared = zoo.transfer(backbone, 2, input_range=input_range).get_layer("backbone_input")(images(2, 4))
    expected = getattr(keras.applications, module).preprocess_input(images(2, 4))
    assert_close(prepared, expected, rtol=2e-5)


@pytest.mark.parametrize(
    ("builder", "input_range"),
    [
        ("VGG16", "caffe"),
        ("ResNet50V2", "tf"),
        *(
            pytest.param(*row, marks=pytest.mark.slow)
            for row in (
                ("ResNet50", "caffe"),
                ("DenseNet121", "torch"),
                ("InceptionV3", "tf"),
                ("Xception", "tf"),
                ("MobileNet", "tf"),
                ("MobileNetV2", "tf"),
                ("MobileNetV3Small", "inside"),
                ("EfficientNetB0", "inside"),
                ("EfficientNetV2B0", "inside"),
                ("ConvNeXtTiny", "inside"),
                ("NASNetMobile", "tf"),
            )
        ),
    ],
)
def test_the_input_range_of_keras_applications_models_is_known(builder, input_range):
    from zoo.introspect import weightless

    with weightless():
        model = getattr(keras.applications, builder)(weights=None, include_top=False, input_shape=(96, 96, 3))
    assert applications_input_range(model) == input_range


def test_a_backbone_without_a_head_is_pooled():
    with_head = small_mobilenet()
    headless = keras.Model(with_head.input, with_head.get_layer("block_1_conv_relu").output, name=with_head.name)
    features = [
        keras.Model(m.input, m.get_layer("head").input)(images(), training=False)
        for m in (zoo.transfer(with_head, 3), zoo.transfer(headless, 3))
    ]
    assert_close(*features)


def test_a_zoo_model_is_not_taken_for_that_of_keras_applications():
    backbone = zoo.resnet50((32, 32, 3), 4, **RESNET)
    assert applications_input_range(backbone) is None
    assert all(layer.name != "backbone_input" for layer in zoo.transfer(backbone, 2).layers)


def test_a_zoo_backbone_is_copied_with_its_layer_names():
    backbone = zoo.resnet18((32, 32, 3), 4, **RESNET)
    before = [w.copy() for w in backbone.get_weights()]
    model = zoo.transfer(backbone, 6, mode="finetune", stages=None)
    pooled = keras.Model(backbone.input, backbone.get_layer("pool").output)
    x = images() / 255
    assert_close(outputs(keras.Model(model.input, model.get_layer("pool").output), x), outputs(pooled, x))
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(x, np.arange(8) % 6, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, backbone.get_weights(), strict=True))
    assert all(w.trainable for w in backbone.trainable_weights)
    assert zoo.last_spatial(model).layer.name == "stage1_block0_relu"


def test_features_are_deterministic_in_training_mode():
    backbone = zoo.efficientnet_lite0((32, 32, 3), 4, width=0.1, depth=0.3, drop_path=0.5)
    model = zoo.transfer(backbone, 3)
    assert_close(model(images(), training=True), model(images(), training=False))
    thawed = zoo.transfer(backbone, 3, mode="finetune")
    assert {x.rate for x in thawed.layers if isinstance(x, zoo.layers.drop_path.DropPath)} == {0.375}


def test_vectors_time_series_and_tokens_have_features():
    table = zoo.transfer(zoo.dnn((4,), 2, units=(5, 3)), 6)
    assert table.get_layer("head").input.shape == (None, 3)
    series = zoo.transfer(zoo.tempcnn((5, 2), 3, filters=(4, 4), units=(6,)), 2)
    assert series.get_layer("head").input.shape == (None, 6)
    tokens = layers.Input((7, 4))
    backbone = keras.Model(tokens, layers.Conv1D(4, 3, padding="same", activation="relu")(tokens))
    for pool in ("average", "max", "first"):
        model = zoo.transfer(backbone, 2, pool=pool)
        assert model.get_layer("head").input.shape == (None, 4)


def test_layer_names_of_the_head_are_changed_in_the_backbone():
    x = layers.Input((8, 8, 3))
    y = layers.Conv2D(4, 3, name="head_conv")(x)
    y = layers.Activation("relu", name="activation")(y)
    backbone = keras.Model(x, layers.Conv2D(4, 3, name="pool")(y))
    model = zoo.transfer(backbone, 2, mode="finetune", dropout=0.1)
    assert model.get_layer("backbone_head_conv") is not model.get_layer("head")
    assert_close(
        outputs(keras.Model(model.input, model.get_layer("backbone_pool").output), images(2, 8)),
        outputs(backbone, images(2, 8)),
    )


def test_a_name_without_bundled_weights_is_refused():
    model = zoo.transfer("lenet5", 4, weights=None, input_shape=(16, 16, 3))
    assert model.input_shape == (None, 16, 16, 3)
    with pytest.raises(ValueError, match="'bundled' is available for efficientnet_lite0, mobilenet_v2, resnet18 only"):
        zoo.transfer("resnet34", 4)
    with pytest.raises(ValueError, match="no architecture is called 'resnet19'. Did you mean `resnet18`"):
        zoo.transfer("resnet19", 4)


def test_invalid_backbones_are_refused():
    with pytest.raises(ValueError, match="`backbone` must be a model, a name or a handle, got int"):
        zoo.transfer(3, 4)
    with pytest.raises(ValueError, match="`input_shape` is for a name or a handle"):
        zoo.transfer(small_mobilenet(), 4, input_shape=(64, 64, 3))
    with pytest.raises(
        ValueError, match="`input_range` must be one of caffe, torch, tf, inside or as_is, got 'tensorflow'"
    ):
        zoo.transfer(small_mobilenet(), 4, input_range="tensorflow")
    with pytest.raises(ValueError, match="`input_range` is for backbones that record nothing"):
        zoo.transfer(zoo.transfer(small_mobilenet(), 4), 4, input_range="tf")
    with pytest.raises(ValueError, match="`input_range` is for images of 3 bands"):
        zoo.transfer(zoo.dnn((4,), 2), 4, input_range="tf")

    class Subclassed(keras.Model):
        def call(self, x):
            return x

    subclassed = Subclassed()
    subclassed(np.ones((1, 4)))
    with pytest.raises(ValueError, match="must be a built functional or Sequential model; wrap"):
        zoo.transfer(subclassed, 4)


def test_a_transferred_model_saves_loads_exports_and_is_a_backbone(tmp_path):
    model = zoo.transfer(small_mobilenet(), 3, mode="finetune", stages=1, activation="sigmoid")
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(outputs(model, images()), outputs(loaded, images()))
    assert [w.path for w in loaded.trainable_weights] == [w.path for w in model.trainable_weights]
    export = zoo.export(loaded, tmp_path / "served", inputs=images().astype("uint8"))
    assert "serving_bytes" in export.signatures  # raw pixels are the input, so files can be served
    twice = zoo.transfer(loaded, 4)
    assert sum(x.name == "backbone_input" for x in twice.layers) == 1


def test_a_mixed_policy_keeps_inputs_and_outputs_in_float32():
    backbone = small_mobilenet()
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = zoo.transfer(backbone, 3)
    assert model.get_layer("backbone_input").compute_dtype == model.get_layer("head").compute_dtype == "float32"


def test_errors_name_the_range_of_the_images_and_of_the_backbone():
    model = zoo.transfer(small_mobilenet(), 3)
    assert zoo.verify_range(model, images()) is model
    with pytest.raises(zoo.RangeError, match="trained on images from 0 to 255, and these go from 0 to 1"):
        zoo.verify_range(model, images() / 255)
    with pytest.raises(ValueError, match="these go from -1 to 1"):
        zoo.verify_range(model, images() / 127.5 - 1)
    with pytest.raises(ValueError, match="these go from 0 to 65535"):
        zoo.verify_range(model, images() * 257)
    with pytest.raises(ValueError, match="finite numbers"):
        zoo.verify_range(model, np.full((1, 32, 32, 3), np.nan))
    batches = tf.data.Dataset.from_tensor_slices((images() / 255, np.arange(8))).batch(4)
    with pytest.raises(ValueError, match="these go from 0 to 1"):
        zoo.verify_range(model, batches)
    zoo.verify_range(zoo.resnet18((32, 32, 3), 2, **RESNET), images() / 255)  # records nothing


def test_keras_hub_backbones_are_backbones():
    hub = pytest.importorskip("keras_hub", reason="KerasHub is an extra: pip install fieldzoo[kerashub]")
    backbone = hub.models.VGGBackbone(
        stackwise_num_repeats=[1, 1], stackwise_num_filters=[4, 6], image_shape=(32, 32, 3)
    )
    model = zoo.transfer(backbone, 3, mode="finetune", stages=1)
    assert model.output_shape == (None, 3)
    expected = np.asarray(keras.ops.mean(backbone(images() / 255), axis=(1, 2)))
    features = keras.Model(model.input, model.get_layer("head").input)(images() / 255)
    assert_close(features, expected)
    text = hub.models.BertBackbone(
        vocabulary_size=9, num_layers=1, num_heads=2, hidden_dim=4, intermediate_dim=6, max_sequence_length=5
    )
    model = zoo.transfer(text, 3)
    tokens = np.ones((2, 5), "int32")
    inputs = {"token_ids": tokens, "segment_ids": 0 * tokens, "padding_mask": tokens}
    features = keras.Model(model.input, model.get_layer("head").input)(inputs)
    assert_close(features, text(inputs)["pooled_output"])
