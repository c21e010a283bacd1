"""Anomaly detection by what a model cannot make again."""

import dataclasses
import math

import keras
import numpy as np

from zoo.arguments import Fraction, checked


@dataclasses.dataclass(frozen=True)
class AnomalyDetector:
    """A model that knows what is normal, and from which error on an image is called an anomaly."""

    model: keras.Model
    threshold: float  # mean squared error of a pixel
    false_positives: float  # share of normal images that it was calibrated to exceed it

    def score(self, images):
        """How badly each image is made again: the mean squared error of its pixels.

        Args:
            images: as the model takes them, (N, H, W, C).
        Returns:
            (N,) float32 array; larger is stranger.
        Raises:
            ValueError: if the images are not of the model's shape or range.
        """
        return score(self.model, images)

    def detect(self, images):
        """Which images are anomalies: (N, H, W, C)  ->  (N,) bool array."""
        return self.score(images) > self.threshold


@checked
def anomaly_detector(model: keras.Model, normal, *, false_positives: Fraction = 0.05) -> AnomalyDetector:
    """Calibrates a threshold on the reconstruction error, so that normal images rarely exceed it.

    The threshold is the error of the k-th best of the n normal images, k = ceil((n + 1) * (1 - `false_positives`)):
    a new normal image then exceeds it with at most that probability, whatever the errors' distribution, if it comes
    from where the n do and none of them trained the model.

    Args:
        model: answers an image of its input's shape: an autoencoder, a VAE, ...; trained on normal images.
        normal: (n, H, W, C) normal images that it was not trained on.
        false_positives: share of normal images that may be called anomalies.
    Returns:
        `AnomalyDetector(model, threshold, false_positives)` with the methods `score` and `detect`.
    Raises:
        ValueError: if the model does not answer images of its input's shape, or the normal images are too few for such
            a share.

    Source: Vovk, Gammerman, Shafer 2005, https://doi.org/10.1007/b106715, chapter 2 (inductive conformal prediction).
    """
    errors = np.sort(score(model, normal))
    rank = math.ceil((len(errors) + 1) * (1 - false_positives))
    if rank > len(errors) or not false_positives:
        needed = f"at least {math.ceil(1 / false_positives) - 1} images" if false_positives else "a share above 0"
        raise ValueError(
            f"anomaly_detector: `false_positives` = {false_positives:g} needs {needed} in `normal`, got {len(errors)}."
        )
    return AnomalyDetector(model, float(errors[max(rank, 1) - 1]), false_positives)


def score(model, images):
    """(N,) float32: the mean squared error of each image's pixels."""
    wanted = getattr(model, "input_shape", None)
    if not isinstance(wanted, tuple) or model.output_shape != wanted:
        raise ValueError(
            f"anomaly_detector: `model` must answer its input's shape, got {wanted} -> {model.output_shape}."
        )
    images = np.asarray(images)
    if images.shape[1:] != wanted[1:] or not len(images):
        raise ValueError(f"anomaly_detector: images must be (N, {str(wanted[1:])[1:-1]}), got {images.shape}.")
    if hasattr(model, "checked_images"):
        model.checked_images(images)
    images = images.astype("float32")
    errors = (model.predict(images, verbose=0) - images) ** 2
    return errors.mean(axis=tuple(range(1, errors.ndim)))
