"""Ridge regression and least squares: direct, spectral and iterative solvers, refined with the data."""

from functools import partial
from typing import NamedTuple

import numpy as np
from scipy import linalg, sparse

from sklr._backend import RangeError, as_operand, as_stream, session
from sklr.sketch import make_sketch

from ._checks import check_count, check_relative
from ._ridge_checks import check_alpha, check_targets
from ._ridge_equations import ROUNDING, STALLED, Dual, Primal, conjugate_gradients, refine, smaller_system
from ._ridge_factors import (
    RidgePrecisionError,
    Spectrum,
    cholesky_factors,
    column_norms,
    precision_error,
    preconditioner,
    rank_cutoff,
)
from ._ridge_nystrom import nystrom_conjugate_gradients
from .plan import MAX_MEMORY
from .ridge_plan import plan_ridge

_EPS = float(np.finfo(np.float64).eps)
# Corrections of a direct solver at most; it needs one or two.
_DIRECT_ROUNDS = 4
# An iteration that was expected to be cheaper than a direct solver gives up after so many times its passes.
_PATIENCE = 1.5
# Iterations aim below what is allowed, because the sketch measures the error to a factor of about two ...
_AIM = 0.3
# ... but reduce no further at a time than their products have digits: what is left is measured again.
_REDUCTION = {"float32": 1e-4, "float64": 1e-10}


class RidgeSolution(NamedTuple):
    """The coefficients of a ridge regression, and how good they are.

    Parameters
    ----------
    coef : ndarray of shape (n, t) or (n,)
        B, in the dtype of A; one-dimensional if Y was.
    residual : ndarray of shape (t,)
        Relative residual of the normal equations, ``||A^T (y - A b) - alpha b|| / ||A^T y||``, measured with
        A in float64, before B is rounded to the dtype of A. 0 where it is 0 / 0.
    n_passes : int
        Sweeps over A that it took.
    solver : str
        "cholesky", "eigh", "iterative" or "exact": the one that gave the coefficients.
    converged : bool
        Whether every target is as accurate as was asked for, or as rounding allows.
    n_iter : int
        Corrections of a direct solver, steps of the iterative one; 0 for "exact".
    """

    coef: np.ndarray
    residual: np.ndarray
    n_passes: int
    solver: str
    converged: bool
    n_iter: int


