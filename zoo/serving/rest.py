"""TensorFlow Serving's REST interface, /v1/models/..., on FastAPI."""

import base64
import json

import numpy as np

from zoo.serving.model_store import Refused

STATUS = {
    "INVALID_ARGUMENT": 400,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
}


def application(shelf, gate, max_request_bytes):
    """The FastAPI application.

    Args:
        shelf: `zoo.serving.model_store.ModelStore`.
        gate: `zoo.serving.model_store.Gate`.
        max_request_bytes: how many bytes a request may have.
    """
    from fastapi import FastAPI, Request
    from fastapi.concurrency import run_in_threadpool

    app = FastAPI(openapi_url=None)

    async def body(request):
        content = bytearray()
        async for part in request.stream():
            content += part
            if len(content) > max_request_bytes:
                raise Refused(
                    "INVALID_ARGUMENT", f"a request may have at most {max_request_bytes} bytes, this one has more."
                )
        return bytes(content)

    async def predict(request: Request):
        name, which = _which(request)
        if request.path_params["verb"] != "predict":
            raise Refused(
                "UNIMPLEMENTED", f'":{request.path_params["verb"]}" is not there; exports have ":predict" only.'
            )

        def work(content):
            return _reply(answer(shelf.find(name, **which), content))

        with gate:
            return await run_in_threadpool(gate.run, work, await body(request))

    async def status(request: Request):
        name, which = _which(request)
        return _reply(states(shelf, name, **which))

    async def metadata(request: Request):
        name, which = _which(request)
        return _reply(described(name, shelf.find(name, **which)))

    for place in ("", "/versions/{version}", "/labels/{label}"):
        base = "/v1/models/{name}" + place
        app.add_api_route(f"{base}/metadata", metadata, methods=["GET"])
        app.add_api_route(f"{base}:{{verb}}", predict, methods=["POST"])
        app.add_api_route(base, status, methods=["GET"])

    async def refused(request, error):
        return _reply({"error": str(error)}, STATUS.get(error.code, 500))

    async def broken(request, error):
        return _reply({"error": f"{type(error).__name__}: {error}"}, 500)

    async def malformed(request, error):
        return _reply({"error": f"Malformed request: {request.method} {request.url.path}"}, 404)

    app.add_exception_handler(Refused, refused)
    app.add_exception_handler(404, malformed)
    app.add_exception_handler(405, malformed)
    app.add_exception_handler(Exception, broken)
    return app


def _which(request):
    """(name, {version or label}) that a path asks for."""
    given = dict(request.path_params)
    given.pop("verb", None)
    if not given.get("version", "0").isdecimal():
        raise Refused("INVALID_ARGUMENT", f"a version must be a whole number, got {given['version']}.")
    return given.pop("name"), {k: int(v) if k == "version" else v for k, v in given.items()}


def _reply(content, status=200):
    from fastapi import Response

    # Like TensorFlow Serving, and unlike JSONResponse, NaN and Infinity are written as they are.
    return Response(json.dumps(content, ensure_ascii=False), status, media_type="application/json")


def answer(loaded, content):
    """The reply to the body of a predict request, in the form that it came in: rows or columns."""
    try:
        asked = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Refused("INVALID_ARGUMENT", f"JSON Parse error: {error}") from None
    if not isinstance(asked, dict) or ("instances" in asked) == ("inputs" in asked):
        raise Refused("INVALID_ARGUMENT", 'the body must be a JSON object with either "instances" or "inputs".')
    signature = asked.get("signature_name", "")
    if not isinstance(signature, str):
        raise Refused("INVALID_ARGUMENT", '"signature_name" must be a string.')
    taken = loaded.definition(signature).inputs
    rows = "instances" in asked
    columns = _columns(asked["instances"], taken) if rows else asked["inputs"]
    named = isinstance(columns, dict) and set(columns) != {"b64"}
    if not named:
        if len(taken) != 1:
            raise Refused("INVALID_ARGUMENT", f"inputs must be named: the signature takes {', '.join(sorted(taken))}.")
        columns = {next(iter(taken)): columns}
    given = {n: _tensor(n, v, taken[n].dtype) if n in taken else np.empty(0) for n, v in columns.items()}
    found = loaded.run(signature, given)
    if not rows:
        values = {n: _plain(n, a) for n, a in found.items()}
        return {"outputs": values if len(values) > 1 else next(iter(values.values()))}
    sizes = {a.shape[0] if a.ndim else 1 for a in found.values()}
    if sizes != {len(asked["instances"])}:
        raise Refused("INVALID_ARGUMENT", 'the answer has no row for each instance; ask with "inputs".')
    values = {n: _plain(n, a) for n, a in found.items()}
    if len(values) == 1:
        return {"predictions": next(iter(values.values()))}
    return {"predictions": [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]}


