"""The development server over real connections: REST paths, errors and gRPC status codes of TensorFlow Serving."""

import base64
import json
import re
import shutil
import socket
import struct
import zlib

import grpc
import httpx
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from tests.exported_models import NAMES, photos
from tests.tolerance import assert_close
from zoo.serving import Server
from zoo.serving.model_store import RequestError
from zoo.serving.rest import _to_array


@pytest.fixture(scope="module")
def server(exports):
    with Server(str(exports.folder), rest_port=0, grpc_port=0, poll_seconds=0, max_request_bytes=100_000) as running:
        yield running


@pytest.fixture(scope="module")
def rest(server):
    with httpx.Client(base_url=server.rest_address, timeout=60) as client:
        yield client


def post(rest, body, path="/v1/models/trees:predict"):
    """(status code, decoded body) of a POST request."""
    response = rest.post(path, content=body if isinstance(body, str | bytes) else json.dumps(body))
    return response.status_code, response.json()


def b64(content):
    return {"b64": base64.b64encode(content).decode()}


def png(image):
    return tf.io.encode_png(image).numpy()


def test_predictions_in_rows_and_in_columns_equal_those_of_keras(rest, exports):
    code, rows = post(rest, {"instances": photos(4).tolist()})
    assert code == 200
    assert set(rows["predictions"][0]) == {"probabilities", "classes", "scores", "skew"}
    assert_close([r["probabilities"] for r in rows["predictions"]], exports.probabilities)
    assert rows["predictions"][0]["classes"][0] == NAMES[exports.probabilities[0].argmax()]
    code, columns = post(rest, {"inputs": {"photo": photos(4).tolist()}})
    assert_close(columns["outputs"]["probabilities"], exports.probabilities)
    _, single = post(rest, {"signature_name": "features", "inputs": photos(1).tolist()})
    assert np.shape(single["outputs"]) == (1, 6)  # a single output comes without its name, as in TensorFlow Serving


def test_base64_files_are_accepted_in_rows_and_in_columns(rest, exports):
    files = [b64(png(image)) for image in photos(2)]
    _, bare = post(rest, {"signature_name": "serving_bytes", "instances": files})
    named = [{"image_bytes": file} for file in files]
    _, rows = post(rest, {"signature_name": "serving_bytes", "instances": named})
    _, columns = post(rest, {"signature_name": "serving_bytes", "inputs": {"image_bytes": files}})
    for predictions in (bare["predictions"], rows["predictions"]):
        assert_close([r["probabilities"] for r in predictions], exports.probabilities[:2])
    assert_close(columns["outputs"]["probabilities"], exports.probabilities[:2])


def test_the_columns_of_a_table_are_sent_by_name(rest):
    rows = [{"height": [100], "soil": ["clay"]}, {"height": [30.5], "soil": ["sand"]}]
    code, body = post(rest, {"instances": rows}, "/v1/models/soil:predict")
    assert code == 200 and np.shape(body["predictions"]) == (2, 1)


@pytest.mark.parametrize(
    ("request_body", "advice"),
    [
        (
            {"instances": [{"height": 150, "soil": "clay"}]},
            r'"height" .*\(any, 1\), got \(1,\); write "height": \[150\]',
        ),
        ({"instances": [{"height": [150], "soil": "clay"}]}, r'write "soil": \["clay"\]'),
        ({"inputs": {"height": [[1.5]], "soil": ["clay"]}}, r'write "soil": \[\["clay"\], \.\.\.\]'),
    ],
)
def test_a_value_of_a_column_without_brackets_is_answered_with_what_to_write(rest, request_body, advice):
    code, body = post(rest, request_body, "/v1/models/soil:predict")
    assert code == 400
    assert re.search(advice, body["error"]), body


