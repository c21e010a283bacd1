"""Preprocessing: layers whose statistics are the training split's, the same in the pipeline, saved and served."""

import dataclasses

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from PIL import Image

from recipes.data import load
from recipes.data.preprocessing import preprocessing
from tests.tolerance import assert_close

RNG = np.random.default_rng(0)
N = 60


def table(missing="impute"):
    frame = pd.DataFrame(
        {
            "height (m)": RNG.normal(20, 5, N),
            "soil": RNG.choice(["clay", "loam", "sand"], N),
            "easting": RNG.normal(5.5e6, 30, N),
            "area": RNG.gamma(2, 10, N),
            "species": np.arange(N) % 2,
        }
    )
    if missing == "impute":
        frame.loc[:19, "area"] = np.nan
        frame.loc[20:25, "soil"] = None
    return load(frame, target="species", missing=missing)


def images(dtype="uint8"):
    x = RNG.integers(0, 256, (N, 6, 5, 2)).astype(dtype)
    return load((x, np.arange(N) % 2))


def vectors():
    x = RNG.normal(3, 2, (N, 4)).astype("float32")
    x[:20, 1] = np.nan
    return load((x, np.arange(N) % 2), missing="impute")


def series():
    return load((RNG.normal(3, 2, (N, 7, 2)), np.arange(N) % 2))


def photos(folder):
    for name in ("a", "b"):
        (folder / name).mkdir()
        for i in range(5):
            Image.fromarray(RNG.integers(0, 256, (9 + i, 12, 3)).astype("uint8")).save(folder / name / f"{i}.png")
    return load(f"folder:{folder}")


def test_eight_bit_images_are_divided_by_255():
    data = images()
    model = preprocessing(data)
    assert model.name == "preprocessing" and model.input_shape == (None, 6, 5, 2) and not model.trainable_weights
    x = data.train.head(5)
    assert_close(model(x), x / 255)


def test_raw_images_keep_their_values_and_one_grayscale_band_becomes_three():
    data = images()
    x = data.train.head(5)
    np.testing.assert_array_equal(preprocessing(data, (6, 5, 2), raw=True)(x), x.astype("float32"))
    floats = images("float32")
    x = floats.train.head(5)
    np.testing.assert_array_equal(preprocessing(floats, raw=True)(x), x)
    grey = load((RNG.integers(0, 256, (N, 6, 5, 1)).astype("uint8"), np.arange(N) % 2))
    model, x = preprocessing(grey, (6, 5, 3), raw=True), grey.train.head(5)
    np.testing.assert_array_equal(model(x), np.repeat(x, 3, axis=-1).astype("float32"))
    with pytest.raises(ValueError, match="`input_shape` must have the 1 bands"):
        preprocessing(grey, (6, 5, 3))
    with pytest.raises(ValueError, match="`input_shape` must have the 1 bands"):
        preprocessing(grey, (6, 5, 4), raw=True)


def test_resizing_is_bilinear_and_antialiased():
    data = images()
    model = preprocessing(data, (4, 10, 2))
    assert model.output_shape == (None, 4, 10, 2)
    x = data.train.head(5)
    assert_close(model(x), tf.image.resize(x / 255, (4, 10), antialias=True))
    assert not any(isinstance(layer, keras.layers.Resizing) for layer in preprocessing(data, (6, 5, 2)).layers)
    assert preprocessing(data, (None, None, 2)).output_shape == (None, 6, 5, 2)


def test_other_images_are_normalized_band_by_band_by_the_training_split():
    for dtype in ("float32", "uint16", "int32"):
        data = images(dtype)
        y = np.asarray(preprocessing(data)(data.train.inputs))
        np.testing.assert_allclose(y.mean((0, 1, 2)), 0, atol=1e-5)
        assert_close(y.std((0, 1, 2)), 1)


