"""A model that generates, on its way to the disk: its own signatures, compared where they answer the same twice."""

import inspect

import keras
import numpy as np

from zoo.arguments import suggestion
from zoo.export.parity_check import Compared, Request, compare, verdict
from zoo.export.versions import ExportError

BATCHES = (1, 2)  # how many examples are asked for where the batch is free
RANGES = ((0.0, 1.0), (-1.0, 1.0))  # the value ranges of images


class Generated:
    """What an export writes of a model with `signatures()`, and how it judges it.

    Args:
        model: a keras.Model with a method `signatures()`: name -> (function of tensors, tuple of TensorSpecs).
        inputs: dicts of arrays by the signature's name, or None; what is not given is noise, zeros and twos.
        tolerance: largest absolute difference allowed, of the answer's largest value where that is above 1.
    Raises:
        ValueError: if the inputs do not suit the signatures.
    """

    def __init__(self, model, inputs, tolerance):
        import tensorflow as tf

        if keras.backend.backend() != "tensorflow":
            raise ValueError(f"Keras must run on TensorFlow, this is {keras.backend.backend()}.")
        self.model, self.tolerance = model, tolerance
        self.graphs = {n: (call, _named(call, specs)) for n, (call, specs) in model.signatures().items()}
        given = {} if inputs is None else dict(inputs)
        for name in given:
            if name not in self.graphs:
                raise ValueError(f"`inputs` has {name!r}, which is no signature.{suggestion(name, self.graphs)}")
        self.requests = []
        for name, (call, specs) in self.graphs.items():
            compiled = tf.function(call, input_signature=specs, autograph=False)
            for arguments in _arguments(name, specs, given.get(name)):
                with tf.device("CPU:0"):
                    self.requests.append(_request(name, compiled, arguments))

    def write(self, folder):
        """The SavedModel with all signatures."""
        archive = keras.export.ExportArchive()
        archive.track(self.model)
        try:
            for name, (call, specs) in self.graphs.items():
                archive.add_endpoint(name, _answering(call), input_signature=specs)
            archive.write_out(str(folder), verbose=False)
        except Exception as error:  # whatever a layer does that no graph can hold
            raise ExportError(f"export: {self.model.name} cannot be saved as a graph: {error}") from error

    def judge(self, answers, folder):
        """What parity.json says, once every answer is what it should be."""
        pairs = list(zip(self.requests, answers, strict=True))
        same = [_scaled(r, a) for r, a in pairs if r.kind == "exact"]
        found = compare([r for r, _ in same], [a for _, a in same])
        worst = verdict(found, self.tolerance) if found else 0.0
        found += [_plausible(r, a) for r, a in pairs if r.kind == "random"]
        random = list(dict.fromkeys(r.signature for r, _ in pairs if r.kind == "random"))
        return {
            "difference": worst,
            "tolerance": self.tolerance,
            "form": "exact",
            "compared": [c._asdict() for c in found],
            "signatures": list(self.graphs),
            "batch_sizes": sorted({c.batch for c in found}),
            "inputs": {
                n: {s.name: {"shape": s.shape.as_list(), "dtype": s.dtype.name} for s in specs}
                for n, (_, specs) in self.graphs.items()
            },
            "classes": None,
            "notes": [
                f"{n} answers anew each time and takes no seed: shape, finiteness and range were checked, no values"
                for n in random
            ],
        }


def _named(call, specs):
    """The TensorSpecs with the names that the function's own parameters have, where they have none."""
    import tensorflow as tf

    names = [p.name for p in inspect.signature(call).parameters.values()]
    names += [f"inputs_{i}" for i in range(len(names), len(specs))]
    return [tf.TensorSpec(s.shape, s.dtype, name=s.name or n) for s, n in zip(specs, names, strict=False)]


def _answering(call):
    """The function with a dict as its answer."""

    def answer(*arguments):
        return _dict(call(*arguments))

    return answer


