"""Metrics on feature matrices (n, d), in float64.

| function | lower or higher is better |
| --- | --- |
| `frechet_distance` | lower |
| `kid` | lower; its expectation is zero for equal distributions, so it may be below |
| `prd` | higher, both: "f8" is recall, "f1/8" is precision |
| `prd_pca64` | as `prd`, by another algorithm: for progress curves only |
| `neighbours` | higher, all four: precision, recall, density, coverage |

`METRICS` is the registry: it names the columns of records and their directions.

The Fréchet distance is ours rather than pytorch-fid's: that one calls an argument of `scipy.linalg.sqrtm`
which SciPy 1.18 removed, and costs eight times as much.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Moments:
    """Mean (d,) and unbiased covariance (d, d) of n feature vectors."""

    mean: Array
    cov: Array
    n: int


def moments(features: ArrayLike, *, allow_few: bool = False) -> Moments:
    """Moments of features (n, d).

    Args:
        features: one row per image, finite.
        allow_few: accept n <= d, where the covariance is singular and the distance biased.

    Raises:
        ValueError: not a matrix, not finite, or too few rows.
    """
    x = matrix(features)
    n, d = x.shape
    if n < 2:
        raise ValueError(f"a covariance needs at least 2 samples, got {n}")
    if n <= d and not allow_few:
        raise ValueError(
            f"{n} samples of {d} features give a singular covariance and a biased distance: "
            f"take more than {d}, or say allow_few=True"
        )
    return Moments(x.mean(axis=0), np.atleast_2d(np.cov(x, rowvar=False)), n)


def matrix(features: ArrayLike) -> Array:
    """Features as float64, or a ValueError where they are not a matrix (n, d) of finite numbers."""
    x = np.asarray(features, dtype=np.float64)
    if x.ndim != 2:
        raise ValueError(f"features must be a matrix (n, d), got shape {x.shape}")
    if not np.isfinite(x).all():
        raise ValueError(f"{int((~np.isfinite(x)).any(axis=1).sum())} of {len(x)} feature vectors are not finite")
    return x


def pair(real: ArrayLike, fake: ArrayLike) -> tuple[Array, Array]:
    """Two sets of features of one width, as float64."""
    a, b = matrix(real), matrix(fake)
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"real images have {a.shape[1]} features, fake ones {b.shape[1]}")
    return a, b


def frechet_distance(real: ArrayLike, fake: ArrayLike, *, allow_few: bool = False) -> float:
    """Fréchet distance between Gaussians fitted to two sets of features; lower is better, symmetric.

    Args:
        real: features of real images, (n, d).
        fake: features of generated images, (m, d).
        allow_few: accept fewer samples than features.

    Returns:
        |mu1 - mu2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), at least 0 up to rounding.
    """
    a, b = moments(real, allow_few=allow_few), moments(fake, allow_few=allow_few)
    return frechet_from_moments(a.mean, a.cov, b.mean, b.cov)


def frechet_from_moments(mu1: ArrayLike, cov1: ArrayLike, mu2: ArrayLike, cov2: ArrayLike) -> float:
    """Fréchet distance between N(mu1, cov1) and N(mu2, cov2).

    Args:
        mu1: mean of the one, (d,).
        cov1: its covariance, symmetric and positive semi-definite, (d, d).
        mu2: mean of the other, (d,).
        cov2: its covariance, (d, d).

    Raises:
        ValueError: shapes that do not agree, or entries that are not finite.
    """
    return frechet(mu1, cov1, mu2, cov2)[0]


def frechet(mu1: ArrayLike, cov1: ArrayLike, mu2: ArrayLike, cov2: ArrayLike) -> tuple[float, int]:
    """As `frechet_from_moments`, with the number of numerical rescues: 1 if both covariances are singular.

    tr (C1 C2)^(1/2) is the sum of the square roots of the eigenvalues of L^T C1 L, where C2 = L L^T: LAPACK has
    Cholesky factor, product and eigenvalues as one symmetric problem, C1 C2 x = lambda x.  Where C2 is
    singular, so that it has no Cholesky factor, C1's is taken instead (the distance is symmetric); where both
    are, L is the symmetric square root of C1, whose eigenvalues below zero are clipped.
    """
    m1, m2 = np.atleast_1d(np.asarray(mu1, np.float64)), np.atleast_1d(np.asarray(mu2, np.float64))
    c1, c2 = np.atleast_2d(np.asarray(cov1, np.float64)), np.atleast_2d(np.asarray(cov2, np.float64))
    d = len(m1)
    if m1.shape != m2.shape or m1.ndim != 1 or c1.shape != (d, d) or c2.shape != (d, d):
        raise ValueError(f"shapes do not agree: means {m1.shape}, {m2.shape}, covariances {c1.shape}, {c2.shape}")
    if not all(np.isfinite(a).all() for a in (m1, m2, c1, c2)):
        raise ValueError("means and covariances must be finite")
    eigenvalues, rescues = _product_eigenvalues(c1, c2), 0
    if eigenvalues is None:
        eigenvalues = _product_eigenvalues(c2, c1)
    if eigenvalues is None:
        values, vectors = linalg.eigh(c1)
        factor, rescues = vectors * np.sqrt(values.clip(0)), 1
        product = factor.T @ c2 @ factor
        eigenvalues = linalg.eigvalsh((product + product.T) / 2)
    difference = m1 - m2
    roots = np.sqrt(eigenvalues.clip(0)).sum()
    return float(difference @ difference + np.trace(c1) + np.trace(c2) - 2 * roots), rescues


def _product_eigenvalues(a: Array, b: Array) -> Array | None:
    """Eigenvalues of A B for symmetric A and positive definite B; None where B has no Cholesky factor."""
    try:
        values: Array = linalg.eigvalsh(a, b, type=2, driver="gv", check_finite=False)
    except linalg.LinAlgError:
        return None
    return values


# --- precision and recall for distributions (Sajjadi et al.; Appendix F, Table 6)

ROUNDING = 1e-12  # squared distances below this share of the rows' own squares are zero: 2,048 sums of 1e-16
SLACK = 1e-9  # of a squared radius: the k-th neighbour is inside, however another product has rounded its distance
EPSILON = 1e-10  # keeps angles off 0 and a right angle, and F's denominator off 0, as the published code does


def prd(
    *, real: ArrayLike, fake: ArrayLike, clusters: int = 20, runs: int = 10, angles: int = 1001, seed: int = 0
) -> dict[str, float]:
    """Precision and recall for distributions: {"f8": recall, "f1/8": precision}, each in [0, 1], higher is better.

    Keywords only: the published README swaps the two sets, which swaps the two numbers.

    Args:
        real: features of real images, (n, d).
        fake: features of generated images, (n, d), as many.
        clusters: of the union, by mini-batch k-means with batches of 100 (scikit-learn's default when PRD was
            published; it is 1024 by now).
        runs: independent clusterings, whose curves are averaged.
        angles: slopes of the curve.
        seed: of the clusterings.
    """
    precision, recall = prd_curve(real=real, fake=fake, clusters=clusters, runs=runs, angles=angles, seed=seed)
    return {"f8": _f_beta(precision, recall, 8.0), "f1/8": _f_beta(precision, recall, 1 / 8)}


def prd_curve(
    *, real: ArrayLike, fake: ArrayLike, clusters: int = 20, runs: int = 10, angles: int = 1001, seed: int = 0
) -> tuple[Array, Array]:
    """The whole curve: precision and recall, each (angles,), from slope 0 to slope infinity.  Arguments as `prd`.

    Raises:
        ValueError: sets of different sizes, which would bias the curve, or fewer images than clusters.
    """
    from sklearn.cluster import MiniBatchKMeans  # here: importing it takes a second

    a, b = pair(real, fake)
    if len(a) != len(b):
        raise ValueError(f"PRD compares sets of one size, got {len(a)} real and {len(b)} fake images")
    if len(a) < clusters:
        raise ValueError(f"PRD with {clusters} clusters needs as many images, got {len(a)}")
    curves = []
    for run in range(runs):
        means = MiniBatchKMeans(clusters, n_init=10, batch_size=100, random_state=seed + run)
        labels = means.fit(np.concatenate([a, b])).labels_
        p, q = (np.bincount(part, minlength=clusters) / len(part) for part in (labels[: len(a)], labels[len(a) :]))
        curves.append(prd_of_histograms(real=p, fake=q, angles=angles))
    precision, recall = np.mean(curves, axis=0)
    return precision, recall


COMPONENTS = 64  # of `prd_pca64`, whose name says so


def prd_pca64(*, real: ArrayLike, fake: ArrayLike, seed: int = 0) -> dict[str, float]:
    """As `prd`, by another algorithm that costs a fraction: for progress curves, never for a table.

    The union is clustered by its first 64 principal components, found by two power iterations in float32.  Its
    values are not those of `prd`; `python -m benchmarks.perf.metric_cost` measures how far they are off.
    """
    from sklearn.decomposition import PCA  # here: importing it takes a second

    a, b = pair(real, fake)
    union = np.concatenate([a, b]).astype(np.float32)
    few = PCA(min(COMPONENTS, *union.shape), svd_solver="randomized", iterated_power=2, random_state=seed)
    reduced = few.fit_transform(union)
    precision, recall = prd_curve(real=reduced[: len(a)], fake=reduced[len(a) :], seed=seed)
    return {"f8": _f_beta(precision, recall, 8.0), "f1/8": _f_beta(precision, recall, 1 / 8)}


def prd_of_histograms(*, real: ArrayLike, fake: ArrayLike, angles: int = 1001) -> tuple[Array, Array]:
    """Precision and recall of two distributions over the same bins, eqs. (5) and (6) of Sajjadi et al."""
    p, q = np.asarray(real, np.float64), np.asarray(fake, np.float64)
    slopes = np.tan(np.linspace(EPSILON, np.pi / 2 - EPSILON, angles))
    precision = np.minimum(p * slopes[:, None], q).sum(axis=1)
    return precision.clip(0, 1), (precision / slopes).clip(0, 1)


def _f_beta(precision: Array, recall: Array, beta: float) -> float:
    f = (1 + beta**2) * precision * recall / (beta**2 * precision + recall + EPSILON)
    return float(f.max())


# --- kernel distance


def kid(real: ArrayLike, fake: ArrayLike, *, subsets: int = 100, size: int = 1000, seed: int = 0) -> dict[str, float]:
    """Kernel distance (Binkowski et al.): unbiased squared MMD, kernel (x.y / d + 1)^3; lower is better.

    Args:
        real: features of real images, (n, d).
        fake: features of generated images, (m, d).
        subsets: number of random subsets, over which the mean is taken.
        size: images in each, at most the smaller set.
        seed: of the subsets.

    Returns:
        {"kid_mean", "kid_std"}: mean and standard deviation over subsets; 0 where a subset is all that there is.
    """
    a, b = pair(real, fake)
    size = min(size, len(a), len(b))
    subsets = 1 if size == len(a) == len(b) else subsets
    if size < 2:
        raise ValueError(f"a kernel distance needs at least 2 images of each kind, got {len(a)} and {len(b)}")
    generator, values = np.random.default_rng(seed), []
    for _ in range(subsets):
        x, y = (z[generator.choice(len(z), size, replace=False)] for z in (a, b))
        xx, yy, xy = ((u @ v.T / x.shape[1] + 1) ** 3 for u, v in ((x, x), (y, y), (x, y)))
        within = (xx.sum() - np.trace(xx) + yy.sum() - np.trace(yy)) / (size * (size - 1))
        values.append(within - 2 * xy.mean())
    return {"kid_mean": float(np.mean(values)), "kid_std": float(np.std(values))}


# --- nearest neighbours


def neighbours(real: ArrayLike, fake: ArrayLike, *, k: int = 5, chunk: int = 1000) -> dict[str, float]:
    """Improved precision and recall (Kynkäänniemi et al.), density and coverage (Naeem et al.); higher is better.

    A ball around each image reaches to its k-th neighbour of the same set.  precision: share of fakes in some
    real ball; recall: share of reals in some fake ball; density: real balls around a fake, over k (may exceed 1);
    coverage: share of real balls that hold a fake.

    Args:
        real: features of real images, (n, d).
        fake: features of generated images, (m, d).
        k: neighbours.
        chunk: rows of the distance matrix held at once.
    """
    a, b = pair(real, fake)
    if min(len(a), len(b)) <= k:
        raise ValueError(f"{k} neighbours need more than {k} images of each kind, got {len(a)} and {len(b)}")
    centre = a.mean(axis=0)  # distances do not change, and lose fewer digits
    a, b = a - centre, b - centre
    real_radius, fake_radius = _radii(a, k, chunk), _radii(b, k, chunk)
    in_real, covered, recalled = np.zeros(len(b), np.int64), [], []
    for start in range(0, len(a), chunk):
        rows = slice(start, start + chunk)
        distance = squared_distances(a[rows], b)
        inside = distance <= real_radius[rows, None]
        in_real += inside.sum(axis=0)
        covered.append(inside.any(axis=1))
        recalled.append((distance <= fake_radius).any(axis=1))
    return {
        "precision": float((in_real > 0).mean()),
        "recall": float(np.concatenate(recalled).mean()),
        "density": float(in_real.mean() / k),
        "coverage": float(np.concatenate(covered).mean()),
    }


def _radii(x: Array, k: int, chunk: int) -> Array:
    """Squared distance of each row to its k-th nearest other row, and a little more."""
    starts = range(0, len(x), chunk)  # place 0 of a sorted row is the row itself
    radii = [np.partition(squared_distances(x[s : s + chunk], x), k, axis=1)[:, k] for s in starts]
    return (1 + SLACK) * np.concatenate(radii)


def squared_distances(a: Array, b: Array) -> Array:
    """Squared Euclidean distances (n, m) of rows (n, d) and (m, d), by one matrix product.

    That product cannot tell a distance below its rounding error from zero: such ones are zero here, so that equal
    rows are at distance zero, and images that are there twice count as what they are.
    """
    squares_a, squares_b = np.einsum("ij,ij->i", a, a)[:, None], np.einsum("ij,ij->i", b, b)[None]
    scale = squares_a + squares_b
    distance: Array = scale - 2 * (a @ b.T)
    distance[distance < ROUNDING * scale] = 0.0
    return distance


# --- the registry


class Scored(Protocol):
    """What a metric may look at: one side's features, and its moments, which are computed once."""

    @property
    def features(self) -> NDArray[np.float32]:
        """(n, d)."""

    @property
    def moments(self) -> Moments:
        """Of all features."""


