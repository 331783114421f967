"""Products with a matrix: two threads against one, and against SciPy and BLAS with its own threads.

Targets: sparse ``A @ Z`` on two threads at least 1.6 times as fast as on one; the fused product
``A.T @ (A @ Z)`` of a dense array no slower than BLAS with its own threads. "same bits" compares the results
on one and two threads, "difference" those of sklr and the peer.
"""

import numpy as np
from _harness import Report, alternate, arguments, difference, random_csr, verdict

from sklr.linalg import as_operand


def compare(report, args, case, verb, peer, *, threads_target=None, peer_target=None):
    """One row: ``verb(n_threads)`` on two threads and on one, and ``peer()``."""
    timings = alternate({"two": lambda: verb(2), "one": lambda: verb(1), "peer": peer}, args.repeats)
    two, one, other = timings["two"], timings["one"], timings["peer"]
    targets = []
    if threads_target is not None:
        targets.append(
            verdict(two.faster_than(one) >= threads_target, f"1 over 2 threads >= {threads_target}")
        )
    if peer_target is not None:
        targets.append(verdict(two.faster_than(other) >= peer_target, f"peer over sklr >= {peer_target}"))
    report.add(
        case=case,
        sklr_2_threads_s=two.median,
        sklr_1_thread_s=one.median,
        peer_s=other.median,
        one_over_two=two.faster_than(one),
        peer_over_sklr=two.faster_than(other),
        same_bits=bool(np.array_equal(two.result, one.result)),
        difference=difference(two.result, other.result),
        target="; ".join(targets),
    )


def sparse_products(report, args):
    """CSR times panels, both ways and fused."""
    m, n, nnz = (20_000, 5_000, 2_000_000) if args.quick else (200_000, 50_000, 20_000_000)
    for dtype in (np.float64, np.float32):
        rng = np.random.default_rng(1)
        A = random_csr(m, n, nnz, dtype)
        operand = as_operand(A)
        for width in (20, 60):
            Z = rng.standard_normal((n, width)).astype(dtype)
            Y = rng.standard_normal((m, width)).astype(dtype)
            name = f"CSR {np.dtype(dtype).name}, {width} columns: "
            compare(
                report,
                args,
                name + "A @ Z",
                lambda t, operand=operand, Z=Z: operand.matmat(Z, n_threads=t),
                lambda A=A, Z=Z: A @ Z,
                threads_target=1.6,
            )
            compare(
                report,
                args,
                name + "A.T @ Y",
                lambda t, operand=operand, Y=Y: operand.rmatmat(Y, n_threads=t),
                lambda A=A, Y=Y: A.T @ Y,
            )
            compare(
                report,
                args,
                name + "fused",
                lambda t, operand=operand, Z=Z: operand.normal_matmat(Z, n_threads=t),
                lambda A=A, Z=Z: A.T @ (A @ Z),
            )
        compare(
            report,
            args,
            f"CSR {np.dtype(dtype).name}, 60 columns: A @ Z, first sweep",
            lambda t, A=A, Z=Z: as_operand(A).matmat(Z, n_threads=t),
            lambda A=A, Z=Z: A @ Z,
        )


def dense_products(report, args):
    """The fused product of a dense array."""
    m, n = (10_000, 500) if args.quick else (100_000, 2_000)
    for dtype in (np.float64, np.float32):
        rng = np.random.default_rng(1)
        A = rng.standard_normal((m, n), dtype=dtype)
        operand = as_operand(A)
        for width in (10, 20, 60):
            Z = rng.standard_normal((n, width), dtype=dtype)
            compare(
                report,
                args,
                f"dense {np.dtype(dtype).name} {m} x {n}, {width} columns: fused",
                lambda t, operand=operand, Z=Z: operand.normal_matmat(Z, n_threads=t),
                lambda A=A, Z=Z: A.T @ (A @ Z),
                peer_target=1.0 if width >= 20 else None,
            )
        compare(
            report,
            args,
            f"dense {np.dtype(dtype).name} {m} x {n}, 60 columns: fused, first sweep",
            lambda t, A=A, Z=Z: as_operand(A).normal_matmat(Z, n_threads=t),
            lambda A=A, Z=Z: A.T @ (A @ Z),
        )


def gram(report, args):
    """The Gram matrix of dense arrays."""
    shapes = [(20_000, 200), (10_000, 1_200)] if args.quick else [(200_000, 500), (100_000, 2_000)]
    for m, n in shapes:
        for dtype in (np.float64, np.float32):
            A = np.random.default_rng(1).standard_normal((m, n), dtype=dtype)
            operand = as_operand(A)
            compare(
                report,
                args,
                f"dense {np.dtype(dtype).name} {m} x {n}: A.T @ A",
                lambda t, operand=operand: operand.gram(n_threads=t),
                lambda A=A: A.T @ A,
            )


if __name__ == "__main__":
    args = arguments(__doc__)
    with Report(__doc__, args) as report:
        sparse_products(report, args)
        dense_products(report, args)
        gram(report, args)
