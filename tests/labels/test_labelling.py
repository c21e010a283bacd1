"""Photos are labelled in an order that helps a model, and every label is saved."""

import html.parser
import json
import re
import urllib.error
import urllib.request

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import recipes
from recipes.data import load
from recipes.labels import photo_features as features_module
from recipes.labels.label_page import label_photos, page
from recipes.labels.labelling import Labelling

RNG = np.random.default_rng(0)


class MeanColor:
    """Features of a batch of photos: the mean of each band. It counts the photos that it reads."""

    read = 0

    def __init__(self, backbone, batch_size=32):
        pass

    def __call__(self, images):
        MeanColor.read += len(images)
        return images.mean((1, 2)).astype("float32")


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """A folder of 30 photos, dark, red and blue in turn, and one that is broken."""
    monkeypatch.setattr(features_module, "FeatureExtractor", MeanColor)
    MeanColor.read = 0
    for i in range(30):
        pixels = RNG.integers(0, 60, (6, 9, 3)) + np.array([[0, 0, 0], [180, 0, 0], [0, 0, 180]])[i % 3]
        (tmp_path / "photos" / f"day{i % 2}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype("uint8")).save(tmp_path / "photos" / f"day{i % 2}" / f"{i:02d}.png")
    (tmp_path / "photos" / "broken.jpg").write_bytes(b"\xff\xd8\xff12")
    return tmp_path / "photos"


def truth(name):
    return ("dark", "red", "blue")[int(name[-6:-4]) % 3]


def serve(photos, classes=("dark", "red", "blue"), **options):
    with pytest.warns(UserWarning, match="left out 1 photos that cannot be read"):
        return label_photos(photos, classes, photos.parent / "labels.csv", progress=False, **options)


def send(running, path, body=None, **headers):
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(running.address + path, content, headers)
    with urllib.request.urlopen(request, timeout=20) as reply:
        return json.load(reply)


def test_every_label_is_saved_and_a_session_is_continued(photos):
    with serve(photos) as running:
        state = send(running, "state")
        for count in range(1, 13):
            state = send(running, "label", {"id": state["photo"]["id"], "label": truth(state["photo"]["name"])})
            saved = pd.read_csv(photos.parent / "labels.csv")
            assert len(saved) == state["labelled"] == count and state["photos"] == 30
            assert saved["label"].tolist() == [truth(name) for name in saved["file"]]
    with serve(photos, classes=("dark",)) as running:
        state = send(running, "state")
        assert state["labelled"] == 12 and state["photo"]["name"] not in saved["file"].tolist()
        assert {c["name"]: c["count"] for c in state["classes"]} == saved["label"].value_counts().to_dict()
    assert MeanColor.read == 30  # once
    data = load(f"image_table:{photos.parent / 'labels.csv'}?target=label&images={photos}")
    assert len(data.train) + len(data.validation) + len(data.test) == 12


def test_suggestions_follow_the_labels(photos):
    with serve(photos) as running:
        session = running._server.RequestHandlerClass.session
        state = send(running, "state")
        assert state["suggestion"] is None
        for _ in range(14):
            state = send(running, "label", {"id": state["photo"]["id"], "label": truth(state["photo"]["name"])})
            session.wait()
        state = send(running, "state")
        assert state["suggestion"]["label"] == truth(state["photo"]["name"]) and state["recent"] > 0


def test_labels_are_taken_back_photos_are_skipped_and_classes_are_added(photos):
    with serve(photos) as running:
        first = send(running, "state")["photo"]
        send(running, "label", {"id": first["id"], "label": "red"})
        state = send(running, "undo", {})
        assert state["photo"] == first and state["labelled"] == 0
        assert len(pd.read_csv(photos.parent / "labels.csv")) == 0
        state = send(running, "skip", {"id": first["id"]})
        assert state["photo"] != first and state["can_undo"]
        assert send(running, "undo", {})["photo"] == first
        assert send(running, "class", {"name": " green  leaf "})["classes"][-1] == {"name": "green leaf", "count": 0}


def test_a_photo_is_sent_upright_as_a_small_jpeg(photos):
    exif = Image.Exif()
    exif[274] = 6  # turned by 90 degrees
    Image.new("RGB", (2000, 1000)).save(photos / "day0" / "00.jpg", exif=exif)
    with serve(photos) as running:
        session = running._server.RequestHandlerClass.session
        index = session.names.index("day0/00.jpg")
        with urllib.request.urlopen(f"{running.address}photo/{index}", timeout=20) as reply:
            assert reply.headers["Content-Type"] == "image/jpeg"
            assert Image.open(reply).size == (512, 1024)


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("label", {"id": 99, "label": "red"}, "`id` must be a photo from 0 to 29, got 99"),
        ("label", {"id": "0", "label": "red"}, "`id` must be a photo"),
        ("label", {"id": 0, "label": "green"}, "`label` must be one of dark, red, blue, got 'green'"),
        ("undo", {}, "no label to take back"),
        ("class", {"name": "red"}, "the class 'red' exists"),
        ("class", {"name": ""}, "a name of 1 to 80 characters"),
        ("class", {"name": "a\u202eb"}, "a name of 1 to 80 characters"),
        ("label", [1], "must be a JSON object"),
    ],
)
def test_wrong_requests_are_refused_with_a_sentence(photos, path, body, message):
    with serve(photos) as running, pytest.raises(urllib.error.HTTPError) as error:
        send(running, path, body)
    with error.value as reply:
        assert reply.code == 400 and message in json.load(reply)["error"]