def ridge(
    A,
    Y,
    alpha,
    *,
    solver="auto",
    tol=1e-8,
    max_iter=1000,
    sketch="auto",
    gram=None,
    max_memory=MAX_MEMORY,
    rng=None,
    n_threads=None,
    callback=None,
):
    """Solve a ridge regression by the cheapest solver that can.

    Minimises, over B of shape (n, t) with columns b_j,

        ||Y - A B||_F^2 + sum_j alpha_j ||b_j||^2

    For alpha_j = 0 that is least squares, and of all solutions the one of least norm.

    Parameters
    ----------
    A : matrix or operand of shape (m, n)
        Dense, sparse, memory-mapped or chunked. For an intercept or sample weights see
        `sklr.linalg.centered` and `sklr.linalg.row_weighted`.
    Y : array of shape (m, t) or (m,)
        The targets; computed in float64.
    alpha : float or array of shape (t,)
        Regularisation, one for all targets or one for each; at least 0.
    solver : {"auto", "cholesky", "eigh", "iterative", "exact"}, default="auto"
        "auto" is what `plan_ridge` chooses from shapes; see Notes for what follows if that is refused.
    tol : float, default=1e-8
        With E the error of a column of B, ``(||A E||^2 + alpha ||E||^2)^(1/2)`` is at most `tol` times the
        same measure of the solution, and what is minimised is within a part `tol` of its minimum. The
        residual, which is another measure, is at most `tol`, too. Rounding may allow less: then as much.
    max_iter : int, default=1000
        Steps of "iterative" at most, all targets taking a step together.
    sketch : str or Distribution, default="auto"
        Of "iterative". Anything but "auto" restricts the choice to it.
    gram : ndarray of shape (min(m, n), min(m, n)), default=None
        ``A^T A`` or, for m < n, ``A A^T`` in float64, where that is known: "cholesky" and "eigh" do not
        make it again. Changed by neither.
    max_memory : int, default=2147483648
        Bytes beside the data that a solver may take.
    rng : None, int, Generator or Stream, default=None
        Where the sketch comes from.
    n_threads : int, default=None
        At most so many threads; None means what this process may use. The bits of the result do not depend
        on it.
    callback : callable, default=None
        ``callback(n_passes, error)`` after every step of "iterative", with the largest relative error of a
        target, as the iteration estimates it.

    Returns
    -------
    RidgeSolution
        Coefficients, residuals, and which solver gave them in how many passes.

    Raises
    ------
    RidgePrecisionError
        A ValueError: ``solver="cholesky"`` was asked for, and ``A^T A + alpha I`` is singular to working
        accuracy; or "auto" found the same and `max_memory` has room for no other solver.
    TypeError
        If a parameter is of the wrong type.
    ValueError
        If a parameter is out of range, A or Y holds NaN or infinity, Y has other rows than A, `plan_ridge`
        finds no solver, or squares leave the range of float64.

    See Also
    --------
    plan_ridge : Cost and memory of the solvers.

    Notes
    -----
    With q = min(m, n) and p = max(m, n):

    - "cholesky" factors ``A^T A + alpha I`` or, for m < n, ``A A^T + alpha I`` (dual form), corrects by what
      the data say is left, and is refused where the correction fails: beyond a condition number of about
      1e6, columns scaled to equal length. ``p q^2 + a q^3 / 3`` flops for a different values of alpha, memory
      ``(2 + a) q^2``, four passes (dual six). Products of float32 data are in float32, added up in float64.
    - "eigh" takes all eigenvectors of the same matrix, which serve any number of alphas. Named, it takes
      eigenvalues (plus alpha) up to ``10 sqrt(q) eps`` of the largest for zero, that is singular values up
      to about 2e-7 of the largest, and `converged` says whether it mattered. ``p q^2 + 9 q^3`` flops, memory
      ``5 q^2``.
    - "iterative", for m of at least about 4 n and where `max_memory` has room, sketches A to d rows, makes a
      preconditioner of ``(S A)^T S A + alpha I``, starts from the solution of the sketched problem, and takes
      conjugate gradient steps for the equations of the *measured* residual, again and again: what makes it
      as stable as LAPACK. 4 nnz t flops and one pass per step, ``d n^2`` before or, where squares do not
      hold the sketch, QR and SVD on one thread, ``2 d n^2 + 20 n^3``. Memory ``4 d n``.
      For other shapes the preconditioner is a Nystrom approximation of rank 50 of the smaller Gram matrix
      (on disk and in chunks, of ``A^T A``), which is not made itself: steps of the same cost, more of them
      the larger its 50th eigenvalue is beside alpha, and memory ``250 q``. For alpha > 0, above all for large
      sparse data; for alpha = 0 and m >= n the residual is all that is brought below `tol`.
    - "exact" is LAPACK's SVD of the dense array. ``6 p q^2 + 16 q^3``, memory ``3 p q``.

    "exact", and "iterative" with a sketch, take singular values s for zero where ``s^2 + alpha`` is at most
    ``c^2 s_1^2`` with
    ``c = 30 eps = 6.7e-15``, for float32 data ``c = 8 eps = 9.5e-7``.

    Where "cholesky" or "eigh" is refused, for float32 data it is tried again with products in float64; then
    "auto" takes the cheaper one of "iterative" with a sketch and "exact"; if neither is possible, "eigh" as
    when named. Where "auto" takes "iterative" with a Nystrom approximation, and it needs half as many steps
    again as planned, a direct solver takes over if there is room for one.

    Coefficients of float32 data are no better than float32 data; not for m and n that are both large: see
    what `plan_ridge` predicts. For least squares with nothing but a preconditioner and no measured
    residual, condition numbers above 1e8 leave a residual that is far from the least.

    References
    ----------
    E. N. Epperly, M. Meier and Y. Nakatsukasa, "Fast randomized least-squares solvers can be just as
    accurate and stable as classical direct solvers", 2024, arXiv:2406.03468. Z. Frangella, J. A. Tropp and
    M. Udell, "Randomized Nystrom preconditioning", 2021, arXiv:2110.02820.

    Examples
    --------
    >>> import numpy as np
    >>> from sklr.linalg import ridge
    >>> A = np.array([[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]])
    >>> ridge(A, np.array([1.0, 4.0, 5.0]), alpha=0.0).coef
    array([1., 2.])
    >>> ridge(A, np.array([1.0, 4.0, 5.0]), alpha=1.0).coef
    array([0.5, 1.6])
    """
    A = as_operand(A, name="A")
    Y, exponents, is_single = check_targets(Y, A.shape[0])
    alpha = check_alpha(alpha, Y.shape[1])
    tol = check_relative("tol", tol)
    max_iter = check_count("max_iter", max_iter, 1)
    sketch_given = not (isinstance(sketch, str) and sketch == "auto")
    if sketch_given:
        sketch = make_sketch(sketch)
    plan = plan_ridge(
        A,
        Y.shape[1],
        len(np.unique(alpha)),
        tol=tol,
        solver=solver,
        sketch_given=sketch_given,
        gram_given=gram is not None,
        max_memory=max_memory,
    )
    if gram is not None and np.shape(gram) != (min(A.shape),) * 2:
        raise ValueError(f"gram must have shape {(min(A.shape),) * 2}, got {np.shape(gram)}.")
    before, stream = A.n_passes, as_stream(rng)

    def note(error):
        if callback is not None:
            callback(A.n_passes - before, error)

    def iterate(A, max_iter=max_iter):
        d = plan.sketch_size
        if plan.preconditioner == "nystrom":
            distribution = sketch if sketch_given else make_sketch("gaussian")
            draw = partial(distribution.operator, d, rng=stream.child(0))
            return _nystrom(A, Y, alpha, tol, draw, max_iter, note)
        distribution = make_sketch(sketch, n=A.shape[0], sketch_size=d, sparse=A.container == "sparse")
        S = distribution.operator(d, A.shape[0], stream.child(0), A.dtype)
        return _iterative(A, Y, alpha, tol, S, max_iter, note)

    def hurry(A):
        # No longer than a direct solver may take; where alpha is 0, there is no bound to go by.
        found = iterate(A, min(max_iter, int(_PATIENCE * plan.n_passes)))
        return found if np.all(found.accurate) else None

    run = {
        "cholesky": lambda A: _cholesky(A, Y, alpha, tol, gram),
        # Of float32 products it is refused in any case, because those of float64 can be had.
        "eigh": lambda A: _eigh(A, Y, alpha, tol, gram, refuses=solver == "auto" or A.dtype == np.float32),
        "iterative": iterate,
        "hurried": lambda A: hurry(A) if alpha.all() else None,
        "exact": lambda A: _exact(A, Y, alpha, tol),
        "rough": lambda A: _eigh(A.astype(np.float64), Y, alpha, tol, gram, refuses=False),
    }
    with session(n_threads):
        found = _solve(run, A, plan, solver)
    with np.errstate(over="ignore"):
        B = np.ldexp(found.B, exponents).astype(A.dtype)
    if not np.isfinite(B).all():
        raise ValueError(
            f"The coefficients leave the range of {A.dtype}. Divide Y by its largest entry, or use float64."
        )
    return RidgeSolution(
        B[:, 0] if is_single else B,
        found.residual,
        A.n_passes - before,
        found.solver,
        bool(np.all(found.accurate)),
        found.n_iter,
    )


