"""TensorFlow Serving's gRPC interface, PredictionService and ModelService, on grpcio and its own protos."""

import math
from concurrent import futures

import numpy as np

from zoo.serving.model_store import RequestError, require_finite

MAX_CALLS = 1000  # calls in progress, of which most may be clients that send slowly
MAX_CONNECTION_MINUTES = 5  # age of a connection; its calls may take as long again, then the client reconnects


def make_server(store, queue, address, max_request_bytes):
    """Makes a gRPC server that listens and is not started yet.

    Args:
        store: `zoo.serving.model_store.ModelStore`.
        queue: `zoo.serving.model_store.RequestQueue`.
        address: HOST:PORT; port 0 takes a free one.
        max_request_bytes: largest size of a message, in bytes.
    Returns:
        (server, port).
    Raises:
        OSError: if the port is in use.
    """
    import grpc
    from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

    options = [
        ("grpc.max_receive_message_length", max_request_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.so_reuseport", 0),
        ("grpc.max_connection_age_ms", MAX_CONNECTION_MINUTES * 60_000),
        ("grpc.max_connection_age_grace_ms", MAX_CONNECTION_MINUTES * 60_000),
    ]
    # A call has a thread from its first byte on, so slow clients need many; `queue` limits how many calls predict.
    threads = futures.ThreadPoolExecutor(MAX_CALLS)
    server = grpc.server(threads, options=options, maximum_concurrent_rpcs=MAX_CALLS)
    prediction_service = _make_prediction_service(store, queue)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(prediction_service, server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(_make_model_service(store), server)
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        raise OSError(f"serve: cannot listen on {address}: {error}") from None
    return server, port


def _version_or_label(spec):
    """Version and label of a ModelSpec, None where it has none, as arguments of `ModelStore.find`."""
    return {
        "version": spec.version.value if spec.HasField("version") else None,
        "label": spec.version_label if spec.version_label else None,
    }


def _with_status_codes(method):
    """The method with its errors as gRPC statuses."""
    import grpc

    def call(self, request, context):
        try:
            return method(self, request, context)
        except RequestError as error:
            context.abort(getattr(grpc.StatusCode, error.code), str(error))
        except (ValueError, TypeError) as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))

    return call


def _to_array(name, proto, dtype_enum):
    """The array of a TensorProto, whose values must be as many as its shape states.

    TensorFlow repeats values to fill a shape, so that a few bytes would state any number of images.
    """
    import tensorflow as tf

    if proto.dtype != dtype_enum:
        expected, stated = _dtype_name(dtype_enum), _dtype_name(proto.dtype)
        raise RequestError("INVALID_ARGUMENT", f'input "{name}" must be {expected}, got {stated}.')
    sizes = [d.size for d in proto.tensor_shape.dim]
    if proto.tensor_shape.unknown_rank or min(sizes, default=0) < 0:
        raise RequestError("INVALID_ARGUMENT", f'input "{name}" must state its whole shape, got {sizes or "none"}.')
    stated_count, count = math.prod(sizes), _value_count(proto, np.dtype(tf.as_dtype(dtype_enum).as_numpy_dtype))
    if count != stated_count:
        raise RequestError("INVALID_ARGUMENT", f'input "{name}" states {stated_count} values, and it has {count:g}.')
    try:
        array = tf.make_ndarray(proto)
    except Exception as error:  # NumPy and TensorFlow raise different errors
        raise RequestError("INVALID_ARGUMENT", f'input "{name}" cannot be read: {error}') from None
    return require_finite(name, array)


def _dtype_name(dtype_enum):
    import tensorflow as tf

    try:
        return tf.as_dtype(dtype_enum).name
    except TypeError:
        return f"the unknown type {dtype_enum}"


def _value_count(proto, dtype):
    """Number of values that a TensorProto holds, as bytes or in the field of its type."""
    if proto.tensor_content:
        return len(proto.tensor_content) / dtype.itemsize
    fields = (values for field, values in proto.ListFields() if field.name.endswith("_val"))
    counts = sum(len(values) for values in fields)
    return counts // 2 if dtype.kind == "c" else counts


def _make_prediction_service(store, queue):
    import tensorflow as tf
    from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2, prediction_service_pb2_grpc

    def predict(request):
        spec = request.model_spec
        model = store.find(spec.name, **_version_or_label(spec))
        infos = model.definition(spec.signature_name).inputs
        # The model refuses unknown names, whatever their array.
        arrays = {n: _to_array(n, t, infos[n].dtype) if n in infos else np.empty(0) for n, t in request.inputs.items()}
        outputs = model.predict(spec.signature_name, arrays)
        names = list(request.output_filter) or list(outputs)
        unknown = [n for n in names if n not in outputs]
        if unknown:
            raise RequestError(
                "INVALID_ARGUMENT", f'output "{unknown[0]}" does not exist; expected one of {", ".join(outputs)}.'
            )
        response = predict_pb2.PredictResponse(outputs={n: tf.make_tensor_proto(outputs[n]) for n in names})
        _fill_spec(response.model_spec, spec.name, model.version, spec.signature_name or "serving_default")
        return response

    class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
        @_with_status_codes
        def Predict(self, request, context):
            with queue:
                return queue.run(predict, request)

        @_with_status_codes
        def GetModelMetadata(self, request, context):
            spec = request.model_spec
            if list(request.metadata_field) != ["signature_def"]:
                raise RequestError("INVALID_ARGUMENT", 'metadata_field must be "signature_def".')
            model = store.find(spec.name, **_version_or_label(spec))
            signatures = get_model_metadata_pb2.SignatureDefMap(signature_def=model.definitions)
            response = get_model_metadata_pb2.GetModelMetadataResponse()
            response.metadata["signature_def"].Pack(signatures)
            _fill_spec(response.model_spec, spec.name, model.version, "")
            return response

    return PredictionService()


def _fill_spec(spec, name, version, signature):
    spec.name, spec.signature_name = name, signature
    spec.version.value = version


def _make_model_service(store):
    from tensorflow_serving.apis import get_model_status_pb2, model_service_pb2_grpc

    class ModelService(model_service_pb2_grpc.ModelServiceServicer):
        @_with_status_codes
        def GetModelStatus(self, request, context):
            spec, response = request.model_spec, get_model_status_pb2.GetModelStatusResponse()
            for state in store.states(spec.name, **_version_or_label(spec)):
                status = response.model_version_status.add(version=state.version)
                status.state = get_model_status_pb2.ModelVersionStatus.State.Value(state.state)
                status.status.error_code = 2 if state.message else 0
                status.status.error_message = state.message
            return response

    return ModelService()
