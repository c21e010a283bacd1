"""Loss landscapes: weights are restored, and rescaled networks have the same landscape."""

import keras
import numpy as np
import pytest
from keras import layers

import zoo
from tests.explain.test_gradients import linear, random_array
from tests.tolerance import assert_close
from zoo import explain
from zoo.explain.figures.landscape import _random_direction, filter_weights


def data(model, count=12):
    shape = model.inputs[0].shape[1:]
    return random_array(count, *shape), np.arange(count) % model.outputs[0].shape[-1]


LOSS = "sparse_categorical_crossentropy"


@pytest.mark.parametrize("policy", ["float32", "bfloat16"])
def test_the_weights_are_restored_exactly_also_after_an_error(policy):
    keras.config.set_dtype_policy(policy)
    model = zoo.cnn((8, 8, 3), 3, filters=(4,), units=(6,))
    x, y = data(model)
    before = [w.numpy().tobytes() for w in model.weights]
    explain.landscape(model, x, y, loss=LOSS, dimensions=2, points=3)
    assert [w.numpy().tobytes() for w in model.weights] == before

    def fail(y_true, y_pred):
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        explain.landscape(model, x, y, loss=fail)
    assert [w.numpy().tobytes() for w in model.weights] == before


def test_the_middle_point_is_the_loss_of_the_model():
    model = zoo.cnn((8, 8, 3), 3, filters=(4,), units=(6,))
    x, y = data(model)
    model.compile("sgd", LOSS)
    expected = model.evaluate(x, y, verbose=0)
    line = explain.landscape(model, x, y, points=5, batch_size=5)
    plane = explain.landscape(model, x, y, dimensions=2, points=5)
    assert line.loss.shape == (5,) and plane.loss.shape == (5, 5)
    assert line.loss[2] == pytest.approx(expected, rel=1e-5)
    assert_close(plane.loss[:, 2], line.loss, rtol=1e-5)  # the first direction is the same
    assert_close(line.coordinates, [-1, -0.5, 0, 0.5, 1])
    assert np.abs(line.loss - line.loss[2]).max() > 1e-2


def test_a_rescaled_relu_network_has_the_same_landscape():
    def network():
        return keras.Sequential(
            [layers.Input((8, 8, 2)), layers.Conv2D(4, 3, activation="relu"), layers.Flatten(), layers.Dense(3)]
        )

    model, scaled = network(), network()
    x, y = data(model)
    factors = np.array([0.1, 10.0, 3.0, 0.5])  # of each filter
    kernel, bias, dense, last = model.get_weights()
    back = (dense.reshape(-1, 4, 3) / factors[:, None]).reshape(dense.shape)
    scaled.set_weights([kernel * factors, bias * factors, back, last])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    assert_close(scaled.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-4)
    uniform = network()
    uniform.set_weights([kernel * 7, bias * 7, dense / 7, last])
    first, second = (explain.landscape(m, x, y, loss=loss, points=5).loss for m in (model, uniform))
    assert_close(second, first, rtol=1e-3)
    # With unequal factors the dense layer's columns mix the filters' scales, so it is frozen.
    for network_model in (model, scaled):
        network_model.layers[-1].trainable = False
    first, second = (explain.landscape(m, x, y, loss=loss, points=5).loss for m in (model, scaled))
    assert np.ptp(first) > 0.05
    assert_close(second, first, rtol=1e-3)


def test_each_filter_of_a_direction_has_the_norm_of_the_filter():
    model = keras.Sequential(
        [
            layers.Input((8, 8, 3)),
            layers.Conv2D(4, 3),
            layers.DepthwiseConv2D(3, depth_multiplier=2),
            layers.Conv2DTranspose(5, 3),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )
    rng = np.random.default_rng(0)
    shapes = []
    for weight, axes in filter_weights(model):
        values = weight.numpy()
        direction = _random_direction(values, axes, rng)
        norms = [np.sqrt((v.astype("float64") ** 2).sum(axis=axes)) for v in (values, direction)]
        assert_close(*norms)
        shapes.append(norms[0].shape)
    assert shapes == [(4,), (4, 2), (5,), (2,)]
    attention = zoo.vit((8, 8, 3), 2, patch=4, depth=1, width=8, units=8, heads=2)
    result = {w.path.split("attention/")[-1]: axes for w, axes in filter_weights(attention) if "attention/" in w.path}
    assert result["query/kernel"] == (0,)
    assert result["attention_output/kernel"] == (0, 1)
    assert _random_direction(np.zeros((3, 2)), (0,), rng).any() == np.False_


def test_models_with_several_inputs_have_landscapes_that_are_drawn(tmp_path):
    import matplotlib.image

    one, two = layers.Input((3, 2), name="one"), layers.Input((3,), name="two")
    model = keras.Model([one, two], layers.Dense(2)(layers.Concatenate()([layers.Flatten()(one), two])))
    for dimensions in (1, 2):
        result = explain.landscape(
            model,
            [random_array(4, 3, 2), random_array(4, 3)],
            random_array(4, 2),
            loss="mse",
            dimensions=dimensions,
            points=3,
            extent=0.5,
        )
        path = tmp_path / f"{dimensions}.png"
        figure = result.figure(path)
        assert f"{result.loss.flat[result.loss.size // 2]:.3g} at the dot" in figure.axes[0].get_title()
        assert matplotlib.image.imread(path).std() > 0.05


def test_directions_depend_on_the_seed_alone():
    model = linear((6,), activation="softmax")
    x, y = data(model)
    first = explain.landscape(model, x, y, loss=LOSS, points=3, seed=1).loss
    np.testing.assert_array_equal(explain.landscape(model, x, y, loss=LOSS, points=3, seed=1).loss, first)
    assert np.abs(explain.landscape(model, x, y, loss=LOSS, points=3, seed=2).loss - first).max() > 1e-4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"loss": None}, "`loss` must be given: the model is not compiled with a single loss"),
        ({"points": 4}, "`dimensions` must be 1 or 2, and `points` odd, got 1 and 4"),
        ({"dimensions": 3}, "`dimensions` must be 1 or 2, and `points` odd, got 3 and 21"),
        ({"targets": np.zeros(5)}, "`targets` must be 12, one for each example, got 5"),
        ({"inputs": random_array(12, 5)}, "the input `.*` must be numbers of shape"),
        ({"extent": 0}, "`extent` must be a number above 0"),
    ],
)
def test_wrong_arguments_raise_an_error(arguments, message):
    model = linear((6,), activation="softmax")
    x, y = data(model)
    with pytest.raises(ValueError, match=f"landscape: {message}"):
        explain.landscape(model, **{"inputs": x, "targets": y, "loss": LOSS, **arguments})


def test_subclassed_models_have_landscapes_and_several_outputs_raise_an_error():
    class Subclassed(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2)

        def call(self, x):
            return self.dense(x)

    model = Subclassed()
    model(random_array(1, 6))
    result = explain.landscape(model, random_array(4, 6), random_array(4, 2), loss="mse", points=3)
    expected = np.mean((model(random_array(4, 6)).numpy() - random_array(4, 2)) ** 2)
    assert result.loss[1] == pytest.approx(expected, rel=1e-5)
    with pytest.raises(ValueError, match="receptive_fields: `model` must be a built functional or Sequential model"):
        explain.receptive_fields(model)
    inputs = layers.Input((6,))
    two = keras.Model(inputs, [layers.Dense(2)(inputs), layers.Dense(3)(inputs)])
    with pytest.raises(ValueError, match="landscape: `model` must have one output, .* has 2"):
        explain.landscape(two, random_array(4, 6), random_array(4, 2), loss="mse")
