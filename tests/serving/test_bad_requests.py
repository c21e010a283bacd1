"""Bad requests over gRPC, and exports that break in a running server: a clear error, and the server stays up."""

import base64
import io
import json
import shutil
import struct
from pathlib import Path

import grpc
import httpx
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow.core.framework.types_pb2 import DataType
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from tests.exported_models import photos
from tests.serving.test_server import huge_png
from tests.tolerance import assert_close
from zoo.serving import Server
from zoo.serving.image_sizes import stated_pixels

DIGITS = Path(__file__).parents[2] / "saved_models" / "lenet5_mnist"
MAX_REQUEST_BYTES = 200_000


@pytest.fixture(scope="module")
def server(exports, tmp_path_factory):
    folder = tmp_path_factory.mktemp("up")
    for name in ("trees", "soil"):
        shutil.copytree(exports.folder / name / "1", folder / name / "1")
    arguments = {"rest_port": 0, "grpc_port": 0, "poll_seconds": 0, "max_request_bytes": MAX_REQUEST_BYTES}
    with Server(str(folder), **arguments) as running:
        yield running


@pytest.fixture(scope="module")
def predict(server):
    with grpc.insecure_channel(server.grpc_address.removeprefix("grpc://")) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        yield lambda request: stub.Predict(request, timeout=60)


def make_request(model, signature="", output_filter=(), **inputs):
    request = predict_pb2.PredictRequest(output_filter=output_filter)
    request.model_spec.name, request.model_spec.signature_name = model, signature
    for name, value in inputs.items():
        proto = value if isinstance(value, tf.make_tensor_proto([0]).__class__) else tf.make_tensor_proto(value)
        request.inputs[name].CopyFrom(proto)
    return request


def tensor_stating_shape(*shape, dtype="uint8", value=7):
    """A tensor of one value that states a shape; (None,) is an unknown one."""
    proto = tf.make_tensor_proto([b"GIF8"] if dtype == "bytes" else np.zeros(1, dtype), shape=[1])
    if dtype != "bytes":
        proto.ClearField("tensor_content")
        proto.int_val.append(value)
    proto.tensor_shape.Clear()
    proto.tensor_shape.unknown_rank = shape == (None,)
    for size in () if shape == (None,) else shape:
        proto.tensor_shape.dim.add(size=size)
    return proto


def png_stating(height, width):
    return huge_png().replace(struct.pack(">II", 65535, 65535), struct.pack(">II", height, width))


def truncated_tensor():
    proto = tf.make_tensor_proto(photos(1))
    proto.tensor_content = proto.tensor_content[:-5]
    return proto


PNG = tf.io.encode_png(photos(1)[0]).numpy()
BAD_REQUESTS = {
    "a wrong type": (
        make_request("trees", photo=photos(1).astype("float32")),
        'input "photo" must be uint8, got float32',
    ),
    "a wrong shape": (make_request("trees", photo=photos(1)[0]), r'"photo" must have the shape \(any, any, any, 3\)'),
    "a missing column": (
        make_request("soil", height=[[1.0]]),
        "missing input soil; the signature takes height, soil",
    ),
    "an unknown column": (
        make_request("soil", height=[[1.0]], soil=[["clay"]], siol=[[1.0]]),
        'the signature has no input "siol". Did you mean `soil`',
    ),
    "an unknown signature": (
        make_request("trees", "nope", photo=photos(1)),
        'signature "nope" does not exist; the model has',
    ),
    "an unknown output": (
        make_request("trees", output_filter=["prob"], photo=photos(1)),
        'output "prob" does not exist; expected one of classes',
    ),
    "no image": (make_request("trees", "serving_bytes", image_bytes=[b"no picture"]), "must be the content of a PNG"),
    "half an image": (make_request("trees", "serving_bytes", image_bytes=[PNG[:80]]), "Invalid PNG"),
    "a huge image": (make_request("trees", "serving_bytes", image_bytes=[huge_png()]), "at most 67108864 pixels"),
    "a huge shape": (
        make_request("trees", photo=tensor_stating_shape(10**6, 10**6, 1, 3)),
        "states 3000000000000 values",
    ),
    "too few bytes": (make_request("trees", photo=truncated_tensor()), "states 360 values, and it has 355"),
    "images repeated to fill a shape": (
        make_request("trees", photo=tensor_stating_shape(30_000, 8, 8, 3)),
        "states 5760000 values, and it has",
    ),
    "files repeated to fill a shape": (
        make_request("trees", "serving_bytes", image_bytes=tensor_stating_shape(30_000, dtype="bytes")),
        "states 30000 values, and it has 1",
    ),
    "more values than the shape": (make_request("trees", photo=tensor_stating_shape(0, 8, 8, 3)), "states 0 values"),
    "a negative size": (make_request("trees", photo=tensor_stating_shape(-1, 8, 8, 3)), "must state its whole shape"),
    "an unknown shape": (make_request("trees", photo=tensor_stating_shape(None)), "must state its whole shape"),
    "a value out of range": (make_request("trees", photo=tensor_stating_shape(1, 1, 1, 1, value=300)), "photo"),
    "thousands of files": (make_request("trees", "serving_bytes", image_bytes=[b"GIF8"] * 513), "at most 512 image"),
    "millions of pixels": (
        make_request("trees", "serving_bytes", image_bytes=[png_stating(8000, 8000)] * 5),
        "the images of a request may have at most 268435456 pixels, these state 320000000",
    ),
}
UNKNOWN_TYPES = [*DataType.values(), 9999, 60, -3]


