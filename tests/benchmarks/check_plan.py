"""The cost model against the clock: predicted and measured seconds of every low-rank solver, on one core.

"lost" is what ``solver="auto"`` costs in place of the fastest solver: 1 where the prediction was right.
"""

import numpy as np
from _harness import Report, alternate, arguments, progress, random_csr

from sklr.linalg import as_operand, plan_low_rank, truncated_svd
from sklr.linalg.plan import SOLVERS

# Rows, columns, and non-zeros where the matrix is sparse.
SHAPES = (
    (2_000, 200, None),
    (20_000, 200, None),
    (50_000, 500, None),
    (20_000, 2_000, None),
    (2_000, 20_000, None),
    (5_000, 5_000, None),
    (100_000, 500, 1_000_000),
    (20_000, 2_000, 400_000),
    (20_000, 20_000, 2_000_000),
    (100_000, 20_000, 5_000_000),
)
# Predictions above so many seconds are not tried.
LIMIT = 60


def main(args):
    """Solve every matrix by every solver."""
    scale = 10 if args.quick else 1
    with Report(__doc__, args) as report:
        for m, n, nnz in SHAPES:
            for dtype in (np.float64, np.float32):
                m_scaled = m // scale
                A = dense(m_scaled, n, dtype) if nnz is None else random_csr(m_scaled, n, nnz // scale, dtype)
                for k in (10, 50):
                    report.add(**row(A, k, args))


def row(A, k, args):
    """Predicted and measured seconds of the solvers for one matrix and rank."""
    plan = plan_low_rank(as_operand(A), k)
    progress(f"  {plan.description}")
    measured = {}
    for solver, cost in plan.costs.items():
        if cost < LIMIT or solver == plan.solver:
            timings = alternate(
                {solver: lambda s=solver: truncated_svd(A, k, solver=s, rng=0, n_threads=1)}, 1
            )
            measured[solver] = timings[solver].median
    fastest = min(measured, key=measured.get)
    found = {"matrix": f"{plan.description}"}
    for solver in SOLVERS:
        found[f"{solver}_predicted_s"] = plan.costs[solver] if np.isfinite(plan.costs[solver]) else None
        found[f"{solver}_s"] = measured.get(solver)
    return {**found, "chosen": plan.solver, "lost": measured[plan.solver] / measured[fastest]}


def dense(m, n, dtype):
    """Dense, with a singular spectrum that decays about like ``i^-0.7``."""
    A = np.random.default_rng(0).standard_normal((m, n), dtype=dtype)
    A *= np.arange(1, n + 1, dtype=dtype) ** dtype(-0.7)
    return A


if __name__ == "__main__":
    main(arguments(__doc__))
