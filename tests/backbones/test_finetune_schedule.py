"""Stages, trainable layers and learning rates of fine-tuning."""

import keras
import numpy as np
import pytest
from keras import layers

import zoo
from tests.backbones.test_transfer import RESNET, images, mobilenet, small_mobilenet
from tests.tolerance import assert_close

LABELS = np.arange(8) % 3


def trainable_stages(model):
    """Names of the stages with trainable weights, and `head` if it has some."""
    names = {w.path.split("/")[0] for w in model.trainable_weights}
    return {s.name for s in zoo.stages(model) if names & {x.name for x in s.layers}} | (names & {"head"})


def changed_paths(before, after):
    return {k for k, v in after.items() if not np.array_equal(v, before[k])}


def values(model):
    return {w.path: np.array(w) for w in model.weights}


def test_a_stage_begins_where_the_map_is_halved():
    names = [s.name for s in zoo.stages(mobilenet())]
    assert names == ["Conv1", "block_1_depthwise", "block_3_depthwise", "block_6_depthwise", "block_13_depthwise"]
    model = zoo.transfer(small_mobilenet(), 3)
    names = [x.name for s in zoo.stages(model) for x in s.layers]
    assert names == ["Conv1", "Conv1_BN", "block_1_conv", "block_1_conv_BN"]  # without the head


@pytest.mark.parametrize(
    ("name", "count", "top"),
    [
        ("resnet18", 5, "stage3_block0_conv0"),
        ("densenet121", 5, "stage3_block0_before_norm"),
        ("efficientnet_lite0", 5, "stage5_block0_depthwise"),
        ("vit_tiny_16", 13, "block11_norm1"),
        ("vgg16", 7, "hidden1"),
        ("coatnet_0", 5, "stage4_block0_shortcut"),
    ],
)
def test_zoo_architectures_have_the_stages_of_their_papers(name, count, top):
    stages = zoo.stages(zoo.outline(name))
    assert len(stages) == count
    assert stages[-1].name == top


def test_squeeze_and_excitation_begins_no_stage_in_a_model_of_any_size():
    backbone = keras.applications.MobileNetV3Small(
        weights=None, include_top=False, input_shape=(None, None, 3), alpha=0.35
    )
    assert [s.name for s in zoo.stages(backbone)] == [
        *("conv", "expanded_conv_depthwise", "expanded_conv_1_depthwise"),
        *("expanded_conv_3_depthwise", "expanded_conv_8_depthwise"),
    ]


def test_thaw_makes_top_stages_trainable_but_not_batch_normalization():
    model = zoo.transfer(small_mobilenet(), 3)
    assert trainable_stages(model) == {"head"}
    zoo.thaw(model, 1)
    assert trainable_stages(model) == {"head", "block_1_conv"}
    norms = [x for x in model.layers if isinstance(x, layers.BatchNormalization)]
    assert not any(x.trainable for x in norms)
    zoo.thaw(model, None)
    assert trainable_stages(model) == {"head", "block_1_conv", "Conv1"}
    zoo.thaw(model, 1, batch_norm=True)
    assert [x.trainable for x in norms] == [False, True]
    with pytest.raises(ValueError, match="`stages` must be a whole number from 0 to 2, got 3"):
        zoo.thaw(model, 3)


def test_phases_change_only_their_trainable_weights():
    model = zoo.transfer(zoo.resnet18((32, 32, 3), 3, **RESNET), 3)
    start = values(model)
    first, second = zoo.finetune_schedule(stages=(0, 1), epochs=(1, 1), learning_rates=(1e-2, 1e-3))
    model.compile(first.begin(model, images()), "sparse_categorical_crossentropy")
    model.fit(images() / 255, LABELS, epochs=first.epochs, verbose=0)
    middle = values(model)
    assert changed_paths(start, middle) == {"head/kernel", "head/bias"}
    model.compile(second.begin(model, images(), "sgd"), "sparse_categorical_crossentropy")
    assert float(model.optimizer.learning_rate) == pytest.approx(1e-3)
    model.fit(images() / 255, LABELS, epochs=second.epochs, verbose=0)
    changed = changed_paths(middle, values(model))
    assert changed == {p for p in middle if p.startswith(("head/", "stage1_")) and "_norm/" not in p}


