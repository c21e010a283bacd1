"""`fit` and the interface of a task: training, metrics, saved runs, errors."""

import ast
import dataclasses
import inspect
import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

import recipes
import zoo
from recipes.cli.main import main
from recipes.tasks import TASKS
from recipes.training.run_record import FORMAT
from recipes.training.task import Task
from tests.tolerance import assert_close

TRAINING = Path(recipes.__file__).parent / "training"


def clusters(count=60, classes=3, features=4, seed=0):
    """Returns points around one center per class, and their classes."""
    rng = np.random.default_rng(seed)
    targets = np.arange(count) % classes
    return (rng.normal(size=(count, features)) + 4 * targets[:, None]).astype("float32"), targets


def quick(**changes):
    """Returns a classification task of few epochs."""
    return recipes.Classification(**{"epochs": 30, "batch_size": 8, "learning_rate": 0.01, **changes})


@pytest.mark.parametrize("model", [pytest.param("cnn", marks=pytest.mark.slow), "lenet5"])
def test_overfits_one_small_batch_of_images(model):
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 255, (8, 16, 16, 3)).astype("uint8"), np.arange(8) % 2
    task = recipes.Classification(epochs=80, batch_size=8, learning_rate=1e-3, schedule="constant")
    run = task.fit(model, recipes.load((x, y), validation=0, test=0), verbose=False)
    assert run.evaluate("train")["accuracy"] == 1


def test_a_classifier_beats_the_baseline_and_its_accuracy_has_an_interval():
    run = quick().fit("dnn", clusters(), verbose=False)
    metrics = run.evaluate("test")
    assert metrics["accuracy"] > 0.9 > metrics["baseline"]["accuracy"]
    low, high = metrics["accuracy_interval"]
    assert 0 < low < metrics["accuracy"] <= high + 1e-12
    assert metrics["verdict"]["sentence"].startswith("Beats the baseline: accuracy")
    assert run.record["steps_trained"] == 30 * run.record["steps_per_epoch"]
    assert np.trace(metrics["confusion"]) == round(metrics["accuracy"] * metrics["examples"])
    assert_close(run.predict(clusters(6)[0]).sum(-1), 1)


def test_regression_predicts_in_the_units_of_the_targets():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3)).astype("float32")
    y = 1000 + 50 * x[:, :1] - 20 * x[:, 1:2]
    run = recipes.Regression(epochs=60, batch_size=16, learning_rate=0.01).fit("dnn", (x, y), verbose=False)
    metrics = run.evaluate("test")
    assert metrics["r2"] > 0.95 > 0.5 > metrics["baseline"]["r2"]
    assert metrics["verdict"]["result"] == "better"
    assert (metrics["verdict"]["value"], metrics["verdict"]["baseline"]) == pytest.approx(
        (metrics["r2"], metrics["baseline"]["r2"]), abs=1e-4
    )  # scikit-learn adds up in the targets' float32
    assert abs(run.predict(x).mean() - 1000) < 20


def test_several_labels_per_example_are_predicted_by_sigmoids():
    x, _ = clusters(120)
    y = np.stack([x[:, 0] > 4, x[:, 1] > 2], 1).astype("uint8")
    run = quick().fit("dnn", (x, y), verbose=False)
    assert run.model.get_layer("activation").activation.__name__ == "sigmoid"
    metrics = run.evaluate("test")
    assert metrics["hamming_loss"] < metrics["baseline"]["hamming_loss"]
    assert metrics["verdict"]["result"] == "better" and metrics["verdict"]["metric"] == "Hamming loss"
    assert metrics["verdict"]["value"] == pytest.approx(metrics["hamming_loss"])


def test_one_sigmoid_predicts_the_probabilities_of_two_classes():
    run = quick().fit(zoo.dnn((4,), 1, activation="sigmoid"), clusters(classes=2), verbose=False)
    assert run.evaluate("test")["accuracy"] > 0.9
    assert run.predict(clusters(6)[0]).shape == (6, 2)


