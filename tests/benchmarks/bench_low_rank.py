"""Low rank: RandomizedLowRank against TruncatedSVD, PCA, fbpca and svds, seconds and accuracy.

One table for each case; in a case all methods run in turns. Methods that are compared with each other have
the same "group": the rank that was asked for, and whether the columns were centred.

k, dtype
    Of the components that were found.
s, peak MiB
    Median seconds of a fit, and the memory beside the data that it took at its peak.
speed-up, over accurate
    The seconds of the method over those of the "sklr" of its group, and of the "sklr accuracy=..." of its
    group: above 1 sklr is faster.
solver, passes
    The solver that was used, and the sweeps over the data where the method counts them.
excess
    ||A - A_hat||_F / ||A - A_k||_F - 1 of the k components that were found (A centred, where the method
    centres), computed here in float64 and the same way for all.
error, estimate
    ||A - A_hat||_F / ||A||_F, and what the fit says that it is.
values, sigma 2
    The largest relative difference of the singular values to those of the reference; the second one.

The reference is the construction of the matrix, LAPACK's eigenvalues of the Gram matrix, or ARPACK (tolerance
1e-8). The case "path" has columns of its own: see `compare_paths`.

MNIST and the 20 newsgroups are read from the folder that the environment variable SKLR_DATA names.
"""

import argparse
import importlib.util
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from _harness import Report, alternate, arguments, data_file, mib, progress, random_csr
from scipy import fft, linalg, sparse
from scipy.sparse.linalg import LinearOperator, eigsh, svds
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_extraction.text import TfidfTransformer

from sklr.decomposition import RandomizedLowRank
from sklr.linalg import exact_svd

# Rows of a dense matrix that the referee converts to float64 at a time.
_REFEREE_ROWS = 10_000
# Ranks of the case "path".
_PATH = range(10, 201, 10)


class Data(NamedTuple):
    """A matrix, and its singular values where they are known: None otherwise."""

    A: object
    singular_values: np.ndarray | None = None


# -- matrices -----------------------------------------------------------------------------


def known_spectrum(m, n):
    """Dense A = U diag(i^-0.7) V^T: U of cosines, with column means zero, and V of random rotation.

    Centring changes nothing, and the exact answer is known.
    """
    s = np.arange(1, n + 1) ** -0.7
    V = linalg.qr(np.random.default_rng(0).standard_normal((n, n)))[0]
    A = np.empty((m, n))
    for lo in range(0, n, 50):
        coefficients = np.zeros((m, min(50, n - lo)))
        coefficients[1 : n + 1] = s[:, None] * V[lo : lo + 50].T
        A[:, lo : lo + 50] = fft.idct(coefficients, axis=0, norm="ortho", workers=-1)
    return Data(A, s)


def dense_wide(quick):
    """Dense and wide, with singular values i^-0.7."""
    return known_spectrum(*((5_000, 500) if quick else (100_000, 2_000)))


def dense_narrow(quick):
    """Dense and narrow, with singular values i^-0.7."""
    return known_spectrum(*((10_000, 100) if quick else (200_000, 500)))


def sparse_uniform(quick):
    """Uniformly random non-zeros: a flat spectrum, the hardest for iterations and of least use."""
    return Data(random_csr(*((20_000, 5_000, 1_000_000) if quick else (200_000, 50_000, 20_000_000))))


def sparse_decaying(quick):
    """As the last one, with columns scaled by ``j^-0.7``: a spectrum that decays."""
    data = sparse_uniform(quick)
    data.A.data *= (data.A.indices + 1.0) ** -0.7
    return data


def newsgroups(quick):
    """Tf-idf weights of the 20 newsgroups: latent semantic analysis."""
    with np.load(data_file("text_20newsgroups", "20newsgroups_counts.npz")) as z:
        X = sparse.csr_array((z["data"], z["indices"], z["indptr"]), shape=z["shape"]).astype(float)
    X = sparse.csr_array(TfidfTransformer(sublinear_tf=True).fit_transform(X))
    return Data(X[:2_000] if quick else X)


