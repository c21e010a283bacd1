"""Exports a model that generates: writes its own signatures, and compares outputs where they are reproducible."""

import inspect

import keras
import numpy as np

from zoo.arguments import suggestion
from zoo.export.parity_check import Comparison, Request, check_shape, check_tolerance, compare
from zoo.export.saved_graphs import save_graphs
from zoo.export.versions import ExportError

BATCH_SIZES = (1, 2)  # of the generated requests, where the batch size is free
IMAGE_RANGES = ((0.0, 1.0), (-1.0, 1.0))


class GenerativeExport:
    """The export of a model with a method `signatures()`.

    Args:
        model: a keras.Model with a method `signatures()`: name -> (function of tensors, tuple of TensorSpecs).
        inputs: dicts of arrays by the signature's name, or None. Signatures without inputs get random floats, and for
            whole numbers 2 (a scalar) or 0.
        tolerance: largest absolute difference allowed, relative to the largest output where that is above 1.
    Attributes:
        requests: list of `zoo.export.parity_check.Request`, to be run on the export.
    Raises:
        ValueError: if the inputs do not suit the signatures.
    """

    def __init__(self, model, inputs, tolerance):
        import tensorflow as tf

        if keras.backend.backend() != "tensorflow":
            raise ValueError(f"Keras must run on TensorFlow, this is {keras.backend.backend()}.")
        self.model, self.tolerance = model, tolerance
        self.signatures = {n: (function, _named_specs(function, s)) for n, (function, s) in model.signatures().items()}
        inputs = {} if inputs is None else dict(inputs)
        for name in inputs:
            if name not in self.signatures:
                raise ValueError(f"`inputs` has {name!r}, which is no signature.{suggestion(name, self.signatures)}")
        self.requests = []
        for name, (function, specs) in self.signatures.items():
            graph = tf.function(function, input_signature=specs, autograph=False)
            for arrays in _request_inputs(name, specs, inputs.get(name)):
                with tf.device("CPU:0"):
                    self.requests.append(_make_request(name, graph, arrays))

    def write(self, folder):
        """Writes the SavedModel with all signatures."""
        endpoints = {name: (_with_named_outputs(f), specs) for name, (f, specs) in self.signatures.items()}
        try:
            save_graphs(folder, endpoints, [self.model])
        except Exception as error:  # any operation of a layer that no graph can hold
            raise ExportError(f"export: {self.model.name} cannot be saved as a graph: {error}") from error

    def check(self, outputs, folder):
        """Checks the outputs of the SavedModel.

        Args:
            outputs: outputs by name for each of the requests.
            folder: not used.
        Returns:
            Dict, the content of parity.json.
        Raises:
            ExportError: if a difference is above the tolerance, or a random output is implausible.
        """
        pairs = list(zip(self.requests, outputs, strict=True))
        scaled = [_scale(request, arrays) for request, arrays in pairs if request.kind == "exact"]
        comparisons = compare([request for request, _ in scaled], [arrays for _, arrays in scaled])
        largest = check_tolerance(comparisons, self.tolerance) if comparisons else 0.0
        comparisons += [_check_range(request, arrays) for request, arrays in pairs if request.kind == "random"]
        random = list(dict.fromkeys(r.signature for r in self.requests if r.kind == "random"))
        return {
            "difference": largest,
            "tolerance": self.tolerance,
            "format": "exact",
            "comparisons": [c._asdict() for c in comparisons],
            "signatures": list(self.signatures),
            "batch_sizes": sorted({c.batch_size for c in comparisons}),
            "inputs": {
                n: {s.name: {"shape": s.shape.as_list(), "dtype": s.dtype.name} for s in specs}
                for n, (_, specs) in self.signatures.items()
            },
            "classes": None,
            "notes": [
                f"{n} is random and takes no seed: shape, finiteness and range were checked, not values" for n in random
            ],
        }


def _named_specs(function, specs):
    """The TensorSpecs; those without a name get that of the function's parameter."""
    import tensorflow as tf

    names = [p.name for p in inspect.signature(function).parameters.values()]
    names += [f"inputs_{i}" for i in range(len(names), len(specs))]
    return [tf.TensorSpec(s.shape, s.dtype, name=s.name or n) for s, n in zip(specs, names, strict=False)]