@pytest.mark.parametrize("make", [vectors, series])
def test_features_are_normalized_by_the_training_split_only(make):
    data = make()
    model = preprocessing(data)
    shifted = dataclasses.replace(data, test=dataclasses.replace(data.test, inputs=data.test.inputs + 100))
    assert_close(preprocessing(shifted)(data.train.inputs), model(data.train.inputs))
    y = np.asarray(model(data.train.inputs))[..., : data.shape[-1]]
    axes = tuple(range(y.ndim - 1))
    np.testing.assert_allclose(y.mean(axes), 0, atol=1e-5)
    assert_close(y.std(axes), 1)


def test_gaps_of_vectors_become_the_median_with_an_indicator():
    data = vectors()
    model = preprocessing(data)
    assert model.output_shape == (None, 5)
    x = data.train.inputs
    y = np.asarray(model(x))
    gap = np.isnan(x[:, 1])
    np.testing.assert_array_equal(y[:, 4], gap)
    filled = np.where(gap, np.nanmedian(x[:, 1]), x[:, 1])
    assert_close(y[:, 1], (filled - filled.mean()) / filled.std())
    assert np.isfinite(np.asarray(model(np.full((1, 4), np.nan, "float32")))).all()


def test_a_constant_feature_is_centered():
    x = np.stack([np.full(N, 0.1), np.arange(N)], 1)
    model = preprocessing(load((x, np.arange(N) % 2)))
    assert_close(model(np.array([[0.1, 30], [1.1, 30]], "float32"))[:, 0], [0, 1])


def test_a_row_of_a_table_becomes_numbers_indicators_and_one_hot_categories():
    data = table()
    model = preprocessing(data)
    # height_m, easting, area, whether area is missing; then soil: "", clay, loam, sand
    assert {k: v.shape for k, v in model.input.items()} == dict.fromkeys(data.columns, (None, 1))
    x = data.train.inputs
    y = np.asarray(model(data.train.head(N)))
    assert y.shape == (len(data.train), 8) and np.isfinite(y).all()
    np.testing.assert_allclose(y[:, :3].mean(0), 0, atol=0.01)  # float32 has 5,500,000 to the half
    assert_close(y[:, :3].std(0), 1, rtol=1e-3)
    np.testing.assert_array_equal(y[:, 3], np.isnan(x["area"]))
    np.testing.assert_array_equal(y[:, 4:].sum(1), 1)
    np.testing.assert_array_equal(y[:, 6], x["soil"] == "loam")
    new = model({**data.test.head(1), "soil": np.array(["peat"], dtype=object)})
    assert np.asarray(new)[0, 4:].tolist() == [0, 0, 0, 0]  # no untrained weight takes part


def test_without_imputation_a_gap_stays_nan():
    data = table("error")
    assert (
        preprocessing(data).output_shape[-1] == 6
    )  # without the indicator: height_m, easting, area, and soil: clay, loam, sand
    row = {**data.test.head(1), "area": np.array([np.nan], "float32")}
    assert np.isnan(np.asarray(preprocessing(data)(row))).any()


def test_a_table_of_one_column_and_columns_named_like_layers():
    levels = RNG.choice(list("abcdefgh"), N)
    frame = pd.DataFrame({"numbers": RNG.normal(size=N), "levels_of_a": levels, "y": np.arange(N) % 2})
    data = load(frame, target="y")
    assert preprocessing(data).output_shape == (None, 1 + len(set(data.train.inputs["levels_of_a"])))
    assert preprocessing(load(frame, target="y", columns="numbers")).output_shape == (None, 1)
    data = load(frame, target="y", columns="levels_of_a")
    assert preprocessing(data).output_shape == (None, len(set(data.train.inputs["levels_of_a"])))


MAKERS = {
    "table": table,
    "complete table": lambda: table("error"),
    "images": images,
    "vectors": vectors,
    "series": series,
}


