"""Motion: known warps are exact, it learns with and without them, it measures, and it refuses."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import recipes
import zoo
from recipes.data.images.image_patches import frame_pairs, warp_square
from recipes.reports.image_figures import flow_colours
from recipes.tasks.motion import FlowLoss, finest_flow, stays_inside, warp_image
from recipes.training.run import Run
from tests.tolerance import assert_close

SMALL = {"width": 0.125}


def pictures(count=3, side=84, seed=0):
    """Waves of many directions, in 8 bits and three bands."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    waves = [sum(np.sin(a * x + b * y + c) for a, b, c in rng.uniform(-0.6, 0.6, (6, 3))) for _ in range(3 * count)]
    return (127 + 20 * np.array(waves).reshape(count, 3, side, side).transpose(0, 2, 3, 1)).astype("uint8")


def quick(**changes):
    return recipes.Motion(
        **{"epochs": 1, "batch_size": 4, "learning_rate": 2e-3, "max_displacement": 8, "samples": 1, **changes}
    )


@pytest.fixture(scope="module")
def data():
    return quick(samples=4).open_data(pictures())


# Known warps


def test_the_known_motion_is_exact(data):
    assert (data.task, data.shape) == ("motion", (64, 64, 3))
    assert [len(p) for p in (data.train, data.validation, data.test)] == [4, 1, 1]
    truth = data.train.targets
    assert np.abs(truth).max() <= 8 and np.linalg.norm(truth, axis=-1).mean() > 1
    for i, flow in enumerate(truth):
        second = data.train.inputs["second"][i].astype("float32")
        left = np.abs(warp_image(second, flow) - data.train.inputs["first"][i])[stays_inside(flow)]
        assert left.max() <= 0.51  # rounding to 8 bits
    again = quick(samples=4).open_data(pictures())
    np.testing.assert_array_equal(again.train.targets, truth)


def test_what_moves_in_from_beyond_the_square_is_the_photo():
    y, x = np.mgrid[:80, :80]
    image = np.stack([2 * x, 2 * y, x + y], axis=-1).astype("uint8")
    first, second, flow = warp_square(image, 64, 8, np.random.default_rng(3))
    np.testing.assert_array_equal(second, image[8:72, 8:72])
    place = (np.mgrid[:64, :64][::-1] + 8).transpose(1, 2, 0) + flow
    np.testing.assert_allclose(first[..., :2], 2 * place, atol=0.51)


# It learns


@pytest.mark.parametrize("loss", ["endpoint", pytest.param("photometric", marks=pytest.mark.slow)])
def test_overfits_one_small_batch(loss, data):
    recipe = quick(loss=loss, epochs=25, learning_rate=1e-3, smoothness=0.01)
    run = recipe.fit("flownet_s", data, verbose=False, **SMALL)
    assert run.history["loss"][-1] < 0.85 * run.history["loss"][0]
    assert run.history["loss"][-1] < 0.85 * recipe.baseline_loss(data)
    if loss == "endpoint":
        found = run.evaluate("train")
        assert found["endpoint_error"] < 0.85 * found["baseline"]["endpoint_error"]


def test_a_run_is_exported_reported_and_read_back(data, tmp_path):
    run = quick().fit("flownet_s", data, out=tmp_path, verbose=False, **SMALL)
    assert isinstance(run.model.output, keras.KerasTensor)
    done = run.export(tmp_path / "saved_model")
    assert done.difference <= 1e-2
    page = run.report(tmp_path / "report.html").read_text()
    assert "of the change is explained" in page and "Frames, flow, what is left" in page
    run.save(tmp_path)
    found = json.loads((tmp_path / "metrics.json").read_text())["test"]
    assert found == run.evaluate("test") and found["skill"] == 1 - found["warp_error"] / found["baseline"]["warp_error"]
    odd = {n: v[:1, :50, :41] for n, v in data.test.inputs.items()}
    served = tf.saved_model.load(done.path).signatures["serving_default"](**{n: tf.constant(v) for n, v in odd.items()})
    saved = recipes.load_run(tmp_path)
    answer = np.asarray(saved.model(saved.preprocessing(odd)))
    assert answer.shape == (1, 50, 41, 2)
    assert_close(served["values"], answer, rtol=1e-4)
    assert_close(run.predict(odd), answer, rtol=1e-4)


def test_unrolled_steps_explain_held_out_warps_and_the_motorcycle_before_any_training():
    """No flow is beaten by a factor of four, on photos that nothing was learnt from."""
    recipe = quick(samples=1)
    data = recipe.open_data("bundled:photos?test=0.3")
    model = finest_flow(recipe.build_model("tvnet", data, scales=4, warps=3, iterations=8))
    for told in (data, recipes.load("bundled:motorcycle")):
        frames = recipe.preprocessing(told, model)(told.test.inputs)
        found = recipe.compute_metrics(told, "test", np.asarray(model(frames)))
        assert found["warp_error"] < 0.25 * found["baseline"]["warp_error"]
        assert found["endpoint_error"] < 0.3 * found["baseline"]["endpoint_error"]


