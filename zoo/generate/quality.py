"""Quality of generated images: distances between feature distributions, memorisation, and baselines.

All functions take arrays with one example per row. The best features are those of a classifier trained on the same
data; report which. Values for different features or different numbers of examples cannot be compared.
"""

import numpy as np

from zoo.arguments import Count, NonNegative, Positive, checked


@checked
def frechet_distance(real, generated):
    """Computes the squared Frechet distance between normal distributions fitted to two sets of features.

    It is |m1 - m2|^2 + tr(C1 + C2 - 2 sqrt(C1 C2)), with the means m and the covariances C.

    Args:
        real: (N, F) features, or images of any shape, which are flattened.
        generated: (M, F) features.
    Returns:
        Squared distance, at least 0. It is biased upwards for few examples; a full covariance needs more than F.
    Raises:
        ValueError: if the sets have different features, fewer than two examples, or values that are not finite.

    Source: Heusel et al. 2017, https://arxiv.org/abs/1706.08500, eq. 6 (FID, there with Inception features).
    """
    real, generated = _as_features(real, generated)
    mean_difference = real.mean(axis=0) - generated.mean(axis=0)
    covariance, other_covariance = (np.atleast_2d(np.cov(s, rowvar=False)) for s in (real, generated))
    root = _matrix_sqrt(covariance)
    # tr sqrt(C1 C2) = tr sqrt(sqrt(C1) C2 sqrt(C1)), which is symmetric, so that its eigenvalues are real.
    root_trace = np.sqrt(np.clip(np.linalg.eigvalsh(root @ other_covariance @ root), 0, None)).sum()
    distance = mean_difference @ mean_difference + np.trace(covariance) + np.trace(other_covariance) - 2 * root_trace
    return float(max(distance, 0.0))


@checked
def kernel_distance(real, generated):
    """Computes the unbiased squared maximum mean discrepancy with the kernel (x y / F + 1)^3.

    Args:
        real: (N, F) features, or images of any shape, which are flattened.
        generated: (M, F) features.
    Returns:
        Squared distance. Its expected value is 0 for equal distributions, so that single values may be negative.
        Unlike the Frechet distance it is not biased for few examples.
    Raises:
        ValueError: if the sets have different features, fewer than two examples, or values that are not finite.

    Source: Binkowski et al. 2018, https://arxiv.org/abs/1801.01401, eqs. 3 and 4 (KID).
    """
    real, generated = _as_features(real, generated)

    def kernel(a, b):
        return (a @ b.T / a.shape[1] + 1) ** 3

    def mean_within(features):
        values = kernel(features, features)
        return (values.sum() - np.trace(values)) / (len(features) * (len(features) - 1))

    return float(mean_within(real) + mean_within(generated) - 2 * kernel(real, generated).mean())


@checked
def precision_recall(real, generated, neighbors: Count = 3):
    """Computes precision (fidelity) and recall (coverage) of generated examples.

    The manifold of a set is estimated by balls around its examples, each with the distance to the example's
    `neighbors`-th nearest neighbor in the set as radius.

    Args:
        real: (N, F) features, or images of any shape, which are flattened.
        generated: (M, F) features.
        neighbors: number k of nearest neighbors; larger sets need more.
    Returns:
        dict: precision, the fraction of `generated` in the manifold of `real`, and recall, the fraction of `real` in
        the manifold of `generated`; 0 to 1.
    Raises:
        ValueError: if the sets have different features, no more than `neighbors` examples, or values that are not
            finite.

    Source: Kynkaanniemi et al. 2019, https://arxiv.org/abs/1904.06991, eqs. 1 and 2; k = 3.
    """
    real, generated = _as_features(real, generated, neighbors + 1)

    def fraction_inside(manifold, points):
        # Index 0 is the distance of a point to itself.
        radii = np.partition(_distances(manifold, manifold), neighbors, axis=1)[:, neighbors]
        return float((_distances(points, manifold) <= radii).any(axis=1).mean())

    return {"precision": fraction_inside(real, generated), "recall": fraction_inside(generated, real)}


