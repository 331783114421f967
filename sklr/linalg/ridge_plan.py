"""The cost model of ridge regression: which solver is cheapest, decided before any number is read."""

import math
from typing import NamedTuple

import numpy as np

from sklr._backend import Transposed, as_operand

from ._checks import check_count, check_relative
from .plan import MAX_MEMORY, RATES, SWEEP_OVERHEAD

SOLVERS = ("cholesky", "eigh", "iterative", "exact")
# Rates of one core beyond those of low rank, measured on the same machine and rounded; flops per second.
_RATES = RATES | {
    "cholesky": 3.0e10,  # tiled or LAPACK's, counted as q^3 / 3
    "all_eigh": 6.0e10,  # LAPACK: all eigenpairs, counted as 9 q^3
    "sketch": 2.2e9,  # eight signs per row times a dense tile, counted as 16 nnz
    "sparse_sketch": 1.2e8,  # and times a sparse one
    "signs": 2.0e7,  # signs drawn, eight per row
}
# Rows of the sketch that are tried, in multiples of the columns. With d rows for n columns, conjugate
# gradients reduce the error by sqrt(n / d) in every step.
_SKETCH_RATIOS = (2, 3, 4, 6, 8, 12)
# More rows on top, for a few columns.
_SKETCH_EXTRA = 20
# For more values of alpha than these, a sketch is decomposed rather than factored for each.
MANY_ALPHAS = 8
# The sketch has at most this part of the rows: with more, the Gram matrix of the data is as cheap.
_LARGEST_SKETCH = 0.5
# Without a sketch of the whole matrix: the rank of the preconditioner, and the steps for a decimal of
# accuracy, which depend on the spectrum. The plan does not know it: text takes half of so many.
_NYSTROM_RANK = 50
_NYSTROM_STEPS = {"sparse": 10, "other": 25}
_NYSTROM_PANELS = 5  # of q x rank numbers that setting up holds
# Passes of a direct solver: right side, Gram matrix, two gradients; in dual form also the way back.
_DIRECT_PASSES = 4
_DUAL_PASSES = 6
# Passes of the iteration beside its steps: sketch, right side, three gradients.
_OTHER_PASSES = 5
# Panels of n x t numbers that a solver holds.
_PANELS = 10
# Bytes per entry of a sparse matrix that has to be turned.
_ENTRY_BYTES = 12
_TURN_RATE = 1e8  # entries per second
# The columns of sparse data with few rows differ: the sum of the squares of their counts is so many times
# that of equal ones. (Text: 40.)
_UNEVEN = 6


class RidgePlan(NamedTuple):
    """How a ridge regression will be solved; ``print`` shows it as a table.

    Parameters
    ----------
    solver : str
        The cheapest candidate, or the one that was asked for.
    sketch_size : int
        Rows of the sketch of "iterative", or the rank of its preconditioner.
    n_passes : int
        Passes over the data that are expected.
    costs : dict of str to float
        Predicted seconds on one core of every candidate; infinity where it is ruled out.
    reasons : dict of str to str
        Why a candidate is ruled out.
    description : str
        The problem, in words.
    memory : dict of str to int
        Predicted bytes beside the data of every candidate.
    preconditioner : str
        Of "iterative": "sketch", of the whole matrix, or "nystrom", of a few directions.
    """

    solver: str
    sketch_size: int
    n_passes: int
    costs: dict
    reasons: dict
    description: str
    memory: dict
    preconditioner: str

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
        sketch = ""
        if self.solver == "iterative":
            kinds = {"sketch": "sketch of {:,} rows", "nystrom": "preconditioner of rank {:,}"}
            sketch = ", " + kinds[self.preconditioner].format(self.sketch_size)
        lines.append(f"   about {self.n_passes} passes over the data{sketch}")
        return "\n".join(lines)


