"""TabM and FT-Transformer: parity with the authors' packages, the loss of the members, and embeddings of numbers."""

import importlib
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

import recipes
import zoo
from tests.golden.seeded_arrays import seeded_array
from tests.tolerance import assert_close
from zoo.layers import BatchEnsembleDense, PiecewiseLinear

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "tabular.npz")
LEVELS, CLASSES, ROWS = (3, 2), 4, 5
EDGES = [[-2.0, -0.5, 0.25, 1.5], [-1.0, 0.0, 1.0], [-1.5, 2.0]]


def inputs():
    """Returns the inputs of golden/make_tabular.py: numbers, then one-hot categories."""
    one_hot = [np.eye(levels)[np.arange(ROWS) % levels] for levels in LEVELS]
    return np.concatenate([3 * seeded_array("numbers", (ROWS, 3)), *one_hot], axis=1).astype("float32")


def set_batch_ensemble(layer, name, size):
    """Sets the weights of a `BatchEnsembleDense` to those drawn for the authors' layer of a name."""
    kernel = seeded_array(f"{name}.weight", (layer.units, size)).T
    others = [seeded_array(f"{name}.{part}", (layer.members, n)) for part, n in (("r", size), ("s", layer.units))]
    layer.set_weights([kernel, *others, seeded_array(f"{name}.bias", (layer.members, layer.units))])


def small_tabm(**changes):
    arguments = {"levels": LEVELS, "members": 3, "depth": 2, "width": 8, "dropout": 0.0, **changes}
    model = zoo.tabm((8,), CLASSES, **arguments)
    size = model.get_layer("hidden0").kernel.shape[0]
    set_batch_ensemble(model.get_layer("hidden0"), "backbone.blocks.0.0", size)
    set_batch_ensemble(model.get_layer("hidden1"), "backbone.blocks.1.0", 8)
    model.get_layer("head").set_weights(
        [seeded_array("output.weight", (3, 8, CLASSES)), seeded_array("output.bias", (3, CLASSES))]
    )
    return model


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def test_tabm_predicts_the_mean_of_the_members_of_the_authors_model():
    members = GOLDEN["tabm"]
    assert_close(small_tabm()(inputs()), members.mean(1))
    assert_close(small_tabm(activation="softmax")(inputs()), softmax(members).mean(1))
    assert_close(small_tabm(activation="sigmoid")(inputs()), (1 / (1 + np.exp(-members))).mean(1))


def test_embeddings_are_those_of_the_authors():
    model = small_tabm(bins=3, embedding=4)
    edges = np.stack([np.r_[e, np.full(4 - len(e), e[-1])] for e in map(np.array, EDGES)])
    theirs = seeded_array("num_module.linear.weight", (3, 3, 4))
    pieces = np.zeros((3, 3, 4))
    for i, e in enumerate(EDGES):  # their last piece is in the last place
        pieces[i, : len(e) - 2], pieces[i, len(e) - 2] = theirs[i, : len(e) - 2], theirs[i, -1]
    linear = [seeded_array(f"num_module.linear0.{part}", (3, 4)) for part in ("weight", "bias")]
    layer = model.get_layer("embedding")
    for weight, value in ((layer.edges, edges), (layer.kernel, linear[0]), (layer.bias, linear[1])):
        weight.assign(value)
    layer.pieces.assign(pieces)
    assert_close(model(inputs()), GOLDEN["tabm_ple"].mean(1))


def test_ft_transformer_predicts_as_the_authors_model():
    model = zoo.ft_transformer((8,), CLASSES, levels=LEVELS, width=12, units=16, heads=3)
    embeddings = [seeded_array(f"cat_embeddings.embeddings.{i}.weight", (n, 12)) for i, n in enumerate(LEVELS)]
    biases = [seeded_array("cont_embeddings.bias", (3, 12)), seeded_array("cat_embeddings.bias", (2, 12))]
    kernel = np.concatenate([seeded_array("cont_embeddings.weight", (3, 12)), *embeddings])
    model.get_layer("tokens").set_weights(
        [seeded_array("cls_embedding.weight", (12,))[None], kernel, np.concatenate(biases)]
    )

    def dense(name, units, size):
        return seeded_array(f"{name}.weight", (units, size)).T, seeded_array(f"{name}.bias", (units,))

    def norm(name):
        return [seeded_array(f"{name}.{part}", (12,)) for part in ("weight", "bias")]

    for i in range(3):
        block, attention = f"backbone.blocks.{i}", []
        for part in "qkv":
            weight, bias = dense(f"{block}.attention.W_{part}", 12, 12)
            attention += [weight.reshape(12, 3, 4), bias.reshape(3, 4)]
        weight, bias = dense(f"{block}.attention.W_out", 12, 12)
        model.get_layer(f"block{i}_attention").set_weights([*attention, weight.reshape(3, 4, 12), bias])
        if i:
            model.get_layer(f"block{i}_norm1").set_weights(norm(f"{block}.attention_normalization"))
        model.get_layer(f"block{i}_norm2").set_weights(norm(f"{block}.ffn_normalization"))
        weight, bias = dense(f"{block}.ffn.linear1", 32, 12)
        model.get_layer(f"block{i}_value").set_weights([weight[:, :16], bias[:16]])
        model.get_layer(f"block{i}_gate").set_weights([weight[:, 16:], bias[16:]])
        model.get_layer(f"block{i}_output").set_weights(dense(f"{block}.ffn.linear2", 12, 16))
    model.get_layer("norm").set_weights(norm("backbone.output.normalization"))
    model.get_layer("head").set_weights(dense("backbone.output.linear", CLASSES, 12))
    assert_close(model(inputs()), GOLDEN["ft_transformer"])