@dataclass(frozen=True)
class Metric:
    """One row of `METRICS`.

    Attributes:
        columns: what records call its values -> "lower" or "higher", whichever is better, or "spread".
        how: its parameters in words, stored beside the values: change it with them, and old values do not count.
        call: from real and fake images to (values by column, numerical rescues).
    """

    columns: Mapping[str, str]
    how: str
    call: Callable[[Scored, Scored], tuple[dict[str, float], int]]


def _fd(real: Scored, fake: Scored) -> tuple[dict[str, float], int]:
    a, b = real.moments, fake.moments
    value, rescues = frechet(a.mean, a.cov, b.mean, b.cov)
    return {FD: value}, rescues


def _prd(real: Scored, fake: Scored) -> tuple[dict[str, float], int]:
    n = min(len(real.features), len(fake.features))  # of one size, or the curve is biased
    found = prd(real=real.features[:n], fake=fake.features[:n])
    return {"prd_f8": found["f8"], "prd_f1_8": found["f1/8"]}, 0


def _neighbours(real: Scored, fake: Scored) -> tuple[dict[str, float], int]:
    n = min(len(real.features), len(fake.features))  # balls shrink as images become more
    found = neighbours(real.features[:n], fake.features[:n])
    return {f"knn_{name}": value for name, value in found.items()}, 0  # records have another "precision"


FD = "fd"  # stands for the column that the extractor names: fid, fd_classifier, ...
METRICS: dict[str, Metric] = {
    "fd": Metric({FD: "lower"}, "as the metric protocol says", _fd),
    "prd": Metric(
        {"prd_f8": "higher", "prd_f1_8": "higher"},
        "equal numbers, 20 clusters of the union, batches of 100, 10 starts, 10 clusterings, 1001 angles, seed 0",
        _prd,
    ),
    "kid": Metric(
        {"kid_mean": "lower", "kid_std": "spread"},
        "kernel (x.y / d + 1)^3, unbiased, 100 subsets of at most 1,000, seed 0",
        lambda a, b: (kid(a.features, b.features), 0),
    ),
    "neighbours": Metric(
        dict.fromkeys(("knn_precision", "knn_recall", "knn_density", "knn_coverage"), "higher"),
        "equal numbers, balls to the 5th neighbour",
        _neighbours,
    ),
}
