"""Tests that hold for every architecture of the registry; the cases are in cases.py."""

import functools
import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from tests.cases import CASES, distinct
from tests.tolerance import assert_close
from zoo.registry import entries


def build(name, **changed):
    return zoo.build(name, **{**CASES[name].arguments, **changed})


@functools.lru_cache(2)
def build_cached(name):
    """Builds a model that is shared by the tests of one name that do not change it."""
    return build(name)


def batch(model, name, size=2):
    """Returns random inputs in the structure of the model's inputs."""
    rng = np.random.default_rng(1)

    def draw(spec):
        shape = [size, *[CASES[name].free if s is None else s for s in spec.shape[1:]]]
        if "int" in str(spec.dtype):
            return rng.integers(0, 3, shape).astype(str(spec.dtype))
        return rng.random(shape, "float32")

    return keras.tree.map_structure(draw, model.input)


def predict_arrays(model, x, **kwargs):
    """Returns the outputs of a model as a flat list of arrays."""
    return [np.asarray(a) for a in keras.tree.flatten(model(x, training=False, **kwargs))]


def slow_except(fast, names):
    """Parametrizes a test by `names`; those that are not in `fast` are marked as slow."""
    marked = [n if n in fast else pytest.param(n, marks=pytest.mark.slow) for n in names]
    return pytest.mark.parametrize("name", marked, scope="module")  # the tests of one name follow each other


# A variant has the code of its family with other defaults, and often the same case. Fast tests therefore build each
# distinct network once, and tests that take seconds run for families only. `make test-all` runs them for all names.
every_name = slow_except(CASES, sorted(CASES))
every_network = slow_except(distinct(CASES), sorted(CASES))
FAMILIES = [n for n in CASES if not entries[n].parent]
every_family = slow_except(FAMILIES, sorted(CASES))
LARGE_GRAPHS = (
    "coatnet",
    "crnn",
    "ddpm",
    "fast_rcnn",
    "faster_rcnn",
    "mask_rcnn",
    "pwcnet",
    "raft_small",
)  # tens of seconds to trace and save
every_small_family = slow_except([n for n in FAMILIES if n not in LARGE_GRAPHS], sorted(CASES))


def test_every_registered_name_has_a_case():
    assert sorted(CASES) == zoo.names()


def test_every_registered_name_is_an_attribute_of_zoo():
    assert [n for n in zoo.names() if not hasattr(zoo, n)] == []


@every_network
def test_outputs_are_finite_float32_of_the_right_shape(name):
    model = build_cached(name)
    outputs = predict_arrays(model, batch(model, name))
    assert outputs[0].shape == CASES[name].output_shape
    assert all(np.isfinite(a).all() and a.dtype == np.float32 for a in outputs)
    assert model.name == name
    assert not getattr(model, "compiled", False)


@every_family
def test_every_trainable_weight_receives_a_gradient(name):
    model = build(name)
    if type(model).train_step is not keras.Model.train_step:
        return check_that_a_step_changes_every_trainable_weight(model, CASES[name].train)
    x = batch(model, name, size=4)
    with tf.GradientTape() as tape:
        outputs = keras.tree.flatten(model(x, training=True))
        rng = np.random.default_rng(2)
        loss = tf.add_n([tf.reduce_sum(tf.cast(o, "float32") * rng.random(o.shape, "float32")) for o in outputs])
        loss += sum(model.losses)
    gradients = tape.gradient(loss, [w.value for w in model.trainable_weights])
    without_gradient = [w.path for w, g in zip(model.trainable_weights, gradients, strict=True) if g is None]
    assert without_gradient == []
    assert all(np.isfinite(tf.convert_to_tensor(g).numpy()).all() for g in gradients)


def check_that_a_step_changes_every_trainable_weight(model, shapes):
    """Checks models with a custom train step, whose call uses only some of their networks."""
    assert shapes, f"{model.name} has a custom train step: its case needs `train`"
    rng = np.random.default_rng(2)
    data = [rng.random((4, *shape), "float32") if shape else rng.integers(0, 3, 4) for shape in shapes]
    model.compile(run_eagerly=True)
    for weight in model.trainable_weights:  # large enough for a step of gradient descent to change float32
        weight.assign(rng.normal(weight, 0.3))
    before = [np.array(w) for w in model.trainable_weights]
    model.train_on_batch(*data)
    after = [np.array(w) for w in model.trainable_weights]
    assert all(np.isfinite(a).all() for a in after)
    changed = [np.any(a != b) for a, b in zip(after, before, strict=True)]
    assert [w.path for w, is_changed in zip(model.trainable_weights, changed, strict=True) if not is_changed] == []


