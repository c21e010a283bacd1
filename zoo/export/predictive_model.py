"""Exports a model that predicts: writes the SavedModel and the files of other formats, and checks their outputs."""

import contextlib

import numpy as np

from zoo.export import gap_refusal, input_adapter, isolated_inference, parity_check
from zoo.export.formats import folding, litert, onnx_file
from zoo.export.formats.quantize import quantize
from zoo.export.saved_graphs import save_graphs
from zoo.export.versions import ExportError

# Largest difference allowed per format, as a fraction of 1 for probabilities and of the largest output for numbers.
FORMAT_TOLERANCES = {
    "folded": 1e-4,
    "bfloat16": 0.02,
    "int8": 0.05,
    "litert_float": 1e-4,
    "litert_dynamic": 0.05,
    "litert_int8": 0.1,
    "onnx": 1e-4,
}
SAVED_MODEL_FORMATS = ("folded", "bfloat16", "int8")  # formats of the SavedModel itself; the others are files in it
DETECTOR_NOTE = "JPEG files were not compared: a difference of one gray level may change the order of boxes"
RESIZING_OPERATION = "ScaleAndTranslate"  # of Keras' Resizing with antialiasing, which no file format has
RESIZING_ADVICE = (
    " It resizes images in the preprocessing. The formats folded, bfloat16 and int8 keep that. For a file, train with "
    "images that have the model's size, or export the model alone, which takes images that the program has resized and "
    "scaled: zoo.export(run.model, path, inputs=run.preprocessing(run.data.test.head(4)), formats=('{format}',))."
)


