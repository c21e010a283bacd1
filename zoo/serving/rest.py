"""TensorFlow Serving's REST interface, /v1/models/..., on FastAPI."""

import asyncio
import base64
import json

import numpy as np

from zoo.serving.model_store import RequestError, require_finite

HTTP_STATUS = {
    "INVALID_ARGUMENT": 400,
    "NOT_FOUND": 404,
    "DEADLINE_EXCEEDED": 408,
    "RESOURCE_EXHAUSTED": 429,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
}
MAX_VERSION_DIGITS = 19  # of 2**63 - 1, the largest in TensorFlow Serving


def make_app(store, queue, max_request_bytes, read_timeout):
    """Makes the FastAPI application.

    Args:
        store: `zoo.serving.model_store.ModelStore`.
        queue: `zoo.serving.model_store.RequestQueue`.
        max_request_bytes: largest size of a request's body, in bytes.
        read_timeout: seconds within which a request's body must arrive.
    """
    from fastapi import FastAPI, Request, Response
    from fastapi.concurrency import run_in_threadpool
    from starlette.requests import ClientDisconnect

    app = FastAPI(openapi_url=None)

    async def read_body(request):
        body = bytearray()
        try:
            async with asyncio.timeout(read_timeout):
                async for chunk in request.stream():
                    body += chunk
                    if len(body) > max_request_bytes:
                        raise RequestError(
                            "INVALID_ARGUMENT",
                            f"a request may have at most {max_request_bytes} bytes, this one has more.",
                        )
        except TimeoutError:
            raise RequestError(
                "DEADLINE_EXCEEDED", f"a request must arrive within {read_timeout:g} seconds, this one has not."
            ) from None
        return bytes(body)

    async def predict(request: Request):
        name, version = _model_of_path(request)
        verb = request.path_params["verb"]
        if verb != "predict":
            raise RequestError("UNIMPLEMENTED", f'":{verb}" is not supported; exports have ":predict" only.')

        def respond(body):
            model = store.find(name, **version)
            try:
                return _response(predict_response(model, body))
            except (RecursionError, UnicodeEncodeError) as error:  # nested too deeply; or text with lone surrogates
                raise RequestError("INVALID_ARGUMENT", f"JSON Parse error: {error}") from None

        body = await read_body(request)  # before it takes a place in the queue: a slow client blocks nobody
        with queue:
            return await run_in_threadpool(queue.run, respond, body)

    async def status(request: Request):
        name, version = _model_of_path(request)
        return _response(status_response(store, name, **version))

    async def metadata(request: Request):
        name, version = _model_of_path(request)
        return _response(metadata_response(name, store.find(name, **version)))

    for suffix in ("", "/versions/{version}", "/labels/{label}"):
        path = "/v1/models/{name}" + suffix
        app.add_api_route(f"{path}/metadata", metadata, methods=["GET"])
        app.add_api_route(f"{path}:{{verb}}", predict, methods=["POST"])
        app.add_api_route(path, status, methods=["GET"])

    async def on_request_error(request, error):
        response = _response({"error": str(error)}, HTTP_STATUS.get(error.code, 500))
        if error.code == "DEADLINE_EXCEEDED":
            response.headers["connection"] = "close"
        return response

    async def on_exception(request, error):
        return _response({"error": f"{type(error).__name__}: {error}"}, 500)

    async def on_unknown_path(request, error):  # in TensorFlow Serving's words
        return _response({"error": f"Malformed request: {request.method} {request.url.path}"}, 404)

    async def on_disconnect(request, error):  # nobody reads this response
        return Response(status_code=400)

    app.add_exception_handler(RequestError, on_request_error)
    app.add_exception_handler(ClientDisconnect, on_disconnect)
    app.add_exception_handler(404, on_unknown_path)
    app.add_exception_handler(405, on_unknown_path)
    app.add_exception_handler(Exception, on_exception)
    return app


def _model_of_path(request):
    """(name, {version or label}) of a request's path."""
    parameters = dict(request.path_params)
    parameters.pop("verb", None)
    version = parameters.get("version", "0")
    if not version.isdecimal() or len(version) > MAX_VERSION_DIGITS:
        raise RequestError("INVALID_ARGUMENT", f"a version must be a whole number, got {version[:80]}.")
    name = parameters.pop("name")
    return name, {k: int(v) if k == "version" else v for k, v in parameters.items()}