def mnist(quick):
    """Images of digits."""
    with np.load(data_file("images_mnist", "mnist_train_20k.npz")) as z:
        X = z["X"].astype(np.float32)
    return Data(X[:2_000] if quick else X)


def dense_path(quick):
    """`dense_narrow` with fewer rows."""
    return known_spectrum(*((4_000, 300) if quick else (20_000, 500)))


# -- methods ------------------------------------------------------------------------------


class FunctionEstimator:
    """A function of (A, k) that returns (U, s, V^T), as an estimator."""

    def __init__(self, function, k):
        self._function, self._k = function, k

    def fit(self, X):
        """Call the function; V^T and s are kept, descending."""
        _, s, Vt = self._function(X, self._k)
        order = np.argsort(-s)
        self.singular_values_, self.components_ = s[order], Vt[order]
        return self


def _fbpca(A, k):
    import fbpca

    np.random.seed(0)  # it draws from NumPy's global generator
    return fbpca.pca(A, k, raw=True)


def _svds(A, k):
    v0 = np.random.default_rng(0).standard_normal(min(A.shape))
    return svds(A, k, v0=v0, return_singular_vectors="vh")


def _sklr(**parameters):
    return lambda k, center: RandomizedLowRank(k, center=center, random_state=0, **parameters)


def _pca(solver="auto", k=None):
    return lambda asked, center: PCA(k or asked, svd_solver=solver, random_state=0)


# Functions of rank and centring that return an estimator.
METHODS = {
    "sklr": _sklr(),
    "sklr accuracy=1e-4": _sklr(accuracy=1e-4),
    "sklr max_iter=6": _sklr(max_iter=6),
    "sklr accuracy=1e-6": _sklr(accuracy=1e-6),
    "TruncatedSVD": lambda k, center: TruncatedSVD(k, random_state=0),
    "svds": lambda k, center: FunctionEstimator(_svds, k),
    "fbpca": lambda k, center: FunctionEstimator(_fbpca, k),
    "PCA": _pca(),
    "PCA full": _pca("full"),
    "PCA covariance_eigh": _pca("covariance_eigh"),
    "PCA randomized": _pca("randomized"),
    "PCA randomized k=154": _pca("randomized", 154),
    "PCA arpack": _pca("arpack"),
}


class Group(NamedTuple):
    """Methods that are compared with each other, and what all of them are asked for."""

    k: int | float
    center: bool
    methods: tuple

    def __str__(self):
        return f"k={self.k}{', centred' if self.center else ''}"


_SPARSE = (Group(50, False, ("sklr", "sklr accuracy=1e-6", "TruncatedSVD", "svds")),)
_PCA = ("sklr", "PCA", "PCA randomized")
CASES = {
    dense_wide: (
        Group(50, False, ("sklr", "sklr accuracy=1e-4", "sklr max_iter=6", "TruncatedSVD", "fbpca")),
        Group(50, True, ("sklr", "sklr accuracy=1e-4", "PCA randomized")),
    ),
    dense_narrow: (Group(50, True, ("sklr", "PCA")),),
    sparse_uniform: _SPARSE,
    sparse_decaying: _SPARSE,
    newsgroups: (Group(100, True, ("sklr", "PCA arpack")),),
    mnist: (
        Group(50, True, _PCA),
        Group(154, True, _PCA),
        Group(0.95, True, ("sklr", "PCA", "PCA full", "PCA covariance_eigh", "PCA randomized k=154")),
    ),
}

# -- accuracy -----------------------------------------------------------------------------


