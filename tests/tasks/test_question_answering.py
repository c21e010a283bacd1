"""Question answering: training, both baselines, metrics by type, prediction, export and what is refused."""

import json

import keras
import numpy as np
import pytest

import recipes
import zoo
from recipes.prediction.question_prediction import question_outputs
from recipes.runs.predict_files import evaluate_run
from recipes.tasks import question_metrics
from recipes.tasks.question_batches import image_batches, question_batches
from tests.question_files import question_rows, write_images, write_table
from tests.tolerance import assert_close
from zoo.question.model_parts import fixed_question, several_questions, split_at_image
from zoo.serving.model_store import LoadedModel, RequestError

SMALL = {"question_units": 8, "units": (16, 8), "image_features": 16, "dropout": 0.0}
TASK = recipes.QuestionAnswering(
    epochs=40, batch_size=8, learning_rate=0.01, length=5,
    encoder="cnn", encoder_arguments={"filters": (4, 4), "convolutions": 1}, encoder_weights=None,
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("questions")
    write_table(folder, question_rows(write_images(folder, 24)))
    return folder


@pytest.fixture(scope="module")
def run(folder):
    source = f"questions:{folder / 'questions.csv'}?validation=0.25&test=0.25"
    return TASK.fit("rsvqa", source, out=folder / "run", verbose=False, **SMALL)


def test_it_beats_the_model_of_questions_alone_on_every_type(run):
    metrics = run.evaluate("test")
    assert metrics["accuracy"] == 1.0 and metrics["average_accuracy"] == 1.0
    assert metrics["examples"] == 12 and metrics["images"] == 6
    assert set(metrics["by_type"]) == {"presence", "color"}
    for row in metrics["by_type"].values():
        assert row["question_only"] == pytest.approx(0.5) and row["margin"] == pytest.approx(0.5)
        assert row["margin_interval"][0] < row["margin"] < row["margin_interval"][1] or row["margin_interval"]
        assert row["commonest_answer"] <= 0.5 + 1e-9
    assert metrics["baseline"]["name"] == question_metrics.COMMONEST
    sentences = TASK.summarize(metrics, "test")
    assert sentences[0] == "Accuracy 100.0 % on 12 test questions"
    assert any("without the image 50.0 %: a margin of +50.0" in sentence for sentence in sentences)


def test_predictions_of_pairs_tables_and_paths_agree(run, folder):
    examples = run.data.test
    expected = run.predict(examples)
    images, questions = examples.head(12)["image"], examples.inputs.questions
    paths = examples.inputs.with_used_images().images.paths[examples.inputs.with_used_images().image_index]
    assert_close(run.predict(list(zip(images, questions, strict=True))), expected)
    assert_close(run.predict({"image": list(paths), "question": list(questions)}), expected)
    assert_close(run.predict((str(paths[0]), questions[0])), expected[:1])
    assert run.predict((str(paths[0]), questions[0]), labels=True).tolist() == [run.classes[expected[0].argmax()]]
    assert_close(run.predict_split("test"), expected)


def test_a_table_is_predicted_with_answers_and_failures(run, folder, tmp_path):
    rows = [
        ("0.png", "Is it red?"),
        ("gone.png", "Is it red?"),
        ("1.png", "What color is it?"),
        ("0.png", "what COLOR is it"),
    ]
    (folder / "broken.png").write_bytes(b"no image")
    rows.append(("broken.png", "Is it red?"))
    table = write_table(folder, rows, header="image,question", name="new.csv")
    with pytest.warns(UserWarning, match="cannot be read"):
        run.predict_files([str(table)], tmp_path / "out.csv", progress=False)
    import pandas as pd

    frame = pd.read_csv(tmp_path / "out.csv").set_index("input")
    assert frame.loc["row 1", ["question", "answer"]].tolist() == ["Is it red?", "yes"]
    assert frame.loc["row 3", "answer"] == "blue" and frame.loc["row 4", "answer"] == "red"
    assert frame["probability"].dropna().between(0.2, 1).all()
    assert frame.loc[["row 2", "row 5"], "error"].notna().all() and frame["error"].isna().sum() == 3


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([("0.png", "")], "empty or missing texts in row 1"),
        ([("gone.png", "Is it red?")], "gone.png"),
        ([(3, "Is it red?")], "every image must be a path or an array"),
        ({"picture": ["0.png"], "question": ["Is it red?"]}, "must have the column 'image' of the images"),
        ({"image": ["0.png"], "questions": ["Is it red?"]}, "Did you mean `questions`"),
        ([], "a pair \\(image, question\\) or more"),
        (np.zeros((2, 8, 8, 3)), "must be pairs"),
        ([(np.zeros((8, 8, 4), "uint8"), "Is it red?")], "of shape \\(N, 8, 8, 3\\)"),
    ],
)
def test_bad_questions_are_refused(run, inputs, message):
    with pytest.raises(ValueError, match=message):
        run.predict(inputs)


