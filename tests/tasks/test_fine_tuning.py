"""Fine-tuning: the backbone's input range, the two phases, and the comparison with random weights."""

import dataclasses
import json

import keras
import numpy as np
import pytest
from keras import layers

import recipes
import zoo
from recipes.runs.load import load_run
from recipes.tasks.fine_tuning import stratified_sample
from tests.tolerance import assert_close
from zoo.layers.backbone_input import BackboneInput


def backbone(bands=3):
    """Returns a tiny backbone of two stages, which records the input range 0 to 255."""
    x = inputs = layers.Input((12, 12, bands), name="image")
    x = BackboneInput(mean=(127.0,), deviation=(128.0,), low=0.0, high=255.0, name="backbone_input")(x)
    x = layers.Conv2D(4, 3, strides=2, padding="same", name="stage0_conv")(x)
    x = layers.ReLU()(layers.BatchNormalization(name="stage0_norm")(x))
    x = layers.Conv2D(8, 3, strides=2, padding="same", name="stage1_conv")(x)
    x = layers.ReLU()(layers.BatchNormalization(name="stage1_norm")(x))
    return keras.Model(inputs, layers.GlobalAveragePooling2D(name="pool")(x), name="tiny")


def images_of_two_classes(count=48, bands=3, side=12):
    """Returns dark and bright 8-bit images with values from 0 to 255, and their classes."""
    rng = np.random.default_rng(0)
    y = np.arange(count) % 2
    x = rng.integers(0, 100, (count, side, side, bands)) + 155 * y[:, None, None, None]
    x[:, 0, 0], x[:, -1, -1] = 0, 255
    return x.astype("uint8"), y


def quick(**changes):
    """Returns a fine-tuning task of few epochs."""
    return recipes.FineTuning(**{"epochs": 2, "head_epochs": 2, "batch_size": 8, "stages": 1, **changes})


def test_a_backbone_gets_images_in_the_range_that_it_records():
    x, y = images_of_two_classes()
    run = quick().fit(backbone(), (x, y), verbose=False)
    expected = run.model.predict(x[:6].astype("float32"), verbose=0)
    assert_close(run.predict(x[:6]), expected)
    assert np.abs(run.predict(x[:6]) - run.model.predict(x[:6] / 255, verbose=0)).max() > 1e-3
    assert run.task.value_range(run.preprocessing) == (0.0, 255.0)


def test_any_task_passes_raw_images_to_a_model_that_records_its_input_range():
    x, y = images_of_two_classes()
    model = zoo.transfer(backbone(), 2)
    run = recipes.Classification(epochs=1, batch_size=8).fit(model, (x, y), verbose=False)
    assert_close(run.predict(x[:6]), model.predict(x[:6].astype("float32"), verbose=0))


def test_one_grey_band_is_repeated_and_images_are_resized():
    x, y = images_of_two_classes(bands=1)
    run = quick().fit(backbone(), (x, y), verbose=False)
    expected = run.model.predict(np.repeat(x[:6], 3, axis=-1).astype("float32"), verbose=0)
    assert_close(run.predict(x[:6]), expected)
    preprocessing = quick().preprocessing(recipes.load(images_of_two_classes(bands=1, side=6)), run.model)
    assert preprocessing.output_shape == (None, 12, 12, 3)


def test_other_numbers_of_bands_are_refused():
    with pytest.raises(ValueError, match="`input_shape` must have the 2 bands"):
        quick().fit(backbone(), images_of_two_classes(bands=2), verbose=False)
    with pytest.raises(ValueError, match="`input_shape` must have the 1 bands"):
        recipes.Classification().fit(
            zoo.cnn((12, 12, 3), 2, filters=(4,)), images_of_two_classes(bands=1), verbose=False
        )


def test_images_outside_the_input_range_of_the_backbone_are_refused():
    x, y = images_of_two_classes()
    with pytest.raises(ValueError, match="trained on images from 0 to 255, and these go from 0 to 1"):
        quick().fit(backbone(), (x.astype("float32") / 255, y), verbose=False)


def test_the_head_trains_first_then_the_top_stage_and_batch_normalization_never():
    pretrained, epochs = backbone(), []

    class RecordingFineTuning(recipes.FineTuning):
        def callbacks(self, model, out, data):
            def record_weights(epoch, logs):
                epochs.append([np.array(model.get_layer(n).kernel) for n in ("stage0_conv", "stage1_conv", "head")])

            return [keras.callbacks.LambdaCallback(on_epoch_end=record_weights)]

    task = RecordingFineTuning(epochs=1, head_epochs=1, batch_size=8, stages=1)
    run = task.fit(pretrained, images_of_two_classes(), verbose=False)
    stage0, stage1 = (np.array(pretrained.get_layer(n).kernel) for n in ("stage0_conv", "stage1_conv"))
    first, second = epochs
    np.testing.assert_array_equal(first[0], stage0)
    np.testing.assert_array_equal(first[1], stage1)
    np.testing.assert_array_equal(second[0], stage0)
    assert np.abs(second[1] - stage1).max() > 0 and np.abs(second[2] - first[2]).max() > 0
    for name in ("stage0_norm", "stage1_norm"):
        np.testing.assert_array_equal(run.model.get_layer(name).moving_mean, 0)
        np.testing.assert_array_equal(run.model.get_layer(name).gamma, 1)
    assert len(run.history["loss"]) == 2 and len(run.history["val_loss"]) == 2