@pytest.mark.parametrize(
    "optimizer", ["sgd", "momentum", "nesterov", "adagrad", "adadelta", "rmsprop", "adam", "adamw"]
)
def test_each_optimizer_name_gives_the_keras_optimizer(optimizer):
    model = quick(optimizer=optimizer, weight_decay=0.01, global_clipnorm=1.0).compile(
        zoo.dnn((4,), 3, activation="softmax")
    )
    expected = {"momentum": "SGD", "nesterov": "SGD"}.get(optimizer, optimizer)
    assert type(model.optimizer).__name__.lower() == expected.lower()
    assert getattr(model.optimizer, "momentum", 0) == (0.9 if optimizer in ("momentum", "nesterov") else 0)
    assert model.optimizer.weight_decay == 0.01
    assert model.optimizer.global_clipnorm == 1.0


@pytest.mark.parametrize(
    ("activation", "classes", "loss", "logits"),
    [
        ("softmax", 3, "SparseCategoricalCrossentropy", False),
        (None, 3, "SparseCategoricalCrossentropy", True),
        ("sigmoid", 1, "BinaryCrossentropy", False),
        (None, 1, "BinaryCrossentropy", True),
        ("sigmoid", 3, "BinaryCrossentropy", False),
    ],
)
def test_the_loss_fits_the_activation_and_size_of_the_head(activation, classes, loss, logits):
    cross_entropy = quick().cross_entropy(zoo.dnn((4,), classes, activation=activation))
    assert type(cross_entropy).__name__ == loss
    assert cross_entropy.get_config()["from_logits"] is logits


def test_the_loss_fits_a_model_nested_in_another_keras_model():
    inner = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(3, activation="softmax")])
    outer = keras.Sequential([keras.layers.Input((4,)), inner])
    assert quick().cross_entropy(outer).get_config()["from_logits"] is False


def test_label_smoothing_uses_one_hot_targets():
    run = quick(label_smoothing=0.1).fit("dnn", clusters(), verbose=False)
    assert isinstance(run.model.loss, keras.losses.CategoricalCrossentropy)
    assert run.evaluate("test")["accuracy"] > 0.9


def test_balanced_class_weights_give_each_class_the_same_total_weight():
    x, y = clusters(60)
    selected = (y != 2) | (np.arange(60) < 24)
    data = recipes.load((x[selected], y[selected]))
    weights = quick(class_weight="balanced").class_weights(data)
    counts = np.bincount(data.train.targets)
    assert_close([weights[i] * counts[i] for i in range(3)], counts.sum() / 3, rtol=1e-5)


def test_class_weights_are_given_by_class_name_or_index_as_r_sends_them():
    data = recipes.load((clusters()[0], np.array(["bear", "fox", "owl"])[clusters()[1]]))
    assert quick(class_weight={"fox": 5}).class_weights(data) == {1: 5.0}
    assert quick(class_weight={"1": 5}).class_weights(data) == {1: 5.0}
    with pytest.raises(ValueError, match="`class_weight` must name the classes.*got 'foxes'.*Did you mean `fox`"):
        quick(class_weight={"foxes": 5}).class_weights(data)


def test_early_stopping_restores_the_best_weights():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 4)).astype("float32"), rng.integers(0, 2, 60)
    run = quick(epochs=200, patience=3, learning_rate=0.05, schedule="constant").fit("dnn", (x, y), verbose=False)
    losses = run.history["val_loss"]
    assert len(losses) < 200
    assert np.argmin(losses) == len(losses) - 4


def test_equal_seeds_give_equal_losses():
    first, second = (quick(epochs=3, seed=5).fit("dnn", clusters(), verbose=False).history["loss"] for _ in range(2))
    other = quick(epochs=3, seed=6).fit("dnn", clusters(), verbose=False).history["loss"]
    assert_close(first, second, rtol=1e-5)
    assert abs(other[0] - first[0]) > 1e-6


