"""The cost model: which solver is cheapest, decided from shapes before any number is read.

A plan is a pure function of shape, non-zeros, dtype, container, rank and accuracy, and of the constants
below: never of the number of threads, of free memory or of a timing, so that the same data give the same plan
everywhere.
"""

from typing import NamedTuple

import numpy as np

from sklr._backend import as_operand

from . import krylov
from ._checks import check_count
from ._sides import transposes
from .convergence import check_accuracy
from .rank import FixedRank, is_lost_in_squares, rank_rule

# Rates of one core, measured by tests/benchmarks/measure_rates.py and rounded; only their ratios
# decide. Flops per second in float64, bytes per second.
RATES = {
    "gemm": 3.4e10,  # dense products of a tile with a panel
    "syrk": 4.5e10,  # and with itself, counted as p q^2
    "sparse": 4.3e9,  # CSR times a panel, in either direction
    "sparse_gram": 1.0e8,  # CSR times its transpose
    "eigh": 2.3e10,  # LAPACK: top eigenpairs of a symmetric matrix, counted as 4/3 q^3
    "svd": 3.5e10,  # LAPACK: full SVD, counted as 6 p q^2 + 16 q^3
    "memory": 2.0e10,  # streaming an array
    "disk": 2.0e9,  # streaming a mapped file or chunks
}
# How much faster float32 is: half the bytes, twice the flops of a vector instruction; less where indices and
# random access take their time.
_FLOAT32_GAIN = {"sparse": 1.4, "sparse_gram": 1.2}
# Seconds that a sweep costs whatever the size: starting tasks, small dense algebra.
SWEEP_OVERHEAD = 1e-4
# Extra memory that a solver may use beside the data, in bytes.
MAX_MEMORY = 1 << 31
# Passes that block Krylov iteration takes beyond those that fill the basis, and subspace iteration at all;
# for every further digit of accuracy beyond the third, a part of them more.
_KRYLOV_EXTRA_PASSES = 4
_SUBSPACE_PASSES = 12
_PASSES_PER_DIGIT = 0.7
# A restart throws away what the basis knows: passes beyond the first filling take so many times as many.
_RESTART_PENALTY = 1.5
# In memory a pass costs what its columns cost, and a basis of given size is more accurate when it is built
# from more, smaller blocks; below 10 columns the products lose efficiency.
_KRYLOV_BLOCK = (10, 32)
# Two-sided passes, and the rate of LAPACK's QR with pivoting.
_TWO_SIDED_PASSES = 4
_PANEL_RATE = 5e9
# Panels that subspace iteration holds: basis, image, remainder, partial sums of a pass.
_SUBSPACE_PANELS = 6
# float64 data are multiplied in float32 where no more accuracy than this is asked for.
_FLOAT32_ACCURACY = 1e-5