def ridges(A, Y, alpha, **options):
    """`ridge`, which for alphas of shape (a, t), one row for each of a regressions, solves them together.

    Coefficients have shape (n, a, t) then, and residuals (a, t).
    """
    if np.ndim(alpha) != 2:
        return ridge(A, Y, alpha, **options)
    found = ridge(A, np.tile(Y.reshape(len(Y), -1), len(alpha)), np.ravel(alpha), **options)
    return found._replace(
        coef=found.coef.reshape(-1, *np.shape(alpha)), residual=found.residual.reshape(np.shape(alpha))
    )


def _solve(run, A, plan, solver):
    """By the plan's solver; where it is refused, by the next of the chain."""
    first, is_sketched = plan.solver, plan.preconditioner == "sketch"
    direct = min(("cholesky", "eigh"), key=plan.costs.get)
    if solver == "auto" and first == "iterative" and not is_sketched and np.isfinite(plan.costs[direct]):
        found = _in_range(run["hurried"], A)
        if found is not None:
            return found
        first = direct
    try:
        return _in_range(run[first], A, RidgePrecisionError)
    except RidgePrecisionError:
        if solver != "auto":
            raise
    costs = {name: plan.costs[name] for name in (("iterative", "exact") if is_sketched else ("exact",))}
    name = min(costs, key=costs.get)
    if not np.isfinite(costs[name]):
        name = "rough" if np.isfinite(plan.costs["eigh"]) else "iterative"
    return _in_range(run[name], A)


def _in_range(run, A, *errors):
    """run(A); of float32 data, again in float64 where that fails by the range of squares or by `errors`."""
    try:
        return run(A)
    except (RangeError, *errors):
        if A.dtype == np.float64:
            raise
        return run(A.astype(np.float64))


# -- the solvers ----------------------------------------------------------------------------------------


