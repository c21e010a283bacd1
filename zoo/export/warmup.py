"""Warm-up records: what TensorFlow Serving replays before it calls a version available, with the answers expected."""

import typing
from pathlib import Path

NAME = "tf_serving_warmup_requests"
MOST = 1000  # TensorFlow Serving refuses a longer file


class Record(typing.NamedTuple):
    """One recorded request and what the proof expects of it."""

    signature: str
    inputs: dict  # arrays by name; strings are bytes
    answers: dict  # arrays by name


def write(folder, name, records):
    """Writes `assets.extra/tf_serving_warmup_requests`, PredictionLog TFRecords.

    Args:
        folder: `pathlib.Path` of the version.
        name: the served model's.
        records: list of `Record`.
    """
    import tensorflow as tf
    from tensorflow_serving.apis import model_pb2, predict_pb2, prediction_log_pb2

    (folder / "assets.extra").mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(folder / "assets.extra" / NAME)) as file:
        for record in records[:MOST]:
            spec = model_pb2.ModelSpec(name=name, signature_name=record.signature)
            asked = {n: tf.make_tensor_proto(a) for n, a in record.inputs.items()}
            found = {n: tf.make_tensor_proto(a) for n, a in record.answers.items()}
            log = prediction_log_pb2.PredictLog(
                request=predict_pb2.PredictRequest(model_spec=spec, inputs=asked),
                response=predict_pb2.PredictResponse(model_spec=spec, outputs=found),
            )
            file.write(prediction_log_pb2.PredictionLog(predict_log=log).SerializeToString())


def read(folder):
    """The records of a version's folder, in order; none where it has no such file.

    Args:
        folder: path of PATH/VERSION.
    Returns:
        List of `Record`.
    """
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    path = Path(folder) / "assets.extra" / NAME
    if not path.is_file():
        return []
    records = []
    for raw in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        log = prediction_log_pb2.PredictionLog.FromString(raw).predict_log
        inputs = {n: tf.make_ndarray(t) for n, t in log.request.inputs.items()}
        answers = {n: tf.make_ndarray(t) for n, t in log.response.outputs.items()}
        records.append(Record(log.request.model_spec.signature_name, inputs, answers))
    return records
