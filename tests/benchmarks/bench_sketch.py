"""Sketches: how long operators take to generate and to apply, against SciPy and scikit-learn.

"generate" makes all entries of an operator, on one thread. "apply" is S A for a tall dense A, against
SciPy's product of the same CSC matrix; for SciPy the matrix is there before the clock starts, or its
generation is counted, and sklr generates in the time that is shown. "families" does the same with every
family. "project" is A S^T against scikit-learn's random projections of equal size and density, whose matrix
has been generated in ``fit`` before.
"""

import numpy as np
from _harness import Report, alternate, arguments, difference, mib, random_csr, verdict
from scipy.linalg import clarkson_woodruff_transform
from sklearn.random_projection import GaussianRandomProjection, SparseRandomProjection

from sklr.sketch import SRTT, SparseStack, available_sketches, make_sketch

FAMILIES = {name: make_sketch(name) for name in available_sketches()}
FAMILIES["srtt"] = SRTT()
FAMILIES["srtt hadamard"] = SRTT(transform="hadamard")


def generate(report, args):
    """All columns of an operator of every family; scikit-learn's ``fit`` where it has the family."""
    n = 5_000 if args.quick else 50_000
    X = np.zeros((1, n))
    for size in (200, 2_000):
        peers = {
            "gaussian": GaussianRandomProjection(size, random_state=0),
            "rademacher": SparseRandomProjection(size, density=1, random_state=0),
            "sparse_stack": SparseRandomProjection(size, density=8 / size, random_state=0),
            "sparse_sign": SparseRandomProjection(size, density=8 / size, random_state=0),
            "count_sketch": SparseRandomProjection(size, density=1 / size, random_state=0),
        }
        for name, family in FAMILIES.items():
            functions = {"sklr": lambda f=family, s=size: f.operator(s, n, rng=0).columns(0, n)}
            if name in peers:
                functions["peer"] = lambda p=peers[name]: p.fit(X)
            timings = alternate(functions, args.repeats)
            own, peer = timings["sklr"], timings.get("peer")
            report.add(
                case=f"generate {size} x {n}: {name}",
                sklr_s=own.median,
                peer=f"{type(peers[name]).__name__}.fit" if peer else "",
                peer_s=peer and peer.median,
                peer_over_sklr=peer and own.faster_than(peer),
                target=verdict(own.median < 0.1, "milliseconds") if name == "sparse_stack" else "",
            )


def apply_stack(report, args):
    """SparseStack on a tall dense array against SciPy's product."""
    m, n = (20_000, 100) if args.quick else (200_000, 500)
    for dtype in (np.float64, np.float32):
        A = np.random.default_rng(1).standard_normal((m, n), dtype=dtype)
        for size in (200, 1_000, 2_000):
            operator = SparseStack(8).operator(size, m, rng=0, dtype=dtype)
            S = operator.columns(0, m)
            timings = alternate(
                {
                    "sklr": lambda op=operator, A=A: op.apply(A),
                    "one thread": lambda op=operator, A=A: op.apply(A, n_threads=1),
                    "product": lambda S=S, A=A: S @ A,
                    "generation and product": lambda op=operator, A=A: op.columns(0, m) @ A,
                },
                args.repeats,
            )
            own, alone = timings["sklr"], timings["one thread"]
            for name in ("product", "generation and product"):
                peer = timings[name]
                ratio = own.faster_than(peer)
                is_target = name == "product" and size == 2_000 and dtype == np.float64
                report.add(
                    case=f"apply SparseStack(8), {size} x {m}, to dense {np.dtype(dtype).name} {m} x {n}",
                    sklr_s=own.median,
                    peer=f"SciPy: {name}",
                    peer_s=peer.median,
                    peer_over_sklr=ratio,
                    one_thread_s=alone.median,
                    peer_over_one_thread=alone.faster_than(peer),
                    difference=difference(own.result, peer.result),
                    peak_MiB=mib(own.peak),
                    peer_peak_MiB=mib(peer.peak),
                    target=verdict(ratio >= 1, "no slower") if is_target else "",
                )


