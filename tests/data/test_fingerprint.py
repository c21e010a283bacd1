"""Hashes of data, by which a training that is resumed recognizes them."""

import numpy as np

from recipes.data import Examples
from recipes.data import fingerprint as fingerprints
from recipes.data.fingerprint import fingerprint
from recipes.data.images.image_files import ImageFiles


def test_of_many_bytes_the_middle_of_each_file_is_hashed(tmp_path, monkeypatch):
    monkeypatch.setattr(fingerprints, "HASHED_BYTES", 0)
    monkeypatch.setattr(fingerprints, "SAMPLE", 8)
    paths = []
    for i in range(2):
        paths.append(tmp_path / f"{i}.npy")
        paths[i].write_bytes(bytes(range(100)))

    def of_files():
        return fingerprint(Examples(ImageFiles(np.array(paths), np.zeros(2), (4, 4, 3)), np.arange(2)))

    first = of_files()
    paths[1].write_bytes(bytes(range(99)) + b"x")
    assert of_files() == first
    paths[1].write_bytes(bytes(range(50)) + b"x" + bytes(range(51, 100)))
    assert of_files() != first
    paths[1].write_bytes(bytes(range(100)))
    assert of_files() == first
    paths[1] = paths[1].rename(tmp_path / "renamed.npy")
    assert of_files() != first
