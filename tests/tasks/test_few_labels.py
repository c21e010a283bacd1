"""Few labels: batches, training, comparison with the labels alone, saving, export, resuming, and unsuitable input."""

import dataclasses
import json

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image

import recipes
import zoo
from recipes.runs.load import load_run
from recipes.runs.matched_data import matched_data
from recipes.tasks.few_labels_baselines import fit_probe
from recipes.tasks.few_labels_batches import few_labels_batches, strong_augmentation
from recipes.tasks.semi_supervised import SemiSupervised
from tests.tasks.test_fine_tuning import backbone, images_of_two_classes
from tests.tolerance import assert_close
from tests.training.test_resume import assert_same_run, train, train_killed

METHODS = ("fixmatch", "freematch", "pseudo_label", "supervised")


def quick(**changes):
    """Returns a task of few small steps."""
    options = {"labels_per_class": 4, "epochs": 2, "steps_per_epoch": 3, "batch_size": 6, "unlabelled_ratio": 2}
    return recipes.FewLabels(**{**options, "baselines": False, "report_examples": 0, **changes})


def network(bands=1, side=12, classes=2):
    x = inputs = layers.Input((side, side, bands), name="image")
    x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(4, 3, strides=2)(x)))
    x = layers.Dropout(0.1)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, layers.Dense(classes, activation="softmax", name="head")(x), name="tiny")


def images(count=60, bands=1):
    return images_of_two_classes(count, bands)


def test_batches_have_two_views_of_labelled_and_unlabelled_images():
    task = quick(augment=(), strong_augment=("cutout:0.5",), batch_size=10)
    data = task.open_data(images())
    preprocessing = task.preprocessing(data, network())
    batches = list(few_labels_batches(task, data.train, preprocessing, 2).as_numpy_iterator())
    assert len(batches) == 3
    by_image = {
        x.tobytes(): y
        for part in (data.train, data.train.unlabelled)
        for x, y in zip(part.inputs, part.targets, strict=True)
    }
    labelled = {x.tobytes() for x in data.train.inputs}
    for inputs, targets in batches:
        assert {name: len(x) for name, x in inputs.items()} == {"labelled": 10, "weak": 20, "strong": 20}
        raw = {name: np.round(x * 255).astype("uint8") for name, x in inputs.items()}
        for name, classes in (("labelled", targets["labelled"]), ("weak", targets["hidden"])):
            assert [by_image[x.tobytes()] for x in raw[name]] == classes.tolist()
        assert {x.tobytes() for x in raw["labelled"]} <= labelled  # 8 images in a batch of 10
        erased = (inputs["strong"] == 0.5).all(-1)
        assert 0 < erased.mean() < 0.5
        np.testing.assert_array_equal(inputs["strong"][~erased], inputs["weak"][~erased])
    weak = {x.tobytes() for inputs, _ in batches for x in np.round(inputs["weak"] * 255).astype("uint8")}
    assert len(weak) == 60 - len(data.test) and labelled <= weak  # the labelled ones are among the unlabelled
    again = list(few_labels_batches(task, data.train, preprocessing, 2).as_numpy_iterator())
    keras.tree.map_structure(np.testing.assert_array_equal, batches, again)


@pytest.mark.parametrize("bands", [1, 2, 3])
def test_the_strong_augmentation_suits_the_images(bands):
    task = quick()
    x, y = images(bands=bands)
    names = [
        name for name, _ in strong_augmentation(task, task.preprocessing(recipes.load((x, y)), network(bands))).plan
    ]
    assert names[0] == "transform" and names[-1] == "cutout" and ("rand_augment" in names) == (bands != 2)
    floats = recipes.load((x.astype("float32"), y))
    names = [name for name, _ in strong_augmentation(task, task.preprocessing(floats, network(bands))).plan]
    assert "rand_augment" not in names and "contrast" in names


@pytest.mark.parametrize("method", ["fixmatch", *(pytest.param(m, marks=pytest.mark.slow) for m in METHODS[1:])])
def test_every_method_trains(method):
    run = quick(method=method).fit(network(), images(), verbose=False)
    unlabelled = {"unlabelled_loss", "above_threshold", "pseudo_label_accuracy"} if method != "supervised" else set()
    unlabelled |= {"threshold"} if method == "freematch" else set()
    assert set(run.history) == {"loss", "accuracy"} | unlabelled
    assert type(run.model) is not SemiSupervised and len(run.data.validation) == 0
    metrics = run.evaluate("test")
    assert metrics["labelled"] == 8 and metrics["unlabelled"] == 52 - metrics["examples"]
    assert run.record["steps_trained"] == 6
    names = [title for title, *_ in run.task.figures(run, "test")]
    assert ("Pseudo-labels" in names) == (method != "supervised")
    described = run.task.summarize(metrics, "test")[-1]
    assert ("unlabelled" in described) == (method != "supervised") and "8 labelled" in described