def test_a_diverging_training_stops_with_advice():
    x, y = clusters()
    with pytest.raises(
        ArithmeticError, match=r"the loss became (nan|inf) in epoch [12]. Lower `learning_rate` \(now 1e\+30\)"
    ):
        recipes.Regression(learning_rate=1e30, optimizer="sgd", schedule="constant").fit(
            "dnn", (x, y * 1.0), verbose=False
        )


def test_compile_and_pipeline_work_with_model_fit():
    data = recipes.load(clusters())
    task = quick()
    model = task.compile(task.build_model("dnn", data))
    from recipes.data.preprocessing import preprocessing

    batches = task.pipeline(data.train, True, preprocessing(data))
    assert model.fit(batches, epochs=2, shuffle=False, verbose=0).history["loss"][0] > 0


@pytest.mark.parametrize("training", [True, False])
def test_pipelines_have_autotuning_off(training):
    from recipes.data.preprocessing import preprocessing

    photos = [np.full((40, 40, 3), i, "uint8") for i in range(8)]
    for task, source in ((quick(), clusters()), (recipes.Restoration(patch=16), photos)):
        data = task.open_data(source)
        shape = data.shape if data.task == "classification" else (None, None, 3)
        batches = task.pipeline(data.train, training, preprocessing(data, shape))
        assert batches.options().autotune.enabled is False


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A run and the folder that `fit` saved it to."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    return quick(epochs=4).fit("dnn", clusters(), out=folder, verbose=False), folder


def test_a_run_is_saved_and_loaded(saved):
    run, folder = saved
    files = {path.name for path in folder.iterdir()}
    assert {"model.keras", "preprocessing.keras", "run.json", "history.json", "metrics.json", "tensorboard"} <= files
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["test"]["accuracy"] == run.evaluate("test")["accuracy"]
    assert {"seed", "seconds", "energy", "machine", "acceleration", "diagnosis"} <= set(metrics)
    loaded = recipes.load_run(folder)
    raw = clusters(5)[0]
    np.testing.assert_array_equal(
        np.asarray(loaded.model(loaded.preprocessing(raw))), np.asarray(run.model(run.preprocessing(raw)))
    )
    with pytest.raises(ValueError, match=r"`run` must be the folder of a run, got .*rum.*Did you mean `run`\?"):
        recipes.load_run(folder.parent / "rum")


@pytest.mark.parametrize(
    ("version", "advice"),
    [
        (None, "got version 1 .*; train it again with `zoo train`, or load it with the fieldzoo release that wrote it"),
        (FORMAT + 1, f"got version {FORMAT + 1} .*; update fieldzoo"),
    ],
)
def test_a_run_of_another_format_version_is_refused_with_advice(saved, tmp_path, version, advice):
    folder = tmp_path / "run"
    shutil.copytree(saved[1], folder)
    info = json.loads((folder / "run.json").read_text())
    assert info.pop("format") == FORMAT
    info |= {} if version is None else {"format": version}  # version 1 had no such key
    (folder / "run.json").write_text(json.dumps(info))
    with pytest.raises(ValueError, match=f"`run` must have format version {FORMAT}, {advice}"):
        recipes.load_run(folder)