def _with_named_outputs(function):
    """The function with its outputs as a dict."""

    def call(*tensors):
        return _name_outputs(function(*tensors))

    return call


def _name_outputs(outputs):
    import tensorflow as tf

    if isinstance(outputs, dict):
        named = outputs
    elif isinstance(outputs, list | tuple):
        named = {f"values_{i}": tensor for i, tensor in enumerate(outputs)}
    else:
        named = {"values": outputs}
    named = {n: tf.convert_to_tensor(t) for n, t in named.items()}
    return {n: tf.cast(t, "float32") if t.dtype.is_floating else t for n, t in named.items()}


def _request_inputs(signature, specs, inputs):
    """The inputs of a signature's requests: the user's, else generated ones for one example and for two."""
    if inputs is not None:
        names = [s.name for s in specs]
        if set(inputs) != set(names):
            raise ValueError(f"`inputs`: {signature} takes {', '.join(names)}, got {', '.join(inputs)}.")
        return [{s.name: np.asarray(inputs[s.name], s.dtype.as_numpy_dtype) for s in specs}]
    has_free_batch = any(s.shape.rank and s.shape[0] is None for s in specs)
    sizes = BATCH_SIZES if has_free_batch else BATCH_SIZES[:1]
    generator = np.random.default_rng(0)
    return [{s.name: _generate_input(signature, s, size, generator) for s in specs} for size in sizes]


def _generate_input(signature, spec, batch_size, generator):
    """Normal noise for floats, uniform from 0 to 1 for images; for whole numbers 2 for a scalar (a count), else 0."""
    if spec.shape.rank is None or None in spec.shape[1:] or spec.dtype.name == "string":
        raise ValueError(f"`inputs` must have {signature!r}: no {spec.name} can be generated for {spec}.")
    shape = [batch_size if size is None else size for size in spec.shape]
    if spec.dtype.is_floating:
        noise = generator.random(shape) if len(shape) == 4 else generator.standard_normal(shape)
        return noise.astype(spec.dtype.as_numpy_dtype)
    return np.full(shape, 2 if spec.shape.rank == 0 else 0, spec.dtype.as_numpy_dtype)


def _make_request(signature, graph, arrays):
    """A request of kind exact where the outputs are reproducible, else of kind random."""
    import tensorflow as tf

    tensors = [tf.constant(a) for a in arrays.values()]
    first, second = ({n: t.numpy() for n, t in _name_outputs(graph(*tensors)).items()} for _ in range(2))
    if not all(np.isfinite(a).all() for a in first.values() if a.dtype.kind == "f"):
        raise ExportError(f"export: {signature} outputs NaN or infinity, which cannot be compared.")
    equal = all(np.array_equal(first[n], second[n]) for n in first)
    # The same seed must give the same output. Where it does not, the comparison fails, as it should.
    seeded = any("seed" in name for name in arrays)
    return Request(signature, arrays, first, "exact" if equal or seeded else "random")


def _scale(request, outputs):
    """A request and its outputs divided by the largest expected value where that is above 1, as of log-likelihoods."""
    scales = {n: max(1.0, float(np.abs(e).max(initial=0))) for n, e in request.expected.items()}
    expected = {n: e / scales[n] for n, e in request.expected.items()}
    return request._replace(expected=expected), {n: a / scales[n] for n, a in outputs.items() if n in scales}


def _check_range(request, outputs):
    """Checks shape, finiteness and range of random outputs; the difference in the result is 0."""
    for name, sample in request.expected.items():
        output = outputs.get(name)
        check_shape(name, sample, output)
        low, high = sample.min(initial=0), sample.max(initial=0)
        span = high - low
        ranges = [r for r in IMAGE_RANGES if r[0] <= low and high <= r[1]]
        low, high = ranges[0] if ranges else (low - span, high + span)
        if not np.isfinite(output).all() or output.min(initial=low) < low or output.max(initial=high) > high:
            raise ExportError(
                f"export: `{name}` of {request.signature} must lie between {low:.3g} and {high:.3g}, "
                f"got {output.min():.3g} to {output.max():.3g}."
            )
    return Comparison(request.signature, request.batch_size, 0.0, "random")
