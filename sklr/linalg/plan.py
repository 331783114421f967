"""The cost model: which solver is cheapest, decided from shapes before any number is read.

A plan is a pure function of shape, non-zeros, dtype, container and rank, and of the constants below: never
of the number of threads, of free memory or of a timing, so that the same data give the same plan everywhere.
"""

from typing import NamedTuple

import numpy as np

from sklr._backend import as_operand

from ._checks import check_count, check_rank

# Rates of one core, measured by tests/benchmarks/measure_rates.py and rounded; only their ratios
# decide. Flops per second in float64 (float32: twice that), bytes per second.
RATES = {
    "gemm": 3.0e10,  # dense products of a tile with a panel or with itself
    "sparse": 1.0e9,  # CSR times a panel, in either direction
    "eigh": 4.0e9,  # LAPACK: top eigenpairs of a symmetric matrix, counted as 4/3 q^3
    "svd": 5.0e9,  # LAPACK: full SVD, counted as 6 p q^2 + 16 q^3
    "memory": 1.0e10,  # streaming an array
    "disk": 1.0e9,  # streaming a mapped file or chunks
}
# Seconds that a sweep costs whatever the size: starting tasks, small dense algebra.
SWEEP_OVERHEAD = 1e-3
# Extra memory that a solver may use beside the data, in bytes.
MAX_MEMORY = 1 << 31
# Passes that block Krylov iteration takes beyond those that fill the basis.
_KRYLOV_EXTRA_PASSES = 4
# In memory a pass costs what its columns cost, and a basis of given size is more accurate when it is built
# from more, smaller blocks; below 10 columns the products lose efficiency.
_KRYLOV_BLOCK = (10, 32)
# Blocks that Krylov iteration holds beside its basis: the last one, its image, partial sums of a pass.
_KRYLOV_PANELS = 4

SOLVERS = ("gram", "krylov", "exact")


class LowRankPlan(NamedTuple):
    """How a truncated SVD will be computed; ``print`` shows it as a table.

    Parameters
    ----------
    solver : str
        The cheapest candidate, or the one that was asked for.
    block_size : int
        Columns per pass of "krylov".
    n_passes : int
        Passes over the data that are expected.
    costs : dict of str to float
        Predicted seconds on one core of every candidate; infinity where it is ruled out.
    reasons : dict of str to str
        Why a candidate is ruled out.
    description : str
        The problem, in words.
    """

    solver: str
    block_size: int
    n_passes: int
    costs: dict
    reasons: dict
    description: str

    def __str__(self):
        lines = [f"Plan for {self.description}:"]
        for name in sorted(self.costs, key=self.costs.get):
            mark = "*" if name == self.solver else " "
            if name in self.reasons:
                what = f"no: {self.reasons[name]}"
            else:
                what = f"about {self.costs[name]:.2g} s on one core"
            lines.append(f" {mark} {name:<8}{what}")
        block = f", blocks of {self.block_size} columns" if self.solver == "krylov" else ""
        lines.append(f"   about {self.n_passes} passes over the data{block}")
        return "\n".join(lines)


def plan_low_rank(A, k, *, solver="auto", sketch_given=False, n_oversamples=10):
    """Choose the solver of a truncated SVD by predicted cost.

    Counts flops and bytes of every candidate, divides by measured rates and takes the least::

        gram    p q^2 / gemm + 4/3 q^3 / eigh                      q = min(m, n), p = max(m, n)
        krylov  passes (4 nnz b / products + 8 n' q' b / gemm)     q' columns in the basis, b per pass
        exact   (6 p q^2 + 16 q^3) / svd

    plus the time to stream the data in each pass. Krylov iteration takes the shorter side, n' = q, and with
    m < n two more passes of k columns; where the data can be swept by rows only (chunks, a mapped array in
    C order), n' = n. Beside the data gram takes ``3 q^2``, krylov ``3 n' q' + 4 n' b`` and exact ``3 p q``
    numbers; "auto" rules out what is above 2 GiB. A sketch leaves krylov alone, whatever it takes.

    Parameters
    ----------
    A : matrix or operand of shape (m, n)
        Only its shape, non-zeros, dtype and container are looked at.
    k : int
        Rank, at most min(m, n).
    solver : {"auto", "gram", "krylov", "exact"}, default="auto"
        "auto" takes the cheapest; a name is taken as it is, if it is possible at all.
    sketch_given : bool, default=False
        Whether the user asked for a sketch, which leaves only the solvers that sketch.
    n_oversamples : int, default=10
        Columns of the Krylov basis beyond k; at least 0.

    Returns
    -------
    LowRankPlan
        The choice, with the predicted cost of every candidate.

    Raises
    ------
    TypeError
        If `k` or `n_oversamples` is not an int.
    ValueError
        If `k` or `n_oversamples` is out of range; if `solver` is unknown, or cannot treat A: the message
        says why; if every solver would take too much memory: the message says how much.

    Examples
    --------
    >>> import numpy as np
    >>> from sklr.linalg import plan_low_rank
    >>> plan_low_rank(np.zeros((10_000, 50)), k=5).solver
    'gram'
    """
    A = as_operand(A, name="A")
    k = check_rank(k, A.shape)
    n_oversamples = check_count("n_oversamples", n_oversamples, 0)
    if solver != "auto" and solver not in SOLVERS:
        raise ValueError(f"solver must be 'auto' or one of {list(SOLVERS)}, got {solver!r}.")
    block = _krylov_block(A, k, n_oversamples)
    passes = _krylov_passes(A, k, n_oversamples, block)
    costs = {
        "gram": _gram_cost(A, k),
        "krylov": _krylov_cost(A, k, block, passes),
        "exact": _exact_cost(A),
    }
    impossible = _impossible(A, sketch_given)
    if solver in impossible:
        raise ValueError(f"solver={solver!r} cannot be used here: {impossible[solver]}. Use solver='auto'.")
    memory = _memory(A, block, passes)
    reasons = _too_large(memory) | impossible
    possible = [name for name in SOLVERS if name not in impossible]
    # Whoever names a solver, or leaves only one, has the memory for it.
    if solver != "auto":
        reasons.pop(solver, None)
    elif len(possible) == 1:
        reasons.pop(possible[0], None)
    kind = f"{A.container} {A.dtype}"
    description = f"rank {k} of a {A.shape[0]:,} x {A.shape[1]:,} matrix ({kind}, {A.nnz:,} entries)"
    if len(reasons) == len(SOLVERS):
        why = "; ".join(f"{name}: {reasons[name]}" for name in SOLVERS)
        raise ValueError(
            f"No solver stays within {MAX_MEMORY / 2**30:.0f} GiB for {description}. {why}. Use a smaller "
            f"rank, or name a solver that there is memory for: solver={min(possible, key=memory.get)!r}."
        )
    costs.update(dict.fromkeys(reasons, np.inf))
    chosen = min(costs, key=costs.get) if solver == "auto" else solver
    n_passes = {
        "gram": 2 if A.shape[0] < A.shape[1] else 1,
        "krylov": passes + 2 * _krylov_transposes(A),
        "exact": 1,
    }[chosen]
    return LowRankPlan(chosen, block, n_passes, costs, reasons, description)