@checked
def memorisation(training, held_out, generated):
    """Compares the distances of generated and of held-out examples to the training examples, to detect copies.

    Args:
        training: (N, F) features, or images of any shape, which are flattened.
        held_out: (K, F) features of real examples that were not trained on.
        generated: (M, F) features of generated examples.
    Returns:
        dict: nearest (M,), the index of the training example nearest to each generated one; distances (M,), the
        distance to it; ratio, the median distance divided by that of the held-out examples, about 1 without
        memorization and 0 for copies; copies, the fraction of generated examples that are nearer to a training example
        than 99 % of the held-out examples are.
    Raises:
        ValueError: if the sets have different features, no example, or values that are not finite.

    Source: the comparison with held-out data is Meehan et al.'s, https://arxiv.org/abs/2004.05675, here by medians.
    """
    training, generated = _as_features(training, generated, 1)
    training, held_out = _as_features(training, held_out, 1)
    distances = _distances(generated, training)
    held_out_distances = _distances(held_out, training).min(axis=1)
    nearest = distances.argmin(axis=1)
    nearest_distances = distances[np.arange(len(generated)), nearest]
    median = np.median(held_out_distances)
    return {
        "nearest": nearest,
        "distances": nearest_distances,
        "ratio": float(np.median(nearest_distances) / median) if median else float("nan"),
        "copies": float((nearest_distances < np.quantile(held_out_distances, 0.01)).mean()),
    }


@checked
def gaussian_baseline(images, n: Count, seed: int = 0):
    """Samples from a normal distribution with the mean and the covariance of the images' pixels.

    Args:
        images: (N, ...) images, at least two.
        n: number of samples.
        seed: random seed.
    Returns:
        (n, ...) float32, clipped to the range of the images.
    Raises:
        ValueError: if there are fewer than two images, or values that are not finite.
    """
    flat, _ = _as_features(images, images)
    root = _matrix_sqrt(np.atleast_2d(np.cov(flat, rowvar=False)))
    samples = flat.mean(axis=0) + np.random.default_rng(seed).standard_normal((n, flat.shape[1])) @ root
    return samples.clip(flat.min(), flat.max()).astype("float32").reshape(n, *np.shape(images)[1:])


@checked
def noisy_baseline(images, n: Count, stddev: NonNegative, seed: int = 0):
    """Samples training images and adds normal noise: diverse, but copies of the training data.

    Args:
        images: (N, ...) training images.
        n: number of samples, drawn with replacement.
        stddev: standard deviation of the noise, in units of the images.
        seed: random seed.
    Returns:
        (n, ...) float32, clipped to the range of the images.
    Raises:
        ValueError: if there are no images, or values that are not finite.
    """
    flat, _ = _as_features(images, images, 1)
    rng = np.random.default_rng(seed)
    samples = flat[rng.integers(0, len(flat), n)] + stddev * rng.standard_normal((n, flat.shape[1]))
    return samples.clip(flat.min(), flat.max()).astype("float32").reshape(n, *np.shape(images)[1:])


@checked
def pixel_likelihood(training, held_out):
    """Computes the log-likelihood of images under a model of independent pixels, the baseline of an ELBO.

    Each pixel is 1 with its mean over the training images as probability, with Laplace smoothing (one 0 and one 1
    added).

    Args:
        training: (N, ...) images from 0 to 1.
        held_out: (K, ...) images from 0 to 1; gray values weight both outcomes, as in the Bernoulli loss.
    Returns:
        (K,) float64 array [nats].
    Raises:
        ValueError: if there are no images, shapes differ, or values are not finite.
    """
    training, held_out = _as_features(training, held_out, 1)
    probabilities = (training.sum(axis=0) + 1) / (len(training) + 2)
    return held_out @ np.log(probabilities) + (1 - held_out) @ np.log(1 - probabilities)