def test_unknown_words_are_noted(run):
    image = run.data.test.head(1)["image"][0]
    with pytest.warns(UserWarning, match="texts without a word that training had: 1 of 2.*row 2"):
        run.predict([(image, "Is it red?"), (image, "Quack moo")])
    with pytest.warns(UserWarning, match="longer than the model's 5 words"):
        run.predict([(image, "Is it red or is it blue?")])


def test_the_export_takes_image_files_and_texts(run, folder, tmp_path):
    export = run.export(tmp_path / "export")
    assert {"serving_default", "serving_bytes"} <= set(export.signatures)
    record = json.loads((tmp_path / "export" / "1" / "assets.extra" / "parity.json").read_text())
    contents = {c["content"] for c in record["comparisons"] if c["signature"] == "serving_bytes"}
    assert {"PNG", "PNG of another size"} <= contents and any("JPEG" in content for content in contents)
    assert record["difference"] <= 1e-5
    predictor = zoo.predictor(str(tmp_path / "export"), "tensorflow")
    batch = run.data.test.head(4)
    outputs = predictor(list(zip(batch["image"], batch["question"], strict=True)))
    assert_close(outputs["probabilities"], run.predict(run.data.test)[:4])
    with pytest.raises(ValueError, match="empty or missing texts in row 1"):
        predictor([(batch["image"][0], " ")])
    served, png = LoadedModel(tmp_path / "export" / "1"), (folder / "0.png").read_bytes()
    outputs = served.predict("serving_bytes", {"image_bytes": np.array([png]), "question": np.array([b"Is it red?"])})
    assert outputs["probabilities"].shape == (1, len(run.classes))
    for files, texts, message in (
        ([png], [b" "], "^question is empty in row 1"),
        ([png[:60]], [b"Is it red?"], "^image_bytes has a broken or truncated image file"),
    ):
        with pytest.raises(RequestError, match=message):
            served.predict("serving_bytes", {"image_bytes": np.array(files), "question": np.array(texts)})


def test_a_saved_run_predicts_and_evaluates_other_answers(run, folder):
    loaded = recipes.load_run(folder / "run")
    assert_close(loaded.predict(run.data.test), run.predict(run.data.test))
    rows = [("0.png", "Is it red?", "yes", "presence"), ("0.png", "What color is it?", "pink", "color")]
    table = write_table(folder, rows, name="other.csv")
    with (
        pytest.warns(UserWarning, match="the data have no examples of blue, no, red"),
        pytest.warns(UserWarning, match="1 of 2 questions have an answer that the model was not trained on.*'pink'"),
    ):
        metrics = evaluate_run(loaded, f"questions:{table}")
    assert metrics["accuracy"] == 0.5 and metrics["by_type"]["color"]["accuracy"] == 0.0
    assert metrics["baseline"]["average_accuracy"] <= 0.5 and "question_only" not in metrics


def test_the_report_shows_questions_and_pixels(run):
    figures = TASK.figures(run, "test")
    assert [title for title, *_ in figures] == [
        "Accuracy by type of question",
        "Right answers",
        "The pixels that mattered",
    ]
    assert all(figure is not None for *_, figure in figures)


def test_one_step_of_several_questions_equals_the_whole_model(run):
    data = run.data
    encoder, head = split_at_image(run.model)
    batch, targets = next(iter(image_batches(TASK, data.validation, False, run.preprocessing)))
    repeated = {"image": batch["image"].numpy()[batch["rows"].numpy()], "question": batch["question"].numpy()}
    expected = np.asarray(run.model(repeated))
    assert_close(np.asarray(several_questions(encoder, head)(batch)), expected)
    single, _ = next(iter(question_batches(TASK, data.validation, False, run.preprocessing, encoder=encoder)))
    assert_close(np.asarray(head(single)), question_outputs(run.preprocessing, run.model, data.validation.inputs)[:8])
    assert len(targets) == len(batch["question"])


def test_each_image_is_read_once_an_epoch(run, monkeypatch):
    questions, reads = run.data.train.inputs, []
    monkeypatch.setattr(type(questions), "read_image", lambda self, i: reads.append(i) or np.zeros((8, 8, 3), "uint8"))
    for _ in range(2):
        for _ in image_batches(TASK, run.data.train, True, run.preprocessing):
            pass
    assert sorted(reads) == sorted([*range(len(questions.with_used_images().images))] * 2)