class Referee:
    """Errors of components, in float64, the same way for all methods; A is centred where asked for.

    `squares` are the squared singular values, descending: all that are known, of sparse data `k`.
    """

    def __init__(self, data, center, k):
        self._A = data.A
        self._mean = np.asarray(data.A.mean(axis=0, dtype=np.float64)).ravel() if center else None
        self._total = self._squared_norm()
        self.squares = self._squares(k) if data.singular_values is None else data.singular_values**2

    def judge(self, components):
        """``(relative error, excess error)`` of the projection on the rows of `components`."""
        V = linalg.qr(components.T.astype(np.float64), mode="economic")[0]
        captured = sum(float(np.sum((block @ V - self._shift(V)) ** 2)) for block in self._blocks())
        error = np.sqrt(max(self._total - captured, 0.0))
        best = np.sqrt(self._total - float(self.squares[: len(components)].sum()))
        return float(error / np.sqrt(self._total)), float(error / best - 1)

    def difference(self, singular_values):
        """Largest relative difference of singular values to those of the reference."""
        n = min(len(singular_values), len(self.squares))
        reference = np.sqrt(self.squares[:n])
        return float(np.max(np.abs(singular_values[:n] - reference) / reference))

    def _blocks(self):
        if sparse.issparse(self._A):
            yield self._A.astype(np.float64, copy=False)
        else:
            for lo in range(0, self._A.shape[0], _REFEREE_ROWS):
                yield self._A[lo : lo + _REFEREE_ROWS].astype(np.float64)

    def _shift(self, V):
        return 0.0 if self._mean is None else self._mean @ V

    def _squared_norm(self):
        total = sum(float(np.sum((b.data if sparse.issparse(b) else b) ** 2)) for b in self._blocks())
        return total if self._mean is None else total - self._A.shape[0] * float(self._mean @ self._mean)

    def _squares(self, k):
        m, n = self._A.shape
        if not sparse.issparse(self._A):
            G = sum(block.T @ block for block in self._blocks())
            if self._mean is not None:
                G -= m * np.outer(self._mean, self._mean)
            return np.maximum(linalg.eigvalsh(G)[::-1], 0.0)
        A = next(self._blocks())

        def product(x):
            y = A @ x - self._shift(x)
            z = A.T @ y
            return z if self._mean is None else z - self._mean * y.sum()

        N = LinearOperator((n, n), matvec=product, dtype=np.float64)
        squares = eigsh(N, k, ncv=min(4 * k, n), tol=1e-8, v0=np.ones(n), return_eigenvectors=False)
        return np.sort(squares)[::-1]


def exact_agrees():
    """The referee against LAPACK on a small matrix: a check of this script."""
    A, s = known_spectrum(600, 80)
    result = exact_svd(A, 10)
    assert np.allclose(result.singular_values, s[:10], rtol=1e-12)
    for data in (Data(A, s), Data(A), Data(sparse.csr_array(A))):
        for center in (False, True):
            referee = Referee(data, center, 10)
            assert abs(referee.judge(result.right_vectors)[1]) < 1e-8
            assert referee.difference(result.singular_values) < 1e-8


# -- the comparisons ----------------------------------------------------------------------