SOLVERS = ("gram", "krylov", "subspace", "exact")
# Those that are used only when they are asked for.
NAMED_SOLVERS = (*SOLVERS, "single_pass")


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
    dtype : dtype
        Of the products: float32 also for float64 data, where the accuracy asked for allows it.
    memory : dict of str to int
        Predicted bytes beside the data of every candidate.
    """

    solver: str
    block_size: int
    n_passes: int
    costs: dict
    reasons: dict
    description: str
    dtype: np.dtype
    memory: dict

    def __str__(self):
        lines = [f"Plan for {self.description}:"]
        for name in sorted(self.costs, key=self.costs.get):
            mark = "*" if name == self.solver else " "
            if name in self.reasons:
                what = f"no: {self.reasons[name]}"
            else:
                what = (
                    f"about {self.costs[name]:.2g} s on one core, {self.memory[name] / 2**20:.3g} MiB "
                    "beside the data"
                )
            lines.append(f" {mark} {name:<12}{what}")
        block = f" of {self.block_size} columns" if self.solver == "krylov" else ""
        lines.append(f"   about {self.n_passes} passes over the data{block}, products in {self.dtype}")
        return "\n".join(lines)


def plan_low_rank(
    A,
    k,
    *,
    tol=None,
    accuracy=None,
    solver="auto",
    sketch_given=False,
    n_oversamples=10,
    max_memory=MAX_MEMORY,
):
    """Choose the solver of a truncated SVD by predicted cost.

    Counts flops and bytes of every candidate, divides by measured rates and takes the least::

        gram         p q^2 / syrk + 4/3 q^3 / eigh                  q = min(m, n), p = max(m, n)
        krylov       passes (4 nnz b / products + 8 n' q' b / gemm)     q' columns in the basis, b per pass
        subspace     passes (4 nnz l / products + 8 n' l^2 / gemm)      l = k + n_oversamples
        single_pass  4 nnz l / products + 8 n l^2 / gemm                l = 2 k + n_oversamples
        exact        (6 p q^2 + 16 q^3) / svd

    plus the time to stream the data in each pass. Iterations take the shorter side, n' = q, and with m < n
    two more passes of k columns; where the data can be swept by rows only (chunks, a mapped array in C
    order), n' = n. Beside the data gram takes ``3 q^2`` numbers, krylov ``2.5 n' q' + 6 n' b``, subspace
    ``6 n' l``, single_pass ``4 n l`` and exact ``3 p q``; "auto" rules out what is above `max_memory`, under
    which krylov restarts. Where the data decide the rank, the plan reckons with 100, or the most that is
    allowed. A sketch leaves the solvers that sketch. "single_pass" is never chosen, only named.

    float64 data are multiplied in float32 where a `tol` or an `accuracy` of 1e-5 or more is given, and by no
    more than float32 can tell; what turns out to need more is done again.

    Parameters
    ----------
    A : matrix or operand of shape (m, n)
        Only its shape, non-zeros, dtype and container are looked at.
    k : int, float, "auto" or None
        Rank, or how to choose it: see `rank_rule`.
    tol : float, default=None
        Relative Frobenius error to reach with the smallest rank, at most `k`.
    accuracy : float, default=None
        Relative accuracy of the singular values that iterations have to reach.
    solver : {"auto", "gram", "krylov", "subspace", "single_pass", "exact"}, default="auto"
        "auto" takes the cheapest; a name is taken as it is, if it is possible at all.
    sketch_given : bool, default=False
        Whether the user asked for a sketch, which leaves only the solvers that sketch.
    n_oversamples : int, default=10
        Columns beyond k; at least 0.
    max_memory : int, default=2147483648
        Bytes beside the data that a solver may take.

    Returns
    -------
    LowRankPlan
        The choice, with the predicted cost of every candidate.

    Raises
    ------
    TypeError
        If a parameter is of the wrong type.
    ValueError
        If a parameter is out of range; if `solver` is unknown, or cannot treat A: the message says why; if
        every solver would take too much memory: the message says how much.

    Examples
    --------
    >>> import numpy as np
    >>> from sklr.linalg import plan_low_rank
    >>> plan_low_rank(np.zeros((10_000, 50)), k=5).solver
    'gram'
    """
    A = as_operand(A, name="A")
    rule = rank_rule(k, A.shape, tol)
    accuracy = check_accuracy(accuracy)
    n_oversamples = check_count("n_oversamples", n_oversamples, 0)
    max_memory = check_count("max_memory", max_memory, 1)
    if solver != "auto" and solver not in NAMED_SOLVERS:
        raise ValueError(f"solver must be 'auto' or one of {list(NAMED_SOLVERS)}, got {solver!r}.")
    problem = _Problem(A, rule, accuracy, n_oversamples, max_memory)
    impossible = problem.impossible(sketch_given)
    if solver in impossible:
        raise ValueError(f"solver={solver!r} cannot be used here: {impossible[solver]}. Use solver='auto'.")
    names = SOLVERS if solver in ("auto", *SOLVERS) else NAMED_SOLVERS
    costs = {name: getattr(problem, f"{name}_cost")() for name in names}
    memory = {name: getattr(problem, f"{name}_memory")() for name in names}
    too_large = {
        name: f"it needs {_in_words(size)} beside the data, max_memory is {_in_words(max_memory)}"
        for name, size in memory.items()
        if size > max_memory
    }
    if solver in too_large:
        least = f"max_memory={memory[solver]}"
        raise ValueError(
            f"solver={solver!r} cannot be used here: {too_large[solver]}. Pass {least}, or solver='auto'."
        )
    reasons = {name: why for name, why in (too_large | impossible).items() if name in names}
    kind = f"{A.container} {A.dtype}"
    description = f"{rule} of a {A.shape[0]:,} x {A.shape[1]:,} matrix ({kind}, {A.nnz:,} entries)"
    if len(reasons) == len(names):
        why = "; ".join(f"{name}: {reasons[name]}" for name in names)
        remedy = min((name for name in names if name not in impossible), key=memory.get, default=None)
        advice = "" if remedy is None else f" Use a smaller rank or at least max_memory={memory[remedy]}."
        raise ValueError(f"There is no solver for {description}. {why}.{advice}")
    costs.update(dict.fromkeys(reasons, np.inf))
    chosen = min(costs, key=costs.get) if solver == "auto" else solver
    return LowRankPlan(
        chosen,
        problem.block,
        problem.n_passes(chosen),
        costs,
        reasons,
        description,
        problem.dtype if chosen in ("gram", "krylov", "subspace") else A.dtype,
        memory,
    )


def _in_words(n_bytes):
    return f"{n_bytes / 2**30:.1f} GiB" if n_bytes >= 2**30 else f"{n_bytes / 2**20:.1f} MiB"


def two_sided_cost(A, rule):
    """Seconds of the two-sided passes that follow block Krylov iteration where squares lose digits."""
    m, n = A.shape
    products = 3 * 2 * A.nnz * rule.guess / RATES["sparse" if A.container == "sparse" else "gemm"]
    # Panels that are all but dependent are made orthonormal by LAPACK, on one thread.
    return _TWO_SIDED_PASSES * (products + 4 * (m + n) * rule.guess**2 / _PANEL_RATE)


def products_dtype(A, rule, accuracy):
    """float32 for float64 data, where the accuracy that is asked for allows it; else the dtype of A."""
    tol = rule.error if getattr(rule, "is_tolerance", False) else None
    asked = [value for value in (accuracy, tol) if value is not None]
    # A small error is told apart from float32's rounding only where a cap ends the search before.
    is_told = not is_lost_in_squares(rule, np.float32) or rule.cap < min(A.shape)
    if asked and min(asked) >= _FLOAT32_ACCURACY and is_told:
        return np.dtype(np.float32)
    return A.dtype


class _Problem:
    """Shape, rank and accuracy of a problem, and what each solver would cost."""

    def __init__(self, A, rule, accuracy, n_oversamples, max_memory):
        self.A, self.rule, self.k, self.n_oversamples = A, rule, rule.guess, n_oversamples
        self.max_memory, self.accuracy = max_memory, accuracy
        self.dtype = products_dtype(A, rule, accuracy)
        self.p, self.q = max(A.shape), min(A.shape)
        self.effort = 1 + _PASSES_PER_DIGIT * max(-np.log10(accuracy or 1e-3) - 3, 0) / 3
        self.side = A.shape[0] if transposes(A) else A.shape[1]
        self.wanted = min(self.k + n_oversamples, self.q)
        self.block = self._block()

    def _block(self):
        if self.A.container in ("mapped", "chunks"):
            return self.wanted
        low, high = _KRYLOV_BLOCK
        return min(self.wanted, max(low, min(high, -(-self.wanted // 3))))

    def impossible(self, sketch_given):
        """Why some solvers cannot be used, whatever they would cost."""
        A, rule, reasons = self.A, self.rule, {}
        if A.container == "chunks" and A.shape[1] > A.shape[0]:
            reasons["gram"] = "chunks of rows with more columns than rows cannot be swept by columns"
        if is_lost_in_squares(rule, np.float64):
            for name in ("gram", "subspace"):
                reasons[name] = f"squared singular values do not hold a relative error of {rule.error:.1e}"
        if self.accuracy is not None:
            reasons["single_pass"] = "one pass gives the singular values no accuracy that was asked for"
        if not isinstance(rule, FixedRank):
            reasons["single_pass"] = "it needs n_components as an int: one pass leaves no time to choose"
        if sketch_given and is_lost_in_squares(rule, A.dtype):
            reasons["krylov"] = (
                f"a relative error of {rule.error:.1e} is reached by Gaussian blocks, and a sketch was "
                "given (use sketch='auto')"
            )
        if sketch_given:
            reasons |= dict.fromkeys(("gram", "exact"), "it does not sketch, and a sketch was given")
        return reasons

    def n_passes(self, solver):
        """Passes that are expected."""
        way_back = 2 * transposes(self.A)
        return {
            "gram": 2 if self.A.shape[0] < self.A.shape[1] else 1,
            "krylov": self._krylov_passes() + way_back,
            "subspace": self._subspace_passes() + way_back,
            "single_pass": 1,
            "exact": 2,
        }[solver]

    # -- seconds --------------------------------------------------------------------------

    def gram_cost(self):
        A, p, q = self.A, self.p, self.q
        product = p * q**2 / self._rate("syrk")
        if A.container == "sparse":
            product = min(product, 2 * A.nnz**2 / p / self._rate("sparse_gram"))
        # Counted in float64 whatever the data.
        work = 4 / 3 * q**3 + 4 * q**2 * self.k
        cost = SWEEP_OVERHEAD + self._streaming() + product + work / RATES["eigh"]
        return cost + self._pass(self.k, 1) if A.shape[1] > A.shape[0] else cost

    def krylov_cost(self):
        passes, b, n = self._krylov_passes(), self.block, self.side
        basis = min(b * passes, self._capacity())
        small = 4 / 3 * basis**3 / RATES["eigh"]
        orthogonal = 8 * n * basis * b * passes / 2 / self._rate("gemm")
        return passes * (self._pass(b, 2) + 5 * SWEEP_OVERHEAD) + orthogonal + small + self._way_back()

    def subspace_cost(self):
        passes, n, wanted = self._subspace_passes(), self.side, self.wanted
        orthogonal = 8 * n * wanted**2 * passes / self._rate("gemm")
        return passes * (self._pass(wanted, 2) + 5 * SWEEP_OVERHEAD) + orthogonal + self._way_back()

    def single_pass_cost(self):
        columns = 2 * self.k + self.n_oversamples
        return self._pass(columns, 2) + 8 * self.A.shape[1] * columns**2 / self._rate("gemm")

    def exact_cost(self):
        gain = 8 // self.A.dtype.itemsize
        work = (6 * self.p * self.q**2 + 16 * self.q**3) / (gain * RATES["svd"])
        return SWEEP_OVERHEAD + self._streaming() + work

    # -- bytes ----------------------------------------------------------------------------

    def gram_memory(self):
        return 3 * self.q**2 * 8

    def krylov_memory(self):
        basis = min(self.block * self._krylov_passes(), self._capacity())
        least = krylov.least_memory(self.side, self.k, self.block, self.n_oversamples, self.dtype)
        return max(int((2.5 * basis + krylov.PANELS * self.block) * self.side * self.dtype.itemsize), least)

    def subspace_memory(self):
        return _SUBSPACE_PANELS * self.wanted * self.side * self.dtype.itemsize

    def single_pass_memory(self):
        return 4 * (2 * self.k + self.n_oversamples) * self.A.shape[1] * self.A.dtype.itemsize

    def exact_memory(self):
        return 3 * self.p * self.q * self.A.dtype.itemsize

    # -- parts ----------------------------------------------------------------------------

    def _capacity(self):
        found = krylov.capacity(
            self.side, self.rule, self.block, self.n_oversamples, self.max_memory, self.dtype
        )
        return min(max(found, self.wanted), self.side)

    def _krylov_passes(self):
        filling = 1 - (-self.wanted // self.block)
        passes = filling + int(np.ceil(_KRYLOV_EXTRA_PASSES * self.effort))
        passes = min(passes, 1 - (-self.q // self.block))  # then the basis holds all of the range
        capacity = self._capacity()
        beyond = 0 if capacity >= self.side else max(passes - 1 - capacity // self.block, 0)
        return passes + int(_RESTART_PENALTY * beyond)

    def _subspace_passes(self):
        return int(np.ceil(_SUBSPACE_PASSES * self.effort))

    def _rate(self, name):
        if self.dtype == np.float64:
            return RATES[name]
        return RATES[name] * _FLOAT32_GAIN.get(name, 2)

    def _streaming(self):
        A = self.A
        rate = RATES["disk" if A.container in ("mapped", "chunks") else "memory"]
        return A.nnz * A.dtype.itemsize * (1.5 if A.container == "sparse" else 1.0) / rate

    def _pass(self, n_columns, products):
        """One pass with `products` products per entry and column."""
        rate = self._rate("sparse" if self.A.container == "sparse" else "gemm")
        return SWEEP_OVERHEAD + self._streaming() + 2 * products * self.A.nnz * n_columns / rate

    def _way_back(self):
        return 2 * self._pass(self.k, 1) if transposes(self.A) else 0.0
