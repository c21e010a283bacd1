"""A client of TensorFlow Serving and of `zoo serve`: raw values in, arrays by name out, over REST or gRPC."""

import random
import time
import typing
from pathlib import Path

import numpy as np

from zoo.arguments import Count, Positive, Whole, checked, suggestion
from zoo.export.input_adapter import to_named_arrays
from zoo.serving import transports

RETRY_CODES = ("UNAVAILABLE", "RESOURCE_EXHAUSTED")  # errors that may be gone a moment later
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0  # seconds between two attempts


class ServingError(RuntimeError):
    """A server refused a request or was not reached.

    Attributes:
        code: gRPC's name of the status, such as INVALID_ARGUMENT or UNAVAILABLE.
    """

    def __init__(self, code, message):
        super().__init__(f"{code}: {message}")
        self.code = code


class TensorInfo(typing.NamedTuple):
    """Type and shape of one input or output of a signature."""

    dtype: str
    shape: tuple | None  # free sizes are None; None where the rank is unknown


class Client:
    """A client of one served model.

    Args:
        address: http://HOST:8501 or https://... for REST, grpc://HOST:8500 for gRPC. Arrays of pixels are faster over
            gRPC; image files are equally fast over both.
        model: the served model's name.
        version: its version; None for the latest.
        label: its version's label in models.config, instead of `version`.
        timeout: seconds that one attempt may take.
        retries: number of times a request is repeated where the server is busy, starting or not reached. The pause
            between attempts doubles from 0.1 to at most 2 seconds.
    Raises:
        ValueError: if the address is invalid, or version and label are both given.
    """

    @checked
    def __init__(
        self,
        address: str,
        model: str,
        *,
        version: Count | None = None,
        label: str | None = None,
        timeout: Positive = 30.0,
        retries: Whole = 5,
    ):
        scheme = address.partition("://")[0]
        if scheme not in ("http", "https", "grpc"):
            raise ValueError(f"Client: `address` must be http://HOST:PORT or grpc://HOST:PORT, got {address!r}.")
        if version is not None and label is not None:
            raise ValueError("Client: `version` or `label` must be given, not both.")
        transport = transports.GrpcTransport if scheme == "grpc" else transports.RestTransport
        self._transport = transport(address, model, version, label, timeout)
        self.model, self.retries, self._signatures = model, retries, None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        """Closes the connection."""
        self._transport.close()

    def status(self):
        """Returns the state of each version: version -> AVAILABLE, LOADING, END, ..."""
        return self._call_with_retries(self._transport.status)

    def signatures(self):
        """Returns the model's signatures: name -> {"inputs": name -> TensorInfo, "outputs": name -> TensorInfo}."""
        if self._signatures is None:
            metadata = self._call_with_retries(self._transport.metadata)
            self._signatures = {
                name: {side: {k: TensorInfo(*info) for k, info in infos.items()} for side, infos in signature.items()}
                for name, signature in metadata.items()
            }
        return self._signatures

    def predict(self, inputs, *, signature: str | None = None):
        """Returns the model's outputs for raw inputs.

        Args:
            inputs: arrays (N, ...) by name, a DataFrame, or one array where the signature has one input; or paths or
                contents (bytes) of image files, one or a list, for `serving_bytes`, or of WAV files for `serving_wav`.
            signature: its name; None for that of files with files, and `serving_default` with values.
        Returns:
            Dict of arrays by name; text is str.
        Raises:
            ValueError: if the inputs do not fit the signature.
            ServingError: if the server refuses them, or is not reached.
        """
        files = _file_contents(inputs)
        signatures = self.signatures()
        name = signature or ("serving_default" if files is None else files_signature(signatures))
        if name not in signatures:
            raise ValueError(
                f"predict: `signature` must be one of {', '.join(signatures)}, got {name!r}."
                f"{suggestion(name, signatures)}"
            )
        infos = signatures[name]
        arrays = to_named_arrays(inputs if files is None else files, infos["inputs"], prefix="predict: ")
        outputs = self._call_with_retries(self._transport.predict, name, arrays, infos["outputs"])
        return {n: decode_text(n, a) for n, a in outputs.items()}

    def _call_with_retries(self, call, *arguments):
        """Returns the call's result; repeats it while the server is busy or not reached."""
        for attempt in range(self.retries + 1):
            try:
                return call(*arguments)
            except transports.TransportError as error:
                if error.code not in RETRY_CODES or attempt == self.retries:
                    raise ServingError(error.code, str(error)) from None
                # Clients that were refused together must not come back together.
                time.sleep(min(FIRST_PAUSE * 2**attempt, LONGEST_PAUSE) * random.uniform(0.5, 1))


def files_signature(signatures):
    """Returns the signature that takes files, among those of a model: `serving_wav` of sound, else `serving_bytes`."""
    return "serving_wav" if "serving_wav" in signatures else "serving_bytes"


def _file_contents(inputs):
    """(N,) bytes where the inputs are paths or contents of files; None where they are values."""
    items = list(inputs) if isinstance(inputs, list | tuple) else [inputs]
    if not items or not all(isinstance(item, str | Path | bytes) for item in items):
        return None
    items = [item if isinstance(item, bytes) else Path(item).expanduser() for item in items]
    missing = [str(item) for item in items if not isinstance(item, bytes) and not item.is_file()]
    if missing:
        raise ValueError(f"predict: `inputs` must be files that exist, got {', '.join(missing)}.")
    contents = np.empty(len(items), object)
    contents[:] = [item if isinstance(item, bytes) else item.read_bytes() for item in items]
    return contents


def decode_text(name, array):
    """Returns an array with strings as str; an output whose name ends in _bytes keeps its bytes."""
    if array.dtype.kind not in "OSU" or name.endswith("_bytes"):
        return array
    text = [v.decode() if isinstance(v, bytes) else v for v in array.ravel()]
    return np.array(text, object).reshape(array.shape)
