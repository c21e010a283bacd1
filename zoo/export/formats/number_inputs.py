"""Formats whose models take numbers only."""


def verify_number_inputs(specs, format):
    """Raises a ValueError where a model takes text.

    Args:
        specs: TensorSpecs of its inputs.
        format: name of the format, for the message.
    """
    texts = [spec.name for spec in specs if spec.dtype == "string"]
    if texts:
        raise ValueError(
            f"the model cannot be converted to {format}, as its inputs must be numbers, got text in "
            f"{', '.join(texts)}; use the SavedModel, or train with numbers in these columns."
        )
