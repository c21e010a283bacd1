"""How good made images are: distances between sets of features, memorisation, and what a trivial model reaches.

Everything works on arrays, one row an example. Features are best a classifier's that was trained on the same data (say
which); figures on different features, or from different numbers of examples, cannot be compared.
"""

import numpy as np

from zoo.arguments import Count, NonNegative, Positive, checked


@checked
def frechet_distance(real, made):
    """Frechet distance of two sets, each taken for a normal distribution: |m1 - m2|^2 + tr(C1 + C2 - 2 sqrt(C1 C2)).

    Args:
        real: (N, F) features, or images of any shape, which are flattened.
        made: (M, F) features.
    Returns:
        Squared distance, from 0 up. With few examples it is too high; more than F are needed for a full covariance.
    Raises:
        ValueError: if the sets have different features, fewer than two examples, or values that are not finite.

    Source: Heusel et al. 2017, https://arxiv.org/abs/1706.08500, eq. 6 (FID, there on Inception's features).
    """
    real, made = _sets(real, made)
    gap = real.mean(axis=0) - made.mean(axis=0)
    first, second = (np.atleast_2d(np.cov(s, rowvar=False)) for s in (real, made))
    root = _root(first)
    # tr sqrt(C1 C2) = tr sqrt(sqrt(C1) C2 sqrt(C1)), which is symmetric and so stays real.
    shared = np.sqrt(np.clip(np.linalg.eigvalsh(root @ second @ root), 0, None)).sum()
    return float(max(gap @ gap + np.trace(first) + np.trace(second) - 2 * shared, 0.0))


@checked
def kernel_distance(real, made):
    """Kernel distance: the unbiased squared maximum mean discrepancy with the kernel (x y / F + 1)^3.

    Args:
        real: (N, F) features, or images of any shape, which are flattened.
        made: (M, F) features.
    Returns:
        Its mean over draws is 0 for the same distribution, so that single values may be below 0; unlike the Frechet
        distance it is not too high with few examples.
    Raises:
        ValueError: if the sets have different features, fewer than two examples, or values that are not finite.

    Source: Binkowski et al. 2018, https://arxiv.org/abs/1801.01401, eqs. 3 and 4 (KID).
    """
    real, made = _sets(real, made)

    def kernel(a, b):
        return (a @ b.T / a.shape[1] + 1) ** 3

    def within(s):
        found = kernel(s, s)
        return (found.sum() - np.trace(found)) / (len(s) * (len(s) - 1))

    return float(within(real) + within(made) - 2 * kernel(real, made).mean())


@checked
def precision_recall(real, made, neighbours: Count = 3):
    """Shares of made examples that look real, and of real ones that could have been made.

    A set's region is the union of balls around its examples, each up to its `neighbours`-th nearest of the same set.

    Args:
        real: (N, F) features, or images of any shape, which are flattened.
        made: (M, F) features.
        neighbours: k; larger sets need larger ones.
    Returns:
        dict: precision, the share of `made` in the region of `real`; recall, the share of `real` in that of `made`.
    Raises:
        ValueError: if the sets have different features, no more than `neighbours` examples, or values that are not
            finite.

    Source: Kynkaanniemi et al. 2019, https://arxiv.org/abs/1904.06991, eqs. 1 and 2; k = 3.
    """
    real, made = _sets(real, made, neighbours + 1)

    def inside(region, points):
        radius = np.partition(_distances(region, region), neighbours, axis=1)[:, neighbours]  # 0 is the point itself
        return float((_distances(points, region) <= radius).any(axis=1).mean())

    return {"precision": inside(real, made), "recall": inside(made, real)}


@checked
def memorisation(training, held_out, made):
    """Whether made examples lie nearer to training examples than new real ones do: then they are copies.

    Args:
        training: (N, F) features, or images of any shape, which are flattened.
        held_out: (K, F) real ones that were not trained on.
        made: (M, F) examples of the generator.
    Returns:
        dict: nearest (M,), the training example nearest to each made one; distances (M,), how far that is;
        ratio, the median of these over the median of the held-out ones', about 1 where nothing is memorised and 0
        where all is copied; copies, the share of made ones that are nearer than 99 % of the held-out ones are.
    Raises:
        ValueError: if the sets have different features, no example, or values that are not finite.

    Source: the comparison with held-out data is Meehan et al.'s, https://arxiv.org/abs/2004.05675, here by medians.
    """
    training, made = _sets(training, made, 1)
    training, held_out = _sets(training, held_out, 1)
    away = _distances(made, training)
    usual = _distances(held_out, training).min(axis=1)
    nearest = away.argmin(axis=1)
    found = away[np.arange(len(made)), nearest]
    middle = np.median(usual)
    return {
        "nearest": nearest,
        "distances": found,
        "ratio": float(np.median(found) / middle) if middle else float("nan"),
        "copies": float((found < np.quantile(usual, 0.01)).mean()),
    }


@checked
def gaussian_baseline(images, n: Count, seed: int = 0):
    """Samples of a normal distribution with the mean and the covariance of the images' pixels: what needs no network.

    Args:
        images: (N, ...) images, at least two.
        n: how many samples.
        seed: of the samples.
    Returns:
        (n, ...) float32, clipped to the range of the images.
    Raises:
        ValueError: if there are fewer than two images, or values that are not finite.
    """
    flat, _ = _sets(images, images)
    root = _root(np.atleast_2d(np.cov(flat, rowvar=False)))
    drawn = flat.mean(axis=0) + np.random.default_rng(seed).standard_normal((n, flat.shape[1])) @ root
    return drawn.clip(flat.min(), flat.max()).astype("float32").reshape(n, *np.shape(images)[1:])


