"""Rows in chunks: partial_fit against IncrementalPCA, files, and a sparse corpus that grows.

Cases (``--data``):

- narrow: 200,000 x 1,000 float64 in chunks of 1,000 rows, centred, k = 50.
- wide: 20,000 x 20,000 float64 in chunks, k = 50; IncrementalPCA with chunks of 200 and of 1,000 rows.
- file: a memory-mapped float32 file of ``--gigabytes`` with 1,000 columns, k = 50. IncrementalPCA is timed on
  a part of the file, whose seconds are multiplied up: it takes chunk after chunk in equal time.
- corpus: 20 newsgroups (``SKLR_DATA``) in 50 pieces, not centred: against a fit of everything after every
  piece, and against a Rayleigh-Ritz update that rotates all singular vectors. Of these a part is timed, and
  the seconds are multiplied up.

Excess error is ||A - A_hat||_F / ||A - A_k||_F - 1, from LAPACK's eigenvalues of the Gram matrix, or as said.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
from _harness import MemoryPeak, Report, alternate, arguments, mib, progress
from bench_low_rank import newsgroups
from scipy import linalg
from sklearn.decomposition import IncrementalPCA

from sklr.decomposition import RandomizedLowRank
from sklr.linalg import centered, gram_svd, truncated_svd

_FILE_COLUMNS = 1_000
_FILE_PART = 20  # IncrementalPCA gets one part of so many


def decaying(m, n, power, seed=0):
    """A matrix with singular values about i^-power, and a mean."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((m, n))
    X *= np.arange(1, n + 1) ** -power
    X[:, : n // 2] += X[:, n // 2 : n // 2 * 2][:, ::-1]  # not along the axes
    X += 1.0
    return X


def fitted(make, X, rows):
    """``make()`` after `partial_fit` of X in chunks of so many rows."""
    model = make()
    for lo in range(0, X.shape[0], rows):
        model.partial_fit(X[lo : lo + rows])
    model.components_  # noqa: B018 - RandomizedLowRank computes them now
    return model


def captured(X, components):
    """||A V||_F^2 of the centred X."""
    V, _ = np.linalg.qr(components.T.astype(np.float64))
    return float(np.sum(centered(X).matmat(V) ** 2))


def excess(best, total, X, components):
    """Excess error of components over the best error `best`."""
    return float(np.sqrt(max(total - captured(X, components), 0.0)) / best - 1)


def report_fits(report, what, methods, X, k, repeats):
    """Time methods that fit X and say how good they are."""
    timings = alternate(methods, repeats)
    first = next(iter(timings))
    A = centered(X)
    if X.shape[1] <= 4_000:
        reference = gram_svd(A, k)
    else:
        reference = truncated_svd(A, k, accuracy=1e-6, rng=0)
    total = A.squared_norm()
    best = np.sqrt(total - reference.captured)
    for name, timing in timings.items():
        model = timing.result
        s = model.singular_values_[:k]
        report.add(
            data=what,
            method=name,
            s=timing.median,
            speed_up=timings[first].faster_than(timing),
            solver=getattr(model, "solver_", None),
            excess=excess(best, total, X, model.components_),
            estimate=getattr(model, "error_estimate_", None),
            error=float(np.sqrt(1 - captured(X, model.components_) / total)),
            values=float(np.max(np.abs(s / reference.singular_values - 1))),
            peak_mib=mib(timing.peak),
        )


def narrow(report, args):
    """Few columns."""
    m, n, k, rows = (20_000, 200, 10, 500) if args.quick else (200_000, 1_000, 50, 1_000)
    X = decaying(m, n, 0.7)
    methods = {
        "sklr": lambda: fitted(lambda: RandomizedLowRank(k, center=True), X, rows),
        "IncrementalPCA": lambda: fitted(lambda: IncrementalPCA(k), X, rows),
    }
    report_fits(report, f"{m} x {n} float64, chunks of {rows}, k={k}", methods, X, k, args.repeats)


def wide(report, args):
    """Many columns."""
    m, n, k = (2_000, 5_000, 10) if args.quick else (20_000, 20_000, 50)
    X = decaying(m, n, 0.7)
    methods = {
        "sklr": lambda: fitted(lambda: RandomizedLowRank(k, center=True), X, 1_000),
        "sklr n_oversamples=50": lambda: fitted(
            lambda: RandomizedLowRank(k, center=True, n_oversamples=50), X, 1_000
        ),
        "IncrementalPCA 200": lambda: fitted(lambda: IncrementalPCA(k), X, 200),
        "IncrementalPCA 1000": lambda: fitted(lambda: IncrementalPCA(k), X, 1_000),
    }
    report_fits(report, f"{m} x {n} float64, k={k}", methods, X, k, args.repeats)


def file(report, args):
    """A file that is read once or twice."""
    k, n = 50, _FILE_COLUMNS
    m = int((0.05 if args.quick else args.gigabytes) * 2**30 / 4 / n) // 1_000 * 1_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "X.npy"
        out = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(m, n))
        for i in range(0, m, 20_000):
            rows = min(20_000, m - i)
            out[i : i + rows] = decaying(rows, n, 0.7, seed=i)
        out.flush()
        del out
        X = np.load(path, mmap_mode="r")
        part = max(m // _FILE_PART // 1_000, 2) * 1_000
        A = centered(X)
        reference, total = gram_svd(A.astype(np.float64), k), A.squared_norm()
        best = np.sqrt(max(total - reference.captured, 0))
        for name, make in {
            "sklr fit": lambda: RandomizedLowRank(k, center=True).fit(X),
            "sklr partial_fit": lambda: fitted(lambda: RandomizedLowRank(k, center=True), X, 10_000),
            f"IncrementalPCA, {part} rows": lambda: fitted(lambda: IncrementalPCA(k), X[:part], 1_000),
        }.items():
            seconds = []
            for _ in range(args.repeats):
                progress(f"  {name}")
                with MemoryPeak() as memory:
                    start = time.perf_counter()
                    model = make()
                    seconds.append(time.perf_counter() - start)
            scale = m / part if name.startswith("Incremental") else 1
            report.add(
                data=f"{m} x {n} float32 file, {m * n * 4 / 2**30:.3g} GiB, k={k}",
                method=name,
                s=float(np.median(seconds)) * scale,
                solver=getattr(model, "solver_", None),
                excess=excess(best, total, X, model.components_),
                peak_mib=mib(memory.anonymous),
                mapped_mib=mib(memory.mapped),
            )


def rotating_all(s, V, E, k):
    """The Rayleigh-Ritz update of (s, V) by rows E that rotates all singular vectors."""
    E = E.toarray().T
    C = V.T @ E
    Q, R = np.linalg.qr(E - V @ C)
    K = np.block([[np.diag(s), np.zeros((len(s), R.shape[0]))], [C.T, R.T]])
    _, s, Gt = linalg.svd(K, full_matrices=False)
    return s[:k], np.hstack([V, Q]) @ Gt[:k].T


def corpus(report, args):
    """A corpus that grows by 50 pieces."""
    X = newsgroups(args.quick).A.tocsr()
    X = X[np.random.default_rng(0).permutation(X.shape[0])]
    pieces = np.array_split(np.arange(X.shape[0]), 50)
    if args.quick:
        pieces = pieces[:5]
        X = X[: pieces[-1][-1] + 1]
    few = pieces[: len(pieces) // 5]
    for k, extra in ((10, 40), (10, 90), (50, 50), (50, 150)):
        reference = RandomizedLowRank(k, accuracy=1e-6, random_state=0).fit(X)
        kept = k + extra

        def updated(k=k, extra=extra):
            model = RandomizedLowRank(k, n_oversamples=extra)
            for rows in pieces:
                model.partial_fit(X[rows])
            return model.singular_values_

        def rotated(k=k, kept=kept):
            s, V = np.zeros(0), np.zeros((X.shape[1], 0))
            for rows in few:
                s, V = rotating_all(s, V, X[rows], kept)
            return s[:k]

        def batch(k=k):
            # After every tenth piece.
            for last in pieces[4::10]:
                model = RandomizedLowRank(k, random_state=0).fit(X[: last[-1] + 1])
            return model.singular_values_

        timings = alternate({"updates": updated, "rotating all": rotated, "fits": batch}, args.repeats)
        for name, timing in timings.items():
            is_whole = name == "updates"
            parts = {"updates": pieces, "rotating all": few, "fits": pieces[4::10]}
            scale = len(pieces) / len(parts[name])
            values = timing.result / reference.singular_values_ - 1
            report.add(
                data=f"20 newsgroups, {len(pieces)} pieces, k={k}, {extra} more kept",
                method=name,
                s=timing.median * scale,
                speed_up=timings["updates"].faster_than(timing) * scale,
                values=float(np.max(np.abs(values))) if is_whole else None,
                median_value=float(np.median(np.abs(values))) if is_whole else None,
                peak_mib=mib(timing.peak),
            )


CASES = {case.__name__: case for case in (narrow, wide, file, corpus)}


def main():
    """Run one case."""

    def more(parser):
        parser.add_argument("--data", choices=CASES, required=True)
        parser.add_argument("--gigabytes", type=float, default=8.0)

    args = arguments(__doc__, more)
    with Report(f"Rows in chunks: {args.data}.", args) as report:
        CASES[args.data](report, args)


if __name__ == "__main__":
    main()