@pytest.mark.slow
def test_each_phase_has_its_learning_rate_and_lower_stages_a_smaller_one():
    optimizers = []

    class RecordingFineTuning(recipes.FineTuning):
        def compile(self, model, steps=1000, data=None, **settings):
            optimizers.append(settings["optimizer"])
            return super().compile(model, steps, data, **settings)

    rates = {"learning_rate": 1e-5, "head_learning_rate": 1e-2, "decay": 0.5, "weight_decay": 0.1}
    task = RecordingFineTuning(epochs=1, head_epochs=1, batch_size=8, **rates)
    task.fit(backbone(), images_of_two_classes(), verbose=False)
    first, second = optimizers
    assert float(first.inner._learning_rate(0)) == pytest.approx(1e-2)
    assert float(second.inner._learning_rate(0)) == pytest.approx(1e-5)
    assert second.factors["head"] == 1 and second.factors["stage0_conv"] == 0.25
    assert second.inner.weight_decay == 0.1


def test_training_examples_are_drawn_in_proportion_to_the_classes():
    targets = np.repeat([0, 1, 2], [80, 18, 2])
    indices = stratified_sample(targets, 20, seed=0)
    assert np.bincount(targets[indices]).tolist() in ([16, 3, 1], [15, 4, 1]) and len(set(indices)) == 20
    assert np.bincount(targets[stratified_sample(targets, 3, seed=0)]).tolist() == [1, 1, 1]
    assert stratified_sample(targets, 20, seed=1).tolist() != indices.tolist()
    data = quick(train_examples=10).open_data(recipes.load(images_of_two_classes()))
    assert len(data.train) == 10 and any("10 of" in note for note in data.notes)
    assert quick(train_examples=10).open_data(data) is data
    with pytest.raises(
        ValueError, match=r"`train_examples` must be from 2, one per class, to the \d+ training examples .* got 1"
    ):
        quick(train_examples=1).open_data(recipes.load(images_of_two_classes()))


@pytest.mark.slow
def test_a_run_is_compared_with_random_weights_saved_exported_and_reopened(tmp_path):
    x, y = images_of_two_classes()
    run = quick(compare_untrained=True, head_learning_rate=1e-2).fit(backbone(), (x, y), out=tmp_path, verbose=False)
    untrained = json.loads((tmp_path / "metrics.json").read_text())["from_scratch"]
    assert untrained["split"] == "test" and untrained["epochs"] == 4 and 0 <= untrained["accuracy"] <= 1
    export = run.export(tmp_path / "saved_model")
    assert export.difference <= 1e-5
    reopened = load_run(tmp_path, run.data)
    assert reopened.task == run.task
    assert_close(reopened.predict(x[:4]), run.predict(x[:4]))


def test_a_name_without_weights_and_too_many_stages_are_refused():
    with pytest.raises(ValueError, match="`weights` 'bundled' is available for"):
        quick().fit("lenet5", images_of_two_classes(), verbose=False, input_shape=(12, 12, 3))
    with pytest.raises(ValueError, match="lenet5 has no weights 'timm/lenet'. It has none by name"):
        quick(weights="timm/lenet").fit("lenet5", images_of_two_classes(), verbose=False, input_shape=(12, 12, 3))
    with pytest.raises(ValueError, match="`stages` must be a whole number from 0 to 2, got 5"):
        quick(stages=5).fit(backbone(), images_of_two_classes(), verbose=False)


def noisy_images(count=60, side=12, seed=0):
    """Returns 8-bit images whose mean says their class, with noise, and their classes."""
    rng = np.random.default_rng(seed)
    y = np.arange(count) % 2
    x = rng.integers(0, 120, (count, side, side, 3)) + (80 * rng.random(count) + 50 * y)[:, None, None, None]
    x[:, 0, 0], x[:, -1, -1] = 0, 255
    return x.astype("uint8"), y


def test_a_training_that_spoils_the_model_ends_with_the_logistic_head():
    task = quick(epochs=1, head_epochs=1, learning_rate=3.0, head_learning_rate=100.0)
    run = task.fit(backbone(), noisy_images(), verbose=False)
    head = run.record["logistic_head"]
    assert head["epoch_kept"] == 0 and head["held_out"] == 0 and head["C"] > 0
    for split in ("validation", "test"):
        metrics = run.evaluate(split)
        assert metrics["accuracy"] == head[split]["accuracy"] == metrics["logistic_head"]["accuracy"]
        assert metrics["log_loss"] == pytest.approx(head[split]["log_loss"], rel=1e-4)
    assert "logistic regression" in run.task.summarize(run.evaluate("test"), "test")[-1]
    assert any("No epoch was better" in sentence for sentence in run.diagnose())


@pytest.mark.slow
def test_without_a_validation_split_examples_are_held_out_for_the_choice():
    data = recipes.load(noisy_images(), validation=0, test=0.2)
    run = quick(epochs=1, head_epochs=1).fit(backbone(), data, verbose=False)
    head = run.record["logistic_head"]
    assert head["held_out"] == len(data.train) // 5 and len(run.data.train) == len(data.train)
    assert run.record["steps_per_epoch"] == (len(data.train) - head["held_out"]) // 8
    assert any("held out to choose the epoch" in note for note in run.data.notes)
    single = [
        *np.flatnonzero(data.train.targets == 0),
        np.argmax(data.train.targets),
    ]  # one example of the second class
    assert quick().hold_out(dataclasses.replace(data, train=data.train.take(single))) is None