def _response(content, status=200):
    from fastapi import Response

    # Like TensorFlow Serving, and unlike JSONResponse, this writes NaN and Infinity as they are.
    text = json.dumps(content, ensure_ascii=False)
    return Response(text.encode("utf-8", "replace"), status, media_type="application/json")


def predict_response(model, body):
    """Returns the response to a predict request, in rows ("instances") or columns ("inputs") as the request is.

    Args:
        model: `zoo.serving.model_store.LoadedModel`.
        body: the request's body, bytes.
    Raises:
        RequestError: if the request is malformed or the model refuses it.
    """
    try:
        request = json.loads(body)
    except (ValueError, RecursionError) as error:  # in TensorFlow Serving's words
        raise RequestError("INVALID_ARGUMENT", f"JSON Parse error: {error}") from None
    if not isinstance(request, dict) or ("instances" in request) == ("inputs" in request):
        raise RequestError("INVALID_ARGUMENT", 'the body must be a JSON object with either "instances" or "inputs".')
    signature = request.get("signature_name", "")
    if not isinstance(signature, str):
        raise RequestError("INVALID_ARGUMENT", '"signature_name" must be a string.')
    infos = model.definition(signature).inputs
    in_rows = "instances" in request
    columns = _to_columns(request["instances"]) if in_rows else request["inputs"]
    if not isinstance(columns, dict) or set(columns) == {"b64"}:
        if len(infos) != 1:
            raise RequestError(
                "INVALID_ARGUMENT", f"inputs must be named: the signature takes {', '.join(sorted(infos))}."
            )
        columns = {next(iter(infos)): columns}
    # The model refuses unknown names, whatever their array.
    has_truth_values = b"true" in body or b"false" in body
    arrays = {
        n: _to_array(n, v, infos[n].dtype, has_truth_values) if n in infos else np.empty(0) for n, v in columns.items()
    }
    for name, array in arrays.items():
        _verify_columns(name, array, infos.get(name), in_rows)
    outputs = model.predict(signature, arrays)
    values = {n: _to_json(n, a) for n, a in outputs.items()}
    if not in_rows:
        return {"outputs": values if len(values) > 1 else next(iter(values.values()))}
    lengths = {a.shape[0] if a.ndim else 1 for a in outputs.values()}
    if lengths != {len(request["instances"])}:
        raise RequestError("INVALID_ARGUMENT", 'the outputs have no row for each instance; use "inputs" instead.')
    if len(values) == 1:
        return {"predictions": next(iter(values.values()))}
    return {"predictions": [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]}


def _to_columns(instances):
    """Columns by name from a list of rows; the list itself where rows have no names."""
    if not isinstance(instances, list) or not instances:
        raise RequestError("INVALID_ARGUMENT", '"instances" must be a list of at least one.')
    if not isinstance(instances[0], dict) or set(instances[0]) == {"b64"}:
        return instances
    names = set(instances[0])
    for number, row in enumerate(instances):
        if not isinstance(row, dict) or set(row) != names:
            expected = ", ".join(sorted(names))
            raise RequestError("INVALID_ARGUMENT", f"instance {number} must have {expected} like the first.")
    return {n: [row[n] for row in instances] for n in instances[0]}


