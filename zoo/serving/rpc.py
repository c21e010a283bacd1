"""TensorFlow Serving's gRPC interface, PredictionService and ModelService, on grpcio and the project's own protos."""

import math
from concurrent import futures

from zoo.serving.model_store import Refused


def server(shelf, gate, address, workers, queue, max_request_bytes):
    """(server, port): a gRPC server that listens, and has yet to be started.

    Args:
        shelf: `zoo.serving.model_store.ModelStore`.
        gate: `zoo.serving.model_store.Gate`.
        address: HOST:PORT; port 0 takes a free one.
        workers: requests at work side by side.
        queue: requests that may wait.
        max_request_bytes: how many bytes a message may have.
    Raises:
        OSError: if the port is taken.
    """
    import grpc
    from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

    options = [
        ("grpc.max_receive_message_length", max_request_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.so_reuseport", 0),
    ]
    # Threads enough that the gate, and not a queue that nobody sees, says when the server is busy.
    made = grpc.server(futures.ThreadPoolExecutor(min(workers + queue + 1, 256)), options=options)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        _prediction(shelf, gate, max_request_bytes), made
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(_models(shelf), made)
    try:
        port = made.add_insecure_port(address)
    except RuntimeError as error:
        raise OSError(f"serve: the port of {address} cannot be listened on: {error}") from None
    return made, port


def _which(spec):
    """Version and label that a ModelSpec asks for."""
    return {
        "version": spec.version.value if spec.HasField("version") else None,
        "label": spec.version_label if spec.version_label else None,
    }


def _guarded(method):
    """The method with what it refuses, and what breaks in it, as gRPC statuses."""
    import grpc

    def call(self, request, context):
        try:
            return method(self, request, context)
        except Refused as error:
            context.abort(getattr(grpc.StatusCode, error.code), str(error))
        except (ValueError, TypeError) as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))

    return call


def _array(name, proto, max_request_bytes):
    """A TensorProto's array; one may state a shape that its values are repeated to fill, and no memory would hold."""
    import tensorflow as tf

    count = math.prod(max(d.size, 0) for d in proto.tensor_shape.dim)
    if count > max_request_bytes:
        raise Refused(
            "INVALID_ARGUMENT", f'input "{name}" states {count} values, more than the {max_request_bytes} allowed.'
        )
    try:
        return tf.make_ndarray(proto)
    except (TypeError, ValueError) as error:
        raise Refused("INVALID_ARGUMENT", f'input "{name}" cannot be read: {error}') from None


def _prediction(shelf, gate, max_request_bytes):
    import tensorflow as tf
    from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2, prediction_service_pb2_grpc

    def predict(request):
        spec = request.model_spec
        loaded = shelf.find(spec.name, **_which(spec))
        found = loaded.run(spec.signature_name, {n: _array(n, t, max_request_bytes) for n, t in request.inputs.items()})
        kept = list(request.output_filter) or list(found)
        unknown = [n for n in kept if n not in found]
        if unknown:
            raise Refused("INVALID_ARGUMENT", f'output "{unknown[0]}" is not there; there are {", ".join(found)}.')
        reply = predict_pb2.PredictResponse(outputs={n: tf.make_tensor_proto(found[n]) for n in kept})
        _name(reply.model_spec, spec.name, loaded.version, spec.signature_name or "serving_default")
        return reply

    class Prediction(prediction_service_pb2_grpc.PredictionServiceServicer):
        @_guarded
        def Predict(self, request, context):
            with gate:
                return gate.run(predict, request)

        @_guarded
        def GetModelMetadata(self, request, context):
            spec = request.model_spec
            if list(request.metadata_field) != ["signature_def"]:
                raise Refused("INVALID_ARGUMENT", 'metadata_field must be "signature_def".')
            loaded = shelf.find(spec.name, **_which(spec))
            signatures = get_model_metadata_pb2.SignatureDefMap(signature_def=loaded.definitions)
            reply = get_model_metadata_pb2.GetModelMetadataResponse()
            reply.metadata["signature_def"].Pack(signatures)
            _name(reply.model_spec, spec.name, loaded.version, "")
            return reply

    return Prediction()


def _name(spec, name, version, signature):
    spec.name, spec.signature_name = name, signature
    spec.version.value = version


def _models(shelf):
    from tensorflow_serving.apis import get_model_status_pb2, model_service_pb2_grpc

    class Models(model_service_pb2_grpc.ModelServiceServicer):
        @_guarded
        def GetModelStatus(self, request, context):
            spec, reply = request.model_spec, get_model_status_pb2.GetModelStatusResponse()
            for state in shelf.states(spec.name, **_which(spec)):
                told = reply.model_version_status.add(version=state.version)
                told.state = get_model_status_pb2.ModelVersionStatus.State.Value(state.state)
                told.status.error_code = 2 if state.message else 0
                told.status.error_message = state.message
            return reply

    return Models()
