"""What every recipe does: fits, learns, measures, saves, refuses."""

import json

import keras
import numpy as np
import pytest

import recipes
import zoo
from tests.tolerance import assert_close


def clouds(count=60, classes=3, features=4, seed=0):
    """Points around one centre a class."""
    rng = np.random.default_rng(seed)
    targets = np.arange(count) % classes
    return (rng.normal(size=(count, features)) + 4 * targets[:, None]).astype("float32"), targets


def quick(**changes):
    return recipes.Classification(**{"epochs": 30, "batch_size": 8, "learning_rate": 0.01, **changes})


@pytest.mark.parametrize("model", [pytest.param("cnn", marks=pytest.mark.slow), "lenet5"])
def test_overfits_one_small_batch_of_images(model):
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 255, (8, 16, 16, 3)).astype("uint8"), np.arange(8) % 2
    recipe = recipes.Classification(epochs=80, batch_size=8, learning_rate=1e-3, schedule="constant")
    run = recipe.fit(model, recipes.load((x, y), validation=0, test=0), verbose=False)
    assert run.evaluate("train")["accuracy"] == 1


def test_learns_classes_and_says_what_the_trivial_answer_gets():
    run = quick().fit("dnn", clouds(), verbose=False)
    found = run.evaluate("test")
    assert found["accuracy"] > 0.9 > found["baseline"]["accuracy"]
    low, high = found["accuracy_interval"]
    assert 0 < low < found["accuracy"] <= high + 1e-12
    assert np.trace(found["confusion"]) == round(found["accuracy"] * found["examples"])
    answers = run.predict(clouds(6)[0])
    assert_close(answers.sum(-1), 1)


def test_regression_answers_in_the_targets_own_units():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3)).astype("float32")
    y = 1000 + 50 * x[:, :1] - 20 * x[:, 1:2]
    run = recipes.Regression(epochs=60, batch_size=16, learning_rate=0.01).fit("dnn", (x, y), verbose=False)
    found = run.evaluate("test")
    assert found["r2"] > 0.95 > 0.5 > found["baseline"]["r2"]
    assert abs(run.predict(x).mean() - 1000) < 20


def test_several_labels_at_once():
    x, _ = clouds(120)
    y = np.stack([x[:, 0] > 4, x[:, 1] > 2], 1).astype("uint8")
    run = quick().fit("dnn", (x, y), verbose=False)
    assert run.model.get_layer("activation").activation.__name__ == "sigmoid"
    found = run.evaluate("test")
    assert found["hamming_loss"] < found["baseline"]["hamming_loss"]


def test_two_classes_with_one_sigmoid():
    run = quick().fit(zoo.dnn((4,), 1, activation="sigmoid"), clouds(classes=2), verbose=False)
    assert run.evaluate("test")["accuracy"] > 0.9
    assert run.predict(clouds(6)[0]).shape == (6, 2)


@pytest.mark.parametrize(
    "optimizer", ["sgd", "momentum", "nesterov", "adagrad", "adadelta", "rmsprop", "adam", "adamw"]
)
def test_every_optimizer_by_its_keras_name(optimizer):
    model = quick(optimizer=optimizer, weight_decay=0.01, global_clipnorm=1.0).compile(
        zoo.dnn((4,), 3, activation="softmax")
    )
    wanted = {"momentum": "SGD", "nesterov": "SGD"}.get(optimizer, optimizer)
    assert type(model.optimizer).__name__.lower() == wanted.lower()
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
def test_the_loss_is_the_one_the_head_asks_for(activation, classes, loss, logits):
    chosen = quick().loss(zoo.dnn((4,), classes, activation=activation))
    assert type(chosen).__name__ == loss
    assert chosen.get_config()["from_logits"] is logits


def test_the_loss_of_a_foreign_model_too():
    inside = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(3, activation="softmax")])
    outside = keras.Sequential([keras.layers.Input((4,)), inside])
    assert quick().loss(outside).get_config()["from_logits"] is False


def test_mixing_and_smoothing_use_one_hot_targets():
    run = quick(label_smoothing=0.1).fit("dnn", clouds(), verbose=False)
    assert isinstance(run.model.loss, keras.losses.CategoricalCrossentropy)
    assert run.evaluate("test")["accuracy"] > 0.9


