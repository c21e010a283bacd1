"""Models with signatures of their own: compared by value where outputs are reproducible, else by their range."""

import os

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import zoo
from tests.export.test_export import read_record
from tests.exported_models import run_in_process
from zoo.export import parity_check

pytestmark = pytest.mark.usefixtures("parity_check_in_process")


class Sampler(keras.Model):
    """Draws new numbers from 0 to 1 in each call."""

    def __init__(self):
        super().__init__(name="sampler")
        self.seed_generator, self.dense = keras.random.SeedGenerator(3), layers.Dense(2)
        self.build((None, 2))

    def build(self, shape):
        self.dense.build(shape)
        self.built = True

    def call(self, x):
        return self.dense(x)

    def signatures(self):
        def sample(count):
            return {"values": keras.random.uniform((count, 2), seed=self.seed_generator)}

        def seeded(count, seed):
            return tf.random.stateless_uniform((count, 2), tf.stack([seed, 0]))

        scalar = tf.TensorSpec((), "int32")
        return {
            "sample": (sample, (scalar,)),
            "seeded": (seeded, (scalar, scalar)),
            "encode": (lambda image: (self(image) * 1000, image), (tf.TensorSpec((None, 2), "float32"),)),
        }


def test_a_sampler_without_a_seed_is_checked_by_range_and_the_note_says_so(tmp_path):
    export = zoo.export(Sampler(), tmp_path)
    record = read_record(export)
    assert export.signatures == ("sample", "seeded", "encode")
    assert {c["signature"]: c["kind"] for c in record["comparisons"]} == {
        "sample": "random",
        "seeded": "exact",
        "encode": "exact",
    }
    assert [c["batch_size"] for c in record["comparisons"] if c["signature"] == "encode"] == [1, 2]
    assert record["notes"] == [
        "sample is random and takes no seed: shape, finiteness and range were checked, not values"
    ]
    assert set(record["inputs"]["seeded"]) == {"count", "seed"}
    loaded = tf.saved_model.load(export.path)
    samples = [loaded.signatures["sample"](count=tf.constant(2))["values"].numpy() for _ in range(2)]
    assert np.abs(samples[0] - samples[1]).max() > 0
    repeated = [loaded.signatures["seeded"](count=tf.constant(3), seed=tf.constant(5))["values"] for _ in range(2)]
    np.testing.assert_array_equal(*repeated)
    assert set(loaded.signatures["encode"](image=tf.ones((1, 2)))) == {"values_0", "values_1"}


@pytest.mark.parametrize(
    ("signature", "message"),
    [
        ("sample", "`values` of sample must lie between 0 and 1, got .* to "),
        ("encode", "more than the `tolerance` of 1e-05"),
    ],
)
def test_outputs_that_differ_or_are_out_of_range_are_refused(tmp_path, monkeypatch, signature, message):
    def run_with_offset(requests, path):
        outputs = run_in_process(requests, path)
        for request, arrays in zip(requests, outputs, strict=True):
            if request.signature == signature:
                arrays[next(iter(arrays))] += 1.5
        return outputs

    monkeypatch.setattr(parity_check, "run_isolated", run_with_offset)
    with pytest.raises(zoo.ExportError, match=f"export: .*{message}"):
        zoo.export(Sampler(), tmp_path / "new")
    assert os.listdir(tmp_path) == []


def test_inputs_of_a_signature_are_used_and_wrong_ones_are_named(tmp_path):
    export = zoo.export(Sampler(), tmp_path, inputs={"encode": {"image": np.ones((3, 2))}})
    assert [c["batch_size"] for c in read_record(export)["comparisons"] if c["signature"] == "encode"] == [3]
    with pytest.raises(zoo.ExportError, match="`inputs` has 'encod', which is no signature. Did you mean `encode`"):
        zoo.export(Sampler(), tmp_path, inputs={"encod": {}})
    with pytest.raises(zoo.ExportError, match="`inputs`: encode takes image, got x"):
        zoo.export(Sampler(), tmp_path, inputs={"encode": {"x": 1}})
    with pytest.raises(zoo.ExportError, match=r"`classes` must be left out for a model with `signatures\(\)`"):
        zoo.export(Sampler(), tmp_path, classes=("a", "b"))
    assert os.listdir(tmp_path) == ["1"]


def test_the_sampler_of_a_vae_passes_the_parity_check_and_is_served(tmp_path):
    export = zoo.export(zoo.vae((4, 4, 1), 2, units=(5,)), tmp_path / "vae")
    assert {"reconstruct", "encode", "decode", "sample"} == set(export.signatures)
    assert {c["kind"] for c in read_record(export)["comparisons"]} == {"exact"}
    with zoo.serving.Server(str(tmp_path), rest_port=0, grpc_port=0, poll_seconds=0) as server:
        for address in (server.rest_address, server.grpc_address):
            with zoo.serving.Client(address, "vae") as client:
                samples = client.predict({"count": 3, "seed": 1}, signature="sample")
                assert [array.shape for array in samples.values()] == [(3, 4, 4, 1)]