def plan_ridge(
    A,
    n_targets=1,
    n_alphas=1,
    *,
    tol=1e-8,
    solver="auto",
    sketch_given=False,
    gram_given=False,
    max_memory=MAX_MEMORY,
):
    """Choose the solver of a ridge regression by predicted cost.

    Counts flops and bytes of every candidate, divides by measured rates and takes the least. With
    q = min(m, n), p = max(m, n), t targets and a different values of alpha::

        cholesky    p q^2 / syrk + a q^3 / (3 cholesky)                      4 passes, dual (m < n) 6
        eigh        p q^2 / syrk + 9 q^3 / all_eigh                          as many
        iterative   16 nnz / sketch + 8 m / signs                             6 + log(tol) / log(sqrt(n / d))
                      + d n^2 / syrk + a n^3 / (3 cholesky)
        exact       (6 p q^2 + 16 q^3) / svd                                 3 passes

    where a pass streams the data and takes 2 t nnz flops or twice as many. d, the rows of the sketch, is the
    cheapest of 2 n to 12 n (and 20), and at most m / 2; for more than 8 values of alpha the sketch costs
    ``(4 d n^2 + 16 n^3) / svd``. Sparse data have the rates of sparse products.

    Parameters
    ----------
    A : matrix or operand of shape (m, n)
        Only its shape, non-zeros, dtype and container are looked at.
    n_targets : int, default=1
        t, columns of the right side.
    n_alphas : int, default=1
        a, different values of alpha; at most `n_targets`.
    tol : float, default=1e-8
        Relative error to reach, as in `ridge`.
    solver : {"auto", "cholesky", "eigh", "iterative", "exact"}, default="auto"
        "auto" takes the cheapest; a name is taken as it is, if it is possible at all.
    sketch_given : bool, default=False
        Whether the user asked for a sketch, which leaves only "iterative".
    gram_given : bool, default=False
        Whether the Gram matrix of the shorter side is there already.
    max_memory : int, default=2147483648
        Bytes beside the data that a solver may take.

    Returns
    -------
    RidgePlan
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
    >>> from sklr.linalg.ridge_plan import plan_ridge
    >>> plan_ridge(np.zeros((10_000, 50))).solver
    'cholesky'
    """
    A = as_operand(A, name="A")
    n_targets = check_count("n_targets", n_targets, 1)
    n_alphas = check_count("n_alphas", n_alphas, 1)
    tol = check_relative("tol", tol)
    max_memory = check_count("max_memory", max_memory, 1)
    if n_alphas > n_targets:
        raise ValueError(f"n_alphas must be at most n_targets={n_targets}, got {n_alphas}.")
    if solver != "auto" and solver not in SOLVERS:
        raise ValueError(f"solver must be 'auto' or one of {list(SOLVERS)}, got {solver!r}.")
    problem = _Problem(A, n_targets, n_alphas, tol, gram_given)
    impossible = problem.impossible(sketch_given)
    if solver in impossible:
        remedy = "sketch='auto'" if sketch_given and solver != "iterative" else "solver='auto'"
        raise ValueError(f"solver={solver!r} cannot be used here: {impossible[solver]}. Use {remedy}.")
    if problem.preconditioner == "nystrom" or problem.iterative_memory() > max_memory:
        problem.precondition_by_nystrom(max_memory)
    memory = {name: getattr(problem, f"{name}_memory")() for name in SOLVERS}
    costs = {name: getattr(problem, f"{name}_cost")() for name in SOLVERS}
    too_large = {
        name: f"it needs {_in_words(size)} beside the data, max_memory is {_in_words(max_memory)}"
        for name, size in memory.items()
        if size > max_memory
    }
    if solver in too_large:
        raise ValueError(
            f"solver={solver!r} cannot be used here: {too_large[solver]}. Pass max_memory={memory[solver]}, "
            "or solver='auto'."
        )
    reasons = too_large | impossible
    values = "one alpha" if n_alphas == 1 else f"{n_alphas:,} values of alpha"
    targets = "one target" if n_targets == 1 else f"{n_targets:,} targets"
    description = (
        f"ridge regression of {targets} with {values} on a {A.shape[0]:,} x {A.shape[1]:,} matrix "
        f"({A.container} {A.dtype}, {A.nnz:,} entries), tol={tol:g}"
    )
    if len(reasons) == len(SOLVERS):
        why = "; ".join(f"{name}: {reasons[name]}" for name in SOLVERS)
        remedy = min((name for name in SOLVERS if name not in impossible), key=memory.get, default=None)
        advice = "" if remedy is None else f" Use at least max_memory={memory[remedy]}."
        raise ValueError(f"There is no solver for {description}. {why}.{advice}")
    costs.update(dict.fromkeys(reasons, np.inf))
    chosen = min(costs, key=costs.get) if solver == "auto" else solver
    return RidgePlan(
        chosen,
        problem.sketch_size,
        problem.n_passes(chosen),
        costs,
        reasons,
        description,
        memory,
        problem.preconditioner,
    )