def compare(report, args, data, groups):
    """All methods of a case on its matrix."""
    estimators = {
        (group, name): METHODS[name](group.k, group.center) for group in groups for name in group.methods
    }
    if importlib.util.find_spec("fbpca") is None:
        for key in [key for key in estimators if key[1] == "fbpca"]:
            del estimators[key]
            report.note("fbpca skipped: it is not installed.")
    progress("  references")
    referees = {center: Referee(data, center, groups[0].k) for center in {group.center for group in groups}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns of its own defaults
        timings = alternate({key: lambda e=e: e.fit(data.A) for key, e in estimators.items()}, args.repeats)
    for (group, name), timing in timings.items():
        estimator, referee = estimators[group, name], referees[group.center]
        accurate = next((timings[group, m] for m in group.methods if m.startswith("sklr accuracy")), None)
        error, excess = referee.judge(estimator.components_)
        report.add(
            group=str(group),
            method=name,
            k=len(estimator.components_),
            dtype=str(estimator.components_.dtype),
            s=timing.median,
            **{"speed-up": timings[group, "sklr"].faster_than(timing)},
            over_accurate=accurate and accurate.faster_than(timing),
            solver=getattr(estimator, "solver_", getattr(estimator, "_fit_svd_solver", None)),
            passes=getattr(estimator, "n_passes_", None),
            peak_MiB=mib(timing.peak),
            excess=excess,
            error=error,
            estimate=getattr(estimator, "error_estimate_", None),
            values=referee.difference(estimator.singular_values_),
            sigma_2=f"{estimator.singular_values_[1]:.8g}",
        )
    for center, referee in referees.items():
        kind = "centred" if center else "not centred"
        report.note(f"Second singular value of the reference, {kind}: {np.sqrt(referee.squares[1]):.8g}.")


def compare_paths(report, args, name, data):
    """Twenty ranks, 10, 20, ..., 200, from one fit and from twenty.

    "fits' worth" is the seconds over those of one fit with the largest rank; "speed-up" is the seconds of the
    twenty separate fits over these; "values" is the largest relative difference of the singular values to
    those of the separate fits.
    """
    k = max(_PATH)
    model = RandomizedLowRank(k, center=True, random_state=0)

    def fit(k):
        return RandomizedLowRank(k, center=True, random_state=0).fit(data.A)

    def fit_and_truncate():
        largest = fit(k)
        return [largest.truncate(rank) for rank in _PATH]

    ways = {
        "one fit": lambda: [fit(k)],
        "one fit, truncate": fit_and_truncate,
        "fit_path": lambda: list(model.fit_path(data.A, None, [{"n_components": rank} for rank in _PATH])),
        "separate fits": lambda: [fit(rank) for rank in _PATH],
    }
    timings = alternate(ways, args.repeats)
    one, separate = timings["one fit"], timings["separate fits"]
    spectra = [found.singular_values_ for found in separate.result]
    for way, timing in timings.items():
        found = [fitted.singular_values_ for fitted in timing.result]
        pairs = zip(found, spectra[-len(found) :], strict=True)  # the one fit has the largest rank
        report.add(
            data=f"{name} {data.A.shape[0]} x {data.A.shape[1]} {data.A.dtype}",
            way=way,
            ranks=len(found),
            s=timing.median,
            **{"fits' worth": one.faster_than(timing), "speed-up": timing.faster_than(separate)},
            solver=", ".join(dict.fromkeys(fitted.solver_ for fitted in timing.result)),
            peak_MiB=mib(timing.peak),
            values=float(max(np.max(np.abs(a - b) / b) for a, b in pairs)),
        )


def _loaded(load, args):
    """The data, or None where they are not there."""
    try:
        return load(args.quick)
    except FileNotFoundError as reason:
        print(f"{load.__name__} skipped: {reason}.", flush=True)
        return None


def _report(args, name, title):
    """The table of a case; with several, ``--json`` has a file for each."""
    json = args.json and str(Path(args.json).with_stem(f"{Path(args.json).stem}_{name}"))
    return Report(f"Low rank, {name}: {title}", argparse.Namespace(**{**vars(args), "json": json}))


def main(args):
    """One table for each case."""
    exact_agrees()
    for load, groups in CASES.items():
        name = load.__name__
        if name in args.data and (data := _loaded(load, args)) is not None:
            shape = f"{data.A.shape[0]} x {data.A.shape[1]} {data.A.dtype}"
            with _report(args, name, f"{shape}. {load.__doc__}") as report:
                compare(report, args, data, groups)
            del data
    if "path" in args.data:
        with _report(args, "path", "ranks 10, 20, ..., 200, centred.") as report:
            for load in (dense_path, mnist):
                if (data := _loaded(load, args)) is not None:
                    compare_paths(report, args, load.__name__, data)


NAMES = [*(load.__name__ for load in CASES), "path"]

if __name__ == "__main__":
    found = arguments(
        __doc__, lambda p: p.add_argument("--data", choices=NAMES, action="append", help="only this case")
    )
    found.data = found.data or NAMES
    main(found)
