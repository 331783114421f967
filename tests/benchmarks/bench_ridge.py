"""Ridge regression: SketchedRidge against Ridge, seconds, coefficients and residuals.

Cases: dense 400,000 x 300 and 100,000 x 2,000 in float64; dense 60,000 x 6,000 in float32; sparse
500,000 x 1,000 with column scales over four decades, against Ridge's default for sparse data.
"""

import numpy as np
from _harness import Report, alternate, arguments, mib
from scipy import sparse
from sklearn.linear_model import Ridge

from sklr.linalg import centered
from sklr.linear_model import SketchedRidge


def dense(m, n, dtype=np.float64, seed=0):
    """Correlated columns with means, and targets with noise."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((m, n), dtype=np.float32).astype(dtype)
    X[:, 1:] += dtype(0.5) * X[:, :-1]
    X += dtype(1)
    y = X @ rng.standard_normal(n).astype(dtype) / dtype(np.sqrt(n)) + rng.standard_normal(m).astype(dtype)
    return X, y


def scaled_sparse(m, n, seed=0):
    """A hundredth of non-zeros; columns with scales from 1 to 1e-4."""
    X = sparse.random(m, n, density=0.01, format="csr", random_state=seed)
    rng = np.random.default_rng(seed)
    X = (X @ sparse.diags_array(np.geomspace(1, 1e-4, n))).tocsr()
    return X, X @ (rng.standard_normal(n) / np.geomspace(1, 1e-4, n)) + rng.standard_normal(m)


def objective(X, y, alpha, model):
    """What is minimised, in float64."""
    left = y - model.predict(X)
    return float(left.astype(np.float64) @ left + alpha * np.sum(model.coef_.astype(np.float64) ** 2))


def compare(report, args, name, data, peer, alpha=1.0):
    """Time both on `data`, and compare coefficients with those of the normal equations by LAPACK."""
    X, y = data
    timings = alternate(
        {
            "sklr": lambda: SketchedRidge(alpha, random_state=0).fit(X, y),
            str(peer): lambda: peer.fit(X, y),
        },
        args.repeats,
    )
    A = centered(X).astype(np.float64)
    G = A.gram()
    exact = np.linalg.solve(
        G + alpha * np.eye(len(G)), A.rmatmat((y - y.mean()).astype(np.float64)[:, None])
    )[:, 0]
    first = timings["sklr"]
    least = min(objective(X, y, alpha, timing.result) for timing in timings.values())
    for method, timing in timings.items():
        model = timing.result
        report.add(
            data=name,
            method=method,
            s=timing.median,
            speed_up=first.faster_than(timing),
            solver=getattr(model, "solver_", None),
            coefficients=float(np.linalg.norm(model.coef_ - exact) / np.linalg.norm(exact)),
            objective=objective(X, y, alpha, model) / least - 1,
            residual=getattr(model, "residual_", None),
            peak_mib=mib(timing.peak),
        )


def wide(report, args, small):
    """Dense, float64."""
    for m, n in ((400_000, 300), (100_000, 2_000)):
        name = f"dense {m // small} x {n} float64"
        compare(report, args, name, dense(m // small, n), Ridge(1.0, solver="cholesky"))


def single(report, args, small):
    """Dense, float32, many columns."""
    m, n = 60_000 // small, 6_000 // small
    compare(report, args, f"dense {m} x {n} float32", dense(m, n, np.float32), Ridge(1.0, solver="cholesky"))


def scaled(report, args, small):
    """Sparse, with column scales over four decades."""
    m = 500_000 // small
    compare(report, args, f"sparse {m} x 1000", scaled_sparse(m, 1_000), Ridge(1.0))


CASES = {case.__name__: case for case in (wide, single, scaled)}


def main():
    """All cases, or those that are asked for."""
    args = arguments(__doc__, lambda p: p.add_argument("--data", choices=CASES, action="append"))
    with Report("Ridge regression.", args) as report:
        for name in args.data or CASES:
            CASES[name](report, args, 20 if args.quick else 1)


if __name__ == "__main__":
    main()