# What it measures


def test_frames_reach_the_networks_from_minus_1_to_1_and_the_loss_from_0_to_1(data):
    recipe = quick()
    ((x, y),) = recipe.pipeline(data.test, False, recipe.preprocessing(data, None))
    raw = np.concatenate([data.test.inputs[n] for n in ("first", "second")], axis=-1)
    assert_close(y[..., 3:], raw / 255)
    assert_close(x["second"], data.test.inputs["second"] / 127.5 - 1)


def test_a_shift_that_is_known_explains_everything(data):
    image = np.random.default_rng(0).integers(0, 255, (1, 20, 30, 3), dtype="uint8")
    frames = np.stack([np.roll(image, (-4, -3), (1, 2)), image])
    flow = np.broadcast_to(np.float32([3, 4]), (1, 20, 30, 2)).copy()
    flow[:, :2] = np.nan
    known = recipes.Data(**{**vars(data), "test": frame_pairs(frames, flow)})
    found = quick().compute_metrics(known, "test", np.nan_to_num(flow))
    assert (found["endpoint_error"], found["baseline"]["endpoint_error"]) == (0, 5)
    assert found["warp_error"] == pytest.approx(0, abs=1e-5) and found["skill"] == pytest.approx(1, rel=1e-5)
    assert found["baseline"]["warp_error"] > 0.2
    blind = quick().compute_metrics(
        recipes.Data(**{**vars(data), "test": frame_pairs(frames, flow * np.nan)}), "test", 0 * np.nan_to_num(flow)
    )
    assert blind["skill"] == 0 and "endpoint_error" not in blind


def test_the_loss_is_the_same_at_every_scale_for_a_constant_motion():
    flow = np.broadcast_to(np.float32([3, 4]), (1, 16, 16, 2))
    target = np.concatenate([flow, np.ones((1, 16, 16, 1)), np.zeros((1, 16, 16, 6))], -1).astype("float32")
    for side in (16, 4):
        assert float(FlowLoss("endpoint")(target, np.zeros((1, side, side, 2), "float32"))) == pytest.approx(
            5, rel=1e-5
        )
    target[:, :, :8, :3] = 0  # half of it is not known
    for side in (16, 4):
        assert float(FlowLoss("endpoint", weight=0.5)(target, np.zeros((1, side, side, 2)))) == pytest.approx(
            2.5, rel=1e-5
        )


def test_colours_tell_directions():
    flow = np.array([[[1, 0], [-1, 0], [0, 0], [np.nan, 0]]])
    colours = flow_colours(flow)
    assert_close(colours[0], [(1, 0, 0), (0, 1, 1), (1, 1, 1), (0.6, 0.6, 0.6)], rtol=1e-5)


def test_pictures_show_what_is_left_in_full(data):
    run = Run(quick(), zoo.flownet_s((None, None, 3), **SMALL), data, quick().preprocessing(data, None), {}, {})
    ((_, _, figure),) = quick().figures(run, "test")
    assert [ax.images[0].get_array().shape[:2] for ax in figure.axes[:6]] == [(64, 64)] * 6


def test_the_motorcycle_is_a_pair_to_test_on(data):
    pair = recipes.load("bundled:motorcycle")
    truth = pair.test.targets
    assert truth.shape == (1, 125, 185, 2) and len(pair.train) == 0
    known = np.isfinite(truth).all(-1)
    assert 0.7 < known.mean() < 1 and -16 < truth[known][:, 0].min() < truth[known][:, 0].max() < -1
    found = quick().compute_metrics(pair, "test", np.nan_to_num(truth))
    assert found["warp_error"] < 0.3 * found["baseline"]["warp_error"] and found["endpoint_error"] == 0
    model = finest_flow(zoo.flownet_s((None, None, 3), **SMALL))
    run = Run(quick(), model, pair, quick().preprocessing(pair, model), {}, {})
    assert run.predict_split("test").shape == (1, 125, 185, 2)


# What is refused


def test_arguments_data_and_models_that_do_not_fit_are_refused(data):
    with pytest.raises(ValueError, match="`augment` must be empty, as it would change the motion"):
        quick(augment=("flip",))
    with pytest.raises(ValueError, match="`side` must be a multiple of 64, got 48"):
        quick(side=48)
    with pytest.raises(ValueError, match=r"`model` must predict optical flow, got lenet5 \(classify\)"):
        quick().fit("lenet5", data, verbose=False)
    with pytest.raises(ValueError, match="`model` must take the frames first and second"):
        quick().fit(zoo.dncnn((64, 64, 3), depth=2, filters=4), data, verbose=False)
    with pytest.raises(ValueError, match="`patch` must be at most 40"):
        quick().open_data(pictures(3, 40))