class PredictiveExport:
    """The export of a model that predicts.

    Args:
        signatures: `zoo.export.signatures.Signatures`.
        inputs: raw held-out examples.
        tolerance: largest absolute difference allowed.
        formats: names of further formats.
        accepts_gaps: whether every input may have gaps, as the input schema says; if not, the layers decide.
    Attributes:
        requests: list of `zoo.export.parity_check.Request`, to be run on the export.
    Raises:
        ValueError: if the examples do not suit the model.
    """

    def __init__(self, signatures, inputs, tolerance, formats, accepts_gaps=False):
        self.signatures, self.tolerance = signatures, tolerance
        self.saved_model_formats = [f for f in formats if f in SAVED_MODEL_FORMATS]
        self.file_formats = [f for f in formats if f not in SAVED_MODEL_FORMATS]
        self.batches = input_adapter.make_batches(signatures.structure, signatures.inputs, inputs)
        if not accepts_gaps:
            signatures.inputs_without_gaps = gap_refusal.inputs_without_gaps(signatures, self.batches[-1])
        self.note = signatures.missing_files_note(self.batches)
        self.requests = parity_check.make_requests(signatures, self.batches, with_files=self.note == "")
        self.models = [m for m in (signatures.model, signatures.preprocessing) if m is not None]
        self.scale = 1.0 if signatures.activation != "linear" else self._largest_expected(features=False)

    def write(self, folder):
        """Writes the SavedModel with the signatures of the requests."""
        formats, signatures, models = self.saved_model_formats, self.signatures, self.models
        if "int8" in formats:
            signatures = signatures.with_model(quantize(signatures.model))
            models = [signatures.model, *models[1:]]
        endpoints = signatures.endpoints(dict.fromkeys(r.signature for r in self.requests))
        weights = "bfloat16" if "bfloat16" in formats else "float32"
        constants = folding.constant_weights(models, weights=weights) if formats else contextlib.nullcontext()
        try:
            with constants as with_constants:
                if with_constants:
                    endpoints = {name: (with_constants(graph), specs) for name, (graph, specs) in endpoints.items()}
                save_graphs(folder, endpoints, models)
        except Exception as error:  # any operation of a layer that no graph can hold
            raise ExportError(f"export: {self.signatures.model.name} cannot be saved as a graph: {error}") from error

    def _largest_expected(self, features):
        """The largest absolute value expected of the features, or of the outputs."""
        requests = [r for r in self.requests if (r.signature == "features") == features]
        return float(
            max((np.abs(a).max(initial=0) for r in requests for n, a in r.expected.items() if n != "skew"), default=0)
        )

    def _tolerance_of(self, format):
        """The tolerance of a format, in the output's unit."""
        return max(self.tolerance, FORMAT_TOLERANCES[format] * self.scale)

    def check(self, outputs, folder):
        """Checks the outputs of the SavedModel, writes the files of other formats and checks theirs.

        Args:
            outputs: outputs by name for each of the requests.
            folder: `pathlib.Path` of the written SavedModel.
        Returns:
            Dict, the content of parity.json.
        Raises:
            ExportError: if a difference is above its tolerance, or a format is impossible.
        """
        signatures, formats = self.signatures, self.saved_model_formats
        tolerance = max([self.tolerance, *map(self._tolerance_of, formats)])
        comparisons = parity_check.compare(self.requests, outputs, signatures)
        # Features have another unit than the outputs, and the pixels of a JPEG may be rounded differently.
        largest_feature = self._largest_expected(features=True)
        of_features = [FORMAT_TOLERANCES[format] * largest_feature for format in formats]
        separate = {
            "features": ("the signature `features`", max([self.tolerance * max(1, largest_feature), *of_features])),
            "jpeg": ("the prediction for JPEG files", max(tolerance, parity_check.JPEG_TOLERANCE * self.scale)),
            "resized": ("the prediction for resized files", max(tolerance, parity_check.JPEG_TOLERANCE * self.scale)),
        }
        groups = {"outputs": [], "features": [], "jpeg": [], "resized": []}
        for comparison in comparisons:
            kind = "outputs" if comparison.kind == "exact" else comparison.kind
            groups["features" if comparison.signature == "features" else kind].append(comparison)
        separate_records = {
            name: {"difference": parity_check.check_tolerance(groups[name], allowed, what), "tolerance": allowed}
            for name, (what, allowed) in separate.items()
            if groups[name]
        }
        files = {}
        for format in self.file_formats:
            try:
                files[format] = self._write_file(format, folder)
            except ExportError as error:
                error.format = format
                raise
        statistics = signatures.training_statistics
        return {
            "difference": parity_check.check_tolerance(groups["outputs"], tolerance),
            "tolerance": tolerance,
            "format": "+".join(sorted(formats)) or "exact",
            "comparisons": [c._asdict() for c in comparisons],
            "signatures": list(dict.fromkeys(c.signature for c in comparisons)),
            "batch_sizes": sorted({c.batch_size for c in comparisons}),
            "inputs": {n: {"shape": [None, *t.shape[1:]], "dtype": t.dtype} for n, t in signatures.inputs.items()},
            "inputs_without_gaps": list(signatures.inputs_without_gaps),
            "classes": signatures.classes,
            **separate_records,
            **({"files": files} if files else {}),
            **({"skew": statistics.to_dict()} if statistics is not None else {}),
            "notes": [
                *([self.note] if self.note else []),
                *([DETECTOR_NOTE] if signatures.is_detector else []),
                *_custom_operation_notes(folder),
                *gap_refusal.note_on_files(self.file_formats, signatures.inputs_without_gaps),
            ],
        }

    def _write_file(self, format, folder):
        """Writes a LiteRT or ONNX file and checks it; returns its difference, tolerance and size in bytes."""
        signatures = self.signatures

        def graph(*tensors):
            inputs = signatures.preprocess(signatures.read_columns(tensors))
            return signatures.name_outputs(signatures.model(inputs, training=False))

        with folding.constant_weights(self.models) as with_constants:
            try:
                if format == "onnx":
                    file = onnx_file.onnx_path(folder)
                    content = onnx_file.convert(with_constants(graph), signatures.input_specs())
                else:
                    kind = format.removeprefix("litert_")
                    file = litert.litert_path(folder, kind)
                    content = litert.convert(
                        with_constants(graph), signatures.input_specs(), kind, self._single_examples()
                    )
            except ValueError as error:
                advice = RESIZING_ADVICE.format(format=format) if RESIZING_OPERATION in str(error) else ""
                raise ExportError(f"export: {error}{advice}") from error
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)
        requests = [
            r._replace(expected={n: e for n, e in r.expected.items() if n != "skew"})
            for r in self.requests
            if r.signature == "serving_default" and not (format == "litert_int8" and r.content.startswith("a gap"))
        ]  # 8-bit numbers have no NaN
        comparisons = parity_check.compare(requests, parity_check.run_isolated(requests, file))
        tolerance = self._tolerance_of(format)
        difference = parity_check.check_tolerance(comparisons, tolerance, f"the {format} file")
        return {"difference": difference, "tolerance": tolerance, "bytes": len(content)}

    def _single_examples(self):
        """The raw examples as batches of one, each once."""
        *_, last = self.batches
        batches = self.batches if len(next(iter(last.values()))) == 1 else [last]  # the last has the first one too
        return [{n: a[i : i + 1] for n, a in b.items()} for b in batches for i in range(len(next(iter(b.values()))))]


def _custom_operation_notes(folder):
    """What a program needs to load the SavedModel, in a list of one sentence; an empty list if only TensorFlow."""
    names = isolated_inference.custom_operations(folder)
    hint = "TensorFlow Serving has them, and in Python `import tensorflow_text` loads them before the model"
    return [f"operations of TensorFlow Text: {', '.join(names)}; {hint}"] if names else []
