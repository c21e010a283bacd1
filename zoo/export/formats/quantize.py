"""Quantizes a model's dense layers to 8 bits with Keras."""

import tempfile
import warnings
from pathlib import Path

import keras

from zoo.export.versions import ExportError


def quantize(model):
    """Returns a copy of `model` whose Dense, EinsumDense and Embedding layers compute with 8-bit weights and inputs.

    Args:
        model: a built Keras model, left unchanged.
    Raises:
        ExportError: if the model cannot be copied, or has no such layer.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.keras"
        try:
            model.save(file)
            copy = keras.models.load_model(file, compile=False)
        except (TypeError, ValueError) as error:
            raise ExportError(
                f"export: int8 needs a model that can be saved as .keras and loaded again: {error}"
            ) from error
    with warnings.catch_warnings():
        # Keras warns of each layer that it does not quantize.
        warnings.filterwarnings("ignore", message=".*does not have a `quantize` method")
        copy.quantize("int8")
    if not any(getattr(layer, "quantization_mode", None) == "int8" for layer in copy._flatten_layers()):
        raise ExportError(
            f"export: int8 quantizes Dense, EinsumDense and Embedding layers, but {model.name} has none; "
            "litert_int8 quantizes convolutions too."
        )
    return copy
