"""Reads arrays from the HDF5 files of whole Keras models, without building the models."""

import io


def parse_hdf5(data, prefixes):
    """Returns the weights in an HDF5 file of a Keras model by name. No code in the file is run.

    Args:
        data: the file, as bytes.
        prefixes: {beginning of a name in the file: what replaces it}; other weights are left out.
    Returns:
        {name: array}.
    """
    import h5py

    arrays = {}

    def add(name, item):
        prefix = next((prefix for prefix in prefixes if name.startswith(prefix)), None)
        if prefix is not None and isinstance(item, h5py.Dataset):
            arrays[prefixes[prefix] + name.removeprefix(prefix)] = item[()]

    with h5py.File(io.BytesIO(data), "r") as file:
        file["model_weights"].visititems(add)
    return arrays