def test_a_phase_refuses_images_out_of_range():
    model = zoo.transfer(small_mobilenet(), 3)
    phase = zoo.finetune_schedule()[0]
    with pytest.raises(ValueError, match="from 0 to 255, and these go from 0 to 1"):
        phase.begin(model, images() / 255)
    with pytest.raises(ValueError, match="must be equally many, got 2, 1 and 2"):
        zoo.finetune_schedule(epochs=(3,))


def step_sizes(optimizer):
    """Changes of two weights of 1, with gradients 3 and 5, in one step."""
    model = keras.Sequential(
        [layers.Input((1,)), layers.Dense(1, use_bias=False, name="low", kernel_initializer="ones")]
    )
    model.add(layers.Dense(1, use_bias=False, name="top", kernel_initializer="ones"))
    optimizer.apply([keras.ops.full((1, 1), 3.0), keras.ops.full((1, 1), 5.0)], model.trainable_variables)
    return [1 - float(w[0, 0]) for w in model.get_weights()]


@pytest.mark.parametrize("name", ["sgd", "adam", "rmsprop", "adagrad", "lion", "nadam"])
def test_layer_rates_multiply_the_step_under_every_optimizer(name):
    optimizer = type(keras.optimizers.get(name))
    plain = step_sizes(optimizer(0.01))
    low, top = step_sizes(zoo.LayerRates(optimizer(0.01), {"low": 0.1}))
    assert top == pytest.approx(plain[1], rel=1e-4)
    assert low == pytest.approx(0.1 * plain[0], rel=1e-3)
    assert step_sizes(zoo.LayerRates(optimizer(0.01), {"low": 0.0}))[0] == 0


def test_layer_rates_multiply_weight_decay():
    options = {"learning_rate": 0.01, "weight_decay": 0.5}
    plain = step_sizes(keras.optimizers.AdamW(**options))
    layer_rates = zoo.LayerRates(keras.optimizers.AdamW(**options), {"low": 0.1})
    assert step_sizes(layer_rates) == pytest.approx([0.1 * plain[0], plain[1]], rel=1e-3)
    assert layer_rates.inner.weight_decay == 0.5
    with pytest.raises(ValueError, match="`factors`: low must be a number of at least 0"):
        zoo.LayerRates("adam", {"low": -1})


def test_layer_rates_decay_by_stage_and_are_saved(tmp_path):
    factors = zoo.layer_factors(zoo.transfer(zoo.resnet18((32, 32, 3), 3, **RESNET), 3), 0.5)
    assert [factors[x] for x in ("head", "stage1_block0_conv0", "stage0_block0_conv0", "stem")] == [1, 0.5, 0.25, 0.125]
    model = zoo.transfer(zoo.dnn((4,), 2, units=(5, 3)), 3)
    x = np.random.default_rng(1).random((8, 4))
    (phase,) = zoo.finetune_schedule(stages=(None,), epochs=(1,), learning_rates=(1e-2,), decay=0.5)
    model.compile(phase.begin(model, x), "sparse_categorical_crossentropy")
    model.fit(x, LABELS, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.optimizer.factors == model.optimizer.factors
    assert int(loaded.optimizer.iterations) == int(model.optimizer.iterations) == 1
    model.optimizer.learning_rate = loaded.optimizer.learning_rate = 2e-3  # as a schedule's callback does
    for m in (model, loaded):
        m.fit(x, LABELS, verbose=0, shuffle=False)
    for a, b in zip(model.get_weights(), loaded.get_weights(), strict=True):
        assert_close(a, b)


def test_layer_rates_work_under_float16_loss_scaling():
    keras.config.set_dtype_policy("mixed_float16")
    model = zoo.transfer(zoo.dnn((4,), 2, units=(5, 3)), 3, mode="finetune", stages=None)
    model.compile(zoo.LayerRates("adam", {"head": 0.0}), "sparse_categorical_crossentropy", jit_compile=False)
    before = values(model)
    model.fit(np.random.default_rng(1).random((8, 4)), LABELS, verbose=0)
    changed = changed_paths(before, values(model))
    assert "hidden0/kernel" in changed
    assert "head/kernel" not in changed