@pytest.mark.parametrize("kind", BAD_REQUESTS)
def test_a_bad_grpc_request_has_a_clear_error_and_the_next_request_succeeds(predict, kind):
    request, message = BAD_REQUESTS[kind]
    with pytest.raises(grpc.RpcError) as caught:
        predict(request)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    with pytest.raises(ValueError, match=message):
        raise ValueError(caught.value.details())
    response = predict(make_request("trees", photo=photos(1)))
    assert response.outputs["probabilities"].tensor_shape.dim[0].size == 1


def test_each_type_that_the_signature_does_not_take_is_an_invalid_argument(predict):
    for number in UNKNOWN_TYPES:
        request = make_request("trees", photo=photos(1))
        request.inputs["photo"].dtype = number
        if number == DataType.DT_UINT8:
            continue
        with pytest.raises(grpc.RpcError) as caught:
            predict(request)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT, number
        assert 'input "photo" must be uint8, got' in caught.value.details()


def test_infinite_and_too_large_numbers_are_refused_over_both_protocols(server, predict):
    message = 'input "height" must have finite numbers that fit in 32 bits'
    for text in ("1e39", "Infinity", "-1e400"):
        body = f'{{"instances": [{{"height": [{text}], "soil": ["clay"]}}]}}'
        response = httpx.post(f"{server.rest_address}/v1/models/soil:predict", content=body)
        assert response.status_code == 400 and message in response.json()["error"], response.text
    with pytest.raises(grpc.RpcError) as caught:
        predict(make_request("soil", height=np.array([[np.inf]], "float32"), soil=np.array([["clay"]], object)))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT and message in caught.value.details()


def test_a_message_above_the_size_limit_is_refused(predict):
    with pytest.raises(grpc.RpcError) as caught:
        predict(make_request("trees", photo=np.zeros((1, 300, 300, 3), "uint8")))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert predict(make_request("trees", photo=photos(1))).outputs


DEEP = "[" * 400 + "1" + "]" * 400
BAD_JSON = {
    "an unclosed array": "[" * 90_000,
    "a deep array": '{"instances": ' + "[" * 40_000 + "]" * 40_000 + "}",
    "deep objects": '{"a":' * 20_000 + "1" + "}" * 20_000,
    "a deep array of numbers": '{"instances": [' + DEEP + "]}",
    "a deep array of files": '{"signature_name": "serving_bytes", "instances": [' + DEEP + "]}",
    "a deep array of texts": '{"signature_name": "serving_bytes", "inputs": ' + DEEP.replace("1", '"a"') + "}",
    "a surrogate as a file": r'{"signature_name": "serving_bytes", "instances": ["\ud800"]}',
    "a surrogate in base64": r'{"signature_name": "serving_bytes", "instances": [{"b64": "\udfff"}]}',
    "a surrogate as a number": r'{"instances": ["\ud800"]}',
    "a surrogate as a name": r'{"instances": [{"\ud800": 1}]}',
    "a surrogate as an input": r'{"inputs": {"\udc00": 1}}',
    "a surrogate as a signature": r'{"signature_name": "\ud800", "instances": [1]}',
    "a number of 5,000 digits": '{"instances": [' + "9" * 5000 + "]}",
    "no UTF-8": b'{"instances": ["\xff\xfe"]}',
    "a text of zero bytes": b"\0" * 50,
    "NaN for whole numbers": '{"instances": [[[[NaN, 1, 2]]]]}',
    "null": '{"instances": [null]}',
    "a number alone": "7",
}


@pytest.mark.parametrize("kind", BAD_JSON)
def test_bad_json_has_status_400(server, kind):
    url = f"{server.rest_address}/v1/models/trees:predict"
    response = httpx.post(url, content=BAD_JSON[kind], timeout=60)
    assert response.status_code == 400, response.text
    assert response.json()["error"]


