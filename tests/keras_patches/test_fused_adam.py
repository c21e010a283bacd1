"""Adam with TensorFlow's fused kernel: the weights and files of Keras' own update."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import zoo
from tests.tolerance import assert_close
from zoo.keras_patches import patch_adam

OPTIMIZERS = {
    "adam": lambda: keras.optimizers.Adam(1e-2),
    "betas": lambda: keras.optimizers.Adam(1e-2, beta_1=0.5, beta_2=0.9, epsilon=1e-3),
    "clipped": lambda: keras.optimizers.Adam(1e-2, global_clipnorm=0.1),
    "decayed": lambda: keras.optimizers.AdamW(1e-2, weight_decay=0.1),
    "scheduled": lambda: keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-2, 20)),
    "averaged": lambda: keras.optimizers.Adam(1e-2, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=3),
    "accumulated": lambda: keras.optimizers.Adam(1e-2, gradient_accumulation_steps=2),
}


def train(optimizer, tokens=False, policy="float32", **settings):
    """(weights, state of the optimizer, names of the graph's operations) after 12 steps of training."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    if tokens:
        stack = [layers.Embedding(20, 4), layers.Flatten(), layers.Dense(3)]
        x = rng.integers(0, 20, (48, 6))
    else:
        hidden = [layers.Dense(8, "relu", dtype=policy), layers.BatchNormalization(dtype=policy)]
        stack = [*hidden, layers.Dense(3, dtype=policy)]
        x = rng.normal(size=(48, 5)).astype("float32")
    model = keras.Sequential([keras.Input(x.shape[1:]), *stack])
    model.compile(optimizer, "mse", **settings)
    y = rng.normal(size=(48, 3)).astype("float32")
    model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0)
    step = tf.function(model.train_step).get_concrete_function((tf.constant(x[:8]), tf.constant(y[:8])))
    operations = {op.type for op in step.graph.get_operations()}
    for function in step.graph.as_graph_def().library.function:
        operations |= {node.op for node in function.node_def}
    return model.get_weights(), [v.numpy() for v in model.optimizer.variables], operations


def uses_kernel_with_equal_weights(optimizer, rtol=2e-5, min_weights=1, **arguments):
    """Asserts that weights and state are those of Keras' update; returns whether the fused kernel was used."""
    expected, expected_state, _ = train(optimizer(), **arguments)
    weights, state, operations = train(patch_adam(optimizer(), min_weights), **arguments)
    for a, b in zip([*expected, *expected_state], [*weights, *state], strict=True):
        assert_close(b, a, rtol=rtol)
    return "ResourceApplyAdam" in operations


def test_a_network_of_few_weights_keeps_keras_update():
    assert not uses_kernel_with_equal_weights(OPTIMIZERS["adam"], rtol=0, min_weights=9)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_weights_and_state_are_those_of_keras(name):
    assert uses_kernel_with_equal_weights(OPTIMIZERS[name])


def test_weights_are_equal_under_xla_with_several_steps_per_execution():
    assert uses_kernel_with_equal_weights(OPTIMIZERS["decayed"], jit_compile=True, steps_per_execution=3)


def test_weights_are_equal_with_float16_loss_scaling():
    assert uses_kernel_with_equal_weights(OPTIMIZERS["adam"], policy="mixed_float16", rtol=1e-3)


def test_sparse_gradients_keep_keras_update():
    assert uses_kernel_with_equal_weights(
        OPTIMIZERS["adam"], tokens=True
    )  # fused for the dense layer, not for the embedding


def test_other_optimizers_are_not_patched():
    for optimizer in (keras.optimizers.SGD(), keras.optimizers.Adam(amsgrad=True), keras.optimizers.Nadam()):
        assert patch_adam(optimizer) is optimizer and "update_step" not in vars(optimizer)


def test_saved_files_contain_keras_own_class(tmp_path):
    model = zoo.dnn((3,), 2, units=(4,))
    model.compile(patch_adam(keras.optimizers.Adam(0.5), min_weights=1), "mse")
    model.fit(np.ones((8, 3)), np.ones((8, 2)), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded.optimizer) is keras.optimizers.Adam and float(loaded.optimizer.learning_rate) == 0.5
    for a, b in zip(model.optimizer.variables, loaded.optimizer.variables, strict=True):
        np.testing.assert_array_equal(a, b)


def test_recipes_and_generative_models_are_patched():
    import recipes

    gan, vae = zoo.gan((8, 8, 1), units=(4,), latent=2), zoo.vae((8, 8, 1), units=(4,), latent=2)
    ddpm = zoo.ddpm((8, 8, 1), filters=(4, 4), depth=1)
    for model in (gan, vae, ddpm):
        model.compile()
    optimizers = [gan.optimizer, gan.discriminator_optimizer, vae.optimizer, ddpm.optimizer]
    assert type(vae.optimizer) is keras.optimizers.Adam
    optimizers.append(recipes.Classification().make_optimizer(10))
    for optimizer in optimizers:
        assert ("update_step" in vars(optimizer)) == (type(optimizer) is keras.optimizers.Adam)