class _Found(NamedTuple):
    """A solution in float64, what is known of each target, and where it comes from."""

    B: np.ndarray
    residual: np.ndarray
    accurate: np.ndarray
    solver: str
    n_iter: int


def _cholesky(A, Y, alpha, tol, gram):
    system = smaller_system(A, Y, alpha, gram)
    factor = cholesky_factors(system.gram(), alpha, system.gram_error, rank_cutoff(A))
    return _direct(system, factor, tol, "cholesky", refuses=True)


def _eigh(A, Y, alpha, tol, gram, refuses):
    system = smaller_system(A, Y, alpha, gram)
    squares, V = np.linalg.eigh(system.gram())  # SciPy's 1.12 fails on one column
    factor = Spectrum(V, np.maximum(squares, 0), alpha, system.gram_error)
    if refuses and not np.all(factor.kept):
        raise precision_error()
    return _direct(system, factor, tol, "eigh", refuses)


def _direct(system, factor, tol, name, refuses):
    """The solution by a factor of the Gram matrix, refined."""
    Z, g, accurate, n_iter = refine(
        system,
        factor,
        factor.solve(system.rhs),
        tol,
        lambda part, g, goals, left: (part.solve(g), 1),
        _DIRECT_ROUNDS,
        solves=True,
    )
    if refuses and not np.all(accurate):
        raise precision_error()
    if isinstance(system, Dual):
        A = system.outer.T
        return _measured(A, system.Y, system.alpha, tol, A.rmatmat(Z), accurate, name, n_iter)
    return _judged(system.outer, system.Y, system.alpha, tol, Z, g, system.rhs, accurate, name, n_iter)


def _iterative(A, Y, alpha, tol, S, max_iter, note):
    system = Primal(A.tiled_by_rows(), Y, alpha)
    SA, SY = system.inner.sketch(S), S.apply(Y)
    SA = SA.toarray() if sparse.issparse(SA) else SA
    factor, Z = preconditioner(SA, SY, alpha, rank_cutoff(A))
    del SA

    def correct(part, g, goals, left):
        # No further at a time than the products have digits: what is left is measured again.
        reachable = max(_REDUCTION[system.inner.dtype.name], _EPS * float(part.condition.max()))
        aims = np.clip(_AIM * goals, reachable, STALLED)
        return conjugate_gradients(
            system, part, g, aims, left, lambda e: note(float(tol * (e / goals).max()))
        )

    Z, g, accurate, n_iter = refine(system, factor, Z, tol, correct, max_iter)
    return _judged(system.outer, Y, alpha, tol, Z, g, system.rhs, accurate, "iterative", n_iter)


def _nystrom(A, Y, alpha, tol, draw, max_iter, note):
    B, g, rhs, accurate, n_iter = nystrom_conjugate_gradients(
        A, Y, alpha, tol, draw, max_iter, lambda error: note(tol * error)
    )
    return _judged(A.astype(np.float64), Y, alpha, tol, B, g, rhs, accurate, "iterative", n_iter)


def _exact(A, Y, alpha, tol):
    smallest, A = rank_cutoff(A), A.astype(np.float64)
    array = A.toarray()
    A.check_squares()
    U, s, Vt = linalg.svd(array, full_matrices=False, overwrite_a=True, check_finite=False)
    B = Spectrum(Vt.T, s**2, alpha, smallest**2).solution(s, U.T @ Y)
    return _measured(A, Y, alpha, tol, B, np.ones(len(alpha), dtype=bool), "exact", 0)


def _measured(A, Y, alpha, tol, B, accurate, name, n_iter):
    """What B is worth, by two passes over A."""
    t = len(alpha)
    products = A.rmatmat(np.hstack([Y - A.matmat(B), Y]))
    g = products[:, :t] - alpha * B
    return _judged(A, Y, alpha, tol, B, g, products[:, t:], accurate, name, n_iter)


def _judged(A, Y, alpha, tol, B, g, rhs, accurate, name, n_iter):
    """What B is worth, with its gradient g = A^T (Y - A B) - alpha B and the right side A^T Y."""
    left, first = column_norms(g), column_norms(rhs)
    norm, size = np.sqrt(A.squared_norm()), column_norms(B)
    rounding = ROUNDING * _EPS * (norm * (norm * size + column_norms(Y)) + alpha * size)
    rounding += A.rounding_norm() * (norm * size + column_norms(Y))
    residual = np.divide(left, first, out=np.where(left > 0, np.inf, 0.0), where=first > 0)
    accurate = accurate & ((residual <= tol) | (left <= rounding))
    return _Found(B, residual, accurate, name, n_iter)
