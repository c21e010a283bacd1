"""SimCLR and masked images: loss, views, training, probes, backbones of runs, resuming, and unsuitable input."""

import dataclasses
import math

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image

import recipes
import zoo
from recipes.cli.explain import explain_files
from recipes.data.augment import augmentation
from recipes.runs.load import load_run
from recipes.runs.matched_data import run_with_data
from recipes.tasks.contrastive import TwoViews
from recipes.tasks.contrastive_model import nt_xent
from recipes.tasks.self_supervised import count_images
from tests.tasks.test_fine_tuning import images_of_two_classes
from tests.tolerance import assert_close
from tests.training.test_resume import assert_same_run, train, train_killed

MAE = {"patch": 4, "depth": 1, "width": 8, "units": 12, "heads": 2, "decoder_depth": 1}
MAE |= {"decoder_width": 8, "decoder_heads": 2, "mask": 0.5}


def contrastive(**changes):
    return recipes.Contrastive(**{"epochs": 2, "batch_size": 8, "projection": 4, **changes})


def masked(**changes):
    return recipes.MaskedImageModelling(**{"epochs": 2, "batch_size": 8, **changes})


def network(bands=3, side=12):
    x = inputs = layers.Input((side, side, bands), name="image")
    x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(4, 3, strides=2, name="stem")(x)))
    x = layers.Dropout(0.1)(layers.GlobalAveragePooling2D(name="pool")(x))
    return keras.Model(inputs, layers.Dense(2, activation="softmax", name="head")(x), name="tiny")


