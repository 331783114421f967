"""The truncated SVD: plan, solve, and fall back where the plan's solver cannot give the answer."""

import numpy as np

from sklr._backend import RangeError, Transposed, as_operand, as_stream, session
from sklr.sketch import make_sketch

from ._checks import check_count
from .convergence import check_accuracy
from .exact import exact_svd
from .gram import GramPrecisionError, gram_svd
from .krylov import krylov_svd
from .orthogonalize import orthonormalize
from .plan import MAX_MEMORY, plan_low_rank, two_sided_cost
from .rank import PRECISION_MARGIN, FixedRank, is_lost_in_squares, rank_rule
from .single_pass import single_pass_svd
from .subspace import subspace_svd


def truncated_svd(
    A,
    k,
    *,
    tol=None,
    accuracy=None,
    solver="auto",
    sketch="auto",
    n_oversamples=10,
    max_iter=100,
    max_memory=MAX_MEMORY,
    rng=None,
    n_threads=None,
    callback=None,
):
    """Leading singular values and right singular vectors, by the cheapest solver that can give them.

    A_hat = A V V^T, where the columns of V are the k leading right singular vectors, exactly
    (`gram_svd`, `exact_svd`) or nearly (`krylov_svd`, `subspace_svd`, `single_pass_svd`).

    Parameters
    ----------
    A : matrix or operand of shape (m, n)
        Dense, sparse, memory-mapped or chunked.
    k : int, float, "auto" or None
        int: the rank, at most min(m, n). float in (0, 1): the smallest rank that holds this part of
        ||A||_F^2. "auto": singular values above the optimal hard threshold. None: all. See `rank_rule`.
    tol : float, default=None
        Relative Frobenius error ||A - A_hat||_F / ||A||_F to reach with the smallest rank, at most `k`.
    accuracy : float, default=None
        Relative accuracy of the singular values that iterations have to reach; None: until a pass
        gains little, see `krylov_svd`.
    solver : {"auto", "gram", "krylov", "subspace", "single_pass", "exact"}, default="auto"
        "auto" is what `plan_low_rank` chooses from shapes; if that is "gram" and the spectrum turns out to
        need more precision, the next in the plan.
    sketch : str or Distribution, default="auto"
        Start block of the iterations. Anything but "auto" restricts the choice to solvers that sketch.
    n_oversamples : int, default=10
        Columns beyond k of the solvers that sketch; at least 0.
    max_iter : int, default=100
        Passes of an iteration at most.
    max_memory : int, default=2147483648
        Bytes beside the data that a solver may take.
    rng : None, int, Generator or Stream, default=None
        Where the start block comes from.
    n_threads : int, default=None
        At most so many threads; None means what this process may use. The bits of the result do not depend
        on it.
    callback : callable, default=None
        ``callback(n_passes, state)`` after every pass of an iteration.

    Returns
    -------
    LowRank
        Singular values, right vectors, residual norms, and which solver gave them in how many passes.

    Raises
    ------
    GramPrecisionError
        A ValueError: ``solver="gram"`` or "subspace" was asked for and cannot resolve the spectrum.
    TypeError
        If a parameter is of the wrong type.
    ValueError
        If a parameter is out of range, no family of sketches has the name, `plan_low_rank` finds no solver,
        or A holds NaN or infinity.

    Notes
    -----
    Cost and memory are those of the solver; see `plan_low_rank`. Where that says float32 for a float64 A,
    a dense A is copied to float32 if `max_memory` has room for it, and the vectors are made orthonormal in
    float64 again; if float32 turns out to be too coarse for the spectrum, all is done again in float64. The
    same holds for a float32 A, whose squares may leave the range of float32.

    Examples
    --------
    >>> import numpy as np
    >>> from sklr.linalg import truncated_svd
    >>> result = truncated_svd(np.diag([3.0, 2.0, 1.0]), 2)
    >>> result.singular_values, result.solver
    (array([3., 2.]), 'gram')
    """
    A = as_operand(A, name="A")
    rule = rank_rule(k, A.shape, tol)
    accuracy = check_accuracy(accuracy)
    n_oversamples = check_count("n_oversamples", n_oversamples, 0)
    max_iter = check_count("max_iter", max_iter, 1)
    sketch_given = not (isinstance(sketch, str) and sketch == "auto")
    if sketch_given:
        sketch = make_sketch(sketch)
    plan = plan_low_rank(
        A,
        rule,
        accuracy=accuracy,
        solver=solver,
        sketch_given=sketch_given,
        n_oversamples=n_oversamples,
        max_memory=max_memory,
    )
    common = {"sketch": sketch, "n_oversamples": n_oversamples, "rng": as_stream(rng)}
    iterated = common | {"accuracy": accuracy, "max_iter": max_iter, "callback": callback}
    run = {
        "gram": lambda A, rule: gram_svd(A, rule),
        "exact": lambda A, rule: exact_svd(A, rule),
        "krylov": lambda A, rule: krylov_svd(
            A, rule, block_size=plan.block_size, max_memory=max_memory, **iterated
        ),
        "subspace": lambda A, rule: subspace_svd(A, rule, **iterated),
        "single_pass": lambda A, rule: single_pass_svd(A, rule.cap, **common),
    }
    before = A.n_passes
    with session(n_threads):
        result = None
        if plan.dtype != A.dtype:
            has_room = 4 * A.nnz + plan.memory[plan.solver] <= max_memory
            result = _in_float32(run[plan.solver], A, rule, accuracy, has_room)
        if result is None:
            result = _solve(run, A, rule, plan, solver)
    return result._replace(
        singular_values=result.singular_values.astype(A.dtype, copy=False),
        right_vectors=result.right_vectors.astype(A.dtype, copy=False),
        n_passes=A.n_passes - before,
    )