def test_balanced_class_weights_are_inverse_to_the_classes_sizes():
    x, y = clouds(60)
    keep = (y != 2) | (np.arange(60) < 24)
    data = recipes.load((x[keep], y[keep]))
    weights = quick(class_weight="balanced").class_weights(data)
    counts = np.bincount(data.train.targets)
    assert_close([weights[i] * counts[i] for i in range(3)], counts.sum() / 3, rtol=1e-5)


def test_class_weights_by_name_as_r_sends_them():
    data = recipes.load((clouds()[0], np.array(["bear", "fox", "owl"])[clouds()[1]]))
    assert quick(class_weight={"fox": 5}).class_weights(data) == {1: 5.0}
    assert quick(class_weight={"1": 5}).class_weights(data) == {1: 5.0}
    with pytest.raises(ValueError, match="`class_weight` must name the classes.*got 'foxes'.*Did you mean `fox`"):
        quick(class_weight={"foxes": 5}).class_weights(data)


def test_early_stopping_goes_back_to_the_best_weights():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 4)).astype("float32"), rng.integers(0, 2, 60)
    run = quick(epochs=200, patience=3, learning_rate=0.05, schedule="constant").fit("dnn", (x, y), verbose=False)
    losses = run.history["val_loss"]
    assert len(losses) < 200
    assert np.argmin(losses) == len(losses) - 4


def test_a_seed_makes_the_same_run():
    first, second = (quick(epochs=3, seed=5).fit("dnn", clouds(), verbose=False).history["loss"] for _ in range(2))
    other = quick(epochs=3, seed=6).fit("dnn", clouds(), verbose=False).history["loss"]
    assert_close(first, second, rtol=1e-5)
    assert abs(other[0] - first[0]) > 1e-6


def test_a_diverging_run_stops_and_says_why():
    x, y = clouds()
    with pytest.raises(
        ArithmeticError, match=r"the loss became (nan|inf) in epoch [12]. Lower `learning_rate` \(now 1e\+30\)"
    ):
        recipes.Regression(learning_rate=1e30, optimizer="sgd", schedule="constant").fit(
            "dnn", (x, y * 1.0), verbose=False
        )


def test_compile_and_pipeline_serve_whoever_prefers_fit():
    data = recipes.load(clouds())
    recipe = quick()
    model = recipe.compile(recipe.build_model("dnn", data))
    from recipes.data.preprocessing import preprocessing

    batches = recipe.pipeline(data.train, True, preprocessing(data))
    assert model.fit(batches, epochs=2, shuffle=False, verbose=0).history["loss"][0] > 0


@pytest.mark.parametrize("training", [True, False])
def test_no_epoch_waits_for_tf_datas_search_for_parallelism(training):
    from recipes.data.preprocessing import preprocessing

    photos = [np.full((40, 40, 3), i, "uint8") for i in range(8)]
    for recipe, given in ((quick(), clouds()), (recipes.Restoration(patch=16), photos)):
        data = recipe.open_data(given)
        shape = data.shape if data.task == "classification" else (None, None, 3)
        batches = recipe.pipeline(data.train, training, preprocessing(data, shape))
        assert batches.options().autotune.enabled is False


def test_a_run_leaves_everything_behind_and_can_be_read_back(tmp_path):
    run = quick(epochs=4).fit("dnn", clouds(), out=tmp_path / "run", verbose=False)
    left = {p.name for p in (tmp_path / "run").iterdir()}
    assert {"model.keras", "preprocessing.keras", "run.json", "history.json", "metrics.json", "tensorboard"} <= left
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["test"]["accuracy"] == run.evaluate("test")["accuracy"]
    assert {"seed", "seconds", "energy", "machine", "acceleration", "diagnosis"} <= set(metrics)
    saved = recipes.load_run(tmp_path / "run")
    raw = clouds(5)[0]
    np.testing.assert_array_equal(
        np.asarray(saved.model(saved.preprocessing(raw))), np.asarray(run.model(run.preprocessing(raw)))
    )
    with pytest.raises(ValueError, match=r"`run` must be the folder of a run, got .*rum.*Did you mean `run`\?"):
        recipes.load_run(tmp_path / "rum")