def write_photos(folder, count, seed=0):
    folder.mkdir(parents=True)
    x, _ = images_of_two_classes(count)
    noise = np.random.default_rng(seed).integers(0, 9, x.shape, dtype="uint8")
    for i, image in enumerate(x // 2 + noise):
        Image.fromarray(image).save(folder / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of SimCLR on images with two classes, saved."""
    out = tmp_path_factory.mktemp("runs") / "features"
    return contrastive().fit(network(), images_of_two_classes(), out=out, verbose=False), out


# Loss and views


@pytest.mark.parametrize("temperature", [0.1, 0.5, 2.0])
def test_nt_xent_is_that_of_plain_numpy(temperature):
    z = np.random.default_rng(1).normal(size=(10, 3))
    count = len(z) // 2
    expected = []
    for i in range(2 * count):
        j = (i + count) % (2 * count)
        similarities = [z[i] @ z[k] / np.linalg.norm(z[i]) / np.linalg.norm(z[k]) for k in range(2 * count)]
        others = [math.exp(s / temperature) for k, s in enumerate(similarities) if k != i]
        expected.append(-math.log(math.exp(similarities[j] / temperature) / sum(others)))
    assert_close(nt_xent(z.astype("float32"), temperature), expected)


def test_nt_xent_of_a_constant_is_chance_and_of_separate_pairs_is_lower():
    assert_close(nt_xent(np.ones((8, 3), "float32"), 0.5), np.full(8, math.log(7)))
    pairs = np.tile(np.eye(4, dtype="float32"), (2, 1))
    assert_close(nt_xent(pairs, 0.1), np.full(8, math.log(1 + 6 * math.exp(-10))), scale=1)
    assert np.isfinite(nt_xent(np.zeros((4, 2), "float32"), 0.5)).all()


def test_views_are_two_augmentations_that_repeat_only_where_they_are_fixed():
    x = np.random.default_rng(0).random((6, 8, 8, 3), "float32")
    views = TwoViews(augmentation(("resized_crop", "flip"), seed=3, value_range=(0, 1)))
    first, again, other = views.fixed(0, x), views.fixed(0, x), views.fixed(1, x)
    assert set(first) == {"first", "second"} and not np.array_equal(first["first"], first["second"])
    np.testing.assert_array_equal(first["first"], again["first"])
    assert not np.array_equal(first["first"], other["first"])
    assert not views.only_flips


@pytest.mark.parametrize("bands", [1, 3, 5])
def test_default_views_exist_for_any_number_of_bands_and_kind_of_values(bands):
    task = contrastive()
    for dtype in ("uint8", "float32"):
        x, y = images_of_two_classes(12, bands)
        data = task.open_data((x.astype(dtype), y))
        preprocess = task.preprocessing(data, network(bands))
        images = preprocess(x.astype(dtype))
        pair = task.augmentation(preprocess).fixed(0, images)
        assert pair["first"].shape == x.shape and np.isfinite(pair["first"]).all()


# Training and results


def test_the_result_is_the_encoder_and_its_metrics_have_baselines_and_probes(run):
    trained, out = run
    metrics = trained.evaluate("test")
    size = min(8, len(trained.data.test))
    assert metrics["baseline"]["loss"] == pytest.approx(math.log(2 * size - 1))
    assert metrics["skill"] == pytest.approx(1 - metrics["loss"] / metrics["baseline"]["loss"])
    assert metrics["untrained_loss"] > 0
    # The classes are dark and bright images, and views differ in brightness: features need not tell them apart
    assert metrics["probe_accuracy_pixels"] == 1 and 0 < metrics["probe_accuracy"] <= 1
    assert {"val_loss", "loss"} <= set(trained.history)
    raw = trained.data.test.inputs
    features = trained.predict(raw)
    assert features.shape == (len(raw), 4) and not trained.classes
    assert trained.data_record["outputs"] == ("feature_0", "feature_1", "feature_2", "feature_3")
    sentences = trained.task.summarize(metrics, "test")
    assert "a constant output has" in sentences[0] and "Linear probe" in sentences[1]
    loaded = load_run(out, images_of_two_classes())
    assert_close(loaded.predict(raw), features)
    assert loaded.evaluate("test") == metrics


def test_features_of_a_backbone_are_those_of_the_run(run):
    trained, out = run
    raw = trained.data.test.inputs
    assert_close(zoo.extract_features(str(out), raw), trained.predict(raw))
    model = zoo.transfer(str(out), 3)
    assert_close(keras.Model(model.input, model.get_layer("head").input).predict(raw, verbose=0), trained.predict(raw))
    assert not any(w is v for w in model.weights for v in trained.model.weights)


@pytest.mark.slow
def test_bands_without_bounds_keep_their_normalization_as_a_backbone(tmp_path):
    x, y = images_of_two_classes(24, bands=4, side=8)
    x = (x * np.array([1, 10, 100, 0.1]) - 5).astype("float32")
    trained = masked(epochs=1).fit("mae", (x, y), out=tmp_path / "run", verbose=False, **MAE)
    assert_close(zoo.extract_features(tmp_path / "run", x), trained.predict(x), rtol=1e-4)


@pytest.mark.slow
def test_fine_tuning_and_few_labels_start_from_a_run(tmp_path):
    data = images_of_two_classes(32, bands=1, side=8)
    trained = masked(baselines=False).fit("mae", data, out=tmp_path / "run", verbose=False, **MAE)
    task = recipes.FineTuning(weights=str(tmp_path / "run"), epochs=1, head_epochs=1, batch_size=8, report_examples=0)
    tuned = task.build_model("mae", data)
    raw = trained.data.test.inputs
    features = keras.Model(tuned.input, tuned.get_layer("head").input).predict(raw.astype("float32"), verbose=0)
    assert_close(features, trained.predict(raw))
    assert task.fit("mae", data, verbose=False).evaluate("test")["accuracy"] == 1
    few = recipes.FewLabels(weights=str(tmp_path / "run"), labels_per_class=3, method="supervised", baselines=False)
    model = few.build_model("mae", data)
    assert [w.path.split("/")[0] for w in model.trainable_weights] == ["head", "head"]


def test_weights_of_another_architecture_or_size_are_refused(run, tmp_path):
    _, out = run
    with pytest.raises(ValueError, match="`weights` must be the folder of a run of cnn, got .* is a run of tiny"):
        zoo.transfer("cnn", 2, weights=str(out))
    with pytest.raises(ValueError, match=r"`input_shape` must be \(12, 12, 3\), on which the run"):
        zoo.transfer(str(out), 2, input_shape=(24, 24, 3))
    (tmp_path / "model.keras").write_bytes(b"no model")
    (tmp_path / "preprocessing.keras").write_bytes(b"no model")
    with pytest.raises(ValueError, match="model.keras cannot be loaded"):
        zoo.transfer(str(tmp_path), 2)


@pytest.mark.slow
@pytest.mark.parametrize(("task", "model"), [(contrastive(epochs=3), "cnn"), (masked(epochs=3), "mae")])
def test_a_killed_training_resumes_to_the_same_result(task, model, tmp_path):
    arguments = MAE if model == "mae" else {"filters": (4,), "units": (5,)}
    data = images_of_two_classes(40, side=12)
    whole = train(task, model, data, tmp_path / "whole", **arguments)
    train_killed(task, model, data, tmp_path / "killed", after=2, **arguments)
    assert_same_run(train(task, model, data, tmp_path / "killed", **arguments), whole)


@pytest.mark.slow
def test_reports_plots_and_exports_of_both_tasks(run, tmp_path):
    trained, _ = run
    reconstructing = masked().fit("mae", images_of_two_classes(40, side=12), verbose=False, **MAE)
    for number, one in enumerate((trained, reconstructing)):
        assert one.export(tmp_path / f"export{number}").difference <= 1e-4
        assert "Nearest images by their features" in one.report(tmp_path / f"{number}.html").read_text()
        predictor = zoo.predictor(str(tmp_path / f"export{number}"))
        raw = one.data.test.inputs[:3]
        (outputs,) = (v for v in predictor.predict(raw).values() if np.ndim(v) == 2)
        assert_close(outputs, one.predict(raw), rtol=1e-4)
    names = [title for title, *_ in reconstructing.task.figures(reconstructing, "test")]
    assert names == ["Reconstructions of masked images", "Nearest images by their features"]
    assert next(title for title, *_ in trained.task.figures(trained, "test")) == "Two views of each image"


# Photos without labels


def test_photos_without_labels_train_with_those_beside_class_folders(tmp_path):
    write_photos(tmp_path / "photos" / "2020" / "may", 14)
    write_photos(tmp_path / "photos" / "2021", 6, seed=1)
    task = contrastive(epochs=1, batch_size=4)
    data = task.open_data(f"folder:{tmp_path / 'photos'}?labels=false")
    assert (data.task, data.classes, data.shape) == ("unlabelled", (), (12, 12, 3))
    assert len(data.train) + len(data.validation) + len(data.test) == 20 and (data.train.targets == -1).all()
    assert "class" not in data.split_description
    trained = task.fit(network(), data, out=tmp_path / "run", verbose=False)
    assert "probe_accuracy" not in trained.evaluate("validation")
    assert load_run(tmp_path / "run").evaluate("validation")["loss"] == trained.evaluate("validation")["loss"]
    write_photos(tmp_path / "labelled" / "dark", 8, seed=2)
    write_photos(tmp_path / "labelled" / "bright", 8, seed=3)
    both = task.open_data(f"folder:{tmp_path / 'labelled'}?unlabelled={tmp_path / 'photos'}")
    assert count_images(both) == len(both.train) + 20 == task.count_steps(both) * 4 + count_images(both) % 4
    assert sum(len(x["first"]) for x in task.pipeline(both.train, True, task.preprocessing(both, network()))) >= 28
    with pytest.raises(
        ValueError, match=r"must be for classification.* got photos for unlabelled; train it with Contr"
    ):
        recipes.Classification().fit("cnn", data)


def test_predictions_of_files_have_a_column_for_each_feature(run, tmp_path):
    import pandas as pd

    trained, _ = run
    write_photos(tmp_path / "new", 3)
    trained.predict_files(tmp_path / "new", tmp_path / "features.csv", progress=False)
    frame = pd.read_csv(tmp_path / "features.csv")
    assert [c for c in frame if c.startswith("feature_")] == [f"feature_{i}" for i in range(4)] and len(frame) == 3


# Unsuitable input


def test_what_has_no_meaning_is_refused_in_one_sentence(run, tmp_path):
    trained, out = run
    write_photos(tmp_path / "new", 1)
    with pytest.raises(
        ValueError, match="explain: the run must predict classes or numbers, got Contrastive, whose fea"
    ):
        explain_files(out, [tmp_path / "new" / "0.png"], tmp_path / "why.png")
    with pytest.raises(ValueError, match="whose metrics are those of its own held-out images"):
        run_with_data(trained, images_of_two_classes(8))
    with pytest.raises(ValueError, match="`split` must be validation or test for Contrastive, got train"):
        trained.evaluate("train")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: contrastive(batch_size=1), "`batch_size` must be 2 or more"),
        (lambda: contrastive(augment=("mixup",)), "`augment` must not mix images, got mixup"),
        (lambda: contrastive(echo_epochs=2), "Contrastive: `echo_epochs` must be 1, got 2"),
        (lambda: masked(adversarial=0.1), "MaskedImageModelling: `adversarial` must be 0, got 0.1"),
        (lambda: contrastive(temperature=0), "`temperature`"),
        (
            lambda: contrastive().fit("mae_small", images_of_two_classes()),
            "must be a classifier of images, got mae_sma",
        ),
        (lambda: masked().fit("cnn", images_of_two_classes()), "`model` must be one of mae, mae_base_16, .* got cnn"),
        (lambda: masked().fit(network(), images_of_two_classes()), "must be a masked autoencoder, .* got tiny"),
        (lambda: masked().fit("mae", images_of_two_classes(), patch=5), "`input_shape` must .*divisible by 5|multiple"),
        (
            lambda: contrastive().fit("dnn", (np.eye(40, 3) + np.arange(40)[:, None], np.arange(40) % 2)),
            "`data` must be images",
        ),
        (lambda: contrastive().fit("cnn", images_of_two_classes(1)), "two training images|two classes|at least"),
    ],
)
def test_unsuitable_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_an_array_of_images_alone_is_a_data_set():
    x, _ = images_of_two_classes(20)
    data = contrastive().open_data(x)
    assert data.task == "unlabelled" and (data.train.targets == -1).all()
    assert dataclasses.asdict(contrastive())["temperature"] == 0.5
