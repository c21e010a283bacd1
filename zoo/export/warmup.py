"""Warm-up records: requests that TensorFlow Serving runs before it calls a version available, with their outputs."""

import typing
from pathlib import Path

FILE_NAME = "tf_serving_warmup_requests"
MAX_RECORDS = 1000  # TensorFlow Serving refuses a longer file


class Record(typing.NamedTuple):
    """One request and the outputs of the parity check."""

    signature: str
    inputs: dict  # arrays by name; strings are bytes
    outputs: dict  # arrays by name


def write_records(folder, name, records):
    """Writes `assets.extra/tf_serving_warmup_requests`, a TFRecord file of PredictionLog messages.

    Args:
        folder: `pathlib.Path` of the version.
        name: the served model's name.
        records: list of `Record`; those after the first `MAX_RECORDS` are left out.
    """
    import tensorflow as tf
    from tensorflow_serving.apis import model_pb2, predict_pb2, prediction_log_pb2

    (folder / "assets.extra").mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(folder / "assets.extra" / FILE_NAME)) as file:
        for record in records[:MAX_RECORDS]:
            spec = model_pb2.ModelSpec(name=name, signature_name=record.signature)
            inputs = {n: tf.make_tensor_proto(a) for n, a in record.inputs.items()}
            outputs = {n: tf.make_tensor_proto(a) for n, a in record.outputs.items()}
            log = prediction_log_pb2.PredictLog(
                request=predict_pb2.PredictRequest(model_spec=spec, inputs=inputs),
                response=predict_pb2.PredictResponse(model_spec=spec, outputs=outputs),
            )
            file.write(prediction_log_pb2.PredictionLog(predict_log=log).SerializeToString())


def read_records(folder):
    """Returns the warm-up records of a version in their order; an empty list where it has no such file.

    Args:
        folder: path of PATH/VERSION.
    Returns:
        List of `Record`.
    """
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    path = Path(folder) / "assets.extra" / FILE_NAME
    if not path.is_file():
        return []
    records = []
    for content in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        log = prediction_log_pb2.PredictionLog.FromString(content).predict_log
        inputs = {n: tf.make_ndarray(t) for n, t in log.request.inputs.items()}
        outputs = {n: tf.make_ndarray(t) for n, t in log.response.outputs.items()}
        records.append(Record(log.request.model_spec.signature_name, inputs, outputs))
    return records
