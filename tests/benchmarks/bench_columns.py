"""Choosing columns: against SciPy's interpolative decomposition and scikit-matter's CUR.

spectrum
    3,000 x 600 with singular values 1/i, 30 columns; 20 seeds for the errors of sklr.
dense
    50,000 x 5,000 with singular values about 1/i, 200 columns.
newsgroups, newsgroups_slice
    200 of the words of 20 newsgroups, by counts: all 33,308, or 5,000 of them, where LAPACK's pivoted QR of
    the dense matrix can be had.
genotypes, cells
    200 of 10,346 markers of 1,814 mice, centred; 200 of 12,653 genes of 909 cells, by logarithms of counts.
path
    20 numbers of columns by `fit_path`, against one fit at the largest and against 20 fits.

Columns: "error" is ||A - A_J A_J^+ A||_F / ||A||_F, "over best" that over the error of the truncated SVD of
the same rank (for "spectrum" exact, otherwise by `truncated_svd`), both of the first seed; "median" and
"worst" are over seeds, "overlap" the part of the columns that two seeds share, on average; "speed-up" is the
seconds of the method over those of "qrcp". A peer that is not installed is left out. Data sets are read from
the folder that the environment variable SKLR_DATA names.
"""

import itertools
import statistics
import time

import numpy as np
from _harness import MemoryPeak, Report, Timing, alternate, arguments, data_file, mib, progress
from scipy import linalg, sparse
from scipy.linalg import interpolative
from sklearn.base import clone

from sklr.feature_selection import CURSelector
from sklr.linalg import as_operand, orthonormalize, relative_error, truncated_svd

try:
    from skmatter.feature_selection import CUR
except ImportError:
    CUR = None


def error_of(A, J):
    """Relative error of the projection on columns, the same for every method."""
    A = as_operand(A)
    return relative_error(A.T, orthonormalize(A.take_columns(J)).T)


def by_sklr(A, k, **parameters):
    """A function that selects, and what it selects."""
    return lambda seed=0: CURSelector(k, random_state=seed, **parameters).fit(A).selected_indices_


def compare(report, args, name, A, k, methods, best, n_seeds=5, once=()):
    """Time the methods in turns; those named in `once` one time only, as they take minutes."""
    timings = alternate({m: f for m, f in methods.items() if m not in once}, args.repeats)
    for method in once:
        timings[method] = timed_once(methods[method])
    for method, timing in timings.items():
        error = error_of(A, timing.result)
        row = {"data": name, "method": method, "s": timing.median, "error": error, "over_best": error / best}
        row["speed_up"] = (
            statistics.median(timing.seconds) / timings["qrcp"].median
            if method in once
            else timings["qrcp"].faster_than(timing)
        )
        if method in SEEDED:
            progress(f"  seeds of {method}")
            found = [set(methods[method](seed)) for seed in range(n_seeds)]
            errors = [error_of(A, sorted(J)) / best for J in found]
            shared = [len(a & b) / len(a) for a, b in itertools.combinations(found, 2)]
            row |= {"median": np.median(errors), "worst": max(errors), "overlap": np.mean(shared)}
        else:
            row |= {"median": None, "worst": None, "overlap": None}
        report.add(**row, peak_mib=mib(timing.peak))


def timed_once(function):
    """The `Timing` of what takes minutes, from one call without a warm-up."""
    with MemoryPeak() as memory:
        start = time.perf_counter()
        result = function()
        seconds = time.perf_counter() - start
    return Timing([seconds], result, memory.anonymous)


SEEDED = ("qrcp", "lupp", "greedy", "rbrp", "uniform")


def ours(A, k, names):
    """The methods of CURSelector."""
    return {name: by_sklr(A, k, method=name) for name in names}


def best_error(A, k):
    """Relative error of the best approximation of rank k."""
    svd = truncated_svd(A, k, accuracy=1e-6)
    return relative_error(A, svd.right_vectors)


def by_interp_decomp(A, k, rand):
    """SciPy's interpolative decomposition, randomised or not."""

    def select(seed=0):
        if not rand:
            return interpolative.interp_decomp(A, k, rand=False)[0][:k]
        return interpolative.interp_decomp(A, k, rng=np.random.default_rng(seed))[0][:k]

    return select


def spectrum(report, args, small):
    """The case on which the errors of methods are compared."""
    m, n, k = 3000 // small, 600 // small, 30 // (3 if small > 1 else 1)
    rng = np.random.default_rng(0)
    U, V = (linalg.qr(rng.standard_normal((size, n)), mode="economic")[0] for size in (m, n))
    s = 1 / np.arange(1, n + 1)
    A = (U * s) @ V.T
    best = np.linalg.norm(s[k:]) / np.linalg.norm(s)
    methods = ours(A, k, ("qrcp", "lupp", "greedy", "rbrp", "deim", "leverage", "norm", "uniform"))
    methods["interp_decomp"] = by_interp_decomp(A, k, rand=True)
    methods["interp_decomp, rand=False"] = by_interp_decomp(A, k, rand=False)
    once = ()
    if CUR is not None:
        methods["skmatter CUR"] = lambda: CUR(n_to_select=k).fit(A).selected_idx_
        methods["skmatter CUR, recompute_every=0"] = lambda: (
            CUR(n_to_select=k, recompute_every=0).fit(A).selected_idx_
        )
        once = ("skmatter CUR",)
    compare(report, args, f"spectrum {m} x {n}, {k}", A, k, methods, best, n_seeds=20, once=once)