def apply_all(report, args):
    """Every family on a tall dense array and on CSR, rows sketched; SciPy where it has the family."""
    m, n, size = (20_000, 100, 200) if args.quick else (200_000, 500, 1_000)
    dense = np.random.default_rng(1).standard_normal((m, n))
    csr = random_csr(m, 10 * n, 50 * m)
    for kind, A in (("dense", dense), ("CSR", csr)):
        for name, family in FAMILIES.items():
            if kind == "CSR" and name in ("gaussian", "rademacher", "srtt", "srtt hadamard"):
                continue  # dense results of sparse data; the next part has them
            operator = family.operator(size, m, rng=0)
            functions = {
                "sklr": lambda op=operator, A=A: op.apply(A),
                "one thread": lambda op=operator, A=A: op.apply(A, n_threads=1),
            }
            if name == "count_sketch":
                functions["peer"] = lambda A=A: clarkson_woodruff_transform(
                    A, size, rng=np.random.default_rng(0)
                )
            timings = alternate(functions, args.repeats)
            own, alone, peer = timings["sklr"], timings["one thread"], timings.get("peer")
            report.add(
                case=f"apply {name}, {size} x {m}, to {kind} {A.shape[0]} x {A.shape[1]}",
                sklr_s=own.median,
                peer="SciPy: clarkson_woodruff_transform" if peer else "",
                peer_s=peer and peer.median,
                peer_over_sklr=peer and own.faster_than(peer),
                one_thread_s=alone.median,
                peer_over_one_thread=peer and alone.faster_than(peer),
                peak_MiB=mib(own.peak),
                peer_peak_MiB=peer and mib(peer.peak),
            )


def project(report, args):
    """``A S^T`` against scikit-learn's ``transform``."""
    size = 200
    if args.quick:
        dense, csr = (1_000, 2_000), (5_000, 5_000)
    else:
        dense, csr = (10_000, 10_000), (50_000, 50_000)
    data = {
        "dense": np.random.default_rng(1).standard_normal(dense),
        "CSR": random_csr(*csr, 100 * csr[0]),
    }
    peers = {
        "gaussian": lambda: GaussianRandomProjection(size, random_state=0),
        "rademacher": lambda: SparseRandomProjection(size, density=1, random_state=0),
        "sparse_stack": lambda: SparseRandomProjection(size, density=8 / size, random_state=0),
        "sparse_sign": lambda: SparseRandomProjection(size, density=8 / size, random_state=0),
        "count_sketch": lambda: SparseRandomProjection(size, density=1 / size, random_state=0),
    }
    for kind, A in data.items():
        for name, family in FAMILIES.items():
            if kind == "CSR" and name.startswith("srtt"):
                continue  # every row would be filled in and transformed: the documentation says when not to
            operator = family.operator(size, A.shape[1], rng=0)
            functions = {
                "sklr": lambda op=operator, A=A: op.apply_right(A),
                "one thread": lambda op=operator, A=A: op.apply_right(A, n_threads=1),
            }
            if name in peers:
                projection = peers[name]().fit(A)
                functions["peer"] = lambda p=projection, A=A: p.transform(A)
            timings = alternate(functions, args.repeats)
            own, alone, peer = timings["sklr"], timings["one thread"], timings.get("peer")
            report.add(
                case=f"project {kind} {A.shape[0]} x {A.shape[1]} to {size} columns: {name}",
                sklr_s=own.median,
                peer=f"{type(projection).__name__}.transform" if peer else "",
                peer_s=peer and peer.median,
                peer_over_sklr=peer and own.faster_than(peer),
                one_thread_s=alone.median,
                peer_over_one_thread=peer and alone.faster_than(peer),
                peak_MiB=mib(own.peak),
                peer_peak_MiB=peer and mib(peer.peak),
            )


PARTS = {"generate": generate, "apply": apply_stack, "families": apply_all, "project": project}

if __name__ == "__main__":
    args = arguments(
        __doc__,
        lambda p: p.add_argument(
            "--part", choices=PARTS, action="append", help="only this; may be given again"
        ),
    )
    with Report(__doc__, args) as report:
        for name in args.part or PARTS:
            PARTS[name](report, args)
