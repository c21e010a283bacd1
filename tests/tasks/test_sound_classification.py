"""Training on sound: one class or several labels, augmentation, baselines on MFCCs, and the report with players."""

import re

import numpy as np
import pytest
import soundfile
import tensorflow as tf
from scipy.fft import dct

import recipes
import zoo
from recipes.data.augment.sound_steps import SoundAugmentation
from recipes.reports.batch_figures import batch_figure
from recipes.reports.sound_figures import audio_uri
from recipes.runs.load import load_run
from recipes.runs.predict_files import evaluate_run
from recipes.tasks.sound_features import mfcc_means
from tests.tolerance import assert_close
from tests.training.test_resume import assert_same_run, train, train_killed
from zoo.introspect.spectrogram import split_at_spectrogram

RATE = 2000
RNG = np.random.default_rng(0)
SMALL = {"backbone_arguments": {"filters": (4, 8), "convolutions": 1}}
TASK = {"batch_size": 8, "learning_rate": 1e-2, "spectrogram": {"bands": 16, "hop": 0.02}}


def tone(hertz, seconds=0.5, rate=RATE):
    return 0.3 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("sounds") / "tones"
    for name, hertz in (("low", 200), ("middle", 450), ("high", 800)):
        (root / name).mkdir(parents=True)
        for i in range(14):
            samples = tone(hertz + 5 * i) + 0.02 * RNG.normal(size=RATE // 2)
            soundfile.write(root / name / f"{i}.wav", samples, RATE)
    return root


@pytest.fixture(scope="module")
def run(folder, tmp_path_factory):
    task = recipes.SoundClassification(epochs=25, augment=("time_shift:0.2", "noise:20", "spec_augment:0.1"), **TASK)
    out = tmp_path_factory.mktemp("run") / "r"
    return task.fit("cnn", f"sound:{folder}?seconds=0.5", out=out, verbose=False, **SMALL), out


def test_an_image_classifier_on_the_spectrogram_learns_and_is_compared_with_mfccs(run):
    trained = run[0]
    assert trained.evaluate("test")["accuracy"] > 0.8
    assert trained.schema.sound == {"sample_rate": RATE, "seconds": 0.5, "channels": 1}
    assert set(trained.record["baselines"]["methods"]) == {
        "logistic regression", "the random forest", "gradient boosting",
    }  # fmt: skip
    layer = split_at_spectrogram(trained.model).layer
    assert (layer.bands, layer.hop, layer.sample_rate) == (16, 0.02, RATE)
    assert any(layer.name == "spec_augment" for layer in trained.model.layers)


def test_saved_runs_predict_evaluate_and_read_other_recordings_alike(run, folder, tmp_path):
    trained, out = run
    loaded = load_run(out)
    expected = trained.predict_split("test")
    np.testing.assert_allclose(loaded.predict(trained.data.test), expected, atol=1e-5)
    paths = [str(name) for name in trained.data.test.names]
    np.testing.assert_allclose(loaded.predict(paths), expected, atol=1e-5)
    np.testing.assert_allclose(loaded.predict(trained.data.test.head(99)), expected, atol=1e-5)
    assert evaluate_run(loaded, f"sound:{folder}")["accuracy"] > 0.8
    (tmp_path / "other" / "low").mkdir(parents=True)
    samples = tone(230, rate=44100) + 0.09 * RNG.normal(size=22050)  # as loud below 1 kHz as in training
    soundfile.write(tmp_path / "other" / "low" / "a.wav", np.stack([samples] * 2, 1), 44100)
    with pytest.warns(UserWarning, match="the data have no examples of high, middle"):
        assert evaluate_run(loaded, str(tmp_path / "other"))["accuracy"] == 1  # resampled and mixed to one channel
    assert loaded.predict(str(tmp_path / "other" / "low" / "a.wav"), labels=True).tolist() == ["low"]


def test_whole_numbers_of_16_bits_are_refused(run):
    with pytest.raises(ValueError, match=r"must be sound from -1 to 1 at 2,000 Hz, got values up to 9349"):
        run[0].predict(np.round(tone(200) * 32768)[None, :, None])
    with pytest.raises(ValueError, match=r"must be numbers of shape \(N, 1000, 1\)"):
        run[0].predict(np.zeros((2, 500, 1), "float32"))


def test_the_report_has_spectrograms_and_plays_the_mistakes(run, tmp_path, monkeypatch):
    trained = run[0].replace()
    wrong = np.eye(3)[np.random.default_rng(1).integers(0, 3, len(trained.data.test))].astype("float32")
    monkeypatch.setitem(trained._predicted, "test", wrong)
    page = (tmp_path / "report.html", trained.report(tmp_path / "report.html"))[0].read_text()
    sounds = re.findall(r'<audio controls src="data:audio/mpeg;base64,[^"]+">', page)
    assert 0 < len(sounds) <= 6 and max(map(len, sounds)) < 20_000
    assert "What mattered in correct predictions" in page and "Grad-CAM" in page
    plots = trained.plots(tmp_path / "plots")
    assert "most_confident_mistakes" in plots and "the_mistakes_to_hear" not in plots


@pytest.mark.parametrize("model", [pytest.param("crnn", marks=pytest.mark.slow), "m5"])
def test_other_models_of_sound_train_and_explain(folder, model, tmp_path):
    arguments = {"filters": (4, 4)} if model == "m5" else {"filters": (4, 4), "time_strides": (2, 2), "units": (4,)}
    options = {k: v for k, v in TASK.items() if model == "crnn" or k != "spectrogram"}
    task = recipes.SoundClassification(epochs=1, baselines=False, augment=("mixup", "gain"), **options)
    trained = task.fit(model, f"sound:{folder}?seconds=0.5&validation=0.2", verbose=False, **arguments)
    assert trained.predict_split("test").shape == (6, 3)
    assert trained.plots(tmp_path)["confusion_matrix"]


def test_several_weak_labels_with_attention(tmp_path):
    rows = []
    for i in range(16):
        samples = 0.02 * RNG.normal(size=4 * RATE)
        for hertz, name in ((200, "low"), (800, "high")):
            if (i + (hertz > 500)) % 3:
                start = int(RNG.integers(0, 3))
                samples[start * RATE : start * RATE + RATE] += tone(hertz, 1.0)
                rows.append(f"{i}.wav,0,4,{name}")
        soundfile.write(tmp_path / f"{i}.wav", samples, RATE)
    (tmp_path / "labels.csv").write_text("\n".join(["file,start,end,label", *rows]))
    data = recipes.load(f"sound:{tmp_path / 'labels.csv'}?seconds=4&multilabel=true&test=0.25")
    task = recipes.SoundClassification(epochs=2, augment=("overlay",), **TASK)
    trained = task.fit("cnn", data, verbose=False, pooling="attention", **SMALL)
    assert trained.model.get_layer("activation").activation.__name__ == "sigmoid"
    assert "f1_macro" in trained.evaluate("test")
    assert trained.plots(tmp_path / "plots")


def test_the_batch_figure_has_hertz_and_seconds(folder):
    figure = batch_figure(recipes.load(f"sound:{folder}?seconds=0.5"))
    ax = figure.axes[0]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time [s]", "frequency [Hz]")
    assert "500" in [label.get_text() for label in ax.get_yticklabels()]


def test_mfcc_means_are_the_cosine_transform_of_the_mel_bands():
    x = RNG.normal(size=(3, RATE, 1)).astype("float32") * 0.1
    bands = np.asarray(zoo.layers.Spectrogram(RATE, bands=40)(x))[..., 0]
    assert_close(mfcc_means(x, RATE), dct(bands, norm="ortho", axis=1)[:, :13].mean(-1))


def test_noise_has_the_stated_ratio_and_shifts_fill_with_zeros():
    x = tf.constant(np.stack([tone(200), 0.01 * tone(300)])[..., None].astype("float32"))
    noisy = SoundAugmentation(("noise:10",), seed=1)(x)
    ratio = 10 * np.log10(np.mean(x**2, axis=(1, 2)) / np.mean((noisy - x) ** 2, axis=(1, 2)))
    np.testing.assert_allclose(ratio, 10, atol=1e-3)
    shifted = SoundAugmentation(("time_shift:0.5",), seed=1)(tf.ones((64, 100, 1))).numpy()
    lost = 100 - shifted.sum((1, 2))
    assert (
        lost.min() + lost.max() > 0 and lost.max() <= 50 and (shifted[:, 0] == 0).any() and (shifted[:, -1] == 0).any()
    )
    loud = SoundAugmentation(("gain:6",), seed=1)(tf.ones((64, 1, 1))).numpy()
    assert 10 ** (-6 / 20) <= loud.min() < 0.8 and 1.25 < loud.max() <= 10 ** (6 / 20)


def test_overlay_adds_sounds_and_labels():
    x, y = np.diag([1.0, 2, 4, 8]).astype("float32")[..., None], np.eye(4, dtype="float32")
    sounds, labels = SoundAugmentation(("overlay:1",), seed=3)(tf.constant(x), tf.constant(y))
    np.testing.assert_array_equal(sounds[..., 0] > 0, labels > 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"augment": ("nois:3",)}, r"`augment` must be of time_shift.*Did you mean `noise`"),
        ({"augment": ("noise:x",)}, r"the amount of noise .* must be from -20 to 100, got 'x'"),
        ({"augment": ("flip",)}, "`augment` must be of"),
    ],
)
def test_wrong_steps_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        recipes.SoundClassification(**changes)