BAD_COLUMNS = {
    "a null": ({"height": [[1.0], [None]]}, 'input "height" must be float32, got null; a missing number is NaN.'),
    "false": ({"height": [[1.0], [False]]}, 'input "height" must be float32, got true or false among numbers.'),
    "a number for a text": ({"soil": [["clay"], [3]]}, 'input "soil" must be strings or {"b64": ...}, got 3.'),
    "columns of other lengths": (
        {"soil": [["clay"]]},
        "all inputs must have the same number of examples, got height 2, soil 1.",
    ),
}


@pytest.mark.parametrize("kind", BAD_COLUMNS)
def test_bad_columns_are_named(server, kind):
    change, message = BAD_COLUMNS[kind]
    columns = {"height": [[1.0], [2.0]], "soil": [["clay"], ["clay"]], **change}
    response = httpx.post(f"{server.rest_address}/v1/models/soil:predict", json={"inputs": columns}, timeout=60)
    assert (response.status_code, response.json()["error"]) == (400, message)


def test_a_truncated_image_file_is_called_so(server):
    buffer = io.BytesIO()
    Image.fromarray(photos(1)[0]).save(buffer, "JPEG")
    file = {"b64": base64.b64encode(buffer.getvalue()[:-30]).decode()}
    body = {"signature_name": "serving_bytes", "instances": [file]}
    response = httpx.post(f"{server.rest_address}/v1/models/trees:predict", json=body, timeout=60)
    assert response.status_code == 400
    assert response.json()["error"].startswith("image_bytes has a broken or truncated image file: ")


def test_thousands_of_small_files_over_rest_have_status_400(server):
    files = [{"b64": base64.b64encode(b"GIF8").decode()}] * 10_000
    body = {"signature_name": "serving_bytes", "instances": files}
    response = httpx.post(f"{server.rest_address}/v1/models/trees:predict", json=body, timeout=60)
    assert (response.status_code, response.json()["error"][:40]) == (400, "a request may have at most 512 image fil")


@pytest.mark.parametrize("image", ["PNG", "JPEG", "GIF", "BMP"])
def test_the_number_of_pixels_is_read_from_the_header(image):
    buffer = io.BytesIO()
    Image.new("RGB", (21, 13)).save(buffer, image)
    assert stated_pixels(buffer.getvalue()) == 21 * 13


@pytest.mark.parametrize("version", ["9" * 5000, "9" * 19, "\u00b2", "-1"])
def test_a_version_that_is_no_number_or_too_large_is_an_error_of_the_request(server, version):
    response = httpx.get(f"{server.rest_address}/v1/models/trees/versions/{version}", timeout=60)
    assert response.status_code in (400, 404)


FILES = ["saved_model.pb", "variables/variables.index", "assets.extra/parity.json"]


@pytest.mark.parametrize("file", FILES)
def test_a_version_that_is_broken_while_the_server_runs_leaves_the_one_before_in_service(server, file):
    folder = server.store.folder / "trees"
    number = 2 + FILES.index(file)
    shutil.copytree(folder / "1", folder / str(number))
    path = folder / str(number) / file
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    server.store.refresh()
    with httpx.Client(base_url=f"{server.rest_address}/v1/models", timeout=60) as client:
        states = {s["version"]: s for s in client.get("/trees").json()["model_version_status"]}
        response = client.post("/trees:predict", json={"instances": photos(1).tolist()})
    available = file.startswith("assets.extra")  # no server reads parity.json
    assert states[str(number)]["state"] == ("AVAILABLE" if available else "END")
    assert bool(states[str(number)]["status"]["error_message"]) != available
    assert available or states["1"]["state"] == "AVAILABLE"
    assert response.status_code == 200


def test_the_saved_digits_model_predicts_from_base64_png_files_over_rest():
    golden = json.loads((DIGITS / "golden.json").read_text())
    (name,) = golden["inputs"]
    images = np.array(golden["inputs"][name], "uint8")
    files = [{"b64": base64.b64encode(tf.io.encode_png(image).numpy()).decode()} for image in images]
    with Server(str(DIGITS), rest_port=0, grpc_port=0, poll_seconds=0) as server:
        url = f"{server.rest_address}/v1/models/lenet5_mnist:predict"
        response = httpx.post(url, json={"signature_name": "serving_bytes", "instances": files}, timeout=60)
    rows = response.json()["predictions"]
    assert_close([row["probabilities"] for row in rows], golden["predictions"], rtol=golden["tolerance"])
    assert [row["classes"][0] for row in rows] == [str(np.argmax(a)) for a in golden["predictions"]]
    assert len(rows[0]["classes"]) == len(rows[0]["scores"]) == 5