def test_the_golden_outputs_are_those_of_the_installed_packages():
    for package in ("torch", "tabm", "rtdl_revisiting_models"):
        pytest.importorskip(package)
    make_tabular = importlib.import_module("tests.golden.make_tabular")
    for name, values in make_tabular.outputs().items():
        assert_close(GOLDEN[name], values)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid", "linear"])
def test_the_training_loss_is_the_mean_of_the_members_losses(activation):
    model, members, x = small_tabm(activation=activation), GOLDEN["tabm"], inputs()
    if activation == "softmax":
        y = np.array([0, 1, 2, 3, 0])
        loss = keras.losses.SparseCategoricalCrossentropy()
        each = [loss(y, softmax(members[:, k])) for k in range(3)]
    elif activation == "sigmoid":
        y = (seeded_array("labels", (ROWS, CLASSES)) > 0).astype("float32")
        loss = keras.losses.BinaryCrossentropy()
        each = [loss(y, 1 / (1 + np.exp(-members[:, k]))) for k in range(3)]
    else:
        y = seeded_array("targets", (ROWS, CLASSES)).astype("float32")
        loss = keras.losses.MeanSquaredError()
        each = [loss(y, members[:, k]) for k in range(3)]
    outputs = model(x, training=True)
    total = float(loss(y, outputs)) + float(sum(model.losses))
    assert_close(total, np.mean([float(e) for e in each]), rtol=1e-5)
    model.compile(optimizer=keras.optimizers.SGD(0.0), loss=loss)
    assert_close(model.fit(x, y, verbose=0).history["loss"], [total], rtol=1e-5)
    assert float(loss(y, model(x, training=False))) < total  # of the mean prediction, without the added loss


def test_members_start_with_scales_of_their_own_and_one_sign_per_category():
    layer = BatchEnsembleDense(4, 16, "signs", (1, 1, 3))
    layer(np.zeros((2, 5), "float32"))
    scales = np.asarray(layer.input_scale)
    assert set(np.unique(scales)) == {-1.0, 1.0} and len(np.unique(scales[:, :3], axis=0)) > 2
    assert (scales[:, 2:] == scales[:, 2:3]).all()
    assert len(np.unique(np.asarray(layer.bias), axis=0)) == 1
    with pytest.raises(ValueError, match="`chunks` must add up to 4, got 5"):
        BatchEnsembleDense(4, 16, "signs", (1, 1, 3))(np.zeros((2, 4), "float32"))


def test_pieces_follow_the_quantiles_and_a_constant_has_none():
    layer, rng = PiecewiseLinear(2, 4), np.random.default_rng(0)
    x = np.stack([rng.exponential(size=200), np.ones(200), rng.integers(0, 2, 200)], axis=1).astype("float32")
    at_start = np.asarray(layer(x))
    assert_close(at_start, x[..., None] * np.asarray(layer.kernel) + np.asarray(layer.bias))
    layer.adapt(x)
    assert_close(layer.edges[0], np.quantile(x[:, 0], np.linspace(0, 1, 5)))
    assert np.unique(layer.edges[1]).size == 1 and np.unique(layer.edges[2]).tolist() == [0, 1]
    layer.pieces.assign(np.ones((3, 4, 2)))
    difference = np.asarray(layer(x)) - at_start
    # the sum of the pieces' positions rises by one from each quantile to the next
    assert_close(difference[:, 0, 0], np.interp(x[:, 0], layer.edges[0], np.arange(5)), rtol=1e-4)
    assert not difference[:, 1].any()
    assert_close(difference[:, 2, 0], x[:, 2])


def test_recipes_set_levels_and_adapt_the_edges_to_the_training_split():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"size": rng.exponential(size=80), "site": rng.choice(["a", "b", "c"], 80)})
    frame["species"] = np.where(frame["size"] > 0.7, "x", "y")
    data = recipes.load(frame, target="species")
    task = recipes.Classification(epochs=1, accelerate="off", baselines=False, report_examples=0)
    run = recipes.fit(task, "tabm_ple", data, verbose=False, members=2, width=4, bins=3)
    layer = run.model.get_layer("embedding")
    assert layer.edges.shape == (1, 4) and run.model.get_layer("hidden0").chunks == (16, 3)
    size = data.train.inputs["size"]
    assert_close(layer.edges[0], (np.quantile(size, np.linspace(0, 1, 4)) - size.mean()) / size.std(), rtol=1e-4)
    assert not layer.edges.trainable


def test_more_levels_than_inputs_are_refused():
    with pytest.raises(ValueError, match="at least the 9 inputs of `levels`"):
        zoo.tabm((8,), 2, levels=(9,))
    with pytest.raises(ValueError, match="`heads` must divide `width` = 10, got 3"):
        zoo.ft_transformer((8,), 2, width=10, heads=3)