@every_family
def test_keras_file_round_trip_is_exact(name, tmp_path):
    model = build_cached(name)
    x = batch(model, name)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for a, b in zip(predict_arrays(model, x), predict_arrays(loaded, x), strict=True):
        np.testing.assert_array_equal(a, b)


@every_small_family
def test_saved_model_outputs_equal_predict(name, tmp_path):
    model = build_cached(name)
    x = batch(model, name)
    expected = keras.tree.flatten(model.predict(x, verbose=0))
    archive = keras.export.ExportArchive()
    archive.track(model)
    signature = keras.tree.map_structure(
        lambda s: tf.TensorSpec((None, *s.shape[1:]), str(s.dtype), name=s.name), model.input
    )
    archive.add_endpoint("serve", lambda x: model(x, training=False), input_signature=[signature])
    archive.write_out(str(tmp_path / "saved"), verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    outputs = [a.numpy() for a in keras.tree.flatten(loaded.serve(keras.tree.map_structure(tf.constant, x)))]
    for a, b in zip(expected, outputs, strict=True):
        assert_close(a, b)


@every_family
def test_two_builds_have_the_same_weight_names(name):
    first, second = ([w.path for w in model.weights] for model in (build_cached(name), build(name)))
    assert first == second
    assert len(set(first)) == len(first)


@every_family
def test_outputs_are_float32_under_mixed_bfloat16(name):
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = build(name)
    assert all(a.dtype == np.float32 and np.isfinite(a).all() for a in predict_arrays(model, batch(model, name)))


def as_r_sends(value):
    """Converts a value as reticulate sends it: integers as doubles, vectors as lists, a vector of one as a scalar."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return float(value)
    if isinstance(value, tuple):
        return as_r_sends(value[0]) if len(value) == 1 else [as_r_sends(v) for v in value]
    return value


@every_network
def test_arguments_are_accepted_as_r_sends_them(name):
    arguments = {k: as_r_sends(v) for k, v in CASES[name].arguments.items()}
    assert [w.shape for w in zoo.build(name, **arguments).weights] == [w.shape for w in build_cached(name).weights]


@every_name
def test_invalid_arguments_are_refused(name):
    accepted = inspect.signature(entries[name].build).parameters
    with pytest.raises(ValueError, match="unknown argument `nmae`. Did you mean `name`"):
        build(name, nmae="x")
    for count in {"classes", "outputs", "latent"} & set(accepted):
        for invalid in (0, -1, 2.5, "two", float("nan"), True):
            with pytest.raises(ValueError, match=f"`{count}`"):
                build(name, **{count: invalid})
    for shape in {"input_shape", "image_shape"} & set(accepted):
        valid = CASES[name].arguments[shape]
        for invalid in ((0, *valid[1:]), (2.5, *valid[1:]), (), "photo"):
            with pytest.raises(ValueError, match=f"`{shape}"):
                build(name, **{shape: invalid})
        if CASES[name].invalid_shape:
            with pytest.raises(ValueError, match=shape):
                build(name, **{shape: CASES[name].invalid_shape})


@slow_except(distinct(zoo.names("classify")), zoo.names("classify"))
def test_classifiers_have_the_layers_head_and_pool(name):
    model = build_cached(name)
    assert model.get_layer("head").output.shape[-1] == model.output.shape[-1]
    assert model.get_layer("pool") is not None
    logits = build(name, activation=None)
    assert logits.layers[-1].name == "head"


@pytest.mark.parametrize("name", [n for n, e in entries.items() if e.parent])
def test_the_signature_of_a_variant_has_its_own_defaults(name):
    parameters = inspect.signature(entries[name].build).parameters
    parent_parameters = inspect.signature(entries[entries[name].parent].build).parameters
    assert list(parameters) == list(parent_parameters)
    assert parameters["name"].default == name
    assert entries[name].build.__doc__.startswith(f"{name}: `{entries[name].parent}` ")