def _to_array(name, values, dtype_enum, may_have_truth_values):
    """JSON values as an array in the type of the signature's input; true and false among numbers are refused."""
    import tensorflow as tf

    dtype = tf.as_dtype(dtype_enum)
    if dtype == tf.string:
        return np.array(_to_bytes(name, values), dtype=object)
    try:
        array = np.asarray(values)
    except ValueError:
        raise RequestError(
            "INVALID_ARGUMENT", f'input "{name}" must be a full array: its rows differ in length.'
        ) from None
    expected = dtype.name
    if array.dtype.kind == "O":
        array = np.asarray(values, object)
        problem = "null" if None in array.ravel().tolist() else "neither numbers nor text"
        problem += "; a missing number is NaN" if problem == "null" and dtype.is_floating else ""
        raise RequestError("INVALID_ARGUMENT", f'input "{name}" must be {expected}, got {problem}.')
    if array.dtype.kind in "fiu" and may_have_truth_values and _has_truth_values(values):
        raise RequestError("INVALID_ARGUMENT", f'input "{name}" must be {expected}, got true or false among numbers.')
    valid = array.dtype.kind in "fiub" and (array.dtype.kind == "b") == (dtype == tf.bool)
    if valid and not dtype.is_floating and array.size:
        low, high = (0, 1) if dtype == tf.bool else (dtype.min, dtype.max)
        valid = array.dtype.kind != "f" and low <= array.min() and array.max() <= high
        expected = f"{dtype.name}, whole numbers from {low} to {high}"
    if not valid:
        raise RequestError("INVALID_ARGUMENT", f'input "{name}" must be {expected}, got {_describe(array)}.')
    with np.errstate(over="ignore"):
        return require_finite(name, array.astype(dtype.as_numpy_dtype))


def _verify_columns(name, array, info, in_rows):
    """Raises a `RequestError` that says what to write where values of a column (any, 1) lack their brackets."""
    if info is None or info.tensor_shape.unknown_rank or not array.size:
        return
    shape = [dim.size for dim in info.tensor_shape.dim]
    if len(shape) == 2 and shape[-1] == 1 and array.ndim == 1:
        first = array[0]
        value = json.dumps(first.decode("utf-8", "replace")) if isinstance(first, bytes) else f"{first:g}"
        write = f'"{name}": [{value}]' if in_rows else f'"{name}": [[{value}], ...]'
        expected = ", ".join("any" if s < 0 else str(s) for s in shape)
        raise RequestError(
            "INVALID_ARGUMENT",
            f'input "{name}" must have the shape ({expected}), got {array.shape}; write {write}, with brackets around '
            "each value.",
        )


def _describe(array):
    if not array.size:
        return "an empty list"
    if array.dtype.kind in "fi":
        return f"numbers from {array.min():g} to {array.max():g}"
    return {"b": "true or false", "U": "text"}[array.dtype.kind]


def _has_truth_values(values):
    """Whether nested lists of numbers have true or false among them."""
    return any(map(_has_truth_values, values)) if isinstance(values, list) else isinstance(values, bool)


def _to_bytes(name, values):
    """Strings and {"b64": ...} as bytes, in nested lists like `values`."""
    if isinstance(values, list):
        return [_to_bytes(name, v) for v in values]
    if isinstance(values, str):
        return values.encode()
    if isinstance(values, dict) and set(values) == {"b64"} and isinstance(values["b64"], str):
        try:
            return base64.b64decode(values["b64"], validate=True)
        except ValueError:
            raise RequestError("INVALID_ARGUMENT", f'input "{name}" has {{"b64": ...}} that is not base64.') from None
    got = json.dumps(values)[:80]
    raise RequestError("INVALID_ARGUMENT", f'input "{name}" must be strings or {{"b64": ...}}, got {got}.')


def _to_json(name, array):
    """An array as nested lists; bytes of an output whose name ends in _bytes as base64, other strings as text."""
    if array.dtype.kind not in "OS":
        return array.tolist()
    if array.ndim:
        return [_to_json(name, e if isinstance(e, np.ndarray) else np.asarray(e, object)) for e in array]
    content = array.item()
    if name.endswith("_bytes"):
        return {"b64": base64.b64encode(content).decode()}
    return content.decode("utf-8", "replace")


def status_response(store, name, **version):
    """Returns the response to a status request."""
    return {
        "model_version_status": [
            {
                "version": str(s.version),
                "state": s.state,
                "status": {"error_code": "UNKNOWN" if s.message else "OK", "error_message": s.message},
            }
            for s in store.states(name, **version)
        ]
    }


def metadata_response(name, model):
    """Returns the response to a metadata request: names, types and shapes of each signature's inputs and outputs."""
    from google.protobuf import json_format

    definitions = {
        n: json_format.MessageToDict(d, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
        for n, d in model.definitions.items()
    }
    spec = {"name": name, "signature_name": "", "version": str(model.version)}
    return {"model_spec": spec, "metadata": {"signature_def": {"signature_def": definitions}}}
