"""Models with signatures of their own: compared where they answer the same twice, else checked for plausibility."""

import json
import os
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import zoo
from tests.serving.conftest import here
from zoo.export import parity_check

pytestmark = pytest.mark.usefixtures("quick")


class Sampler(keras.Model):
    """Draws numbers from 0 to 1 anew each time; `scale` is what an export's answers are multiplied with."""

    scale = 1.0

    def __init__(self):
        super().__init__(name="sampler")
        self.draw, self.dense = keras.random.SeedGenerator(3), layers.Dense(2)
        self.build((None, 2))

    def build(self, shape):
        self.dense.build(shape)
        self.built = True

    def call(self, x):
        return self.dense(x)

    def signatures(self):
        def sample(count):
            return {"values": keras.random.uniform((count, 2), seed=self.draw) * self.scale}

        def seeded(count, seed):
            return tf.random.stateless_uniform((count, 2), tf.stack([seed, 0])) * self.scale

        scalar = tf.TensorSpec((), "int32")
        return {
            "sample": (sample, (scalar,)),
            "seeded": (seeded, (scalar, scalar)),
            "encode": (lambda image: (self(image) * 1000 * self.scale, image), (tf.TensorSpec((None, 2), "float32"),)),
        }


def told(found):
    return json.loads((Path(found.path) / "assets.extra" / "parity.json").read_text())


def test_a_sampler_without_a_seed_is_checked_and_the_note_says_so(tmp_path):
    found = zoo.export(Sampler(), tmp_path)
    record = told(found)
    assert found.signatures == ("sample", "seeded", "encode")
    assert {c["signature"]: c["kind"] for c in record["compared"]} == {
        "sample": "random",
        "seeded": "exact",
        "encode": "exact",
    }
    assert [c["batch"] for c in record["compared"] if c["signature"] == "encode"] == [1, 2]
    (note,) = record["notes"]
    assert (
        note == "sample answers anew each time and takes no seed: shape, finiteness and range were checked, no values"
    )
    assert set(record["inputs"]["seeded"]) == {"count", "seed"}
    loaded = tf.saved_model.load(found.path)
    drawn = [loaded.signatures["sample"](count=tf.constant(2))["values"].numpy() for _ in range(2)]
    assert np.abs(drawn[0] - drawn[1]).max() > 0
    same = [loaded.signatures["seeded"](count=tf.constant(3), seed=tf.constant(5))["values"] for _ in range(2)]
    np.testing.assert_array_equal(*same)
    assert set(loaded.signatures["encode"](image=tf.ones((1, 2)))) == {"values_0", "values_1"}


@pytest.mark.parametrize(
    ("signature", "message"),
    [("sample", "sample answers `values` from .* not 0 to 1"), ("encode", "more than the `tolerance` of 1e-05")],
)
def test_what_is_neither_equal_nor_plausible_is_refused(tmp_path, monkeypatch, signature, message):
    def wrong(asked, exported):
        answers = here(asked, exported)
        for request, answer in zip(asked, answers, strict=True):
            if request.signature == signature:
                answer[next(iter(answer))] += 1.5
        return answers

    monkeypatch.setattr(parity_check, "replayed", wrong)
    with pytest.raises(zoo.ExportError, match=f"export: .*{message}"):
        zoo.export(Sampler(), tmp_path / "new")
    assert os.listdir(tmp_path) == []


def test_what_is_given_is_asked_and_what_does_not_suit_is_named(tmp_path):
    asked = {"encode": {"image": np.ones((3, 2))}}
    found = zoo.export(Sampler(), tmp_path, inputs=asked)
    assert [c["batch"] for c in told(found)["compared"] if c["signature"] == "encode"] == [3]
    with pytest.raises(zoo.ExportError, match="`inputs` has 'encod', which is no signature. Did you mean `encode`"):
        zoo.export(Sampler(), tmp_path, inputs={"encod": {}})
    with pytest.raises(zoo.ExportError, match="`inputs`: encode takes image, got x"):
        zoo.export(Sampler(), tmp_path, inputs={"encode": {"x": 1}})
    with pytest.raises(zoo.ExportError, match=r"`classes` is not for a model with `signatures\(\)`"):
        zoo.export(Sampler(), tmp_path, classes=("a", "b"))
    assert os.listdir(tmp_path) == ["1"]


def test_the_vaes_sampler_is_proved_and_served(tmp_path):
    found = zoo.export(zoo.vae((4, 4, 1), 2, units=(5,)), tmp_path / "vae")
    assert {"reconstruct", "encode", "decode", "sample"} == set(found.signatures)
    assert {c["kind"] for c in told(found)["compared"]} == {"exact"}
    with zoo.serving.Server(str(tmp_path), rest_port=0, grpc_port=0, poll_seconds=0) as server:
        for address in (server.rest_address, server.grpc_address):
            with zoo.serving.Client(address, "vae") as client:
                drawn = client.predict({"count": 3, "seed": 1}, signature="sample")
                assert [a.shape for a in drawn.values()] == [(3, 4, 4, 1)]