def _dict(answer):
    import tensorflow as tf

    if isinstance(answer, dict):
        named = answer
    elif isinstance(answer, list | tuple):
        named = {f"values_{i}": a for i, a in enumerate(answer)}
    else:
        named = {"values": answer}
    named = {n: tf.convert_to_tensor(a) for n, a in named.items()}
    return {n: tf.cast(a, "float32") if a.dtype.is_floating else a for n, a in named.items()}


def _arguments(signature, specs, given):
    """What a signature is asked: what was given, else noise for one example and for two."""
    if given is not None:
        names = [s.name for s in specs]
        if set(given) != set(names):
            raise ValueError(f"`inputs`: {signature} takes {', '.join(names)}, got {', '.join(given)}.")
        return [{s.name: np.asarray(given[s.name], s.dtype.as_numpy_dtype) for s in specs}]
    free = any(s.shape.rank and s.shape[0] is None for s in specs)
    drawn = np.random.default_rng(0)
    return [{s.name: _drawn(signature, s, batch, drawn) for s in specs} for batch in (BATCHES if free else BATCHES[:1])]


def _drawn(signature, spec, batch, drawn):
    """Noise for real numbers, from 0 to 1 for images; for whole numbers 2 where one is taken (a count), else 0."""
    if spec.shape.rank is None or None in spec.shape[1:] or spec.dtype.name == "string":
        raise ValueError(f"`inputs` must have {signature!r}: what {spec.name} should be cannot be told from {spec}.")
    shape = [batch if side is None else side for side in spec.shape]
    if spec.dtype.is_floating:
        noise = drawn.random(shape) if len(shape) == 4 else drawn.standard_normal(shape)
        return noise.astype(spec.dtype.as_numpy_dtype)
    return np.full(shape, 2 if spec.shape.rank == 0 else 0, spec.dtype.as_numpy_dtype)


def _request(signature, compiled, arguments):
    """A request with the answer expected, or, where two answers differ, with one that is like it."""
    import tensorflow as tf

    given = [tf.constant(a) for a in arguments.values()]
    first, second = ({n: a.numpy() for n, a in _dict(compiled(*given)).items()} for _ in range(2))
    if not all(np.isfinite(a).all() for a in first.values() if a.dtype.kind == "f"):
        raise ExportError(f"export: {signature} answers NaN or infinity, which proves nothing.")
    same = all(np.array_equal(first[n], second[n]) for n in first)
    # One that takes a seed must answer the same to the same seed: if it does not, the proof says so.
    seeded = any("seed" in name for name in arguments)
    return Request(signature, arguments, first, "exact" if same or seeded else "random")


def _scaled(request, answer):
    """A request and its answer in units of the largest value expected, where that is above 1: a log-likelihood's is."""
    scales = {n: max(1.0, float(np.abs(e).max(initial=0))) for n, e in request.expected.items()}
    expected = {n: e / scales[n] for n, e in request.expected.items()}
    return request._replace(expected=expected), {n: a / scales[n] for n, a in answer.items() if n in scales}


def _plausible(request, answer):
    """Shape, finiteness and range of an answer that cannot be foreseen; its difference is 0."""
    for name, like in request.expected.items():
        found = answer.get(name)
        told = "nothing" if found is None else f"the shape {found.shape}"
        if found is None or found.shape != like.shape:
            raise ExportError(f"export: {request.signature} answers {told} for `{name}`, not {like.shape}.")
        low, high = like.min(initial=0), like.max(initial=0)
        span = high - low
        within = [r for r in RANGES if r[0] <= low and high <= r[1]]
        low, high = within[0] if within else (low - span, high + span)
        if not np.isfinite(found).all() or found.min(initial=low) < low or found.max(initial=high) > high:
            raise ExportError(
                f"export: {request.signature} answers `{name}` from {found.min():.3g} to {found.max():.3g}, "
                f"not {low:.3g} to {high:.3g}."
            )
    return Compared(request.signature, request.size, 0.0, "random")
