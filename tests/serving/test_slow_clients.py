"""Clients that send slowly or never, and the end of a server: the requests of the others get their responses."""

import contextlib
import os
import shutil
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import httpx
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from tests.exported_models import photos
from zoo.serving import Server
from zoo.serving.model_store import LoadedModel, RequestQueue

CLIENTS = 80  # more than the workers and the queue have room for
BODY = {"instances": photos(1).tolist()}
REQUESTS = {
    "nothing": b"",
    "half a head": b"POST /v1/models/trees:predict HTTP/1.1\r\nHost: a\r\n",
    "no body": b"POST /v1/models/trees:predict HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\n",
    "half a body": b'POST /v1/models/trees:predict HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\n{"inst',
    "half a chunk": b"POST /v1/models/trees:predict HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{",
    "half a head after a request": b"GET /v1/models/trees HTTP/1.1\r\nHost: a\r\n\r\nGET /v1/mod",
    "half a body for an unknown path": b"POST /v2 HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\n{",
}


@pytest.fixture(scope="module")
def folder(exports, tmp_path_factory):
    folder = tmp_path_factory.mktemp("slow")
    shutil.copytree(exports.folder / "trees" / "1", folder / "trees" / "1")
    return str(folder)


def start(folder, **arguments):
    return Server(folder, rest_port=0, grpc_port=0, poll_seconds=0, **arguments)


def connect(server):
    host, port = server.rest_address.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=60)


def predict_over_grpc(channel):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "trees"
    request.inputs["photo"].CopyFrom(tf.make_tensor_proto(photos(1)))
    return prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout=60)


def grpc_channel(server):
    return grpc.insecure_channel(server.grpc_address.removeprefix("grpc://"))


def test_slow_clients_over_rest_leave_the_others_their_places(folder):
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(start(folder, workers=1, queue=4, drain_timeout=0))
        for i in range(CLIENTS):
            connection = stack.enter_context(connect(server))
            connection.sendall(list(REQUESTS.values())[i % len(REQUESTS)])
        assert httpx.post(f"{server.rest_address}/v1/models/trees:predict", json=BODY, timeout=60).status_code == 200


@pytest.fixture(scope="module")
def impatient_server(folder):
    with start(folder, read_timeout=0.2) as server:
        yield server


@pytest.mark.parametrize("kind", REQUESTS)
def test_a_client_that_does_not_finish_its_request_is_disconnected(impatient_server, kind):
    with connect(impatient_server) as connection:
        connection.sendall(REQUESTS[kind])
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while chunk := connection.recv(65536):  # ends where the server closes the connection
                received += chunk
    timed_out = b"408" in received and b"must arrive within 0.2 seconds" in received
    assert timed_out == (kind in ("no body", "half a body", "half a chunk"))


def test_slow_clients_over_grpc_leave_the_others_their_places(folder):
    ended = threading.Event()

    def never():
        ended.wait()
        yield b""

    with start(folder, workers=1, queue=4, drain_timeout=0) as server, grpc_channel(server) as channel:
        call = channel.stream_unary("/tensorflow.serving.PredictionService/Predict")
        slow = [call.future(never()) for _ in range(CLIENTS)]
        with grpc_channel(server) as other:
            assert predict_over_grpc(other).outputs
        ended.set()
        assert len(slow) == CLIENTS


@pytest.fixture
def gate(monkeypatch):
    """Predictions wait for this event."""
    gate, predict = threading.Event(), LoadedModel.predict

    def predict_later(*arguments):
        assert gate.wait(60)
        return predict(*arguments)

    yield gate, lambda: monkeypatch.setattr(LoadedModel, "predict", predict_later)
    gate.set()


def wait_until(condition):
    for _ in range(600):
        if condition():
            return
        threading.Event().wait(0.02)
    raise AssertionError("the condition does not hold after 12 s")


def is_refused(server):
    try:
        connect(server).close()
    except OSError:
        return True
    return False


def test_a_server_that_ends_responds_to_the_requests_in_progress_and_refuses_new_ones(folder, gate, monkeypatch):
    gate, close_gate = gate
    entered = []
    enter = RequestQueue.__enter__
    monkeypatch.setattr(RequestQueue, "__enter__", lambda self: entered.append(enter(self)))
    with ThreadPoolExecutor(30) as threads, contextlib.ExitStack() as stack:
        server = stack.enter_context(start(folder))
        close_gate()
        channel = stack.enter_context(grpc_channel(server))
        url = f"{server.rest_address}/v1/models/trees:predict"
        rest = [threads.submit(httpx.post, url, json=BODY, timeout=60) for _ in range(12)]
        rpc = [threads.submit(predict_over_grpc, channel) for _ in range(12)]
        wait_until(lambda: len(entered) == 24)
        end = threads.submit(server.__exit__, None, None, None)
        wait_until(lambda: is_refused(server))
        assert not any(future.done() for future in (*rest, *rpc, end))
        with pytest.raises(grpc.RpcError), grpc_channel(server) as other:
            predict_over_grpc(other)
        gate.set()
        assert [future.result(60).status_code for future in rest] == [200] * 12
        assert all(future.result(60).outputs for future in rpc)
        end.result(60)
        stack.pop_all()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_wait_returns_after_a_signal_and_restores_the_handlers(folder, number):
    before = signal.getsignal(number)
    with start(folder) as server:
        threading.Timer(0.1, os.kill, (os.getpid(), number)).start()
        server.wait()
        assert signal.getsignal(number) is before
