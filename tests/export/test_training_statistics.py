"""The skew sentinel: values outside training's range, missing ones, and exchanged bands."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from tests.serving.conftest import photos, trees


def images(count=20):
    """(N, 6, 6, 3), bands around 10, 50 and 90."""
    draw = np.random.default_rng(3)
    level = np.array([10.0, 50, 90]) + draw.normal(0, 2, (count, 1, 1, 3))
    return (level + draw.uniform(-5, 5, (count, 6, 6, 3))).astype("float32")


def skew(seen, *arrays):
    return seen.graph({n: tf.constant(a) for n, a in zip(seen.inputs, arrays, strict=True)}).numpy()


def test_what_training_saw_is_inside_complete_and_in_its_order():
    found = skew(zoo.serving.training_statistics(images()), images())
    np.testing.assert_array_equal(found[:, :2], 0)
    assert found[:, 2].max() < 0.1


def test_the_share_outside_and_the_share_missing_are_counted_among_what_there_is():
    seen = zoo.serving.training_statistics(images(), nodata=-999)
    changed = images(1)
    changed[0, :3, :, 1] = 300  # 18 of 108 values
    changed[0, 0, :, 0] = np.nan
    changed[0, 1, :, 2] = -999  # 12 are missing
    found = skew(seen, changed)[0]
    assert found[0] == pytest.approx(18 / 96)
    assert found[1] == pytest.approx(12 / 108)
    assert np.isfinite(skew(seen, np.full((1, 6, 6, 3), np.nan, "float32"))).all()


def test_exchanged_bands_are_seen_even_within_the_range():
    seen = zoo.serving.training_statistics(images())
    assert skew(seen, images()[..., ::-1].copy())[:, 2].min() > 0.9
    wide = seen._replace(low=np.full(3, -50, "float32"), high=np.full(3, 255, "float32"))
    found = skew(wide, images()[..., [1, 0, 2]].copy())
    assert found[:, 0].max() == 0 and found[:, 2].min() > 0.9


def test_columns_of_a_table_are_bands_and_text_is_left_out():
    rows = {"height": np.array([100.0, 250, 30]), "soil": np.array(["clay", "loess", "sand"], object)}
    seen = zoo.serving.training_statistics(rows)
    assert list(seen.inputs) == ["height"]
    assert skew(seen, np.array([[500.0], [200]]))[:, 0].tolist() == [1, 0]


def test_images_that_differ_in_size_count_together():
    seen = zoo.serving.training_statistics([np.full((2, 3, 1), 4), np.full((5, 2, 1), 8)])
    assert (seen.low.tolist(), seen.high.tolist(), seen.mean.tolist()) == ([4], [8], [6])


@pytest.mark.usefixtures("quick")
def test_it_goes_by_the_names_that_an_export_has(tmp_path):
    model, preprocessing = trees()
    found = zoo.export(
        model,
        tmp_path / "photos",
        inputs=photos(2),
        preprocessing=preprocessing,
        training_statistics=zoo.serving.training_statistics(photos(8)),
    )
    answer = zoo.predictor(found.path, "tensorflow")(photos(3))
    assert answer["skew"].shape == (3, 3) and answer["skew"][:, :2].max() == 0
    columns = {"Höhe (m)": keras.Input((1,), name="Höhe (m)")}
    rows = {"Höhe (m)": np.array([[100.0], [300]])}
    number = keras.Model(columns, keras.layers.Dense(1)(columns["Höhe (m)"]))
    found = zoo.export(
        number, tmp_path / "rows", inputs=rows, training_statistics=zoo.serving.training_statistics(rows)
    )
    answer = zoo.predictor(found.path, "tensorflow")({"Höhe (m)": np.array([200.0, 400])})
    assert answer["skew"][:, 0].tolist() == [0, 1]


def test_what_tells_nothing_is_refused(tmp_path):
    with pytest.raises(ValueError, match="seen: `inputs` must hold numbers, got text only"):
        zoo.serving.training_statistics({"soil": np.array(["clay"], object)})
    with pytest.raises(ValueError, match="seen: every band of 'inputs' must have a valid value, band 1 has none"):
        zoo.serving.training_statistics(np.array([[1, np.nan]]))
    with pytest.raises(ValueError, match="seen: `inputs` must hold at least one example"):
        zoo.serving.training_statistics(np.ones((0, 3)))
    with pytest.raises(zoo.ExportError, match="`seen` tells of 2 bands of .*, which the model does not take so"):
        zoo.export(
            zoo.dnn((3,), 1),
            tmp_path,
            inputs=np.ones((1, 3)),
            training_statistics=zoo.serving.training_statistics(np.ones((2, 2))),
        )