def test_a_killed_training_resumes_after_its_last_epoch(tmp_path, monkeypatch):
    class Killed(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    task = quick(epochs=6)
    with monkeypatch.context() as patch:
        callbacks = recipes.training.fit.callbacks
        patch.setattr("recipes.training.fit.callbacks", lambda *arguments: [*callbacks(*arguments), Killed()])
        with pytest.raises(KeyboardInterrupt):
            task.fit("dnn", clusters(), out=tmp_path, verbose=False)
    progress = json.loads((tmp_path / "backup" / "progress.json").read_text())
    run = task.fit("dnn", clusters(), out=tmp_path, verbose=False)
    assert all(len(values) == 6 for values in run.history.values())
    assert run.history["loss"][:3] == progress["history"]["loss"]
    assert run.record["seconds"] > progress["spent"]["seconds"] > 0
    assert run.record["energy"]["source"].endswith("2 sessions, without what each spent after its last whole epoch")
    assert not (tmp_path / "backup").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"epochs": 0}, "Classification: `epochs` must be a whole number of at least 1, got 0"),
        ({"batch_size": 2.5}, "`batch_size` must be a whole number"),
        ({"epoch": 3}, r"Classification: unknown argument `epoch`. Did you mean `epochs`\?"),
        ({"optimizer": "adma"}, r"`optimizer` must be one of .*Did you mean `adam`\?"),
        ({"learning_rate": -1}, "`learning_rate` must be a number above 0, got -1"),
    ],
)
def test_invalid_hyperparameters_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        recipes.Classification(**arguments)


def test_models_and_data_that_do_not_fit_the_task_are_refused():
    with pytest.raises(ValueError, match="must predict the 3 classes .* got dnn with 2"):
        quick().fit(zoo.dnn((4,), 2, activation="softmax"), clusters(), verbose=False)
    with pytest.raises(ValueError, match="`data` must be for regression.*train it with .*Classification"):
        recipes.Regression().fit("dnn", recipes.load(clusters()), verbose=False)
    with pytest.raises(ValueError, match=r"no architecture is called 'dnm'.*Did you mean `dnn`\?"):
        quick().fit("dnm", clusters(), verbose=False)
    with pytest.raises(ValueError, match="`patience` needs a validation split"):
        quick(patience=3).fit("dnn", recipes.load(clusters(), validation=0), verbose=False)


def test_every_public_name_exists_and_no_module_hides_it():
    import importlib
    import types

    for module in set(recipes.WHERE.values()):
        importlib.import_module(module)
    assert [name for name in recipes.__all__ if isinstance(getattr(recipes, name), types.ModuleType)] == []
    with pytest.raises(AttributeError, match=r"recipes has no 'Clasification'. Did you mean `Classification`\?"):
        recipes.Clasification  # noqa: B018


def test_data_echoing_reuses_an_augmented_copy_for_some_epochs():
    rng = np.random.default_rng(0)
    data = recipes.load((rng.integers(0, 255, (20, 8, 8, 1)).astype("uint8"), np.arange(20) % 2), validation=0, test=0)
    from recipes.data.preprocessing import preprocessing

    task = recipes.Classification(batch_size=10, augment=("rotate:0.1",), echo_epochs=2)
    batches = task.pipeline(data.train, True, preprocessing(data))

    epochs = [np.concatenate([np.asarray(x) for x, _ in batches]) for _ in range(4)]
    in_order = [images[np.lexsort(images.reshape(20, -1).T)] for images in epochs]
    np.testing.assert_array_equal(in_order[0], in_order[1])
    np.testing.assert_array_equal(in_order[2], in_order[3])
    assert np.abs(in_order[1] - in_order[2]).max() > 0.05
    assert np.abs(epochs[0] - epochs[1]).max() > 0.05  # the order is new in every epoch
    assert len(batches) == 2


def fragile_features(count, seed):
    """Returns one strong feature and forty weak ones, which small perturbations reverse (Tsipras et al. 2019)."""
    rng, targets = np.random.default_rng(seed), np.arange(count) % 2
    sign = 2 * targets[:, None] - 1
    strong, weak = sign + 0.6 * rng.normal(size=(count, 1)), 0.35 * sign + rng.normal(size=(count, 40))
    return np.concatenate([strong, weak], 1).astype("float32"), targets


