"""A client of TensorFlow Serving, and so of `zoo serve`: raw values in, arrays by name out, over REST or gRPC."""

import random
import re
import time
import typing
from pathlib import Path

import numpy as np

from zoo.arguments import Count, Positive, Whole, checked, suggestion
from zoo.serving import transports

AGAIN = ("UNAVAILABLE", "RESOURCE_EXHAUSTED")  # what a moment's patience can mend
FIRST, LONGEST = 0.1, 2.0  # seconds between the first attempts, and at most


class ServingError(RuntimeError):
    """A server's refusal, or its absence; `code` is gRPC's name for it."""

    def __init__(self, code, message):
        super().__init__(f"{code}: {message}")
        self.code = code


class Taken(typing.NamedTuple):
    """Type and shape of one input or output; sizes that are free are None."""

    dtype: str
    shape: tuple | None


class Client:
    """Asks one served model.

    Args:
        address: http://HOST:8501 or https://... for REST, grpc://HOST:8500 for gRPC; arrays of pixels travel faster by
            gRPC, image files equally well by both.
        model: the served model's name.
        version: its version; None for the latest.
        label: its version's label, as models.config has it, instead of a version.
        timeout: seconds that one attempt may take.
        retries: how often a request is repeated where the server is busy, starting or not reached; the pause between
            doubles from 0.1 to at most 2 seconds.
    Raises:
        ValueError: if the address is none, or version and label are both given.
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
        kind = transports.Grpc if scheme == "grpc" else transports.Rest
        self._wire = kind(address, model, version, label, timeout)
        self.model, self.retries, self._signatures = model, retries, None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        """Ends the connection."""
        self._wire.close()

    def status(self):
        """The state of each version: version -> AVAILABLE, LOADING, END, ..."""
        return self._patiently(self._wire.status)

    def signatures(self):
        """What the model takes and answers: signature -> {"inputs": name -> Taken, "outputs": name -> Taken}."""
        if self._signatures is None:
            told = self._patiently(self._wire.metadata)
            self._signatures = {
                n: {side: {k: Taken(*t) for k, t in both[side].items()} for side in both} for n, both in told.items()
            }
        return self._signatures

    def predict(self, inputs, *, signature: str | None = None):
        """Answers to raw inputs.

        Args:
            inputs: arrays (N, ...) by name, a DataFrame, or one array where the signature takes one; or paths or
                contents (bytes) of image files, one or a list, for `serving_bytes`.
            signature: its name; None for `serving_bytes` with files and `serving_default` with values.
        Returns:
            Dict of arrays by name; text is str.
        Raises:
            ValueError: if the inputs are not what the signature takes.
            ServingError: if the server refuses them, or is not reached.
        """
        files = _contents(inputs)
        name = signature or ("serving_default" if files is None else "serving_bytes")
        known = self.signatures()
        if name not in known:
            raise ValueError(
                f"predict: `signature` must be one of {', '.join(known)}, got {name!r}.{suggestion(name, known)}"
            )
        taken = known[name]["inputs"]
        arrays = by_name(files if files is not None else inputs, taken)
        found = self._patiently(self._wire.predict, name, arrays, known[name]["outputs"])
        return {n: text(n, a) for n, a in found.items()}

    def _patiently(self, call, *arguments):
        """The call's answer, asked again while the server is busy or not there."""
        for attempt in range(self.retries + 1):
            try:
                return call(*arguments)
            except transports.Failed as error:
                if error.code not in AGAIN or attempt == self.retries:
                    raise ServingError(error.code, str(error)) from None
                # Clients that were refused together must not come back together.
                time.sleep(min(FIRST * 2**attempt, LONGEST) * random.uniform(0.5, 1))


def _contents(inputs):
    """(N,) bytes where the inputs are image files, by path or content; None where they are values."""
    several = list(inputs) if isinstance(inputs, list | tuple) else [inputs]
    if not several or not all(isinstance(one, str | Path | bytes) for one in several):
        return None
    several = [one if isinstance(one, bytes) else Path(one).expanduser() for one in several]
    missing = [str(one) for one in several if not isinstance(one, bytes) and not one.is_file()]
    if missing:
        raise ValueError(f"predict: `inputs` must be files that exist, got {', '.join(missing)}.")
    read = [one if isinstance(one, bytes) else one.read_bytes() for one in several]
    found = np.empty(len(read), object)
    found[:] = read
    return found


def by_name(inputs, taken):
    """Arrays by the signature's names, in its types."""
    if hasattr(inputs, "columns"):
        inputs = {str(c): inputs[c].to_numpy() for c in inputs.columns}
    if not isinstance(inputs, dict):
        if len(taken) != 1:
            raise ValueError(f"predict: `inputs` must have names: the signature takes {', '.join(sorted(taken))}.")
        inputs = {next(iter(taken)): inputs}
    # A signature's names are ASCII: the export wrote others with an underscore for each foreign character.
    plain = {n if n in taken else re.sub(r"\W", "_", n, flags=re.ASCII): v for n, v in inputs.items()}
    for name in plain:
        if name not in taken:
            raise ValueError(f"predict: `inputs` has {name!r}, which is not taken.{suggestion(name, taken)}")
    for name in taken:
        if name not in plain:
            raise ValueError(f"predict: `inputs` lacks {name!r}; the signature takes {', '.join(sorted(taken))}.")
    return {n: _typed(n, np.asarray(v), taken[n]) for n, v in plain.items()}


def _typed(name, found, wanted):
    """An array in the type that the signature takes; nothing but the precision of real numbers may get lost."""
    if wanted.dtype == "string":
        if found.dtype.kind not in "OSU":
            raise ValueError(f"predict: `inputs`: {name} must be text or bytes, got {found.dtype}.")
        found = np.array([v.encode() if isinstance(v, str) else bytes(v) for v in found.ravel()], object).reshape(
            found.shape
        )
    elif found.dtype.kind not in "fiubO":
        raise ValueError(f"predict: `inputs`: {name} must be {wanted.dtype}, got {found.dtype}.")
    elif str(found.dtype) != wanted.dtype:
        changed = found.astype(wanted.dtype)
        if "float" not in wanted.dtype and not np.array_equal(changed, found):
            raise ValueError(f"predict: `inputs`: {name} must be {wanted.dtype}, got {found.dtype} with other values.")
        found = changed
    if wanted.shape is not None and found.ndim == len(wanted.shape) - 1 and wanted.shape[-1] == 1:
        found = found[..., None]  # a column
    return found


def text(name, found):
    """Strings as str, but bytes for an output called ..._bytes."""
    if found.dtype.kind not in "OSU" or name.endswith("_bytes"):
        return found
    return np.array([v.decode() if isinstance(v, bytes) else v for v in found.ravel()], object).reshape(found.shape)
