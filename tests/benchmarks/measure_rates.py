"""The rates of the cost model, measured again on one core.

Each rate is what `sklr.linalg.plan` divides a count by: "gemm" 2 m n l flops, "syrk" m n^2, "sparse" 2 nnz l,
"sparse_gram" 2 nnz^2 / m, "eigh" 4/3 q^3, "svd" 6 p q^2 + 16 q^3, "memory" and "disk" bytes. Every case is
measured by itself; the value that belongs into the code is the median of the cases of a rate, in float64,
rounded: only ratios between rates decide. float32 is printed beside it: the model takes twice the rate for
it, less for sparse products.

`check_plan.py` shows what the model makes of the rates.
"""

import os
import statistics
import tempfile
from pathlib import Path

import numpy as np
from _harness import Report, arguments, random_csr, seconds_per_call
from scipy import linalg

from sklr._backend import as_operand, session
from sklr.linalg import plan


def cases(args):
    """Yield ``(rate, case, dtype, count, function)``: the rate is count over seconds."""
    rng = np.random.default_rng(0)
    for dtype in (np.float64, np.float32):
        yield from dense_cases(rng, dtype)
        yield from sparse_cases(dtype, args.quick)
        yield from lapack_cases(rng, dtype, args.quick)
        yield from memory_cases(dtype, args.quick)


def dense_cases(rng, dtype):
    """Products of one tile of 4 MiB, which is in cache the second time."""
    for n in (500, 2_000):
        rows = (1 << 22) // (n * np.dtype(dtype).itemsize)
        tile = rng.standard_normal((rows, n), dtype=dtype)
        for width in (10, 30, 60):
            Z = rng.standard_normal((n, width), dtype=dtype)
            yield (
                "gemm",
                f"fused, {rows} x {n}, {width} columns",
                dtype,
                4 * rows * n * width,
                lambda tile=tile, Z=Z: tile.T @ (tile @ Z),
            )
    A = as_operand(rng.standard_normal((20_000, 500), dtype=dtype))
    yield "syrk", "Gram matrix, 20000 x 500", dtype, 20_000 * 500**2, A.gram


def sparse_cases(dtype, quick):
    """CSR times a panel, in both directions, and times itself."""
    shape = (10_000, 5_000) if quick else (50_000, 20_000)
    A = random_csr(*shape, 50 * shape[0], dtype)
    operand = as_operand(A)
    for width in (10, 30, 60):
        Z = np.ones((shape[1], width), dtype=dtype)
        Y = np.ones((shape[0], width), dtype=dtype)
        size = f"{shape[0]} x {shape[1]}, {width} columns"
        count = 2 * A.nnz * width
        yield "sparse", f"A @ Z, {size}", dtype, count, lambda Z=Z: operand.matmat(Z)
        yield "sparse", f"A.T @ Y, {size}", dtype, count, lambda Y=Y: operand.rmatmat(Y)
    m, n = shape[0], 1_000
    narrow = random_csr(m, n, 10 * m, dtype)
    narrow_operand = as_operand(narrow)
    yield "sparse_gram", f"Gram matrix, {m} x {n}", dtype, 2 * narrow.nnz**2 / m, narrow_operand.gram


def lapack_cases(rng, dtype, quick):
    """Eigenvectors (always float64) and SVD."""
    for q in (300, 600) if quick else (500, 1_000, 2_000):
        if dtype == np.float64:
            B = rng.standard_normal((q, q))
            G = B @ B.T
            k = 50
            yield (
                "eigh",
                f"{q} x {q}, top {k}",
                dtype,
                4 / 3 * q**3 + 4 * q**2 * k,
                lambda G=G, q=q, k=k: linalg.eigh(G, subset_by_index=[q - k, q - 1]),
            )
    for p, q in ((1_000, 200), (400, 400)) if quick else ((10_000, 300), (5_000, 500), (1_000, 1_000)):
        A = rng.standard_normal((p, q), dtype=dtype)
        yield (
            "svd",
            f"{p} x {q}",
            dtype,
            6 * p * q**2 + 16 * q**3,
            lambda A=A: linalg.svd(A, full_matrices=False),
        )


def memory_cases(dtype, quick):
    """One sweep with hardly any arithmetic over an array that fits no cache, and over a file."""
    n_bytes = 1 << (26 if quick else 30)
    A = np.ones((n_bytes // (1_000 * np.dtype(dtype).itemsize), 1_000), dtype=dtype)
    Z = np.ones((1_000, 1), dtype=dtype)
    operand = as_operand(A)
    yield "memory", f"A @ z, {n_bytes >> 20} MiB", dtype, A.nbytes, lambda: operand.matmat(Z)
    yield "memory", f"first squared norm, {n_bytes >> 20} MiB", dtype, A.nbytes, _new_norm(A)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "array"
        A.tofile(path)
        mapped = np.memmap(path, dtype=dtype, mode="r", shape=A.shape)
        yield "disk", "mapped file in the system's cache", dtype, A.nbytes, _new_norm(mapped)
        if hasattr(os, "posix_fadvise"):
            yield "disk", "mapped file, not cached", dtype, A.nbytes, _new_norm(mapped, drop=path)
        del mapped


def _new_norm(A, drop=None):
    def norm():
        if drop is not None:
            _forget_cached(drop)
        as_operand(A).squared_norm()

    return norm


def _forget_cached(path):
    """Ask the system to drop a file from its cache, once it is on the disk."""
    with open(path, "rb+") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def sweep_overhead(repeats):
    """Seconds of a verb on a matrix of no size."""
    operand = as_operand(np.ones((100, 10)))
    Z = np.ones((10, 2))
    return seconds_per_call(lambda: operand.normal_matmat(Z), repeats)


def main(args):
    """Measure and print."""
    found = {}
    with Report(__doc__, args) as report:
        with session(1):
            for rate, case, dtype, count, function in cases(args):
                value = count / seconds_per_call(function, args.repeats)
                name = np.dtype(dtype).name
                found.setdefault((rate, name), []).append(value)
                model = plan.RATES[rate] * (2 if name == "float32" and rate not in ("memory", "disk") else 1)
                report.add(
                    rate=rate, case=case, dtype=name, measured=value, in_the_model=model, ratio=value / model
                )
            overhead = sweep_overhead(args.repeats)
        for rate, value in plan.RATES.items():
            medians = {dtype: statistics.median(v) for (r, dtype), v in found.items() if r == rate}
            shown = ", ".join(f"{v:.1e} in {dtype}" for dtype, v in medians.items())
            report.note(f'RATES["{rate}"] = {value:.1e} in the code; median measured: {shown}')
        report.note(f"SWEEP_OVERHEAD = {plan.SWEEP_OVERHEAD:.1e} in the code; measured: {overhead:.1e}")


if __name__ == "__main__":
    main(arguments(__doc__))
