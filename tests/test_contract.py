"""What every architecture of the registry must do; the cases are in cases.py."""

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


@functools.cache
def shared(name):
    """A model for the tests that leave it as it is."""
    return build(name)


def batch(model, name, size=2):
    """Random inputs of a model: a tensor, or a list or dict as the model has them."""
    rng = np.random.default_rng(1)

    def draw(spec):
        shape = [size, *[CASES[name].free if s is None else s for s in spec.shape[1:]]]
        if "int" in str(spec.dtype):
            return rng.integers(0, 3, shape).astype(str(spec.dtype))
        return rng.random(shape, "float32")

    return keras.tree.map_structure(draw, model.input)


def answers(model, x, **kwargs):
    return [np.asarray(a) for a in keras.tree.flatten(model(x, training=False, **kwargs))]


def slow_except(fast, names):
    """`names` as parameters; those that are not in `fast` run under `make test-all` only."""
    return pytest.mark.parametrize("name", [n if n in fast else pytest.param(n, marks=pytest.mark.slow) for n in names])


# A variant is its family's code with other defaults, and its tiny case is often its family's too. What builds a model
# runs once for each distinct network here; what takes seconds runs for the families. `make test-all` runs it for all.
every = pytest.mark.parametrize("name", sorted(CASES))
built = slow_except(distinct(CASES), sorted(CASES))
thorough = slow_except([n for n in CASES if not entries[n].parent], sorted(CASES))


def test_no_registered_name_is_missing_from_the_cases():
    assert sorted(CASES) == zoo.names()


def test_no_public_name_is_missing_from_the_index():
    assert [n for n in zoo.names() if not hasattr(zoo, n)] == []


@built
def test_answers_are_finite_float32_of_the_right_shape(name):
    model = shared(name)
    found = answers(model, batch(model, name))
    assert found[0].shape == CASES[name].answer
    assert all(np.isfinite(a).all() and a.dtype == np.float32 for a in found)
    assert model.name == name
    assert not getattr(model, "compiled", False)


@thorough
def test_every_trainable_weight_receives_a_gradient(name):
    model = build(name)
    if type(model).train_step is not keras.Model.train_step:
        return one_step_moves_every_trainable_weight(model, CASES[name].train)
    x = batch(model, name, size=4)
    with tf.GradientTape() as tape:
        outputs = keras.tree.flatten(model(x, training=True))
        rng = np.random.default_rng(2)
        loss = tf.add_n([tf.reduce_sum(tf.cast(o, "float32") * rng.random(o.shape, "float32")) for o in outputs])
        loss += sum(model.losses)
    gradients = tape.gradient(loss, [w.value for w in model.trainable_weights])
    without = [w.path for w, g in zip(model.trainable_weights, gradients, strict=True) if g is None]
    assert without == []
    assert all(np.isfinite(tf.convert_to_tensor(g).numpy()).all() for g in gradients)


def one_step_moves_every_trainable_weight(model, shapes):
    """Where parts of a model learn in turns, calling it shows only one of them."""
    assert shapes, f"{model.name} has a train step of its own: its case must say what `train` takes"
    rng = np.random.default_rng(2)
    data = [rng.random((4, *shape), "float32") if shape else rng.integers(0, 3, 4) for shape in shapes]
    model.compile()
    for weight in model.trainable_weights:  # large enough for a step of plain descent to show in float32
        weight.assign(rng.normal(weight, 0.3))
    before = [np.array(w) for w in model.trainable_weights]
    model.train_on_batch(*data)
    after = [np.array(w) for w in model.trainable_weights]
    assert all(np.isfinite(a).all() for a in after)
    changed = [np.any(a != b) for a, b in zip(after, before, strict=True)]
    assert [w.path for w, moved in zip(model.trainable_weights, changed, strict=True) if not moved] == []


@thorough
def test_keras_file_round_trip_is_exact(name, tmp_path):
    model = shared(name)
    x = batch(model, name)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    for a, b in zip(answers(model, x), answers(again, x), strict=True):
        np.testing.assert_array_equal(a, b)


@thorough
def test_saved_model_answers_as_predict(name, tmp_path):
    model = shared(name)
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
    found = [a.numpy() for a in keras.tree.flatten(loaded.serve(keras.tree.map_structure(tf.constant, x)))]
    for a, b in zip(expected, found, strict=True):
        assert_close(a, b)


@thorough
def test_two_builds_have_the_same_weight_names(name):
    first, second = ([w.path for w in model.weights] for model in (shared(name), build(name)))
    assert first == second
    assert len(set(first)) == len(first)


@thorough
def test_mixed_bfloat16_still_answers_in_float32(name):
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = build(name)
    assert all(a.dtype == np.float32 and np.isfinite(a).all() for a in answers(model, batch(model, name)))


def as_r_sends(value):
    """Counts as doubles, vectors as lists, a vector of one as a scalar."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return float(value)
    if isinstance(value, tuple):
        return as_r_sends(value[0]) if len(value) == 1 else [as_r_sends(v) for v in value]
    return value


@built
def test_takes_what_r_sends(name):
    arguments = {k: as_r_sends(v) for k, v in CASES[name].arguments.items()}
    assert [w.shape for w in zoo.build(name, **arguments).weights] == [w.shape for w in shared(name).weights]


@every
def test_refuses_what_cannot_be_meant(name):
    accepted = inspect.signature(entries[name].build).parameters
    with pytest.raises(ValueError, match="unknown argument `nmae`. Did you mean `name`"):
        build(name, nmae="x")
    for count in {"classes", "outputs", "latent"} & set(accepted):
        for wrong in (0, -1, 2.5, "two", float("nan"), True):
            with pytest.raises(ValueError, match=f"`{count}`"):
                build(name, **{count: wrong})
    for shape in {"input_shape", "image_shape"} & set(accepted):
        right = CASES[name].arguments[shape]
        for wrong in ((0, *right[1:]), (2.5, *right[1:]), (), "photo"):
            with pytest.raises(ValueError, match=f"`{shape}"):
                build(name, **{shape: wrong})
        if CASES[name].small:
            with pytest.raises(ValueError, match=shape):
                build(name, **{shape: CASES[name].small})


@slow_except(distinct(zoo.names("classify")), zoo.names("classify"))
def test_classifiers_have_a_head_and_a_map_to_explain(name):
    model = shared(name)
    assert model.get_layer("head").output.shape[-1] == model.output.shape[-1]
    assert model.get_layer("pool") is not None
    logits = build(name, activation=None)
    assert logits.layers[-1].name == "head"


@pytest.mark.parametrize("name", [n for n, e in entries.items() if e.parent])
def test_a_variants_help_shows_its_own_defaults(name):
    own = inspect.signature(entries[name].build).parameters
    parents = inspect.signature(entries[entries[name].parent].build).parameters
    assert list(own) == list(parents)
    assert own["name"].default == name
    assert entries[name].build.__doc__.startswith(f"{name}: `{entries[name].parent}` ")