def _sides(A):
    return max(A.shape), min(A.shape)


def _rate(name, A):
    # Half the bytes, twice the flops of a vector instruction.
    return RATES[name] * (8 // A.dtype.itemsize)


def _stream(A):
    return RATES["disk"] if A.container in ("mapped", "chunks") else RATES["memory"]


def _bytes(A):
    return A.nnz * A.dtype.itemsize * (1.5 if A.container == "sparse" else 1.0)


def _pass_cost(A, n_columns, products):
    """One pass with `products` products per entry and column."""
    rate = _rate("sparse" if A.container == "sparse" else "gemm", A)
    return SWEEP_OVERHEAD + _bytes(A) / _stream(A) + 2 * products * A.nnz * n_columns / rate


def _gram_cost(A, k):
    p, q = _sides(A)
    product = p * q**2 / _rate("gemm", A)
    if A.container == "sparse":
        # As sparse times sparse where that is less.
        product = min(product, 2 * A.nnz**2 / p / _rate("sparse", A))
    # The eigenproblem is in float64 whatever the data.
    cost = SWEEP_OVERHEAD + _bytes(A) / _stream(A) + product + (4 / 3 * q**3 + 4 * q**2 * k) / RATES["eigh"]
    if A.shape[1] > A.shape[0]:
        cost += _pass_cost(A, k, 1)
    return cost


def _krylov_block(A, k, n_oversamples):
    wanted = min(k + n_oversamples, *A.shape)
    if A.container in ("mapped", "chunks"):
        return wanted
    low, high = _KRYLOV_BLOCK
    return min(wanted, max(low, min(high, -(-wanted // 3))))


def _krylov_passes(A, k, n_oversamples, block):
    wanted = min(k + n_oversamples, *A.shape)
    return 1 + -(-wanted // block) + _KRYLOV_EXTRA_PASSES


def _krylov_transposes(A):
    """Whether Krylov iteration takes A^T, whose rows are shorter."""
    return A.shape[0] < A.shape[1] and A.sweeps_columns


def _krylov_side(A):
    return A.shape[0] if _krylov_transposes(A) else A.shape[1]


def _krylov_cost(A, k, block, passes):
    n, basis = _krylov_side(A), block * (passes - 1)
    small = 4 / 3 * basis**3 / RATES["eigh"]
    orthogonal = 4 * n * basis * (basis + block) / _rate("gemm", A)
    cost = passes * _pass_cost(A, block, 2) + orthogonal + small + passes * 5 * SWEEP_OVERHEAD
    return cost + 2 * _pass_cost(A, k, 1) if _krylov_transposes(A) else cost


def _exact_cost(A):
    p, q = _sides(A)
    return SWEEP_OVERHEAD + (6 * p * q**2 + 16 * q**3) / _rate("svd", A)


def _impossible(A, sketch_given):
    if sketch_given:
        return dict.fromkeys(("gram", "exact"), "it does not sketch, and a sketch was given")
    if A.container == "chunks" and A.shape[1] > A.shape[0]:
        return {"gram": "chunks of rows with more columns than rows cannot be swept by columns"}
    return {}


def _memory(A, block, passes):
    """Bytes beside the data, of every solver."""
    p, q = _sides(A)
    krylov_columns = 3 * block * (passes - 1) + _KRYLOV_PANELS * block
    return {
        "gram": 3 * q**2 * 8,
        "krylov": krylov_columns * _krylov_side(A) * 8,
        "exact": 3 * p * q * A.dtype.itemsize,
    }


def _too_large(memory):
    return {
        name: f"it needs {size / 2**30:.1f} GiB beside the data"
        for name, size in memory.items()
        if size > MAX_MEMORY
    }
