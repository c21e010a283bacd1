"""The client's side of TensorFlow Serving's two protocols: REST with httpx, and gRPC with its own protos."""

import base64
import json

import numpy as np

GRPC_CODES = {
    400: "INVALID_ARGUMENT",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
}


class TransportError(Exception):
    """A request that failed; `code` is gRPC's name of the status."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class RestTransport:
    """Sends requests to /v1/models/NAME over one persistent connection."""

    def __init__(self, address, model, version, label, timeout):
        import httpx

        suffix = f"/versions/{version}" if version else f"/labels/{label}" if label else ""
        self._path = f"/v1/models/{model}{suffix}"
        self._client = httpx.Client(base_url=address, timeout=timeout)

    def close(self):
        self._client.close()

    def _request(self, method, path, **content):
        import httpx

        try:
            response = self._client.request(method, path, **content)
        except httpx.TimeoutException as error:
            raise TransportError("DEADLINE_EXCEEDED", f"no response in time: {error}") from None
        except httpx.TransportError as error:
            raise TransportError("UNAVAILABLE", f"{self._client.base_url} is not reached: {error}") from None
        try:
            body = json.loads(response.content)
        except ValueError:
            body = {"error": response.text[:200]}
        if response.status_code != 200:
            message = body.get("error", "") if isinstance(body, dict) else str(body)
            raise TransportError(GRPC_CODES.get(response.status_code, "INTERNAL"), message)
        return body

    def status(self):
        states = self._request("GET", self._path)["model_version_status"]
        return {int(s["version"]): s["state"] for s in states}

    def metadata(self):
        import tensorflow as tf
        from tensorflow.core.framework import types_pb2

        def tensor_infos(infos):
            types = {n: tf.as_dtype(types_pb2.DataType.Value(i["dtype"])).name for n, i in infos.items()}
            return {n: (types[n], _shape_from_json(i.get("tensor_shape", {}))) for n, i in infos.items()}

        body = self._request("GET", f"{self._path}/metadata")
        return {
            n: {"inputs": tensor_infos(d["inputs"]), "outputs": tensor_infos(d["outputs"])}
            for n, d in body["metadata"]["signature_def"]["signature_def"].items()
            if d.get("method_name")  # not the initializer
        }

    def predict(self, signature, arrays, outputs):
        body = {"signature_name": signature, "inputs": {n: _to_json(a) for n, a in arrays.items()}}
        values = self._request("POST", f"{self._path}:predict", content=json.dumps(body))["outputs"]
        if len(outputs) == 1:  # a single output comes without its name
            values = {next(iter(outputs)): values}
        return {n: _from_json(values[n], info.dtype) for n, info in outputs.items()}


def _shape_from_json(shape):
    if shape.get("unknown_rank"):
        return None
    return tuple(None if int(d["size"]) < 0 else int(d["size"]) for d in shape.get("dim", []))


def _to_json(array):
    """An array as nested lists, bytes as base64."""
    if array.dtype.kind not in "OS":
        return array.tolist()
    if array.ndim:
        return [_to_json(np.asarray(element, object)) for element in array]
    return {"b64": base64.b64encode(array.item()).decode()}


def _from_json(values, dtype):
    if dtype != "string":
        return np.asarray(values, dtype)
    return np.asarray(_decode_base64(values), object)


def _decode_base64(values):
    if isinstance(values, list):
        return [_decode_base64(v) for v in values]
    return base64.b64decode(values["b64"]) if isinstance(values, dict) else values


class GrpcTransport:
    """Calls PredictionService and ModelService on one channel."""

    def __init__(self, address, model, version, label, timeout):
        import grpc
        from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

        unlimited = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        self._channel = grpc.insecure_channel(address.removeprefix("grpc://"), options=unlimited)
        self._prediction = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self._models = model_service_pb2_grpc.ModelServiceStub(self._channel)
        self._model, self._version, self._label, self._timeout = model, version, label, timeout

    def close(self):
        self._channel.close()

    def _spec(self, signature=""):
        from tensorflow_serving.apis import model_pb2

        spec = model_pb2.ModelSpec(name=self._model, signature_name=signature)
        if self._version:
            spec.version.value = self._version
        if self._label:
            spec.version_label = self._label
        return spec

    def _call(self, method, request):
        import grpc

        try:
            return method(request, timeout=self._timeout)
        except grpc.RpcError as error:
            raise TransportError(error.code().name, error.details()) from None

    def status(self):
        from tensorflow_serving.apis import get_model_status_pb2

        request = get_model_status_pb2.GetModelStatusRequest(model_spec=self._spec())
        states = self._call(self._models.GetModelStatus, request).model_version_status
        return {s.version: get_model_status_pb2.ModelVersionStatus.State.Name(s.state) for s in states}

    def metadata(self):
        import tensorflow as tf
        from tensorflow_serving.apis import get_model_metadata_pb2

        request = get_model_metadata_pb2.GetModelMetadataRequest(model_spec=self._spec())
        request.metadata_field.append("signature_def")
        definitions = get_model_metadata_pb2.SignatureDefMap()
        self._call(self._prediction.GetModelMetadata, request).metadata["signature_def"].Unpack(definitions)

        def tensor_infos(infos):
            shapes = {n: tf.TensorShape(i.tensor_shape) for n, i in infos.items()}
            return {
                n: (tf.as_dtype(i.dtype).name, None if shapes[n].rank is None else tuple(shapes[n].as_list()))
                for n, i in infos.items()
            }

        return {
            n: {"inputs": tensor_infos(d.inputs), "outputs": tensor_infos(d.outputs)}
            for n, d in definitions.signature_def.items()
            if d.method_name  # not the initializer
        }

    def predict(self, signature, arrays, outputs):
        import tensorflow as tf
        from tensorflow_serving.apis import predict_pb2

        inputs = {n: tf.make_tensor_proto(a) for n, a in arrays.items()}
        request = predict_pb2.PredictRequest(model_spec=self._spec(signature), inputs=inputs)
        response = self._call(self._prediction.Predict, request)
        return {n: tf.make_ndarray(response.outputs[n]) for n in outputs}
