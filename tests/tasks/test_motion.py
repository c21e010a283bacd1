"""Motion: exact flows of warped photos, both losses, metrics, saving and export, errors."""

import dataclasses
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import recipes
import zoo
from recipes.data.images.image_patches import frame_pairs, warp_square
from recipes.reports.image_figures import flow_colors
from recipes.tasks.motion import FlowLoss, finest_flow, stays_inside, warp_image
from recipes.training.run import Run
from tests.tolerance import assert_close

SMALL = {"width": 0.125}


def waves(count=3, side=84, seed=0):
    """Returns 8-bit images of three bands with waves in many directions."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    bands = [sum(np.sin(a * x + b * y + c) for a, b, c in rng.uniform(-0.6, 0.6, (6, 3))) for _ in range(3 * count)]
    return (127 + 20 * np.array(bands).reshape(count, 3, side, side).transpose(0, 2, 3, 1)).astype("uint8")


def quick(**changes):
    """Returns a motion task of one epoch."""
    return recipes.Motion(
        **{"epochs": 1, "batch_size": 4, "learning_rate": 2e-3, "max_displacement": 8, "samples": 1, **changes}
    )


@pytest.fixture(scope="module")
def data():
    return quick(samples=4).open_data(waves())


# Flows of warped photos


def test_the_flow_of_warped_photos_is_exact(data):
    assert (data.task, data.shape) == ("motion", (64, 64, 3))
    assert [len(split) for split in (data.train, data.validation, data.test)] == [4, 1, 1]
    flows = data.train.targets
    assert np.abs(flows).max() <= 8 and np.linalg.norm(flows, axis=-1).mean() > 1
    for i, flow in enumerate(flows):
        second = data.train.inputs["second"][i].astype("float32")
        difference = np.abs(warp_image(second, flow) - data.train.inputs["first"][i])[stays_inside(flow)]
        assert difference.max() <= 0.51  # rounding to 8 bits
    repeated = quick(samples=4).open_data(waves())
    np.testing.assert_array_equal(repeated.train.targets, flows)


def test_pixels_that_enter_the_frame_are_those_of_the_photo():
    y, x = np.mgrid[:80, :80]
    image = np.stack([2 * x, 2 * y, x + y], axis=-1).astype("uint8")
    first, second, flow = warp_square(image, 64, 8, np.random.default_rng(3))
    np.testing.assert_array_equal(second, image[8:72, 8:72])
    positions = (np.mgrid[:64, :64][::-1] + 8).transpose(1, 2, 0) + flow
    np.testing.assert_allclose(first[..., :2], 2 * positions, atol=0.51)


# Training


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["endpoint", "photometric"])
def test_overfits_one_small_batch(loss, data):
    task = quick(loss=loss, epochs=25, learning_rate=1e-3, smoothness=0.01)
    run = task.fit("flownet_s", data, verbose=False, **SMALL)
    assert run.history["loss"][-1] < 0.85 * run.history["loss"][0]
    assert run.history["loss"][-1] < 0.85 * task.baseline_loss(data)
    if loss == "endpoint":
        metrics = run.evaluate("train")
        assert metrics["endpoint_error"] < 0.85 * metrics["baseline"]["endpoint_error"]


def test_a_run_is_exported_reported_saved_and_loaded(data, tmp_path):
    run = quick().fit("flownet_s", data, out=tmp_path, verbose=False, **SMALL)
    assert isinstance(run.model.output, keras.KerasTensor)
    export = run.export(tmp_path / "saved_model")
    assert export.difference <= 1e-2
    page = run.report(tmp_path / "report.html").read_text()
    assert "of the difference on" in page and "Frames, flow, differences" in page
    run.save(tmp_path)
    metrics = json.loads((tmp_path / "metrics.json").read_text())["test"]
    assert metrics == run.evaluate("test")
    assert metrics["skill"] == 1 - metrics["warp_error"] / metrics["baseline"]["warp_error"]
    odd = {n: v[:1, :50, :41] for n, v in data.test.inputs.items()}
    signature = tf.saved_model.load(export.path).signatures["serving_default"]
    served = signature(**{name: tf.constant(frames) for name, frames in odd.items()})
    saved = recipes.load_run(tmp_path)
    flow = np.asarray(saved.model(saved.preprocessing(odd)))
    assert flow.shape == (1, 50, 41, 2)
    assert_close(served["values"], flow, rtol=1e-4)
    assert_close(run.predict(odd), flow, rtol=1e-4)


@pytest.mark.slow
def test_an_untrained_tvnet_has_a_quarter_of_the_warp_error_of_no_motion():
    """On held-out warps of photos and on the motorcycle pair."""
    task = quick(samples=1)
    warps = task.open_data("bundled:photos?test=0.3")
    model = finest_flow(task.build_model("tvnet", warps, scales=4, warps=3, iterations=8))
    for data in (warps, recipes.load("bundled:motorcycle")):
        frames = task.preprocessing(data, model)(data.test.inputs)
        metrics = task.compute_metrics(data, "test", np.asarray(model(frames)))
        assert metrics["warp_error"] < 0.25 * metrics["baseline"]["warp_error"]
        assert metrics["endpoint_error"] < 0.3 * metrics["baseline"]["endpoint_error"]


# Metrics


def test_frames_are_scaled_to_1_for_the_loss_and_from_minus_1_to_1_for_the_network(data):
    task = quick()
    ((x, y),) = task.pipeline(data.test, False, task.preprocessing(data, None))
    raw = np.concatenate([data.test.inputs[n] for n in ("first", "second")], axis=-1)
    assert_close(y[..., 3:], raw / 255)
    assert_close(x["second"], data.test.inputs["second"] / 127.5 - 1)


def test_the_true_flow_of_a_shift_has_no_error_and_skill_1(data):
    image = np.random.default_rng(0).integers(0, 255, (1, 20, 30, 3), dtype="uint8")
    frames = np.stack([np.roll(image, (-4, -3), (1, 2)), image])
    flow = np.broadcast_to(np.float32([3, 4]), (1, 20, 30, 2)).copy()
    flow[:, :2] = np.nan
    with_flow, without_flow = (dataclasses.replace(data, test=frame_pairs(frames, f)) for f in (flow, flow * np.nan))
    metrics = quick().compute_metrics(with_flow, "test", np.nan_to_num(flow))
    assert (metrics["endpoint_error"], metrics["baseline"]["endpoint_error"]) == (0, 5)
    assert metrics["warp_error"] == pytest.approx(0, abs=1e-5) and metrics["skill"] == pytest.approx(1, rel=1e-5)
    assert metrics["baseline"]["warp_error"] > 0.2
    metrics = quick().compute_metrics(without_flow, "test", 0 * np.nan_to_num(flow))
    assert metrics["skill"] == 0 and "endpoint_error" not in metrics


def test_the_loss_of_a_constant_motion_is_the_same_at_every_scale():
    flow = np.broadcast_to(np.float32([3, 4]), (1, 16, 16, 2))
    target = np.concatenate([flow, np.ones((1, 16, 16, 1)), np.zeros((1, 16, 16, 6))], -1).astype("float32")
    for side in (16, 4):
        assert float(FlowLoss("endpoint")(target, np.zeros((1, side, side, 2), "float32"))) == pytest.approx(
            5, rel=1e-5
        )
    target[:, :, :8, :3] = 0  # half of the flow is unknown
    for side in (16, 4):
        assert float(FlowLoss("endpoint", weight=0.5)(target, np.zeros((1, side, side, 2)))) == pytest.approx(
            2.5, rel=1e-5
        )


def test_hue_is_the_direction_of_the_flow():
    flow = np.array([[[1, 0], [-1, 0], [0, 0], [np.nan, 0]]])
    colors = flow_colors(flow)
    assert_close(colors[0], [(1, 0, 0), (0, 1, 1), (1, 1, 1), (0.6, 0.6, 0.6)], rtol=1e-5)


def test_figures_show_all_panels_at_full_size(data):
    run = Run(quick(), zoo.flownet_s((None, None, 3), **SMALL), data, quick().preprocessing(data, None), {}, {})
    ((_, _, figure),) = quick().figures(run, "test")
    assert [ax.images[0].get_array().shape[:2] for ax in figure.axes[:6]] == [(64, 64)] * 6


def test_the_motorcycle_pair_is_test_data_with_a_true_flow():
    pair = recipes.load("bundled:motorcycle")
    flow = pair.test.targets
    assert flow.shape == (1, 125, 185, 2) and len(pair.train) == 0
    valid = np.isfinite(flow).all(-1)
    assert 0.7 < valid.mean() < 1 and -16 < flow[valid][:, 0].min() < flow[valid][:, 0].max() < -1
    metrics = quick().compute_metrics(pair, "test", np.nan_to_num(flow))
    assert metrics["warp_error"] < 0.3 * metrics["baseline"]["warp_error"] and metrics["endpoint_error"] == 0
    model = finest_flow(zoo.flownet_s((None, None, 3), **SMALL))
    run = Run(quick(), model, pair, quick().preprocessing(pair, model), {}, {})
    assert run.predict_split("test").shape == (1, 125, 185, 2)


# Errors


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
        quick().open_data(waves(3, 40))