def _solve(run, A, rule, plan, solver):
    """By the plan's solver; by the next one where squares do not hold the spectrum."""
    try:
        return _in_range(run[plan.solver], A, rule)
    except GramPrecisionError:
        if A.dtype == np.float32 and plan.solver == "gram":
            return _solve(run, A.astype(np.float64), rule, plan, solver)
        # What squares do not hold, Krylov iteration finds by two-sided passes that no plan reckons with.
        costs = {name: plan.costs.get(name, np.inf) for name in ("krylov", "exact")}
        costs["krylov"] += two_sided_cost(A, rule)
        cheapest = min(costs, key=costs.get)
        if solver != "auto" or not np.isfinite(costs[cheapest]):
            raise
    return _in_range(run[cheapest], A, rule)


def _in_range(solve, A, rule):
    """Once more in float64, if the squares of a float32 matrix leave its range."""
    try:
        return solve(A, rule)
    except RangeError:
        if A.dtype == np.float64:
            raise
        return solve(A.astype(np.float64), rule)


def _in_float32(solve, A, rule, accuracy, has_room):
    """The result by products in float32, or None where these cannot give it."""
    eps = float(np.finfo(np.float32).eps)
    is_fine = is_lost_in_squares(rule, np.float32)
    try:
        is_held = A.container == "dense" and has_room
        single = A.held(np.float32) if is_held else A.astype(np.float32)
        # Where float32 cannot tell whether the tolerance is met before the cap, only the cap is tried.
        result = solve(single, FixedRank(rule.cap) if is_fine else rule)
    except (RangeError, GramPrecisionError):
        return None
    if accuracy is not None and not result.converged:
        return None  # rounding may be what keeps the residuals up
    s = result.singular_values.astype(np.float64)
    allowed = accuracy or 1 / PRECISION_MARGIN
    is_lost = result.squared_norm == 0 or s[-1] == 0
    if is_lost or eps * (s[0] / s[-1]) ** 2 > allowed or eps * _norm_before_shift(A) > allowed * s[-1]:
        return None
    if is_fine and result.captured > (1 - PRECISION_MARGIN * eps) * result.squared_norm:
        return None
    V = orthonormalize(result.right_vectors.T.astype(np.float64))
    return result._replace(singular_values=s, right_vectors=np.ascontiguousarray(V.T))


def _norm_before_shift(A):
    """Norm of the entries that conversion rounds before a shift is subtracted; 0 if it rounds only after."""
    shifted = A.T if isinstance(A, Transposed) else A
    before = shifted._unshifted()
    if before is shifted or A.container in ("dense", "mapped"):
        return 0.0
    return float(np.sqrt(before.squared_norm()))