def test_a_frozen_encoder_trains_the_head_alone(folder, monkeypatch):
    weights = {}

    def load_weights(task, model, is_new):
        weights.update(
            {x.name: [w.copy() for w in x.get_weights()] for x in model.layers if x.name.startswith("block")}
        )
        return model

    monkeypatch.setattr("recipes.tasks.question_answering.load_encoder", load_weights)
    monkeypatch.setattr(zoo, "encoder_moments", lambda *_: ((127.0,) * 3, (60.0,) * 3))
    task = TASK.replace(epochs=2, encoder_weights="bundled", baselines=False)
    monkeypatch.setattr("recipes.tasks.question_answering.PRETRAINED_SIDE", 8)
    run = task.fit("rsvqa", f"questions:{folder / 'questions.csv'}", verbose=False, **SMALL)
    assert weights and "question_only" not in run.record
    for name, values in weights.items():
        for before, after in zip(values, run.model.get_layer(name).get_weights(), strict=True):
            np.testing.assert_array_equal(before, after)


def test_explanations_take_the_model_for_one_question(run):
    batch = run.preprocessing(run.data.test.head(2), training=False)
    model = fixed_question(run.model, np.asarray(batch["question"])[1])
    image = np.asarray(batch["image"])
    both = {"image": image, "question": np.repeat(np.asarray(batch["question"])[1:2], 2, axis=0)}
    assert_close(np.asarray(model(image)), np.asarray(run.model(both)))
    maps = zoo.explain.occlusion(model, image[:1], target=0)
    assert maps.shape == (1, 8, 8) and np.abs(maps).max() > 0


def test_a_model_without_image_maps_is_trained_as_it_is(folder):
    image, question = keras.Input((8, 8, 3), name="image"), keras.Input((5,), dtype="int32", name="question")
    x = keras.layers.Concatenate()([
        keras.layers.GlobalAveragePooling2D()(image), keras.layers.Flatten()(keras.layers.Embedding(20, 2)(question)),
    ])  # fmt: skip
    model = keras.Model({"image": image, "question": question}, keras.layers.Dense(4, activation="softmax")(x))
    run = TASK.replace(epochs=1).fit(model, f"questions:{folder / 'questions.csv'}", verbose=False)
    assert 0 <= run.evaluate("test")["accuracy"] <= 1


def test_what_does_not_fit_is_refused(folder):
    source = f"questions:{folder / 'questions.csv'}"
    with pytest.raises(ValueError, match="`augment` must be unset"):
        recipes.QuestionAnswering(augment=("flip",))
    with pytest.raises(ValueError, match="`vocabulary` must be 3 or more"):
        recipes.QuestionAnswering(vocabulary=2)
    with pytest.raises(ValueError, match="`model` must answer questions about images, as rsvqa does, got cnn"):
        TASK.fit("cnn", source)
    with pytest.raises(ValueError, match="`data` must be questions about images"):
        TASK.fit("rsvqa", (np.random.default_rng(0).random((40, 8, 8, 3)), np.arange(40) % 2))
    with pytest.raises(ValueError, match="the recipe for them is `question_answering`"):
        recipes.Classification().fit("cnn", source)


def test_an_answer_without_training_counts_as_wrong(run):
    changed = run.replace(record={**run.record, "untrained_answers": ["red"]})
    right = run.task.is_correct(changed, "test", run.predict_split("test"))
    answers = np.array(run.classes)[run.data.test.targets]
    np.testing.assert_array_equal(right, answers != "red")


def test_intervals_draw_images_with_all_their_questions():
    correct = np.repeat([1.0, 0.0], 50)
    by_image = question_metrics.accuracy_interval(correct, np.repeat(np.arange(10), 10), 0)
    by_question = question_metrics.accuracy_interval(correct, np.arange(100), 0)
    assert np.ptp(by_image) > 2 * np.ptp(by_question)
    assert question_metrics.accuracy_interval(correct, np.zeros(100), 0) is None


def test_the_command_explains_the_pixels_of_each_question(run, folder, tmp_path):
    from recipes.cli.explain import explain_files

    table = write_table(folder, [("0.png", "Is it red?"), ("1.png", "Is it red?")], "image,question", "explained.csv")
    out = explain_files(folder / "run", [str(table)], tmp_path / "pixels.png", examples=2)
    assert out.stat().st_size > 10_000
