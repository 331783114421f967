"""Low rank: RandomizedLowRank against TruncatedSVD and PCA, seconds and accuracy.

For every matrix all methods run in turns. "excess" is the excess error ||A - A_hat||_F / ||A - A_k||_F - 1
of the components that were found (A centred, where the method centres), computed here in float64 and the
same way for all; ||A - A_k|| comes from the singular values of a reference: the construction of the matrix,
LAPACK's eigenvalues of the Gram matrix, or ARPACK. "speed-up" is the seconds of the method over those of
RandomizedLowRank with the solver "auto" and the same centring. "estimate" and "error" are what the fit says
of itself and the error that it has.

The last two data sets are read from the folder that the environment variable SKLR_DATA names.
"""

import os
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from _harness import Report, alternate, arguments, mib, progress, random_csr
from scipy import fft, linalg, sparse
from scipy.sparse.linalg import LinearOperator, eigsh
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_extraction.text import TfidfTransformer

from sklr.decomposition import RandomizedLowRank
from sklr.linalg import exact_svd

# Rows of a dense matrix that the referee converts to float64 at a time.
_REFEREE_ROWS = 10_000


class Data(NamedTuple):
    """A matrix, and its singular values where they are known: None otherwise."""

    A: object
    k: int
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
    return A, s


def dense_wide(quick):
    """2,000 columns."""
    return Data(*_with_rank(known_spectrum(*((5_000, 500) if quick else (100_000, 2_000)))))


def dense_narrow(quick):
    """500 columns."""
    return Data(*_with_rank(known_spectrum(*((10_000, 100) if quick else (200_000, 500)))))


def _with_rank(found):
    A, s = found
    return A, 50, s


def sparse_uniform(quick):
    """Uniformly random non-zeros: a flat spectrum, the hardest for iterations and of least use."""
    return Data(random_csr(*((20_000, 5_000, 1_000_000) if quick else (200_000, 50_000, 20_000_000))), 50)


def sparse_decaying(quick):
    """As the last one, with columns scaled by ``j^-0.7``: a spectrum that decays."""
    A = sparse_uniform(quick).A
    A.data *= (A.indices + 1.0) ** -0.7
    return Data(A, 50)


def mnist(quick):
    """Images of digits, float32."""
    with np.load(_data_file("images_mnist", "mnist_train_20k.npz")) as z:
        X = z["X"].astype(np.float32)
    return Data(X[:2_000] if quick else X, 50)


def newsgroups(quick):
    """Tf-idf weights of the 20 newsgroups: latent semantic analysis."""
    with np.load(_data_file("text_20newsgroups", "20newsgroups_counts.npz")) as z:
        X = sparse.csr_array((z["data"], z["indices"], z["indptr"]), shape=z["shape"]).astype(float)
    X = sparse.csr_array(TfidfTransformer(sublinear_tf=True).fit_transform(X))
    return Data(X[:2_000] if quick else X, 100)


def _data_file(folder, name):
    root = os.environ.get("SKLR_DATA")
    if not root:
        raise FileNotFoundError("SKLR_DATA does not name the folder of the data sets")
    path = Path(root) / folder / name
    if not path.is_file():
        raise FileNotFoundError(f"there is no {folder}/{name} in the folder that SKLR_DATA names")
    return path


DATA = {f.__name__: f for f in (dense_wide, dense_narrow, sparse_uniform, sparse_decaying, mnist, newsgroups)}

# -- methods ------------------------------------------------------------------------------


def methods(data, center):
    """Estimators by name that find `data.k` components; "sklr auto" is what the others are compared with."""
    k, is_sparse = data.k, sparse.issparse(data.A)
    found = {
        f"sklr {solver}": RandomizedLowRank(k, center=center, solver=solver, random_state=0)
        for solver in ("auto", "gram", "krylov")
        if solver != "gram" or min(data.A.shape) <= 2_500
    }
    if center and is_sparse:
        found["PCA arpack"] = PCA(k, svd_solver="arpack", random_state=0)
    elif center:
        for solver in ("auto", "covariance_eigh", "randomized"):
            found[f"PCA {solver}"] = PCA(k, svd_solver=solver, random_state=0)
    else:
        found["TruncatedSVD"] = TruncatedSVD(k, random_state=0)
    return found


# -- accuracy -----------------------------------------------------------------------------