@pytest.mark.slow
def test_training_lowers_the_error_and_the_average_is_the_result():
    keras.utils.set_random_seed(0)
    task = quick(
        epochs=4, steps_per_epoch=30, method="freematch", augment=("flip",), ema_momentum=0.9, threshold_momentum=0.9
    )
    run = task.fit(network(), images(120), verbose=False)
    assert run.evaluate("test")["accuracy"] == 1
    assert run.history["above_threshold"][-1] > 0.3


@pytest.mark.slow
def test_a_run_is_compared_with_the_labels_alone_saved_exported_and_reopened(tmp_path):
    task = quick(baselines=True, report_examples=4)
    data = recipes.load(images(), seed=3)
    run = task.fit(network(), data, out=tmp_path / "run", verbose=False)
    record = run.record["baselines"]
    assert set(record["methods"]) == {"the logistic regression", "the network without unlabelled images"}
    assert record["training_examples"] == 8 and record["title"] == "Trained on the labels alone"
    export = run.export(tmp_path / "saved_model")
    assert export.difference <= 1e-5
    page = run.report(tmp_path / "report.html").read_text()
    assert "Trained on the labels alone" in page and "Pseudo-labels" in page and record["sentence"] in page
    loaded = load_run(tmp_path / "run", images())
    assert loaded.task == run.task
    assert_close(loaded.predict(images()[0]), run.predict(images()[0]))
    assert json.loads((tmp_path / "run" / "run.json").read_text())["task"] == "FewLabels"


@pytest.mark.slow
def test_the_comparison_starts_from_the_same_weights():
    model = network()
    before = model.get_weights()
    task = quick(method="supervised", epochs=1, steps_per_epoch=1, learning_rate=1e-12, weight_decay=0)
    run = task.replace(method="fixmatch", baselines=True).fit(model, images(), verbose=False)
    alone = run.record["baselines"]["methods"]["the network without unlabelled images"]
    supervised = network()
    supervised.set_weights(before)
    expected = task.fit(supervised, images(), verbose=False).evaluate("test")
    assert alone["metrics"]["log_loss"] == pytest.approx(expected["log_loss"], rel=1e-5)


@pytest.mark.slow
def test_a_frozen_backbone_gets_a_linear_head(tmp_path):
    x, y = images(bands=3)
    run = quick(weights="bundled").fit(backbone(), (x, y), verbose=False)
    kernel = run.model.get_layer("stage0_conv").kernel
    assert [v.path.split("/")[0] for v in run.model.trainable_weights] == ["head", "head"]
    assert not kernel.trainable and run.task.value_range(run.preprocessing) == (0.0, 255.0)
    assert "the backbone's features" in fit_probe(run).settings
    assert run.export(tmp_path / "export").difference <= 1e-5


@pytest.mark.slow
def test_a_killed_training_resumes_bit_for_bit(tmp_path):
    task = quick(method="freematch", epochs=3)
    data = images()
    whole = train(task, seeded_network(), data, tmp_path / "whole")
    train_killed(task, seeded_network(), data, tmp_path / "run", after=2)
    assert_same_run(train(task, seeded_network(), data, tmp_path / "run"), whole)


def seeded_network():
    keras.utils.set_random_seed(1)
    return network()


@pytest.mark.slow
def test_the_average_is_validated_and_the_weights_are_trained_on():
    data = recipes.load(images(), unlabelled=images()[0])
    task = quick(labels_per_class=None, epochs=2, learning_rate=0.5)
    run = task.fit(seeded_network(), data, verbose=False)
    assert not any(name.startswith("val_") for name in run.history if name[4:] not in ("loss", "accuracy"))
    expected = run.evaluate("validation")["log_loss"]
    assert run.history["val_loss"][-1] == pytest.approx(expected, rel=1e-4)
    without = task.fit(seeded_network(), dataclasses.replace(data, validation=data.validation.take([])), verbose=False)
    assert_close(run.predict(images()[0]), without.predict(images()[0]))


def test_other_data_are_evaluated_with_all_of_their_labels():
    run = quick().fit(network(), images(), verbose=False)
    assert len(matched_data(run, images(30)).train) == 30
    fine_tuned = recipes.FineTuning(epochs=1, head_epochs=1, batch_size=8, train_examples=10)
    assert len(matched_data(run.replace(task=fine_tuned), images(8)).train) == 8


