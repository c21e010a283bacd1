"""A model that predicts, on its way to the disk: written in its form, then judged by what it answered."""

import keras
import numpy as np

from zoo.export import isolated_inference, parity_check
from zoo.export.formats import folding, litert, onnx_file
from zoo.export.formats.quantize import quantised
from zoo.export.versions import ExportError

# What each form may lose: of 1 for probabilities, of the largest answer for numbers.
LOSSES = {
    "folded": 1e-4,
    "bfloat16": 0.02,
    "int8": 0.05,
    "litert_float": 1e-4,
    "litert_dynamic": 0.05,
    "litert_int8": 0.1,
    "onnx": 1e-4,
}
STORED = ("folded", "bfloat16", "int8")  # what the SavedModel itself can be; the others are files beside it


class Predictive:
    """What an export writes of a model that predicts, and how it judges it.

    Args:
        signatures: `zoo.export.signatures.Signatures`.
        inputs: raw held-out examples.
        tolerance: largest absolute difference allowed.
        formats: faster forms.
    Raises:
        ValueError: if the examples do not suit the model.
    """

    def __init__(self, signatures, inputs, tolerance, formats):
        self.signatures, self.tolerance, self.formats = signatures, tolerance, formats
        self.batches = signatures.batches(inputs)
        self.missing = signatures.no_files(self.batches)
        self.requests = parity_check.requests(signatures, self.batches, with_files=self.missing == "")
        self.models = [m for m in (signatures.model, signatures.preprocessing) if m is not None]
        self.scale = 1.0 if signatures.end is not None else self._largest(features=False)

    def write(self, folder):
        """The SavedModel, with the signatures that are asked for."""
        import tensorflow as tf

        stored, signatures, models = [f for f in self.formats if f in STORED], self.signatures, self.models
        if "int8" in stored:
            signatures = signatures.of(quantised(signatures.model))
            models = [signatures.model, *models[1:]]
        endpoints = signatures.endpoints(dict.fromkeys(r.signature for r in self.requests))
        try:
            if stored:
                weights = "bfloat16" if "bfloat16" in stored else "float32"
                with folding.frozen(models, weights=weights) as constant:
                    graphs = {
                        n: tf.function(constant(g), input_signature=s, autograph=False).get_concrete_function()
                        for n, (g, s) in endpoints.items()
                    }
                holder = tf.Module()
                every = [layer for m in models for layer in m._flatten_layers()]
                holder.tables = [layer.lookup_table for layer in every if hasattr(layer, "lookup_table")]
                tf.saved_model.save(holder, str(folder), signatures=graphs)
            else:
                archive = keras.export.ExportArchive()
                for one in self.models:
                    archive.track(one)
                for name, (graph, specs) in endpoints.items():
                    archive.add_endpoint(name, graph, input_signature=specs)
                archive.write_out(str(folder), verbose=False)
        except Exception as error:  # whatever a layer does that no graph can hold
            raise ExportError(f"export: {self.signatures.model.name} cannot be saved as a graph: {error}") from error

    def _largest(self, features):
        """The largest value expected of the features, or of the answers."""
        asked = [r for r in self.requests if (r.signature == "features") == features]
        return float(
            max((np.abs(a).max(initial=0) for r in asked for n, a in r.expected.items() if n != "skew"), default=0)
        )

    def allowed(self, form):
        """The tolerance of a form, in the answer's unit."""
        return max(self.tolerance, LOSSES[form] * self.scale)

    def judge(self, answers, folder):
        """What parity.json says, once every form is within its tolerance."""
        stored = [f for f in self.formats if f in STORED]
        tolerance = max([self.tolerance, *map(self.allowed, stored)])
        found = parity_check.compare(self.requests, answers, self.signatures)
        # Features have no unit of their own, and a JPEG's pixels may be rounded otherwise.
        size = self._largest(features=True)
        losses = [LOSSES[form] * size for form in stored]
        apart = {
            "features": ("the features", max([self.tolerance * max(1, size), *losses])),
            "jpeg": ("the answer to JPEG files", max(tolerance, parity_check.JPEG * self.scale)),
        }
        parts = {"answers": [], "features": [], "jpeg": []}
        for one in found:
            parts["features" if one.signature == "features" else "jpeg" if one.kind == "jpeg" else "answers"].append(
                one
            )
        told = {
            name: {"difference": parity_check.verdict(parts[name], allowed, what), "tolerance": allowed}
            for name, (what, allowed) in apart.items()
            if parts[name]
        }
        files = {}
        for form in (f for f in self.formats if f not in STORED):
            try:
                files[form] = self._file(form, folder)
            except ExportError as error:
                error.form = form
                raise
        signatures = self.signatures
        return {
            "difference": parity_check.verdict(parts["answers"], tolerance),
            "tolerance": tolerance,
            "form": "+".join(sorted(stored)) or "exact",
            "compared": [c._asdict() for c in found],
            "signatures": list(dict.fromkeys(c.signature for c in found)),
            "batch_sizes": sorted({c.batch for c in found}),
            "inputs": {n: {"shape": [None, *t.shape[1:]], "dtype": t.dtype} for n, t in signatures.inputs.items()},
            "classes": signatures.classes,
            **told,
            **({"files": files} if files else {}),
            **({"skew": signatures.training_statistics.told()} if signatures.training_statistics is not None else {}),
            "notes": [*([self.missing] if self.missing else []), *_needs(folder)],
        }

    def _file(self, form, folder):
        """Writes one LiteRT or ONNX file and returns how far it is off and how large it is [bytes]."""
        signatures, kind = self.signatures, form.removeprefix("litert_")

        def graph(*given):
            return signatures.named(
                signatures.model(signatures.prepared(dict(zip(signatures.inputs, given, strict=True))), training=False)
            )

        with folding.frozen(self.models) as constant:
            try:
                if form == "onnx":
                    content = onnx_file.convert(constant(graph), signatures.specs())
                else:
                    content = litert.convert(constant(graph), signatures.specs(), kind, self._examples())
            except ValueError as error:
                raise ExportError(f"export: {error}") from error
        file = onnx_file.path(folder) if form == "onnx" else litert.path(folder, kind)
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)
        asked = [
            r._replace(expected={n: e for n, e in r.expected.items() if n != "skew"})
            for r in self.requests
            if r.signature == "serving_default"
        ]
        found = parity_check.compare(asked, parity_check.replayed(asked, file))
        difference = parity_check.verdict(found, self.allowed(form), f"the {form} file")
        return {"difference": difference, "tolerance": self.allowed(form), "bytes": len(content)}

    def _examples(self):
        """The raw inputs one by one, without those that are the same as the first."""
        *_, batch = self.batches
        each = self.batches if len(next(iter(batch.values()))) == 1 else [batch]
        return [{n: a[i : i + 1] for n, a in b.items()} for b in each for i in range(len(next(iter(b.values()))))]


def _needs(folder):
    """What a program must have that loads the SavedModel, in a sentence; nothing where TensorFlow is enough."""
    names = isolated_inference.foreign(folder)
    told = "TensorFlow Serving has them, and in Python `import tensorflow_text` loads them before the model"
    return [f"operations of TensorFlow Text: {', '.join(names)}; {told}"] if names else []
