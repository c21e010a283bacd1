"""Refuses weight files that would be many times larger in memory, by the sizes that they state."""

import contextlib
import zipfile

MAX_EXPANSION = 100  # ratio of the stated size to the stored one; weights themselves compress to a half at best
HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
ALWAYS_ALLOWED_BYTES = 2**26  # whatever the ratio: small networks may consist of zeros


def check_expansion(what, stated, stored):
    """Raises ValueError if `stated` bytes in memory are many times the `stored` ones, and not few.

    Args:
        what: what states them, for the message.
        stated: size in memory, in bytes.
        stored: size in the file, in bytes.
    """
    if stated > ALWAYS_ALLOWED_BYTES and stated > MAX_EXPANSION * stored:
        raise ValueError(
            f"{what} states {stated} bytes and stores {stored}; more than {MAX_EXPANSION} times the stored size is "
            "refused, as it may fill the memory"
        )


def check_zip(archive, size):
    """Checks a `zipfile.ZipFile` of `size` bytes; all of its members together, which may share their bytes."""
    check_expansion("it", sum(info.file_size for info in archive.infolist()), size)


def check_keras_file(path):
    """Checks a `.keras` or `.weights.h5` file: the members of the zip, and the arrays of the HDF5 file.

    A file of another format passes; Keras says what is wrong with it.
    """
    with contextlib.ExitStack() as stack:
        content = stack.enter_context(open(path, "rb"))
        if zipfile.is_zipfile(content):
            archive = stack.enter_context(zipfile.ZipFile(content))
            check_zip(archive, content.seek(0, 2))
            members = [name for name in archive.namelist() if name.endswith(".h5")]
            files = [stack.enter_context(archive.open(name)) for name in members]
        else:
            files = [content]
        for file in files:
            file.seek(0)
            if file.read(len(HDF5_MAGIC)) == HDF5_MAGIC:
                _check_hdf5(file)


def _check_hdf5(content):
    import h5py

    with h5py.File(content, "r") as file:
        datasets = []
        file.visititems(lambda name, item: datasets.append(item) if isinstance(item, h5py.Dataset) else None)
        stated = sum(dataset.nbytes for dataset in datasets)
        check_expansion("it", stated, sum(dataset.id.get_storage_size() for dataset in datasets))
