"""The output `skew`: fractions outside the training range and missing, and a score of swapped bands."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from tests.exported_models import photos, trees_model


def images(count=20):
    """(count, 6, 6, 3), bands around 10, 50 and 90."""
    generator = np.random.default_rng(3)
    level = np.array([10.0, 50, 90]) + generator.normal(0, 2, (count, 1, 1, 3))
    return (level + generator.uniform(-5, 5, (count, 6, 6, 3))).astype("float32")


def skew(statistics, *arrays):
    return statistics.skew({n: tf.constant(a) for n, a in zip(statistics.bands, arrays, strict=True)}).numpy()


def test_training_images_are_inside_the_range_complete_and_not_swapped():
    result = skew(zoo.serving.training_statistics(images()), images())
    np.testing.assert_array_equal(result[:, :2], 0)
    assert result[:, 2].max() < 0.1


def test_the_fraction_outside_is_of_valid_values_and_the_fraction_missing_of_all():
    statistics = zoo.serving.training_statistics(images(), nodata=-999)
    changed = images(1)
    changed[0, :3, :, 1] = 300  # 18 of 108 values
    changed[0, 0, :, 0] = np.nan
    changed[0, 1, :, 2] = -999  # 12 are missing
    outside, missing, _ = skew(statistics, changed)[0]
    assert outside == pytest.approx(18 / 96)
    assert missing == pytest.approx(12 / 108)
    assert np.isfinite(skew(statistics, np.full((1, 6, 6, 3), np.nan, "float32"))).all()


def test_swapped_bands_are_detected_even_within_the_range():
    statistics = zoo.serving.training_statistics(images())
    assert skew(statistics, images()[..., ::-1].copy())[:, 2].min() > 0.9
    wide = statistics._replace(minimum=np.full(3, -50, "float32"), maximum=np.full(3, 255, "float32"))
    result = skew(wide, images()[..., [1, 0, 2]].copy())
    assert result[:, 0].max() == 0 and result[:, 2].min() > 0.9


def test_columns_of_a_table_are_bands_and_text_is_left_out():
    rows = {"height": np.array([100.0, 250, 30]), "soil": np.array(["clay", "loess", "sand"], object)}
    statistics = zoo.serving.training_statistics(rows)
    assert statistics.bands == {"height": 1}
    assert skew(statistics, np.array([[500.0], [200]]))[:, 0].tolist() == [1, 0]


def test_images_that_differ_in_size_count_together():
    statistics = zoo.serving.training_statistics([np.full((2, 3, 1), 4), np.full((5, 2, 1), 8)])
    assert (statistics.minimum.tolist(), statistics.maximum.tolist(), statistics.mean.tolist()) == ([4], [8], [6])


@pytest.mark.usefixtures("parity_check_in_process")
def test_the_export_maps_the_statistics_to_its_input_names(tmp_path):
    model, preprocessing = trees_model()
    export = zoo.export(
        model,
        tmp_path / "photos",
        inputs=photos(2),
        preprocessing=preprocessing,
        training_statistics=zoo.serving.training_statistics(photos(8)),
    )
    outputs = zoo.predictor(export.path, "tensorflow")(photos(3))
    assert outputs["skew"].shape == (3, 3) and outputs["skew"][:, :2].max() == 0
    columns = {"Höhe (m)": keras.Input((1,), name="Höhe (m)")}
    rows = {"Höhe (m)": np.array([[100.0], [300]])}
    model = keras.Model(columns, keras.layers.Dense(1)(columns["Höhe (m)"]))
    statistics = zoo.serving.training_statistics(rows)
    export = zoo.export(model, tmp_path / "rows", inputs=rows, training_statistics=statistics)
    outputs = zoo.predictor(export.path, "tensorflow")({"Höhe (m)": np.array([200.0, 400])})
    assert outputs["skew"][:, 0].tolist() == [0, 1]


def test_inputs_without_valid_numbers_or_of_another_model_are_refused(tmp_path):
    with pytest.raises(ValueError, match="training_statistics: `inputs` must hold numbers, got text only"):
        zoo.serving.training_statistics({"soil": np.array(["clay"], object)})
    with pytest.raises(
        ValueError, match="training_statistics: every band of 'inputs' must have a valid value, band 1 has none"
    ):
        zoo.serving.training_statistics(np.array([[1, np.nan]]))
    with pytest.raises(ValueError, match="training_statistics: `inputs` must hold at least one example"):
        zoo.serving.training_statistics(np.ones((0, 3)))
    with pytest.raises(zoo.ExportError, match="`training_statistics` has 2 bands of .*; expected 3 of "):
        zoo.export(
            zoo.dnn((3,), 1),
            tmp_path,
            inputs=np.ones((1, 3)),
            training_statistics=zoo.serving.training_statistics(np.ones((2, 2))),
        )