def dense(report, args, small):
    """A large dense matrix."""
    m, n, k = 50_000 // small, 5_000 // small, 200 // small
    rng = np.random.default_rng(0)
    G = rng.standard_normal((n, n))
    A = rng.standard_normal((m, n)) / np.arange(1, n + 1)
    A = np.matmul(A, linalg.qr(G)[0])
    methods = ours(A, k, ("qrcp", "lupp", "greedy", "norm"))
    methods["interp_decomp"] = by_interp_decomp(A, k, rand=True)
    compare(
        report,
        args,
        f"dense {m} x {n}, {k}",
        A,
        k,
        methods,
        best_error(A, k),
        n_seeds=3,
        once=("interp_decomp",),
    )


def _counts(quick):
    """Counts of words as CSR."""
    with np.load(data_file("text_20newsgroups", "20newsgroups_counts.npz")) as z:
        X = sparse.csr_array((z["data"].astype(float), z["indices"], z["indptr"]), shape=tuple(z["shape"]))
    return X[::20] if quick else X


def newsgroups(report, args, small):
    """All words."""
    A, k = _counts(args.quick), 200 // small
    methods = ours(A, k, ("qrcp", "lupp", "greedy", "rbrp", "leverage", "norm", "uniform"))
    compare(report, args, f"newsgroups {A.shape[0]} x {A.shape[1]}, {k}", A, k, methods, best_error(A, k))


def newsgroups_slice(report, args, small):
    """The first 5,000 words, which are a dense matrix of 754 MB."""
    A, k = _counts(args.quick)[:, :5000], 200 // small
    array = A.toarray()
    methods = ours(A, k, ("qrcp", "lupp", "greedy", "norm", "uniform"))
    methods["LAPACK QRCP, dense"] = lambda: linalg.qr(array, mode="r", pivoting=True)[1][:k]
    compare(
        report,
        args,
        f"newsgroups {A.shape[0]} x {A.shape[1]}, {k}",
        A,
        k,
        methods,
        best_error(A, k),
        once=("LAPACK QRCP, dense",),
    )


def genotypes(report, args, small):
    """Markers, many of which are alike."""
    with np.load(data_file("lowrank_mice_snp", "mice.npz")) as z:
        A = z["X"][:, :: small * 1].astype(float)
    _wide(report, args, "genotypes", A - A.mean(axis=0), 200 // small)


def cells(report, args, small):
    """Genes."""
    with np.load(data_file("lowrank_scrnaseq_celseq2_5cl", "sc_celseq2_5cl.npz")) as z:
        A = (z["lo"] + 256.0 * z["hi"]).T[:, ::small]
    _wide(report, args, "cells", np.log1p(A * (1e4 / A.sum(axis=1, keepdims=True))), 200 // small)


def _wide(report, args, name, A, k):
    A = np.ascontiguousarray(A)
    methods = ours(A, k, ("qrcp", "lupp", "greedy", "rbrp", "deim", "leverage", "norm", "uniform"))
    methods["LAPACK QRCP"] = lambda: linalg.qr(A, mode="r", pivoting=True)[1][:k]
    methods["interp_decomp"] = by_interp_decomp(A, k, rand=True)
    compare(
        report,
        args,
        f"{name} {A.shape[0]} x {A.shape[1]}, {k}",
        A,
        k,
        methods,
        best_error(A, k),
        once=("LAPACK QRCP", "interp_decomp"),
    )


def path(report, args, small):
    """20 numbers of columns."""
    rng = np.random.default_rng(0)
    m, n = 20_000 // small, 2_000 // small
    A = np.matmul(rng.standard_normal((m, n)) / np.arange(1, n + 1), rng.standard_normal((n, n)))
    numbers = [
        {"n_features_to_select": k}
        for k in range(10 // min(small, 10), 200 // small + 1, max(10 // small, 1))
    ]
    base = CURSelector(random_state=0)
    timings = alternate(
        {
            "one fit, the largest": lambda: clone(base).set_params(**numbers[-1]).fit(A),
            "path": lambda: [model.error_estimate_ for model in base.fit_path(A, None, numbers)],
            "fits": lambda: [clone(base).set_params(**number).fit(A).error_estimate_ for number in numbers],
        },
        args.repeats,
    )
    excess = np.max(np.divide(timings["path"].result, timings["fits"].result))
    for method, timing in timings.items():
        report.add(
            data=f"path {m} x {n}, {len(numbers)} numbers",
            method=method,
            s=timing.median,
            fits=1 / timing.faster_than(timings["one fit, the largest"]),
            worst_error_over_direct=excess if method == "path" else None,
            peak_mib=mib(timing.peak),
        )


CASES = {
    case.__name__: case for case in (spectrum, dense, newsgroups, newsgroups_slice, genotypes, cells, path)
}


def main():
    """All cases, or those that are asked for."""
    args = arguments(__doc__, lambda p: p.add_argument("--data", choices=CASES, action="append"))
    for name in args.data or CASES:
        with Report(f"Choosing columns: {name}.", args) as report:
            try:
                CASES[name](report, args, 20 if args.quick else 1)
            except FileNotFoundError as error:
                report.note(f"left out: {error}")


if __name__ == "__main__":
    main()
