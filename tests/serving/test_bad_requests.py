"""Bad requests over gRPC, broken exports in a running server: a clear error each time, and the next is answered."""

import base64
import json
import shutil
from pathlib import Path

import grpc
import httpx
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from tests.serving.conftest import photos
from tests.serving.test_server import bomb
from zoo.serving import Server

DEMO = Path(__file__).parents[2] / "saved_models" / "lenet5_mnist"
LARGEST = 200_000  # bytes of a request


@pytest.fixture(scope="module")
def server(shelf, tmp_path_factory):
    folder = tmp_path_factory.mktemp("up")
    for name in ("trees", "soil"):
        shutil.copytree(shelf.folder / name / "1", folder / name / "1")
    with Server(str(folder), rest_port=0, grpc_port=0, poll_seconds=0, max_request_bytes=LARGEST) as running:
        yield running


@pytest.fixture(scope="module")
def predict(server):
    with grpc.insecure_channel(server.grpc_address.removeprefix("grpc://")) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        yield lambda request: stub.Predict(request, timeout=60)


def request(model, signature="", only=(), **inputs):
    made = predict_pb2.PredictRequest(output_filter=only)
    made.model_spec.name, made.model_spec.signature_name = model, signature
    for name, value in inputs.items():
        proto = value if isinstance(value, tf.make_tensor_proto([0]).__class__) else tf.make_tensor_proto(value)
        made.inputs[name].CopyFrom(proto)
    return made


def claiming(*shape, dtype="uint8"):
    """A tensor of a few bytes that states a shape."""
    found = tf.make_tensor_proto(np.zeros(1, dtype), shape=[1])
    found.ClearField("tensor_content")
    found.int_val.append(7)
    found.tensor_shape.CopyFrom(tf.TensorShape(shape).as_proto())
    return found


def short():
    found = tf.make_tensor_proto(photos(1))
    found.tensor_content = found.tensor_content[:-5]
    return found


PNG = tf.io.encode_png(photos(1)[0]).numpy()
WRONG = {
    "a wrong type": (request("trees", photo=photos(1).astype("float32")), 'input "photo" must be uint8, got float32'),
    "a wrong shape": (request("trees", photo=photos(1)[0]), r'"photo" must have the shape \(any, any, any, 3\)'),
    "a missing column": (request("soil", height=[[1.0]]), "missing input soil; the signature takes height, soil"),
    "another column": (
        request("soil", height=[[1.0]], soil=[["clay"]], siol=[[1.0]]),
        'input "siol" is not taken. Did you mean `soil`',
    ),
    "an unknown signature": (request("trees", "nope", photo=photos(1)), 'signature "nope" is not there; the model has'),
    "an unknown output": (request("trees", only=["prob"], photo=photos(1)), 'output "prob" is not there'),
    "no image": (request("trees", "serving_bytes", image_bytes=[b"no picture"]), "must be the content of a PNG"),
    "half an image": (request("trees", "serving_bytes", image_bytes=[PNG[:80]]), "Invalid PNG"),
    "a huge image": (request("trees", "serving_bytes", image_bytes=[bomb()]), "at most 67108864 pixels"),
    "a huge claim": (request("trees", photo=claiming(10**6, 10**6, 1, 3)), "states 3000000000000 values"),
    "too few bytes": (request("trees", photo=short()), "cannot be read"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_grpc_answers_with_a_clear_error_and_goes_on(predict, kind):
    asked, message = WRONG[kind]
    with pytest.raises(grpc.RpcError) as caught:
        predict(asked)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    with pytest.raises(ValueError, match=message):
        raise ValueError(caught.value.details())
    assert predict(request("trees", photo=photos(1))).outputs["probabilities"].tensor_shape.dim[0].size == 1


def test_a_message_that_is_too_large_is_refused_by_size(predict):
    with pytest.raises(grpc.RpcError) as caught:
        predict(request("trees", photo=np.zeros((1, 300, 300, 3), "uint8")))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert predict(request("trees", photo=photos(1))).outputs


@pytest.mark.parametrize("body", ["[" * 90_000, '{"instances": ' + "[" * 40_000 + "]" * 40_000 + "}"])
def test_json_that_nests_without_end_is_a_parse_error(server, body):
    reply = httpx.post(f"{server.rest_address}/v1/models/trees:predict", content=body, timeout=60)
    assert reply.status_code == 400
    assert "JSON Parse error" in reply.json()["error"]


@pytest.mark.parametrize("lost", ["saved_model.pb", "variables/variables.index", "assets.extra/parity.json"])
def test_an_export_that_breaks_while_the_server_is_up_leaves_the_last_good_one(server, lost):
    folder = server.shelf.folder / "trees"
    number = 2 + ["saved_model.pb", "variables/variables.index", "assets.extra/parity.json"].index(lost)
    shutil.copytree(folder / "1", folder / str(number))
    file = folder / str(number) / lost
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    server.shelf.look()
    with httpx.Client(base_url=f"{server.rest_address}/v1/models", timeout=60) as client:
        states = {s["version"]: s for s in client.get("/trees").json()["model_version_status"]}
        asked = client.post("/trees:predict", json={"instances": photos(1).tolist()})
    served = lost.startswith("assets.extra")  # which no server reads
    assert states[str(number)]["state"] == ("AVAILABLE" if served else "END")
    assert bool(states[str(number)]["status"]["error_message"]) != served
    assert served or states["1"]["state"] == "AVAILABLE"
    assert asked.status_code == 200


def test_the_demos_model_answers_a_base64_png_over_rest():
    golden = json.loads((DEMO / "golden.json").read_text())
    (name,) = golden["inputs"]
    images = np.array(golden["inputs"][name], "uint8")
    files = [{"b64": base64.b64encode(tf.io.encode_png(image).numpy()).decode()} for image in images]
    with Server(str(DEMO), rest_port=0, grpc_port=0, poll_seconds=0) as server:
        place = f"{server.rest_address}/v1/models/lenet5_mnist:predict"
        reply = httpx.post(place, json={"signature_name": "serving_bytes", "instances": files}, timeout=60)
    found = reply.json()["predictions"]
    np.testing.assert_allclose([one["probabilities"] for one in found], golden["predictions"], atol=golden["tolerance"])
    assert [one["classes"][0] for one in found] == [str(np.argmax(a)) for a in golden["predictions"]]
    assert len(found[0]["classes"]) == len(found[0]["scores"]) == 5