@checked
def noisy_baseline(images, n: Count, deviation: NonNegative, seed: int = 0):
    """Training images with normal noise: high marks for variety, and what a copying generator would make.

    Args:
        images: (N, ...) training images.
        n: how many; drawn with replacement.
        deviation: of the noise, in units of the images.
        seed: of the draw and of the noise.
    Returns:
        (n, ...) float32, clipped to the range of the images.
    Raises:
        ValueError: if there are no images, or values that are not finite.
    """
    flat, _ = _sets(images, images, 1)
    rng = np.random.default_rng(seed)
    drawn = flat[rng.integers(0, len(flat), n)] + deviation * rng.standard_normal((n, flat.shape[1]))
    return drawn.clip(flat.min(), flat.max()).astype("float32").reshape(n, *np.shape(images)[1:])


@checked
def pixel_likelihood(training, held_out):
    """The log-likelihood of images by pixels that know nothing of each other: the trivial answer beside an ELBO.

    Each pixel is white with the share of white at its place in the training images, a white and a black one added.

    Args:
        training: (N, ...) images from 0 to 1.
        held_out: (K, ...) images from 0 to 1; greys count for both, as in the Bernoulli loss.
    Returns:
        (K,) float64 array [nats].
    Raises:
        ValueError: if there are no images, shapes differ, or values are not finite.
    """
    training, held_out = _sets(training, held_out, 1)
    white = (training.sum(axis=0) + 1) / (len(training) + 2)
    return held_out @ np.log(white) + (1 - held_out) @ np.log(1 - white)


@checked
def pixel_bits(training, held_out, levels: Count = 256):
    """Bits per dimension of images by pixels that know nothing of each other: the trivial answer beside a flow.

    Each pixel has each level as often as at its place in the training images, each once more than it was seen.

    Args:
        training: (N, ...) images, k / (levels - 1).
        held_out: (K, ...) images, k / (levels - 1).
        levels: values that a pixel can have.
    Returns:
        (K,) float64 array [bits]; log2(levels) where every level is as likely as the others.
    Raises:
        ValueError: if there are no images, shapes differ, or values are not finite.
    """
    training, held_out = (np.rint(s * (levels - 1)).astype(int) for s in _sets(training, held_out, 1))
    places = np.arange(training.shape[1])
    seen = np.ones((len(places), levels))
    np.add.at(seen, (np.broadcast_to(places, training.shape), training), 1)
    return np.log2(len(training) + levels) - np.log2(seen[places, held_out]).mean(axis=1)


@checked
def compare(
    training,
    held_out,
    made,
    features=None,
    *,
    neighbours: Count = 3,
    deviation: Positive | None = None,
    seed: int = 0,
):
    """Every figure of this file for a generator, beside the trivial baselines and beside real images.

    Args:
        training: (N, ...) images that it was trained on.
        held_out: (K, ...) real images that it has not seen; what all are measured against.
        made: (M, ...) images of the generator.
        features: function (N, ...) images -> (N, F) features, or None for the pixels.
        neighbours: of precision and recall.
        deviation: of the noisy training images' noise; None for a tenth of the images' range.
        seed: of the baselines.
    Returns:
        dict of dicts: for generator, gaussian (a normal distribution of the pixels), noisy (training images with
        noise) and training (as many real ones) each frechet, kernel, precision, recall, ratio and copies. Memorisation
        is measured on pixels. Smaller frechet and kernel are better.
    Raises:
        ValueError: if there are too few images, or shapes differ.
    """
    see = features or (lambda images: images)
    count = min(len(made), len(training))
    images = np.asarray(training, "float64")
    deviation = (images.max() - images.min()) / 10 if deviation is None else deviation
    subjects = {
        "generator": made,
        "gaussian": gaussian_baseline(training, count, seed),
        "noisy": noisy_baseline(training, count, deviation, seed),
        "training": np.asarray(training)[np.random.default_rng(seed).permutation(len(training))[:count]],
    }
    real, found = see(held_out), {}
    for name, subject in subjects.items():
        seen, copied = see(subject), memorisation(training, held_out, subject)
        found[name] = {
            "frechet": frechet_distance(real, seen),
            "kernel": kernel_distance(real, seen),
            **precision_recall(real, seen, neighbours),
            "ratio": copied["ratio"],
            "copies": copied["copies"],
        }
    return found


def _sets(a, b, least=2):
    """Two arrays as (N, F) float64 with the same F."""
    found = []
    for values, name in ((a, "first"), (b, "second")):
        values = np.asarray(values, "float64")
        if values.ndim < 2 or len(values) < least:
            raise ValueError(f"the {name} set must be (N, F) with N at least {least}, got the shape {values.shape}.")
        if not np.isfinite(values).all():
            raise ValueError(f"the {name} set must be finite, got {np.sum(~np.isfinite(values))} other values.")
        found.append(values.reshape(len(values), -1))
    if found[0].shape[1] != found[1].shape[1]:
        raise ValueError(f"both sets must have the same features, got {found[0].shape[1]} and {found[1].shape[1]}.")
    return found


def _root(matrix):
    """The symmetric square root of a covariance."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T


def _distances(a, b):
    """(N, M) Euclidean distances, exactly 0 between equal rows."""
    from scipy.spatial.distance import cdist  # differences first: the quick form by products is not 0 for equal rows

    return cdist(a, b)