@pytest.fixture
def photos(tmp_path):
    """A folder of two classes, and one without classes."""
    x, y = images(30, 3)
    for i, (image, target) in enumerate(zip(x, y, strict=True)):
        folder = tmp_path / ("archive/deep" if i >= 20 else f"labelled/{'ab'[target]}")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{i}.png")
    return f"folder:{tmp_path / 'labelled'}?unlabelled={tmp_path / 'archive'}"


def test_photos_are_read_as_they_are_needed(photos, tmp_path):
    task = quick(labels_per_class=None, method="freematch")
    run = task.fit(network(3), photos, out=tmp_path / "run", verbose=False)
    assert "pseudo_label_accuracy" not in run.history and run.evaluate("test")["unlabelled"] == 10
    assert load_run(tmp_path / "run").evaluate("test")["unlabelled"] == 10
    other = matched_data(run, photos.partition("?")[0])
    assert len(other.train) == 20 and other.train.unlabelled is None


@pytest.mark.slow
def test_other_tasks_say_that_they_leave_unlabelled_images_out(photos):
    with pytest.warns(
        UserWarning, match="Classification does not use the 10 unlabelled images; FewLabels and Contrastive do"
    ):
        recipes.Classification(epochs=1, batch_size=4).fit(network(3), photos, verbose=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patience": 3}, "`patience` must be None, got 3"),
        ({"class_weight": "balanced"}, "`class_weight` must be None, got 'balanced'"),
        ({"echo_epochs": 2}, "`echo_epochs` must be 1, got 2"),
        ({"adversarial": 0.1}, "`adversarial` must be 0, got 0.1"),
        ({"augment": ("mixup",)}, "`augment` must not mix images, whose labels it needs, got mixup"),
        ({"strong_augment": ("flip", "cutmix:1")}, "`strong_augment` must not mix images"),
        ({"ramp": (0.6, 0.1)}, "`ramp` must be two fractions that rise"),
        ({"method": "fixmach"}, "fixmatch"),
        ({"threshold": 1.5}, "threshold"),
        ({"labels_per_class": 0}, "labels_per_class"),
    ],
)
def test_unsuitable_settings_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        recipes.FewLabels(**options)


def test_unsuitable_data_are_refused():
    x, y = images()
    task = quick(labels_per_class=None)
    with pytest.raises(ValueError, match="must have unlabelled images for fixmatch, got none in arrays; write folder:"):
        task.fit(network(), (x, y), verbose=False)
    with pytest.raises(ValueError, match="must be images, got arrays of kind vector"):
        quick().fit("dnn", (x.reshape(len(x), -1), y), verbose=False)
    with pytest.raises(ValueError, match="labels_per_class"):
        quick(labels_per_class=50).fit(network(), (x, y), verbose=False)
    with pytest.raises(ValueError, match="the target must be whole numbers or names for classes"):
        quick().fit(network(), (x, np.random.default_rng(0).normal(size=60)), verbose=False)


def test_one_class_and_labels_outside_of_the_classes_are_refused():
    x, y = images()
    with pytest.raises(ValueError, match="class"):
        quick().fit(network(), (x, 0 * y), verbose=False)
    with pytest.raises(ValueError, match="class"):
        quick().fit(network(), recipes.read_arrays((x, y + 5), classes=("a", "b")), verbose=False)


def test_unsuitable_models_are_refused():
    with pytest.raises(ValueError, match="must predict the 2 classes"):
        quick().fit(network(classes=3), images(), verbose=False)
    inputs = layers.Input((12, 12, 1))
    one_unit = keras.Model(inputs, layers.Dense(1, activation="sigmoid")(layers.Flatten()(inputs)))
    with pytest.raises(ValueError, match="must end in a softmax or logits of 2 classes, got .* with 1 and sigmoid"):
        quick().fit(one_unit, images(), verbose=False)
    any_size = zoo.resnet_cifar((None, None, 1), 2, depths=(1,))
    with pytest.raises(ValueError, match="must take images of one size"):
        quick().fit(any_size, images(), verbose=False)


def test_several_devices_are_refused():
    from recipes.training.distribute import Distribution

    task = quick()
    data = task.open_data(images())
    with pytest.raises(ValueError, match="needs Keras' own training step, and SemiSupervised has another one"):
        Distribution("mirrored", object()).check(task, task.wrap_model(network(), data), data)
