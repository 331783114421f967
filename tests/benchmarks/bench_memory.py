"""Memory of a pass over a mapped file that is larger than memory should hold.

Writes a file of float32 and one of uint8 to a temporary folder, and for each runs, in a process of its own,
one fused product, one sketch, and fits of RandomizedLowRank. Targets: anonymous memory (arrays and heap)
below 1 GB, and resident pages of the mapping below 0.25 GB: they are let go behind the pass. The same
product by NumPy on the same mapping is there to show what happens otherwise.

With ``--steep`` the singular values fall by two each, so that in float32 their squares cannot be held, and
the solver has to continue with two-sided iteration.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from _harness import MemoryPeak, Report, arguments, mib, progress, verdict

from sklr.decomposition import RandomizedLowRank
from sklr.linalg import as_operand
from sklr.sketch import SparseStack

_WIDTH = 20
_SKETCH_SIZE = 1_000
_BLOCK_ROWS = 1 << 15


def fused(X):
    """One pass: A^T (A Z)."""
    Z = np.random.default_rng(0).standard_normal((X.shape[1], _WIDTH))
    operand = as_operand(X)
    operand.normal_matmat(Z)
    return operand.n_passes


def sketch(X):
    """One pass: S A."""
    operand = as_operand(X)
    operand.sketch(SparseStack().operator(_SKETCH_SIZE, X.shape[0], rng=0))
    return operand.n_passes


def fit(X):
    """Principal components by the planned solver."""
    return RandomizedLowRank(n_components=10, center=True, random_state=0).fit(X).n_passes_


def fit_krylov(X):
    """Truncated SVD by block Krylov iteration."""
    return RandomizedLowRank(n_components=10, solver="krylov", random_state=0).fit(X).n_passes_


def numpy_product(X):
    """For comparison: ``A @ Z`` by NumPy, which converts nothing (float32) and lets nothing go."""
    X @ np.ones((X.shape[1], _WIDTH), dtype=X.dtype)
    return 1


TASKS = {f.__name__: f for f in (fused, sketch, fit, fit_krylov, numpy_product)}


def write(path, dtype, shape, steep):
    """A file of noise around a few directions, one block after the other."""
    rng = np.random.default_rng(0)
    rank = 16
    scale = 2.0 ** -np.arange(rank) if steep else np.arange(1, rank + 1) ** -0.5
    directions = (scale[:, None] * rng.standard_normal((rank, shape[1]))).astype(np.float32)
    noise = (1e-3 if steep else 0.1) * rng.standard_normal((_BLOCK_ROWS, shape[1]), dtype=np.float32)
    with open(path, "wb") as file:
        for lo in range(0, shape[0], _BLOCK_ROWS):
            rows = min(_BLOCK_ROWS, shape[0] - lo)
            block = rng.standard_normal((rows, rank), dtype=np.float32) @ directions + noise[:rows]
            if dtype == np.uint8:
                block = np.clip(128 + 24 * block, 0, 255)
            block.astype(dtype).tofile(file)


def child(path, dtype, columns, task):
    """Run one task on the mapped file, and print peaks and seconds as JSON."""
    X = np.memmap(path, dtype=dtype, mode="r").reshape(-1, columns)
    with MemoryPeak() as memory:
        start = time.perf_counter()
        n_passes = TASKS[task](X)
        seconds = time.perf_counter() - start
    found = {"s": seconds, "passes": n_passes, "anonymous": memory.anonymous, "mapped": memory.mapped}
    print(json.dumps(found))


def options(parser):
    """Size and place of the files; ``--child`` is what a process that runs one task is given."""
    parser.add_argument(
        "--gigabytes", type=float, default=None, help="size of each file; default 8, --quick .25"
    )
    parser.add_argument("--columns", type=int, default=500)
    parser.add_argument("--folder", default=None, help="where the temporary folder is made")
    parser.add_argument("--steep", action="store_true", help="singular values that fall fast")
    parser.add_argument("--dtype", choices=["float32", "uint8"], action="append", help="only this")
    parser.add_argument("--task", choices=TASKS, action="append", help="only this")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)


def main(args):
    """Write the files, run the tasks, delete the files."""
    n_bytes = (args.gigabytes or (0.25 if args.quick else 8.0)) * 1e9
    with Report(__doc__, args) as report:
        for name in args.dtype or ("float32", "uint8"):
            dtype = np.dtype(name)
            shape = (int(n_bytes / dtype.itemsize / args.columns), args.columns)
            with tempfile.TemporaryDirectory(dir=args.folder) as folder:
                path = Path(folder) / "array"
                progress(f"  writing {name} {shape[0]} x {shape[1]}")
                write(path, dtype, shape, args.steep)
                for task in args.task or TASKS:
                    report.add(**row(path, dtype, shape, task))


def row(path, dtype, shape, task):
    """The result of one task in a process of its own."""
    command = [sys.executable, __file__, "--child", str(path), dtype.name, str(shape[1]), task]
    found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    size = path.stat().st_size
    target = ""
    if task != "numpy_product" and found["anonymous"] is not None:
        ok = (
            verdict(found["anonymous"] < 1e9, "anonymous < 1 GB"),
            verdict(found["mapped"] < 0.25e9, "mapped < 0.25 GB"),
        )
        target = "; ".join(ok)
    return {
        "file": f"{dtype.name} {shape[0]} x {shape[1]}",
        "file_MiB": mib(size),
        "task": task,
        "s": found["s"],
        "passes": found["passes"],
        "anonymous_MiB": mib(found["anonymous"]),
        "mapped_MiB": mib(found["mapped"]),
        "target": target,
    }


if __name__ == "__main__":
    arguments_ = arguments(__doc__, options)
    if arguments_.child:
        place, kind, n_columns, what = arguments_.child
        child(place, kind, int(n_columns), what)
    else:
        main(arguments_)
