"""Warm-up records: TensorFlow Serving's own format, with the requests of the parity check."""

import json

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from tests.exported_models import photos
from tests.tolerance import assert_close
from zoo.export import warmup


def test_the_records_are_prediction_logs_of_every_signature_for_one_example_and_for_all(exports):
    file = exports.folder / "trees" / "1" / "assets.extra" / "tf_serving_warmup_requests"
    logs = [prediction_log_pb2.PredictionLog.FromString(r.numpy()) for r in tf.data.TFRecordDataset(str(file))]
    assert {log.WhichOneof("log_type") for log in logs} == {"predict_log"}
    assert {log.predict_log.request.model_spec.name for log in logs} == {"trees"}
    record = json.loads((file.parent / "parity.json").read_text())
    signatures = [(log.predict_log.request.model_spec.signature_name) for log in logs]
    assert signatures == [c["signature"] for c in record["comparisons"]]
    assert set(signatures) == {"serving_default", "serving_bytes", "features"}
    for log, expected in zip(logs[:2], (photos(4)[:1], photos(4)), strict=True):
        np.testing.assert_array_equal(tf.make_ndarray(log.predict_log.request.inputs["photo"]), expected)


def test_the_model_gives_the_outputs_of_the_records(exports):
    for name in ("trees", "soil"):
        model = tf.saved_model.load(str(exports.folder / name / "1"))
        records = warmup.read_records(exports.folder / name / "1")
        assert len(records) >= 2
        for record in records:
            tensors = {n: tf.constant(a) for n, a in record.inputs.items()}
            outputs = model.signatures[record.signature](**tensors)
            assert set(outputs) == set(record.outputs)
            for output, expected in record.outputs.items():
                if expected.dtype == object:
                    assert outputs[output].numpy().tolist() == expected.tolist()
                else:
                    assert_close(outputs[output], expected)


def test_a_folder_without_a_warmup_file_has_no_records(tmp_path):
    assert warmup.read_records(tmp_path) == []
