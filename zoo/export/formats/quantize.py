"""A model's dense layers in 8 bits, as Keras quantises them."""

import tempfile
import warnings
from pathlib import Path

import keras

from zoo.export.versions import ExportError


def quantised(model):
    """A copy of the model whose Dense, EinsumDense and Embedding layers compute with 8-bit weights and inputs.

    Args:
        model: a built Keras model; it stays as it is.
    Raises:
        ExportError: if it cannot be copied, or has no such layer.
    """
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "model.keras"
        try:
            model.save(file)
            copy = keras.models.load_model(file, compile=False)
        except (TypeError, ValueError) as error:
            raise ExportError(f"export: int8 needs a model that can be saved as .keras and read: {error}") from error
    with warnings.catch_warnings():
        # Keras warns of each layer that it leaves as it is.
        warnings.filterwarnings("ignore", message=".*does not have a `quantize` method")
        copy.quantize("int8")
    if not any(getattr(layer, "quantization_mode", None) == "int8" for layer in copy._flatten_layers()):
        raise ExportError(
            f"export: int8 quantises Dense, EinsumDense and Embedding layers, of which {model.name} has none; "
            "litert_int8 quantises convolutions too."
        )
    return copy