def _in_words(n_bytes):
    return f"{n_bytes / 2**30:.1f} GiB" if n_bytes >= 2**30 else f"{n_bytes / 2**20:.1f} MiB"


class _Problem:
    """Shape of a problem, and what each solver would cost."""

    def __init__(self, A, n_targets, n_alphas, tol, gram_given):
        self.A, self.t, self.n_alphas, self.tol = A, n_targets, n_alphas, tol
        self.gram_given = gram_given
        self.p, self.q = max(A.shape), min(A.shape)
        self.is_dual = A.shape[0] < A.shape[1]
        self.sketch_size = self._sketch_size()
        self.preconditioner = "nystrom" if self.sketch_size is None else "sketch"

    def precondition_by_nystrom(self, max_memory):
        """Have "iterative" go without a sketch of the whole matrix."""
        q = self._nystrom_size()
        rank = min(_NYSTROM_RANK, q // 4, max_memory // (2 * _NYSTROM_PANELS * 8 * q))
        self.sketch_size, self.preconditioner = max(rank, 1), "nystrom"

    def impossible(self, sketch_given):
        """Why some solvers cannot be used, whatever they would cost."""
        reasons = {}
        if self.A.container == "chunks" and self.is_dual:
            why = "chunks of rows with more columns than rows cannot be swept by columns"
            reasons |= dict.fromkeys(("cholesky", "eigh"), why)
        if sketch_given:
            why = "it does not sketch, and a sketch was given"
            reasons |= dict.fromkeys(("cholesky", "eigh", "exact"), why)
        return reasons

    def n_passes(self, solver):
        """Passes that are expected."""
        if solver == "exact":
            return 3
        if solver == "iterative" and self.preconditioner == "nystrom":
            return _OTHER_PASSES + self._n_nystrom_steps()
        if solver == "iterative":
            return _OTHER_PASSES + self._n_steps(self.sketch_size)
        return (_DUAL_PASSES if self.is_dual else _DIRECT_PASSES) - self.gram_given

    # -- seconds --------------------------------------------------------------------------

    def cholesky_cost(self):
        return self._direct_cost() + self.n_alphas * self.q**3 / 3 / _RATES["cholesky"]

    def eigh_cost(self):
        return self._direct_cost() + 9 * self.q**3 / _RATES["all_eigh"]

    def iterative_cost(self):
        if self.preconditioner == "nystrom":
            return self._nystrom_cost(self.sketch_size)
        return self._iterative_cost(self.sketch_size)

    def exact_cost(self):
        work = (6 * self.p * self.q**2 + 16 * self.q**3) / _RATES["svd"]
        return 3 * self._pass(1) + work

    # -- bytes ----------------------------------------------------------------------------

    def cholesky_memory(self):
        return (2 + self.n_alphas) * self.q**2 * 8 + self._turned_bytes() + self._panels()

    def eigh_memory(self):
        return 5 * self.q**2 * 8 + self._turned_bytes() + self._panels()

    def iterative_memory(self):
        d, n, size = self.sketch_size, self.A.shape[1], self.A.dtype.itemsize
        if self.preconditioner == "nystrom":
            return _NYSTROM_PANELS * self._nystrom_size() * d * 8 + self._turned_bytes() + self._panels()
        # Partial sums of the sketch; its QR factorisation; the SVD of R, or Cholesky factors.
        factors = (2 + min(self.n_alphas, MANY_ALPHAS)) * n**2 * 8
        sketch = max(
            d * n * (8 + 3 * size),
            d * (n * size + (n + self.t) * 16) + n**2 * 8,
            d * n * size + max(factors, 6 * n**2 * 8),
        )
        return sketch + self._turned_bytes() + self._panels()

    def exact_memory(self):
        return 3 * self.p * self.q * 8 + self._turned_bytes() + self._panels()

    # -- parts ----------------------------------------------------------------------------

    def _sketch_size(self):
        m, n = self.A.shape
        sizes = [ratio * n + _SKETCH_EXTRA for ratio in _SKETCH_RATIOS]
        sizes = [d for d in sizes if d <= _LARGEST_SKETCH * m]
        return min(sizes, key=self._iterative_cost, default=None)

    def _n_steps(self, sketch_size):
        return 1 + math.ceil(2 * math.log(self.tol) / math.log(self.A.shape[1] / sketch_size))

    def _nystrom_size(self):
        """Rows of the Gram matrix that is approximated: files and chunks are swept by rows."""
        return self.A.shape[1] if self.A.container in ("mapped", "chunks") else self.q

    def _n_nystrom_steps(self):
        steps = _NYSTROM_STEPS["sparse" if self.A.container == "sparse" else "other"]
        return math.ceil(-steps * math.log10(self.tol))

    def _nystrom_cost(self, rank):
        q, t, steps = self._nystrom_size(), self.t, self._n_nystrom_steps()
        setting_up = self._pass(2 * rank / t) + 20 * q * rank**2 / _RATES["svd"]
        vectors = 20 * 8 * q * t / RATES["memory"] + 4 * q * rank * t / _RATES["gemm"]
        sweeps = _OTHER_PASSES * self._pass(1) + steps * (self._pass(2) + 5 * SWEEP_OVERHEAD)
        return self._turning() + setting_up + sweeps + steps * vectors

    def _iterative_cost(self, d):
        A, n = self.A, self.A.shape[1]
        sketching = 16 * A.nnz / self._rate("sparse_sketch" if A.container == "sparse" else "sketch")
        sketching += 8 * A.shape[0] / _RATES["signs"]
        if self.n_alphas <= MANY_ALPHAS:
            factor = d * n**2 / self._rate("syrk") + self.n_alphas * n**3 / 3 / _RATES["cholesky"]
        else:
            factor = (4 * d * n**2 + 16 * n**3) / _RATES["svd"]
        steps = self._n_steps(d)
        solving = 4 * n**2 * self.t * steps / _RATES["gemm"]
        return (
            self._turning()
            + sketching
            + factor
            + solving
            + _OTHER_PASSES * self._pass(1)
            + steps * (self._pass(2) + 5 * SWEEP_OVERHEAD)
        )

    def _direct_cost(self):
        A, p, q = self.A, self.p, self.q
        product = 0.0 if self.gram_given else p * q**2 / self._rate("syrk")
        if A.container == "sparse":
            squares = (_UNEVEN if self.is_dual else 1) * A.nnz**2 / p  # of the counts of the p rows
            product = min(product, 2 * squares / self._rate("sparse_gram"))
        solving = 3 * 4 * q**2 * self.t / _RATES["gemm"]
        passes = self.n_passes("cholesky") * self._pass(2)
        return self._turning() + product + solving + passes

    def _rate(self, name):
        return _RATES[name] * (1.0 if self.A.dtype == np.float64 or "sparse" in name else 2.0)

    def _pass(self, products):
        """One pass with `products` products per entry and target; float32 data are converted in it."""
        A = self.A
        rate = RATES["disk" if A.container in ("mapped", "chunks") else "memory"]
        streaming = A.nnz * A.dtype.itemsize * (1.5 if A.container == "sparse" else 1.0) / rate
        products_rate = _RATES["sparse" if A.container == "sparse" else "gemm"]
        return SWEEP_OVERHEAD + streaming + 2 * products * A.nnz * self.t / products_rate

    def _is_turned(self):
        """Whether a sparse matrix is stored along the other axis than the one that is swept."""
        return self.A.container == "sparse" and isinstance(self.A, Transposed) != self.is_dual

    def _turning(self):
        return self.A.nnz / _TURN_RATE if self._is_turned() else 0.0

    def _turned_bytes(self):
        return _ENTRY_BYTES * self.A.nnz if self._is_turned() else 0

    def _panels(self):
        return _PANELS * (self.A.shape[1] + self.q) * self.t * 8 + 8 * self.A.shape[0] * self.t