def test_pages_of_other_origins_cannot_send_labels(photos):
    with serve(photos) as running:
        for headers in ({"Origin": "http://example.org"}, {"Host": "example.org"}):
            with pytest.raises(urllib.error.HTTPError) as error:
                send(running, "label", {"id": 0, "label": "red"}, **headers)
            with error.value as reply:
                assert reply.code == 403
        assert send(running, "state")["labelled"] == 0
        origin = {"Origin": running.address.rstrip("/")}
        assert send(running, "label", {"id": 0, "label": "red"}, **origin)["labelled"] == 1


def test_the_page_loads_nothing_from_other_hosts():
    assert not re.search(r"https?://|@import|url\(", page())

    class IdParser(html.parser.HTMLParser):
        ids = ()

        def handle_starttag(self, tag, attributes):
            self.ids += tuple((tag, value) for key, value in attributes if key == "id")

    parser = IdParser()
    parser.feed(page())
    assert {("img", "photo"), ("ul", "classes"), ("button", "skip"), ("button", "undo")} < set(parser.ids)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("file,label\nnowhere.png,red\n", "must name photos below .*, got nowhere.png"),
        ("name,label\n00.png,red\n", "must have the columns file, label, got name, label"),
    ],
)
def test_another_table_is_not_overwritten(photos, content, message):
    (photos.parent / "labels.csv").write_text(content)
    with pytest.raises(ValueError, match=message):
        label_photos(photos, ("red",), photos.parent / "labels.csv", progress=False)
    assert (photos.parent / "labels.csv").read_text() == content


def test_a_folder_without_photos_is_refused(photos, tmp_path):
    (tmp_path / "empty").mkdir()
    for folder, message in ((tmp_path / "empty", "must have photos"), (tmp_path / "away", "does not exist")):
        with pytest.raises(ValueError, match=message):
            label_photos(folder, ("red",), tmp_path / "labels.csv")


def test_a_sample_of_a_large_folder_has_the_labelled_photos(photos):
    (photos.parent / "labels.csv").write_text("file,label\nday0/28.png,red\n")
    with label_photos(photos, ("dark",), photos.parent / "labels.csv", sample=8, progress=False, seed=1) as running:
        state = send(running, "state")
    assert state["labelled"] == 1 and 8 <= state["photos"] <= 9


def test_the_next_examples_are_uncertain_and_differ():
    centers = np.array([[-4.0, 0], [4, 0]])
    certain = np.repeat(centers, 100, axis=0) + 0.3 * RNG.normal(size=(200, 2))
    unsure = np.stack([np.zeros(40), np.linspace(-3, 3, 40)], axis=1) + 0.1 * RNG.normal(size=(40, 2))
    features = np.concatenate([certain, unsure])
    indices = np.array([0, 1, 2, 100, 101, 102])
    indices_to_label = recipes.choose_to_label(features, indices, np.array(["a"] * 3 + ["b"] * 3), count=4)
    assert len(set(indices_to_label)) == 4 and (indices_to_label >= 200).all()
    assert np.ptp(features[indices_to_label, 1]) > 3
    first = recipes.choose_to_label(features, np.array([], int), np.array([]), count=3)
    assert len(set(first)) == 3 and len({tuple(np.sign(features[i, :1].round())) for i in first}) > 1
    with pytest.raises(ValueError, match="`indices` must be examples from 0 to 239"):
        recipes.choose_to_label(features, np.array([240]), np.array(["a"]))


def test_all_photos_can_be_labelled(tmp_path):
    features = RNG.normal(size=(8, 3)).astype("float32")
    session = Labelling(tmp_path, [tmp_path / f"{i}.png" for i in range(8)], features, ("a", "b"), tmp_path / "l.csv")
    for i in range(8):
        session.label(session.state()["photo"]["id"], "ab"[i % 2])
        session.wait()
    assert session.state()["photo"] is None and len(set(session.labels)) == 8