def _columns(instances, taken):
    """Columns by name from a list of rows."""
    if not isinstance(instances, list) or not instances:
        raise Refused("INVALID_ARGUMENT", '"instances" must be a list of at least one.')
    if not isinstance(instances[0], dict) or set(instances[0]) == {"b64"}:
        return instances
    names = set(instances[0])
    for number, row in enumerate(instances):
        if not isinstance(row, dict) or set(row) != names:
            raise Refused("INVALID_ARGUMENT", f"instance {number} must have {', '.join(sorted(names))} like the first.")
    return {n: [row[n] for row in instances] for n in instances[0]}


def _tensor(name, values, kind):
    """JSON's values as an array of the type that the signature takes."""
    import tensorflow as tf

    wanted = tf.as_dtype(kind)
    if wanted == tf.string:
        return np.array(_bytes(name, values), dtype=object)
    try:
        found = np.asarray(values)
    except ValueError:
        raise Refused("INVALID_ARGUMENT", f'input "{name}" must be a full array: its rows differ in length.') from None
    if found.dtype.kind not in "fiub" or (found.dtype.kind == "b") != (wanted == tf.bool):
        raise Refused("INVALID_ARGUMENT", f'input "{name}" must be {wanted.name}, got {_told(found)}.')
    if not wanted.is_floating:
        limits = (0, 1) if wanted == tf.bool else (wanted.min, wanted.max)
        if found.size and (found.dtype.kind == "f" or found.min() < limits[0] or found.max() > limits[1]):
            kind = f"{wanted.name}, whole numbers from {limits[0]} to {limits[1]}"
            raise Refused("INVALID_ARGUMENT", f'input "{name}" must be {kind}, got {_told(found)}.')
    return found.astype(wanted.as_numpy_dtype)


def _told(found):
    if found.dtype.kind in "fi":
        return f"numbers from {found.min():g} to {found.max():g}"
    return {"b": "true or false", "U": "text"}.get(found.dtype.kind, "neither numbers nor text")


def _bytes(name, values):
    """Strings, or base64 in {"b64": ...}, as bytes, in lists as they came."""
    if isinstance(values, list):
        return [_bytes(name, v) for v in values]
    if isinstance(values, str):
        return values.encode()
    if isinstance(values, dict) and set(values) == {"b64"} and isinstance(values["b64"], str):
        try:
            return base64.b64decode(values["b64"], validate=True)
        except ValueError:
            raise Refused("INVALID_ARGUMENT", f'input "{name}" has {{"b64": ...}} that is not base64.') from None
    raise Refused("INVALID_ARGUMENT", f'input "{name}" must be strings or {{"b64": ...}}.')


def _plain(name, found):
    """An array as JSON's lists; the bytes of an output called ..._bytes as base64, other strings as text."""
    if found.dtype.kind not in "OS":
        return found.tolist()
    if found.ndim:
        return [_plain(name, f if isinstance(f, np.ndarray) else np.asarray(f, object)) for f in found]
    content = found.item()
    if name.endswith("_bytes"):
        return {"b64": base64.b64encode(content).decode()}
    return content.decode("utf-8", "replace")


def states(shelf, name, **which):
    """The reply to a status request."""
    return {
        "model_version_status": [
            {
                "version": str(s.version),
                "state": s.state,
                "status": {"error_code": "UNKNOWN" if s.message else "OK", "error_message": s.message},
            }
            for s in shelf.states(name, **which)
        ]
    }


def described(name, loaded):
    """The reply to a metadata request: signatures with the names, types and shapes of what goes in and comes out."""
    from google.protobuf import json_format

    found = {
        n: json_format.MessageToDict(d, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
        for n, d in loaded.definitions.items()
    }
    spec = {"name": name, "signature_name": "", "version": str(loaded.version)}
    return {"model_spec": spec, "metadata": {"signature_def": {"signature_def": found}}}
