"""What a user looks at first: a batch of the data, the learning curves, the worst mistakes, a run in a notebook."""

import numpy as np
import pytest

import recipes

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def run():
    images = RNG.integers(0, 256, (60, 8, 8, 3)).astype("uint8")
    labels = np.array(["oak", "<b>ash</b>"])[RNG.integers(0, 2, 60)]  # noise, so that some predictions are wrong
    task = recipes.Classification(epochs=1, report_examples=0)
    return recipes.fit(task, "cnn", recipes.read_arrays((images, labels)), verbose=False)


def texts(figure):
    return [figure.get_suptitle(), *(ax.get_title() for ax in figure.axes)]


def test_a_batch_is_shown_with_its_classes(run):
    titles = texts(recipes.show_batch(run.data))
    assert set(titles[1:]) <= {"oak", "<b>ash</b>", ""} and len(titles) > 8
    with pytest.raises(ValueError, match="there is no folder nowhere"):
        recipes.show_batch("folder:nowhere")


def test_learning_curves_are_a_figure(run):
    assert [ax.get_title() for ax in run.plot().axes] == ["accuracy", "loss"]
    with pytest.raises(ValueError, match="plot: the run must have the history"):
        run.replace(history={}).plot()


def test_the_most_confident_mistakes_are_shown_first(run):
    probabilities, targets = run.predict_split("train"), run.data.train.targets
    wrong = np.flatnonzero(probabilities.argmax(1) != targets)
    titles = texts(run.show_errors("train", count=3))
    assert titles[0].startswith(f"{len(wrong)} of {len(targets)} train images are wrong")
    first = wrong[probabilities[wrong].max(1).argmax()]
    names = run.data.classes
    expected = f"{names[probabilities[first].argmax()]} {probabilities[first].max():.0%}, is {names[targets[first]]}"
    assert titles[1] == expected[:25] + "..." * (len(expected) > 28) or titles[1] == expected


def test_only_images_with_mistakes_can_be_shown(run):
    table = recipes.read_arrays((RNG.normal(size=(40, 2)), np.arange(40) % 2))
    with pytest.raises(ValueError, match="must be a classification of images, got classification of vector data"):
        run.replace(data=table).show_errors()
    right = run.replace()
    right._predicted["test"] = np.eye(2)[run.data.test.targets]
    with pytest.raises(ValueError, match="a prediction must be wrong, got 9 of the test split, all right"):
        right.show_errors()


def test_a_notebook_shows_a_run_without_computing_anything(run):
    fresh = run.replace(data=run.data, record={**run.record, "model": "<script>"})
    html = fresh._repr_html_()
    assert "&lt;script&gt;" in html and "<script>" not in html and "Not evaluated yet" in html and not fresh.evaluated
    fresh.evaluate("test")
    html = fresh._repr_html_()
    assert "<th>test</th><th>model</th><th>baseline</th>" in html and "<td>accuracy</td>" in html