@pytest.mark.parametrize("kind", MAKERS)
def test_pipeline_prediction_saved_model_and_export_preprocess_exactly_alike(kind, tmp_path):
    data = MAKERS[kind]()
    resized = (9, 4, 2) if kind == "images" else None
    model = preprocessing(data, resized)
    raw = data.test.head(8)
    expected = np.asarray(model(raw))
    assert_close(model.predict(raw, verbose=0), expected)
    for batch in (1, 4):
        mapped = data.test.dataset().take(8).batch(batch).map(lambda x, y: model(x, training=False))
        assert_close(np.concatenate(list(mapped.as_numpy_iterator())), expected)
    model.save(tmp_path / "m.keras")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "m.keras")(raw), expected)
    model.export(tmp_path / "served", verbose=False)
    served = tf.saved_model.load(tmp_path / "served")
    inputs = {k: tf.constant(v)[:, None] for k, v in raw.items()} if isinstance(raw, dict) else tf.constant(raw)
    assert_close(served.serve(inputs), expected)


def test_images_of_different_sizes_are_resized_one_by_one(tmp_path):
    data = photos(tmp_path)
    model = preprocessing(data, (8, 8, 3))
    one_by_one = data.train.dataset().map(lambda x, y: model(x[None], training=False)[0])
    assert one_by_one.element_spec.shape.as_list() == [8, 8, 3]
    for x, y in zip(data.train.head(9), one_by_one.as_numpy_iterator(), strict=True):
        assert_close(model(x[None])[0], y)
    model.export(tmp_path / "served", verbose=False)
    served = tf.saved_model.load(tmp_path / "served")
    x = data.train.head(1)
    assert_close(served.serve(tf.constant(x)), model(x))
    with pytest.raises(ValueError, match="`input_shape` must be given, as the images of .* differ in size"):
        preprocessing(data)


def test_a_dataset_is_normalized_like_its_array(monkeypatch):
    from recipes.data import streams

    x, y = RNG.normal(3, 2, (N, 4, 4, 2)).astype("float32"), np.arange(N) % 2
    model = preprocessing(load(tf.data.Dataset.from_tensor_slices((x, y))))
    monkeypatch.setattr(streams, "MAX_BYTES_IN_MEMORY", 1)
    streamed = preprocessing(load(tf.data.Dataset.from_tensor_slices((x, y))))
    assert_close(streamed(x), model(x))


@pytest.mark.parametrize("make", [table, images, vectors])
def test_preprocessing_is_float32_under_any_dtype_policy(make):
    data = make()
    expected = np.asarray(preprocessing(data)(data.test.head(4)))
    keras.config.set_dtype_policy("mixed_bfloat16")
    outputs = preprocessing(data)(data.test.head(4))
    assert outputs.dtype == tf.float32
    assert_close(outputs, expected)


@pytest.mark.parametrize(
    ("make", "shape", "message"),
    [
        (images, (6, 5, 3), r"must have the 2 bands of arrays, got \(6, 5, 3\); build the model for as many"),
        (images, (60,), r"must be \(H, W, 2\) for images, got \(60,\)"),
        (vectors, (4,), r"`input_shape` must be \(5,\) for arrays, got \(4,\)"),
        (series, (8, 2), r"`input_shape` must be \(7, 2\) for arrays, got \(8, 2\)"),
        (table, (7,), r"`input_shape` must be \(8,\) for table, got \(7,\)"),
        (images, (2.5, 5, 2), r"`input_shape`\[0\] must be a whole number of at least 1, got 2.5"),
    ],
)
def test_unsuitable_shapes_are_errors(make, shape, message):
    with pytest.raises(ValueError, match=message):
        preprocessing(make(), shape)


def test_a_column_without_a_training_value_is_an_error():
    data = table()
    empty = {**data.train.inputs, "area": np.full(len(data.train), np.nan, "float32")}
    broken = dataclasses.replace(data, train=dataclasses.replace(data.train, inputs=empty))
    with pytest.raises(ValueError, match="must have a value of `area`, got only gaps"):
        preprocessing(broken)
