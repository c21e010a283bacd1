"""Batch normalisation in one operation: the answers, gradients and averages of Keras' own, and the same files."""

import copy
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import zoo
from tests.tolerance import assert_close
from zoo.keras_patches import patch_batch_norm


def used(function, *arguments):
    """The operations of a function's graph, those of the functions that it calls among them."""
    graph = tf.function(function).get_concrete_function(*arguments).graph
    nodes = [node for called in graph.as_graph_def().library.function for node in called.node_def]
    return {op.type for op in graph.get_operations()} | {node.op for node in nodes}


def step(layer, x, weight, **arguments):
    """(answer, gradients, moving averages) of one step, and the operations that it takes."""

    def learn(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            answer = layer(x, **arguments)
            loss = tf.reduce_sum(tf.cast(answer, "float32") * weight)
        return answer, tape.gradient(loss, [x, *(w.value for w in layer.trainable_weights)])

    answer, gradients = learn(x)
    state = [w.numpy() for w in layer.non_trainable_weights]
    return [np.asarray(v, "float32") for v in (answer, *gradients, *state)], used(learn, x)


def both(shape, seed=0, call=None, **options):
    """Whether the operation was taken, after the step has been found to be that of Keras."""
    rng = np.random.default_rng(seed)
    x = tf.constant(rng.normal(3, 2, shape), "float32")
    weight = tf.constant(rng.normal(size=shape), "float32")
    axis = options.get("axis", -1)
    found = []
    for change in (lambda model: model, patch_batch_norm):
        layer = layers.BatchNormalization(**options)
        layer.build(shape)
        start = np.random.default_rng(1)
        layer.set_weights([start.uniform(0.5, 2, shape[axis]) for _ in layer.weights])
        change(keras.Sequential([layer]))
        found.append(step(layer, tf.cast(x, layer.compute_dtype), weight, **(call or {"training": True})))
    for theirs, ours in zip(*(values for values, _ in found), strict=True):
        assert_close(ours, theirs, rtol=1e-4)
    return "FusedBatchNormV3" in found[1][1]


@pytest.mark.parametrize("options", [{}, {"scale": False}, {"center": False}, {"momentum": 0.5, "epsilon": 0.1}])
def test_a_step_on_maps_is_that_of_keras(options):
    assert both((4, 6, 5, 3), **options)


def test_a_single_cell_has_no_variance():
    assert both((1, 1, 1, 3))


@pytest.mark.parametrize(
    ("shape", "options", "call"),
    [
        ((8, 3), {}, None),
        ((4, 5, 3), {}, None),
        ((2, 3, 4, 4, 3), {}, None),
        ((4, 3, 5, 6), {"axis": 1}, None),
        ((4, 6, 5, 3), {"trainable": False}, None),
        ((4, 6, 5, 3), {}, {"training": False}),
        ((4, 6, 5, 3), {"dtype": "mixed_bfloat16"}, None),
        ((4, 6, 5, 3), {"synchronized": True}, None),
        ((2, 2, 2, 3), {}, {"training": True, "mask": np.array([[[1, 0], [1, 1]], [[1, 1], [0, 1]]], bool)}),
    ],
    ids=["vectors", "series", "volumes", "channels first", "frozen", "inference", "bfloat16", "synchronized", "mask"],
)
def test_what_the_operation_does_not_have_stays_with_keras(shape, options, call):
    assert not both(shape, call=call, **options)


def network():
    keras.utils.set_random_seed(0)
    stack = [layers.Conv2D(4, 3), layers.BatchNormalization(), layers.ReLU(), layers.GlobalAveragePooling2D()]
    return keras.Sequential([keras.Input((8, 8, 2)), *stack, layers.Dense(3, "softmax")])


@pytest.mark.parametrize("settings", [{}, {"jit_compile": True}, {"run_eagerly": True}, {"steps_per_execution": 3}])
def test_training_ends_at_the_same_weights(settings):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 8, 8, 2)).astype("float32"), rng.integers(0, 3, 40)
    found = []
    for change in (lambda model: model, patch_batch_norm):
        model = change(network())
        model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", **settings)
        model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0)  # and what is left, a batch of another size
        found.append(model.get_weights())
    scale = max(np.abs(weight).max() for weight in found[0])  # a bias before a normalisation has no gradient
    for theirs, ours in zip(*found, strict=True):
        assert_close(ours, theirs, rtol=1e-4, scale=scale)


def test_files_are_keras_own_and_copies_are_themselves(tmp_path):
    model = patch_batch_norm(network())
    model.save(tmp_path / "model.keras")
    assert b"zoo" not in zipfile.ZipFile(tmp_path / "model.keras").read("config.json")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert "call" not in vars(again.layers[1])
    twin = copy.deepcopy(model)
    twin.layers[1](np.full((2, 6, 6, 4), 9, "float32"), training=True)
    assert not np.allclose(twin.layers[1].moving_mean, 0)
    np.testing.assert_array_equal(model.layers[1].moving_mean, np.zeros(4))


def taken(model):
    """Whether the batch normalisations of a model, of which there are some, have the one operation."""
    norms = [part for part in model._flatten_layers() if type(part) is layers.BatchNormalization]
    assert norms
    return all("call" in vars(norm) for norm in norms)


def test_builders_generative_models_and_recipes_take_it():
    import recipes

    assert taken(zoo.resnet20((8, 8, 1), 2, depths=(1, 1, 1))) and taken(zoo.build("resnet18", (32, 32, 3), 2))
    gan = zoo.dcgan((16, 16, 1), latent=2, filters=2)
    assert taken(gan.generator) and taken(gan.discriminator)
    x, y = np.random.default_rng(0).integers(0, 255, (20, 8, 8, 1)).astype("uint8"), np.arange(20) % 2
    head = [layers.Conv2D(2, 3), layers.BatchNormalization(), layers.Flatten(), layers.Dense(2, "softmax")]
    model = keras.Sequential([keras.Input((8, 8, 1)), *head])
    recipes.Classification(epochs=1).fit(model, (x, y), verbose=False)
    assert taken(model)


def test_a_gan_goes_on_after_a_save_as_without_it(tmp_path):
    images = np.random.default_rng(0).uniform(-1, 1, (16, 8, 8, 1)).astype("float32")
    model = zoo.dcgan((8, 8, 1), latent=2, filters=2)
    model.compile()
    model.fit(images, batch_size=8, verbose=0)
    model.save(tmp_path / "gan.keras")
    again = keras.models.load_model(tmp_path / "gan.keras")
    assert taken(again)
    losses = [m.fit(images, batch_size=8, shuffle=False, verbose=0).history for m in (model, again)]
    assert losses[0] == losses[1]