def test_a_killed_run_goes_on_from_its_last_epoch(tmp_path):
    class Killed(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    recipe = quick(epochs=6)
    before = recipes.training.fit.callbacks
    recipes.training.fit.callbacks = lambda *a: [*before(*a), Killed()]
    try:
        with pytest.raises(KeyboardInterrupt):
            recipe.fit("dnn", clouds(), out=tmp_path, verbose=False)
    finally:
        recipes.training.fit.callbacks = before
    broken = json.loads((tmp_path / "backup" / "progress.json").read_text())
    run = recipe.fit("dnn", clouds(), out=tmp_path, verbose=False)
    assert all(len(values) == 6 for values in run.history.values())
    assert run.history["loss"][:3] == broken["history"]["loss"]
    assert run.record["seconds"] > broken["spent"]["seconds"] > 0
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
def test_recipes_refuse_what_cannot_be_meant(arguments, message):
    with pytest.raises(ValueError, match=message):
        recipes.Classification(**arguments)


def test_model_and_data_must_go_together():
    with pytest.raises(ValueError, match="must predict the 3 classes .* got dnn with 2"):
        quick().fit(zoo.dnn((4,), 2, activation="softmax"), clouds(), verbose=False)
    with pytest.raises(ValueError, match="`data` must be for regression.*train it with .*Classification"):
        recipes.Regression().fit("dnn", recipes.load(clouds()), verbose=False)
    with pytest.raises(ValueError, match=r"no architecture is called 'dnm'.*Did you mean `dnn`\?"):
        quick().fit("dnm", clouds(), verbose=False)
    with pytest.raises(ValueError, match="`patience` needs a validation split"):
        quick(patience=3).fit("dnn", recipes.load(clouds(), validation=0), verbose=False)


def test_every_name_of_the_index_is_there_and_none_is_hidden_by_a_module():
    import importlib
    import types

    for module in set(recipes.WHERE.values()):
        importlib.import_module(module)
    assert [n for n in recipes.__all__ if isinstance(getattr(recipes, n), types.ModuleType)] == []
    with pytest.raises(AttributeError, match=r"recipes has no 'Clasification'. Did you mean `Classification`\?"):
        recipes.Clasification  # noqa: B018


def test_a_renewed_augmentation_is_kept_for_some_epochs_and_then_drawn_anew():
    rng = np.random.default_rng(0)
    data = recipes.load((rng.integers(0, 255, (20, 8, 8, 1)).astype("uint8"), np.arange(20) % 2), validation=0, test=0)
    from recipes.data.preprocessing import preprocessing

    recipe = recipes.Classification(batch_size=10, augment=("rotate:0.1",), echo_epochs=2)
    batches = recipe.pipeline(data.train, True, preprocessing(data))

    def epoch():
        images = np.concatenate([np.asarray(x) for x, _ in batches])
        return images, images[np.lexsort(images.reshape(20, -1).T)]

    passes = [epoch() for _ in range(4)]
    np.testing.assert_array_equal(passes[0][1], passes[1][1])
    np.testing.assert_array_equal(passes[2][1], passes[3][1])
    assert np.abs(passes[1][1] - passes[2][1]).max() > 0.05
    assert np.abs(passes[0][0] - passes[1][0]).max() > 0.05  # the order is new in every epoch
    assert len(batches) == 2


def fragile(count, seed):
    """One strong feature among forty weak ones, which small changes overturn (Tsipras et al. 2019)."""
    rng, truth = np.random.default_rng(seed), np.arange(count) % 2
    sign = 2 * truth[:, None] - 1
    strong, weak = sign + 0.6 * rng.normal(size=(count, 1)), 0.35 * sign + rng.normal(size=(count, 40))
    return np.concatenate([strong, weak], 1).astype("float32"), truth


def test_a_recipe_may_learn_from_attacked_inputs():
    from zoo import explain

    held, truth = fragile(200, 1)
    right = []
    for epsilon in (0.0, 0.5):
        run = quick(adversarial=epsilon, epochs=15, batch_size=16).fit(
            "dnn", fragile(400, 0), verbose=False, units=(16,)
        )
        attacked = explain.fgsm(run.model, np.asarray(run.preprocessing(held)), truth, epsilon=0.5)
        right.append((run.model.predict(np.asarray(attacked), verbose=0).argmax(-1) == truth).mean())
    assert right[1] > right[0] + 0.1


def test_models_that_generate_learn_from_no_attack():
    with pytest.raises(ValueError, match="`adversarial` must be left out"):
        recipes.Generation(adversarial=0.1)