@checked
def pixel_bits(training, held_out, levels: Count = 256):
    """Computes bits per dimension of images under a model of independent pixels, the baseline of a normalizing flow.

    The probability of each level at each pixel is its frequency in the training images, with Laplace smoothing (each
    level counted once more).

    Args:
        training: (N, ...) images, k / (levels - 1).
        held_out: (K, ...) images, k / (levels - 1).
        levels: number of values that a pixel can have.
    Returns:
        (K,) float64 array [bits]; log2(levels) where all levels are equally likely.
    Raises:
        ValueError: if there are no images, shapes differ, or values are not finite.
    """
    training, held_out = (np.rint(s * (levels - 1)).astype(int) for s in _as_features(training, held_out, 1))
    pixels = np.arange(training.shape[1])
    counts = np.ones((len(pixels), levels))
    np.add.at(counts, (np.broadcast_to(pixels, training.shape), training), 1)
    return np.log2(len(training) + levels) - np.log2(counts[pixels, held_out]).mean(axis=1)


@checked
def compare(
    training,
    held_out,
    generated,
    features=None,
    *,
    neighbors: Count = 3,
    stddev: Positive | None = None,
    seed: int = 0,
):
    """Computes all quality metrics of a generator, of two baselines and of real images.

    Args:
        training: (N, ...) training images of the generator.
        held_out: (K, ...) real images that it was not trained on, the reference of all metrics.
        generated: (M, ...) images of the generator.
        features: function (N, ...) images -> (N, F) features, or None for the pixels.
        neighbors: number of nearest neighbors in precision and recall.
        stddev: standard deviation of the noise in `noisy_baseline`; None for a tenth of the images' range.
        seed: random seed of the baselines.
    Returns:
        dict of dicts with frechet, kernel, precision, recall, ratio and copies, for each of generator, gaussian
        (`gaussian_baseline`), noisy (`noisy_baseline`) and training (as many training images). Smaller frechet and
        kernel are better. Memorization (ratio and copies) is computed on pixels.
    Raises:
        ValueError: if there are too few images, or shapes differ.
    """
    extract_features = features or (lambda images: images)
    count = min(len(generated), len(training))
    images = np.asarray(training, "float64")
    stddev = (images.max() - images.min()) / 10 if stddev is None else stddev
    image_sets = {
        "generator": generated,
        "gaussian": gaussian_baseline(training, count, seed),
        "noisy": noisy_baseline(training, count, stddev, seed),
        "training": np.asarray(training)[np.random.default_rng(seed).permutation(len(training))[:count]],
    }
    real, metrics = extract_features(held_out), {}
    for name, image_set in image_sets.items():
        extracted, copying = extract_features(image_set), memorisation(training, held_out, image_set)
        metrics[name] = {
            "frechet": frechet_distance(real, extracted),
            "kernel": kernel_distance(real, extracted),
            **precision_recall(real, extracted, neighbors),
            "ratio": copying["ratio"],
            "copies": copying["copies"],
        }
    return metrics


def _as_features(a, b, min_count=2):
    """Returns two arrays as (N, F) float64 with the same F."""
    arrays = []
    for values, name in ((a, "first"), (b, "second")):
        values = np.asarray(values, "float64")
        if values.ndim < 2 or len(values) < min_count:
            raise ValueError(f"the {name} set must be (N, F) with N at least {min_count}, got {values.shape}.")
        if not np.isfinite(values).all():
            raise ValueError(f"the {name} set must be finite, got {np.sum(~np.isfinite(values))} other values.")
        arrays.append(values.reshape(len(values), -1))
    if arrays[0].shape[1] != arrays[1].shape[1]:
        raise ValueError(f"both sets must have the same features, got {arrays[0].shape[1]} and {arrays[1].shape[1]}.")
    return arrays


def _matrix_sqrt(matrix):
    """Returns the symmetric square root of a covariance matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T


def _distances(a, b):
    """Returns the (N, M) Euclidean distances, exactly 0 between equal rows."""
    from scipy.spatial.distance import cdist  # the expansion |a|^2 - 2 a b + |b|^2 is not exactly 0 for equal rows

    return cdist(a, b)
