"""TensorFlow Serving's two protocols, from the asking side: REST with httpx, gRPC with that project's own protos."""

import base64
import json

import numpy as np

_CODES = {
    400: "INVALID_ARGUMENT",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
}


class Failed(Exception):
    """A request that was not answered; `code` is gRPC's name for why."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class Rest:
    """/v1/models/NAME on one kept connection."""

    def __init__(self, address, model, version, label, timeout):
        import httpx

        place = f"/versions/{version}" if version else f"/labels/{label}" if label else ""
        self._path = f"/v1/models/{model}{place}"
        self._client = httpx.Client(base_url=address, timeout=timeout)

    def close(self):
        self._client.close()

    def _ask(self, method, path, **content):
        import httpx

        try:
            reply = self._client.request(method, path, **content)
        except httpx.TimeoutException as error:
            raise Failed("DEADLINE_EXCEEDED", f"no answer in time: {error}") from None
        except httpx.TransportError as error:
            raise Failed("UNAVAILABLE", f"{self._client.base_url} is not reached: {error}") from None
        try:
            told = json.loads(reply.content)
        except ValueError:
            told = {"error": reply.text[:200]}
        if reply.status_code != 200:
            message = told.get("error", "") if isinstance(told, dict) else str(told)
            raise Failed(_CODES.get(reply.status_code, "INTERNAL"), message)
        return told

    def status(self):
        told = self._ask("GET", self._path)
        return {int(s["version"]): s["state"] for s in told["model_version_status"]}

    def metadata(self):
        import tensorflow as tf
        from tensorflow.core.framework import types_pb2

        def side(infos):
            types = {n: tf.as_dtype(types_pb2.DataType.Value(i["dtype"])).name for n, i in infos.items()}
            return {n: (types[n], _sizes(i.get("tensor_shape", {}))) for n, i in infos.items()}

        told = self._ask("GET", f"{self._path}/metadata")["metadata"]["signature_def"]["signature_def"]
        return {
            n: {"inputs": side(d["inputs"]), "outputs": side(d["outputs"])}
            for n, d in told.items()
            if d.get("method_name")  # not the initialiser
        }

    def predict(self, signature, arrays, outputs):
        inputs = {n: _json(a) for n, a in arrays.items()}
        asked = {"signature_name": signature, "inputs": inputs}
        found = self._ask("POST", f"{self._path}:predict", content=json.dumps(asked))["outputs"]
        if len(outputs) == 1:  # a single answer comes without its name
            found = {next(iter(outputs)): found}
        return {n: _array(found[n], taken.dtype) for n, taken in outputs.items()}


def _sizes(shape):
    if shape.get("unknown_rank"):
        return None
    return tuple(None if int(d["size"]) < 0 else int(d["size"]) for d in shape.get("dim", []))


def _json(found):
    """An array as JSON's lists, bytes as base64."""
    if found.dtype.kind not in "OS":
        return found.tolist()
    if found.ndim:
        return [_json(np.asarray(f, object)) for f in found]
    return {"b64": base64.b64encode(found.item()).decode()}


def _array(values, dtype):
    if dtype != "string":
        return np.asarray(values, dtype)
    return np.asarray(_unwrapped(values), object)


def _unwrapped(values):
    if isinstance(values, list):
        return [_unwrapped(v) for v in values]
    return base64.b64decode(values["b64"]) if isinstance(values, dict) else values


class Grpc:
    """PredictionService and ModelService on one channel."""

    def __init__(self, address, model, version, label, timeout):
        import grpc
        from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

        unlimited = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        self._channel = grpc.insecure_channel(address.removeprefix("grpc://"), options=unlimited)
        self._prediction = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self._models = model_service_pb2_grpc.ModelServiceStub(self._channel)
        self._which, self._timeout = (model, version, label), timeout

    def close(self):
        self._channel.close()

    def _spec(self, signature=""):
        from tensorflow_serving.apis import model_pb2

        model, version, label = self._which
        spec = model_pb2.ModelSpec(name=model, signature_name=signature)
        if version:
            spec.version.value = version
        if label:
            spec.version_label = label
        return spec

    def _ask(self, method, request):
        import grpc

        try:
            return method(request, timeout=self._timeout)
        except grpc.RpcError as error:
            raise Failed(error.code().name, error.details()) from None

    def status(self):
        from tensorflow_serving.apis import get_model_status_pb2

        request = get_model_status_pb2.GetModelStatusRequest(model_spec=self._spec())
        told = self._ask(self._models.GetModelStatus, request).model_version_status
        return {s.version: get_model_status_pb2.ModelVersionStatus.State.Name(s.state) for s in told}

    def metadata(self):
        import tensorflow as tf
        from tensorflow_serving.apis import get_model_metadata_pb2

        request = get_model_metadata_pb2.GetModelMetadataRequest(model_spec=self._spec())
        request.metadata_field.append("signature_def")
        told = get_model_metadata_pb2.SignatureDefMap()
        self._ask(self._prediction.GetModelMetadata, request).metadata["signature_def"].Unpack(told)

        def side(infos):
            shapes = {n: tf.TensorShape(i.tensor_shape) for n, i in infos.items()}
            return {
                n: (tf.as_dtype(i.dtype).name, None if shapes[n].rank is None else tuple(shapes[n].as_list()))
                for n, i in infos.items()
            }

        return {
            n: {"inputs": side(d.inputs), "outputs": side(d.outputs)}
            for n, d in told.signature_def.items()
            if d.method_name
        }

    def predict(self, signature, arrays, outputs):
        import tensorflow as tf
        from tensorflow_serving.apis import predict_pb2

        inputs = {n: tf.make_tensor_proto(a) for n, a in arrays.items()}
        request = predict_pb2.PredictRequest(model_spec=self._spec(signature), inputs=inputs)
        found = self._ask(self._prediction.Predict, request).outputs
        return {n: tf.make_ndarray(found[n]) for n in outputs}