def test_models_and_data_that_do_not_fit_are_refused(folder):
    data = recipes.load(f"sound:{folder}?seconds=0.5")
    with pytest.raises(ValueError, match=r"must be one of zoo.names\('sound'\) or .* got lstm"):
        recipes.SoundClassification(epochs=1).fit("lstm", data, verbose=False)
    with pytest.raises(ValueError, match="`spectrogram` must be unset for m5"):
        recipes.SoundClassification(epochs=1, spectrogram={"bands": 4}).fit("m5", data, verbose=False)
    with pytest.raises(ValueError, match="must be for sound at 2000 Hz, got crnn with 12000 Hz"):
        model = zoo.crnn((1000, 1), 3, filters=(2,), spectrogram={"bands": 8})
        recipes.SoundClassification(epochs=1).fit(model, data, verbose=False)
    with pytest.raises(ValueError, match="must be sound, got"):
        recipes.SoundClassification(epochs=1).fit("cnn", "bundled:mnist-5k", verbose=False)
    with pytest.raises(ValueError, match="without overlay for one label per clip"):
        recipes.SoundClassification(epochs=1, augment=("overlay",)).fit("cnn", data, verbose=False)


def test_players_are_small_whatever_the_rate():
    for rate in (4000, 22050, 48000, 192_000):
        assert len(audio_uri(RNG.normal(size=15 * rate) * 0.1, rate)) < 400_000


@pytest.mark.slow
def test_a_resumed_training_with_random_crops_equals_the_uninterrupted_one(folder, tmp_path):
    task = recipes.SoundClassification(epochs=3, augment=(), accelerate="off", **TASK)

    def data():
        return recipes.load(f"sound:{folder}?seconds=0.25&crop=random")

    whole = train(task, "cnn", data(), tmp_path / "whole", **SMALL)
    train_killed(task, "cnn", data(), tmp_path / "run", after=2, **SMALL)
    assert_same_run(train(task, "cnn", data(), tmp_path / "run", **SMALL), whole)
