"""Anomaly detection by reconstruction error."""

import dataclasses
import math

import keras
import numpy as np

from zoo.arguments import Fraction, checked


@dataclasses.dataclass(frozen=True)
class AnomalyDetector:
    """A reconstruction model with a calibrated threshold on its error."""

    model: keras.Model
    threshold: float  # mean squared error per pixel
    false_positive_rate: float  # fraction of normal images above the threshold, from calibration

    def score(self, images):
        """Returns the reconstruction error of each image, the mean squared error of its pixels.

        Args:
            images: (N, H, W, C) inputs of the model.
        Returns:
            (N,) float32 array; higher is more anomalous.
        Raises:
            ValueError: if the images do not have the model's shape or range.
        """
        return reconstruction_error(self.model, images)

    def detect(self, images):
        """Returns whether each image is an anomaly: (N, H, W, C)  ->  (N,) bool array."""
        return self.score(images) > self.threshold


@checked
def anomaly_detector(model: keras.Model, normal, *, false_positive_rate: Fraction = 0.05) -> AnomalyDetector:
    """Calibrates a threshold on the reconstruction error for a given false positive rate.

    The threshold is the k-th smallest error of the n normal images, k = ceil((n + 1) * (1 - `false_positive_rate`)). A
    new normal image is above it with at most this probability, for any distribution of the errors, if it is from the
    same population as the n images and the model was trained on none of them.

    Args:
        model: reconstruction model, such as an autoencoder or a VAE, trained on normal images.
        normal: (n, H, W, C) normal images that the model was not trained on.
        false_positive_rate: fraction of normal images that may be detected as anomalies, above 0.
    Returns:
        `AnomalyDetector(model, threshold, false_positive_rate)` with the methods `score` and `detect`.
    Raises:
        ValueError: if the model's output shape is not its input shape, or there are too few normal images for this
            false positive rate.

    Source: Vovk, Gammerman, Shafer 2005, https://doi.org/10.1007/b106715, chapter 2 (inductive conformal prediction).
    """
    errors = np.sort(reconstruction_error(model, normal))
    rank = math.ceil((len(errors) + 1) * (1 - false_positive_rate))
    if not false_positive_rate:
        raise ValueError("anomaly_detector: `false_positive_rate` must be above 0, got 0.")
    if rank > len(errors):
        raise ValueError(
            f"anomaly_detector: `false_positive_rate` = {false_positive_rate:g} needs at least "
            f"{math.ceil(1 / false_positive_rate) - 1} images in `normal`, got {len(errors)}."
        )
    return AnomalyDetector(model, float(errors[max(rank, 1) - 1]), false_positive_rate)


def reconstruction_error(model, images):
    """Returns the mean squared error of each image's reconstruction, (N,) float32."""
    input_shape = getattr(model, "input_shape", None)
    if not isinstance(input_shape, tuple) or model.output_shape != input_shape:
        raise ValueError(
            "anomaly_detector: `model` must have the same input and output shape, "
            f"got {input_shape} -> {model.output_shape}."
        )
    images = np.asarray(images)
    if images.shape[1:] != input_shape[1:] or not len(images):
        raise ValueError(f"anomaly_detector: images must be (N, {str(input_shape[1:])[1:-1]}), got {images.shape}.")
    if hasattr(model, "checked_images"):
        model.checked_images(images)
    images = images.astype("float32")
    errors = (model.predict(images, verbose=0) - images) ** 2
    return errors.mean(axis=tuple(range(1, errors.ndim)))
