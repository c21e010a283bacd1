"""Warm-up records: TensorFlow Serving's own format, made from the proof's inputs."""

import json

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from tests.serving.conftest import photos
from tests.tolerance import assert_close
from zoo.export import warmup


def test_the_records_are_prediction_logs_of_every_signature_for_one_and_for_all(shelf):
    file = shelf.folder / "trees" / "1" / "assets.extra" / "tf_serving_warmup_requests"
    raw = [prediction_log_pb2.PredictionLog.FromString(r.numpy()) for r in tf.data.TFRecordDataset(str(file))]
    assert {log.WhichOneof("log_type") for log in raw} == {"predict_log"}
    assert {log.predict_log.request.model_spec.name for log in raw} == {"trees"}
    told = json.loads((file.parent / "parity.json").read_text())
    asked = [(log.predict_log.request.model_spec.signature_name) for log in raw]
    assert asked == [c["signature"] for c in told["compared"]]
    assert set(asked) == {"serving_default", "serving_bytes", "features"}
    first, every = raw[:2]
    for log, wanted in ((first, photos(4)[:1]), (every, photos(4))):
        np.testing.assert_array_equal(tf.make_ndarray(log.predict_log.request.inputs["photo"]), wanted)


def test_replayed_they_get_the_answers_that_they_hold(shelf):
    for name in ("trees", "soil"):
        model = tf.saved_model.load(str(shelf.folder / name / "1"))
        records = warmup.read(shelf.folder / name / "1")
        assert len(records) >= 2
        for record in records:
            given = {n: tf.constant(a) for n, a in record.inputs.items()}
            found = model.signatures[record.signature](**given)
            assert set(found) == set(record.answers)
            for output, answer in record.answers.items():
                if answer.dtype == object:
                    assert found[output].numpy().tolist() == answer.tolist()
                else:
                    assert_close(found[output], answer)


def test_a_folder_without_records_has_none(tmp_path):
    assert warmup.read(tmp_path) == []
