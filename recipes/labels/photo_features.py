"""Features of the photos in a folder by a pretrained network, saved so that they are computed once."""

import hashlib
import os
from pathlib import Path

import numpy as np

from recipes.data.images.image_files import open_images
from recipes.prediction.progress import progress_bar
from zoo.atomic_write import write_bytes
from zoo.backbones.feature_extraction import FeatureExtractor
from zoo.registry import entry

BATCH = 32  # photos


def photo_features(paths, model, saved, *, progress=True):
    """Returns the features of photos, and which photos could be read.

    Args:
        paths: of the photos.
        model: one of `zoo.names()` with bundled weights.
        saved: path of the file (.npz) that they are saved to, and read from for the same photos.
        progress: whether to show a progress bar, on stderr where that is a terminal.
    Returns:
        (N, F) float32, zeros for photos that cannot be read; (N,) bool; name -> why a photo cannot be read.
    """
    import io

    saved, identity = Path(saved), _identity(paths, model)
    if saved.is_file():
        with np.load(saved, allow_pickle=False) as file:
            if str(file["identity"]) == identity:
                reasons = dict(zip(file["names"].tolist(), file["reasons"].tolist(), strict=True))
                return file["features"].astype(np.float32), file["readable"], reasons
    size = entry(model).example["input_shape"][:2]
    images, extract = open_images(paths, (*size, 3), "uint8", size=size), FeatureExtractor(model, batch_size=BATCH)
    features, readable, reasons = None, np.zeros(len(paths), bool), {}
    with progress_bar(lambda: len(paths), 0, "photos", progress) as advance:
        for start in range(0, len(paths), BATCH):
            batch, rows = [], range(start, min(start + BATCH, len(paths)))
            for i in rows:
                try:
                    batch.append(images.read(i))
                    readable[i] = True
                except (ValueError, OSError) as error:
                    reasons[str(paths[i])] = str(error)
            if batch:
                values = extract(np.stack(batch))
                features = np.zeros((len(paths), values.shape[1]), np.float32) if features is None else features
                features[[i for i in rows if readable[i]]] = values
            advance(len(rows))
    if features is None:
        raise ValueError(
            f"there must be photos that can be read, got none of {len(paths):,}: {next(iter(reasons.values()))}"
        )
    content = io.BytesIO()
    names = np.array(list(reasons), dtype=str)
    np.savez(
        content, identity=identity, features=features.astype(np.float16), readable=readable, names=names,
        reasons=np.array(list(reasons.values()), dtype=str),
    )  # fmt: skip
    write_bytes(saved, content.getvalue())
    return features, readable, reasons


def _identity(paths, model):
    """Returns a hash that is equal for the same model and unchanged photos."""
    digest = hashlib.blake2b(model.encode(), digest_size=16)
    for path in paths:
        status = os.stat(path)
        digest.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\0".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