def test_status_and_metadata_of_a_version(rest):
    assert rest.get("/v1/models/trees").json()["model_version_status"] == [
        {"version": "2", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    ]  # like TensorFlow Serving, the latest only
    body = rest.get("/v1/models/trees/versions/2/metadata").json()
    assert body["model_spec"] == {"name": "trees", "signature_name": "", "version": "2"}
    photo = body["metadata"]["signature_def"]["signature_def"]["serving_default"]["inputs"]["photo"]
    assert photo["dtype"] == "DT_UINT8"
    assert [d["size"] for d in photo["tensor_shape"]["dim"]] == ["-1", "-1", "-1", "3"]


def huge_png():
    """A PNG of a few bytes that states 65,535 x 65,535 pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 65535, 65535, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header)) + b"\0" * 40


BYTES = "serving_bytes"
BAD_BODIES = [
    ({"signature_name": BYTES, "instances": [b64(b"no picture")]}, "must be the content of a PNG, JPEG, GIF or BMP"),
    ({"signature_name": BYTES, "instances": [b64(png(photos(1)[0])[:80])]}, "Invalid PNG"),
    ({"signature_name": BYTES, "instances": [b64(huge_png())]}, "at most 67108864 pixels, this one states 4294836225"),
    ({"signature_name": BYTES, "instances": [{"b64": "?"}]}, "is not base64"),
    ({"signature_name": BYTES, "instances": [7]}, "must be strings or"),
    (
        {"signature_name": "nope", "instances": [0]},
        "does not exist; the model has features, serving_bytes, serving_default",
    ),
    ({"instances": (photos(1) / 2).tolist()}, "must be uint8, whole numbers from 0 to 255, got numbers from"),
    ({"instances": [[["a"]]]}, '"photo" must be uint8, got text'),
    ({"instances": [[[1], [2, 3]]]}, "its rows differ in length"),
    ({"instances": [[[1, 2], [3, 4]]]}, r"must have the shape \(any, any, any, 3\), got \(1, 2, 2\)"),
    ({"instances": [{"foto": 1}]}, 'the signature has no input "foto". Did you mean `photo`'),
    ({"instances": [{"photo": 1}, {"foto": 1}]}, "instance 1 must have photo like the first"),
    ({"instances": []}, "must be a list of at least one"),
    ({"nothing": 1}, 'either "instances" or "inputs"'),
    ("{", "JSON Parse error"),
    (b" " * 100_001, "at most 100000 bytes"),
]


@pytest.mark.parametrize(("body", "message"), BAD_BODIES)
def test_a_bad_request_has_status_400_and_the_next_request_succeeds(rest, body, message):
    code, response = post(rest, body)
    assert code == 400
    with pytest.raises(ValueError, match=message):
        raise ValueError(response["error"])
    assert post(rest, {"instances": photos(1).tolist()})[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "code", "message"),
    [
        ("POST", "/v1/models/tree:predict", 404, 'no model "tree". Did you mean `trees`'),
        ("POST", "/v1/models/trees/versions/7:predict", 404, 'model "trees" has no version 7'),
        ("POST", "/v1/models/trees/labels/new:predict", 404, 'has no label "new"'),
        ("GET", "/v1/models/trees/versions/x", 400, "a version must be a whole number"),
        ("GET", "/v2/health", 404, "Malformed request: GET /v2/health"),
        ("DELETE", "/v1/models/trees", 404, "Malformed request: DELETE"),
        ("POST", "/v1/models/trees:classify", 501, '":classify" is not supported'),
    ],
)
def test_unknown_paths_and_models_have_the_errors_of_tensorflow_serving(rest, method, path, code, message):
    response = rest.request(method, path, content='{"instances": [1]}')
    assert response.status_code == code
    assert message in response.json()["error"]


def test_a_missing_column_is_named(rest):
    code, body = post(rest, {"instances": [{"height": [1]}]}, "/v1/models/soil:predict")
    assert (code, body["error"]) == (400, "missing input soil; the signature takes height, soil.")


def test_grpc_uses_the_protos_and_status_codes_of_tensorflow_serving(server, exports):
    with grpc.insecure_channel(server.grpc_address.removeprefix("grpc://")) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        request = predict_pb2.PredictRequest(output_filter=["probabilities"])
        request.model_spec.name = "trees"
        request.inputs["photo"].CopyFrom(tf.make_tensor_proto(photos(4)))
        response = stub.Predict(request, timeout=60)
        assert list(response.outputs) == ["probabilities"]
        assert response.model_spec.version.value == 2
        assert_close(tf.make_ndarray(response.outputs["probabilities"]), exports.probabilities)
        request.inputs["photo"].CopyFrom(tf.make_tensor_proto(photos(4).astype("float32")))
        with pytest.raises(grpc.RpcError) as caught:
            stub.Predict(request, timeout=60)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert caught.value.details() == 'input "photo" must be uint8, got float32.'
        request.model_spec.version.value = 9
        with pytest.raises(grpc.RpcError) as caught:
            stub.Predict(request, timeout=60)
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_responses_are_sent_without_delay(server):
    assert server._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)  # else 40 ms each by REST


def test_a_folder_without_models_and_a_port_in_use_are_errors(tmp_path, server, exports):
    with pytest.raises(ValueError, match="serve: `folder` must hold NAME/VERSION/saved_model.pb"):
        Server(str(tmp_path), rest_port=0, grpc_port=0)
    shutil.copytree(exports.folder / "soil", tmp_path / "soil")
    port = int(server.rest_address.rpartition(":")[2])
    with pytest.raises(OSError, match=f"serve: cannot listen on 127.0.0.1:{port}: Address already in use"):
        Server(str(tmp_path), rest_port=port, grpc_port=0)
    with pytest.raises(OSError, match="serve: cannot listen on 192.0.2.1:0: "):
        Server(str(tmp_path), rest_port=0, grpc_port=0, host="192.0.2.1")
    port = int(server.grpc_address.rpartition(":")[2])
    with pytest.raises(OSError, match=f"serve: cannot listen on 127.0.0.1:{port}"):
        Server(str(tmp_path), rest_port=0, grpc_port=port)


def test_an_empty_list_for_a_boolean_input_is_a_bad_request():
    with pytest.raises(RequestError, match='input "mask" must be bool, got an empty list'):
        _to_array("mask", [], tf.bool.as_datatype_enum, False)