@pytest.mark.slow
def test_adversarial_training_raises_the_accuracy_under_attack():
    from zoo import explain

    inputs, targets = fragile_features(200, 1)
    accuracies = []
    for epsilon in (0.0, 0.5):
        run = quick(adversarial=epsilon, epochs=15, batch_size=16).fit(
            "dnn", fragile_features(400, 0), verbose=False, units=(16,)
        )
        attacked = explain.fgsm(run.model, np.asarray(run.preprocessing(inputs)), targets, epsilon=0.5)
        accuracies.append((run.model.predict(np.asarray(attacked), verbose=0).argmax(-1) == targets).mean())
    assert accuracies[1] > accuracies[0] + 0.1


def test_generation_refuses_adversarial_training():
    with pytest.raises(ValueError, match="`adversarial` must be left out"):
        recipes.Generation(adversarial=0.1)


# The interface of a task


def task_attributes(path):
    """Returns the names X of every `task.X` and `self.task.X` in a Python file."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute):
            owner = node.value
            is_task = isinstance(owner, ast.Name) and owner.id == "task"
            is_task |= isinstance(owner, ast.Attribute) and owner.attr == "task" and ast.unparse(owner.value) == "self"
            names |= {node.attr} if is_task else set()
    return names


def test_a_task_has_at_most_eight_abstract_methods():
    assert 0 < len(Task.__abstractmethods__) <= 8


@pytest.mark.parametrize("module", ["fit", "pipeline", "run", "callbacks"])
def test_training_uses_only_what_task_declares(module):
    names = task_attributes(TRAINING / f"{module}.py")
    assert names
    assert names - set(vars(Task)) - {field.name for field in dataclasses.fields(Task)} == set()


@pytest.mark.parametrize("cls", TASKS.values())
def test_overridden_methods_have_the_parameters_of_task(cls):
    methods = [name for name, value in vars(Task).items() if inspect.isfunction(value) and name[0] != "_"]
    assert set(Task.__abstractmethods__) <= set(methods)
    expected = {name: list(inspect.signature(getattr(Task, name)).parameters) for name in methods}
    assert {name: list(inspect.signature(getattr(cls, name)).parameters) for name in methods} == expected


def test_fit_function_method_and_command_line_give_the_same_metrics(tmp_path, capsys, monkeypatch):
    def skip_export(run, path):  # which starts a process and changes no metric
        run.record["export"] = {"largest_difference": 0.0, "tolerance": 1e-5, "path": path.name}

    monkeypatch.setattr(recipes.Run, "export", skip_export)
    x, y = clusters()
    rows = [",".join([*(f"{value:.4f}" for value in row), "abc"[label]]) for row, label in zip(x, y, strict=True)]
    (tmp_path / "table.csv").write_text("\n".join(["a,b,c,d,kind", *rows]) + "\n")
    source = f"table:{tmp_path / 'table.csv'}?target=kind"
    task = recipes.Classification(epochs=2, batch_size=8, learning_rate=0.01, seed=3, report_examples=0)
    runs = [recipes.fit(task, "dnn", source, verbose=False), task.fit("dnn", source, verbose=False)]
    settings = "--set batch_size=8 --set learning_rate=0.01 --set report_examples=0"
    command = f"train classification --model dnn --data {source} --epochs 2 --seed 3 {settings} --json"
    with pytest.raises(SystemExit) as stop:
        main([*command.split(), "--out", str(tmp_path / "run")])
    assert not stop.value.code
    printed = json.loads(capsys.readouterr().out)
    for split in ("validation", "test"):
        expected = runs[0].evaluate(split)
        for metrics in (runs[1].evaluate(split), printed[split]):
            assert set(metrics) == set(expected) and metrics["baseline"] == expected["baseline"]
            assert metrics["verdict"]["sentence"] == expected["verdict"]["sentence"]
            assert metrics.get("coverage_by_name") == expected.get("coverage_by_name")
            for name in set(expected) - {"baseline", "verdict", "coverage_by_name"}:
                assert_close(metrics[name], expected[name], rtol=1e-5, err_msg=f"{split} {name}")