class Referee:
    """Errors of components, in float64, the same way for all methods; A is centred where asked for."""

    def __init__(self, data, center):
        self._A, self._k = data.A, data.k
        self._mean = np.asarray(data.A.mean(axis=0, dtype=np.float64)).ravel() if center else None
        self._total = self._squared_norm()
        if data.singular_values is None:
            best = self._largest_squares().sum()
        else:
            best = float(np.sum(data.singular_values[: self._k] ** 2))
        self._best_error = np.sqrt(self._total - best)

    def judge(self, components):
        """``(relative error, excess error)`` of the projection on the rows of `components`."""
        V = linalg.qr(components.T.astype(np.float64), mode="economic")[0]
        captured = sum(float(np.sum((block @ V - self._shift(V)) ** 2)) for block in self._blocks())
        error = np.sqrt(max(self._total - captured, 0.0))
        return float(error / np.sqrt(self._total)), float(error / self._best_error - 1)

    def _blocks(self):
        if sparse.issparse(self._A):
            yield self._A.astype(np.float64)
        else:
            for lo in range(0, self._A.shape[0], _REFEREE_ROWS):
                yield self._A[lo : lo + _REFEREE_ROWS].astype(np.float64)

    def _shift(self, V):
        return 0.0 if self._mean is None else self._mean @ V

    def _squared_norm(self):
        total = sum(float(np.sum((b.data if sparse.issparse(b) else b) ** 2)) for b in self._blocks())
        return total if self._mean is None else total - self._A.shape[0] * float(self._mean @ self._mean)

    def _largest_squares(self):
        m, n = self._A.shape
        if not sparse.issparse(self._A):
            G = sum(block.T @ block for block in self._blocks())
            if self._mean is not None:
                G -= m * np.outer(self._mean, self._mean)
            return linalg.eigvalsh(G, subset_by_index=[n - self._k, n - 1])
        A = next(self._blocks())

        def product(x):
            y = A @ x - self._shift(x)
            z = A.T @ y
            return z if self._mean is None else z - self._mean * y.sum()

        N = LinearOperator((n, n), matvec=product, dtype=np.float64)
        squares = eigsh(N, self._k, ncv=4 * self._k, tol=1e-5, v0=np.ones(n), return_eigenvectors=False)
        return squares


# -- the comparison -----------------------------------------------------------------------


def compare(report, args, name, data, center):
    """All methods on one matrix."""
    progress(f"  {name}, {'centred' if center else 'not centred'}: reference")
    referee = Referee(data, center)
    estimators = methods(data, center)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns of its own defaults
        timings = alternate({key: lambda e=e: e.fit(data.A) for key, e in estimators.items()}, args.repeats)
    auto = timings["sklr auto"]
    shape = f"{data.A.shape[0]} x {data.A.shape[1]}"
    for key, timing in timings.items():
        estimator = estimators[key]
        error, excess = referee.judge(estimator.components_)
        report.add(
            data=f"{name} {shape} {data.A.dtype}, k={data.k}" + (", centred" if center else ""),
            method=key,
            s=timing.median,
            speed_up=auto.faster_than(timing),
            solver=getattr(estimator, "solver_", None),
            passes=getattr(estimator, "n_passes_", None),
            excess=excess,
            error=error,
            estimate=getattr(estimator, "error_estimate_", None),
            peak_MiB=mib(timing.peak),
        )


def exact_agrees():
    """The referee against LAPACK on a small matrix: a check of this script."""
    A, s = known_spectrum(600, 80)
    result = exact_svd(A, 10)
    assert np.allclose(result.singular_values, s[:10], rtol=1e-12)
    for data in (Data(A, 10, s), Data(A, 10), Data(sparse.csr_array(A), 10)):
        for center in (False, True):
            assert abs(Referee(data, center).judge(result.right_vectors)[1]) < 1e-8


def main(args):
    """Every matrix, not centred and centred."""
    exact_agrees()
    with Report(__doc__, args) as report:
        for name in args.data or DATA:
            try:
                data = DATA[name](args.quick)
            except FileNotFoundError as reason:
                report.note(f"{name} skipped: {reason}.")
                continue
            compare(report, args, name, data, center=False)
            if name not in ("sparse_uniform", "sparse_decaying"):
                compare(report, args, name, data, center=True)


if __name__ == "__main__":
    main(
        arguments(
            __doc__, lambda p: p.add_argument("--data", choices=DATA, action="append", help="only this")
        )
    )
