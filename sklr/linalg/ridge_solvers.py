"""Ridge regression and least squares: direct, spectral and iterative solvers, refined with the data."""

from numbers import Real
from typing import NamedTuple

import numpy as np
from scipy import linalg, sparse

from sklr._backend import RangeError, as_operand, as_stream, ordered, session
from sklr.sketch import make_sketch

from ._checks import check_count, check_relative
from .plan import MAX_MEMORY
from .ridge_plan import MANY_ALPHAS, plan_ridge

_EPS = float(np.finfo(np.float64).eps)
# Above so many columns a Cholesky factor is made of blocks, in parallel; below, LAPACK takes no time.
_LAPACK_COLUMNS = 1500
_BLOCK = 256
# A Gram matrix with a diagonal of ones has an error of about so many sqrt(n) eps: eigenvalues that are no
# larger are not known.
_GRAM_ERROR = 10
# Errors of so many eps of what was added up are taken for rounding, if no refinement gets rid of them;
# below so many none is tried.
_ROUNDING = 10
_NO_ROUNDING = 0.01
# Singular values below so many eps of the largest are taken for rounding where alpha does not lift them.
_RANK_ROUNDING = {"float32": 8, "float64": 30}
# Corrections of a direct solver at most; it needs one or two.
_DIRECT_ROUNDS = 4
# A correction shows in the coefficients if it changes them by more than this part of `tol`.
_SHOWS = 0.1
# A correction that leaves more than this part of an error will be of no more use the next time.
_STALLED = 0.5
# Iterations aim below what is allowed, because the sketch measures the error to a factor of about two ...
_AIM = 0.3
# ... but reduce no further at a time than their products have digits: what is left is measured again.
_REDUCTION = {"float32": 1e-4, "float64": 1e-10}
_POWER_STEPS = 6


class RidgePrecisionError(ValueError):
    """The Gram matrix, which squares the singular values, cannot hold the problem."""


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
    max_iter=100,
    sketch="auto",
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
    max_iter : int, default=100
        Steps of "iterative" at most, all targets taking a step together.
    sketch : str or Distribution, default="auto"
        Of "iterative". Anything but "auto" restricts the choice to it.
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
    - "iterative" sketches A to d rows, makes a preconditioner of ``(S A)^T S A + alpha I``, starts from the
      solution of the sketched problem, and takes conjugate gradient steps for the equations of the
      *measured* residual, again and again: what makes it as stable as LAPACK. 4 nnz t flops and one pass
      per step, ``d n^2`` before or, where squares do not hold the sketch, QR and SVD on one thread,
      ``2 d n^2 + 20 n^3``. Only for m of at least about 4 n. Memory ``4 d n``.
    - "exact" is LAPACK's SVD of the dense array. ``6 p q^2 + 16 q^3``, memory ``3 p q``.

    "iterative" and "exact" take singular values s for zero where ``s^2 + alpha <= c^2 s_1^2`` with
    ``c = 30 eps = 6.7e-15``, for float32 data ``c = 8 eps = 9.5e-7``.

    Where "cholesky" or "eigh" is refused, for float32 data it is tried again with products in float64; then
    "auto" takes the cheaper one of "iterative" and "exact"; if neither is possible, "eigh" as when named.

    Coefficients of float32 data are no better than float32 data; not for m and n that are both large: see
    what `plan_ridge` predicts. For least squares with nothing but a preconditioner and no measured
    residual, condition numbers above 1e8 leave a residual that is far from the least.

    References
    ----------
    E. N. Epperly, M. Meier and Y. Nakatsukasa, "Fast randomized least-squares solvers can be just as
    accurate and stable as classical direct solvers", 2024, arXiv:2406.03468.

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
    Y, exponents, is_single = _check_targets(Y, A.shape[0])
    alpha = _check_alpha(alpha, Y.shape[1])
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
        max_memory=max_memory,
    )
    before, stream = A.n_passes, as_stream(rng)

    def note(error):
        if callback is not None:
            callback(A.n_passes - before, error)

    def iterate(A):
        d = plan.sketch_size
        distribution = make_sketch(sketch, n=A.shape[0], sketch_size=d, sparse=A.container == "sparse")
        S = distribution.operator(d, A.shape[0], stream.child(0), A.dtype)
        return _iterative(A, Y, alpha, tol, S, max_iter, note)

    run = {
        "cholesky": lambda A: _cholesky(A, Y, alpha, tol),
        # Of float32 products it is refused in any case, because those of float64 can be had.
        "eigh": lambda A: _eigh(A, Y, alpha, tol, refuses=solver == "auto" or A.dtype == np.float32),
        "iterative": iterate,
        "exact": lambda A: _exact(A, Y, alpha, tol),
        "rough": lambda A: _eigh(A.astype(np.float64), Y, alpha, tol, refuses=False),
    }
    with session(n_threads):
        found = _solve(run, A, plan, solver)
    B = np.ldexp(found.B, exponents).astype(A.dtype)
    return RidgeSolution(
        B[:, 0] if is_single else B,
        found.residual,
        A.n_passes - before,
        found.solver,
        bool(np.all(found.accurate)),
        found.n_iter,
    )


def _solve(run, A, plan, solver):
    """By the plan's solver; where it is refused, by the next of the chain."""
    refusal = None
    for operand in (A, A.astype(np.float64)) if A.dtype == np.float32 else (A,):
        try:
            return run[plan.solver](operand)
        except (RidgePrecisionError, RangeError) as error:
            refusal = error
    if solver != "auto" or isinstance(refusal, RangeError):
        raise refusal
    costs = {name: plan.costs[name] for name in ("iterative", "exact")}
    cheapest = min(costs, key=costs.get)
    if not np.isfinite(costs[cheapest]):
        cheapest = "rough"
        if not np.isfinite(plan.costs["eigh"]):
            raise refusal
    try:
        return run[cheapest](A)
    except RangeError:
        if A.dtype == np.float64:
            raise
        return run[cheapest](A.astype(np.float64))


# -- the solvers ----------------------------------------------------------------------------------------


class _Found(NamedTuple):
    """A solution in float64, what is known of each target, and where it comes from."""

    B: np.ndarray
    residual: np.ndarray
    accurate: np.ndarray
    solver: str
    n_iter: int


def _cholesky(A, Y, alpha, tol):
    system = _system(A, Y, alpha)
    factor = _triangles(system.inner.gram(), alpha, system.gram_error, _smallest(A))
    return _direct(system, factor, tol, "cholesky", refuses=True)


def _eigh(A, Y, alpha, tol, refuses):
    system = _system(A, Y, alpha)
    squares, V = np.linalg.eigh(system.inner.gram())  # SciPy's 1.12 fails on one column
    factor = _Spectrum(V, np.maximum(squares, 0), alpha, system.gram_error)
    if refuses and not np.all(factor.kept):
        raise _refusal()
    return _direct(system, factor, tol, "eigh", refuses)


def _direct(system, factor, tol, name, refuses):
    """The solution by a factor of the Gram matrix, refined."""
    Z, g, accurate, n_iter = _refine(
        system,
        factor,
        factor.solve(system.rhs),
        tol,
        lambda part, g, goals, left: (part.solve(g), 1),
        _DIRECT_ROUNDS,
        solves=True,
    )
    if refuses and not np.all(accurate):
        raise _refusal()
    if isinstance(system, _Dual):
        A = system.outer.T
        return _measured(A, system.Y, system.alpha, tol, A.rmatmat(Z), accurate, name, n_iter)
    return _judged(system.outer, system.Y, system.alpha, tol, Z, g, system.rhs, accurate, name, n_iter)


def _refusal():
    return RidgePrecisionError(
        "A^T A + alpha I (or A A^T + alpha I) is singular to working accuracy: squaring keeps singular "
        "values only above about 1e-6 of the largest, of float32 products 1e-2. Use solver='iterative' or "
        "'exact', or a larger alpha."
    )


def _iterative(A, Y, alpha, tol, S, max_iter, note):
    system = _Primal(A.tiled_by_rows(), Y, alpha)
    SA, SY = system.inner.sketch(S), S.apply(Y)
    SA = SA.toarray() if sparse.issparse(SA) else SA
    factor, Z = _preconditioner(SA, SY, alpha, _smallest(A))
    del SA

    def correct(part, g, goals, left):
        # No further at a time than the products have digits: what is left is measured again.
        reachable = max(_REDUCTION[system.inner.dtype.name], _EPS * float(part.condition.max()))
        aims = np.clip(_AIM * goals, reachable, _STALLED)
        return _conjugate_gradients(
            system, part, g, aims, left, lambda e: note(float(tol * (e / goals).max()))
        )

    Z, g, accurate, n_iter = _refine(system, factor, Z, tol, correct, max_iter)
    return _judged(system.outer, Y, alpha, tol, Z, g, system.rhs, accurate, "iterative", n_iter)


def _exact(A, Y, alpha, tol):
    smallest, A = _smallest(A), A.astype(np.float64)
    array = A.toarray()
    A.check_squares()
    U, s, Vt = linalg.svd(array, full_matrices=False, overwrite_a=True, check_finite=False)
    B = _Spectrum(Vt.T, s**2, alpha, smallest**2).solution(s, U.T @ Y)
    return _measured(A, Y, alpha, tol, B, np.ones(len(alpha), dtype=bool), "exact", 0)


def _measured(A, Y, alpha, tol, B, accurate, name, n_iter):
    """What B is worth, by two passes over A."""
    t = len(alpha)
    products = A.rmatmat(np.hstack([Y - A.matmat(B), Y]))
    g = products[:, :t] - alpha * B
    return _judged(A, Y, alpha, tol, B, g, products[:, t:], accurate, name, n_iter)


def _judged(A, Y, alpha, tol, B, g, rhs, accurate, name, n_iter):
    """What B is worth, with its gradient g = A^T (Y - A B) - alpha B and the right side A^T Y."""
    left, first = _lengths(g), _lengths(rhs)
    norm, size = np.sqrt(A.squared_norm()), _lengths(B)
    rounding = _ROUNDING * _EPS * (norm * (norm * size + _lengths(Y)) + alpha * size)
    residual = np.divide(left, first, out=np.where(left > 0, np.inf, 0.0), where=first > 0)
    accurate = accurate & ((residual <= tol) | (left <= rounding))
    return _Found(B, residual, accurate, name, n_iter)


# -- the equations --------------------------------------------------------------------------------------


def _system(A, Y, alpha):
    """The smaller one of the two systems of equations, over tiles along the longer axis."""
    if A.shape[0] < A.shape[1]:
        return _Dual(A.T.tiled_by_rows(), Y, alpha)
    return _Primal(A.tiled_by_rows(), Y, alpha)


class _System:
    """The equations (M^T M + alpha I) Z = H, every column with its own alpha, for an operand M.

    `outer` is M in float64, for what decides how good a solution is, `inner` M in its own dtype.
    """

    def __init__(self, M, Y, alpha):
        self.inner, self.outer = M, M.astype(np.float64)
        self.Y, self.alpha = Y, alpha
        self.gram_error = _GRAM_ERROR * np.sqrt(M.shape[1]) * float(np.finfo(M.dtype).eps)

    def normal(self, V):
        """M^T M V by products in the dtype of the data."""
        return self.inner.normal_matmat(V).astype(np.float64, copy=False)


class _Primal(_System):
    """(A^T A + alpha I) B = A^T Y."""

    def __init__(self, M, Y, alpha):
        super().__init__(M, Y, alpha)
        self.rhs = self.outer.rmatmat(Y)

    def gradient(self, Z, columns):
        """``(A^T (Y - A Z) - alpha Z, what is minimised)`` for some targets, in one pass.

        The difference is taken before the product with A^T: rounding then stays in the range of A^T, where
        it is harmless. ``A^T Y - (A^T A) Z`` has an error that A^T A magnifies by its condition number.
        """
        n = self.outer.shape[1]
        Y = self.Y if len(columns) == self.Y.shape[1] else self.Y[:, columns]

        def add(lo, hi, tile, out):
            R = Y[lo:hi] - tile.matmat(Z)
            tile.add_rmatmat(R, out[:n])
            out[n] += np.einsum("ij,ij->j", R, R)

        total = self.outer._sum(add, (n + 1, Z.shape[1]))
        alpha = self.alpha[columns]
        return total[:n] - alpha * Z, total[n] + alpha * np.einsum("ij,ij->j", Z, Z)

    def allowed(self, factor, Z, g, errors, loss, tol):
        """``(errors, rounding)``: what `tol` of `ridge` allows, and eps of all that is added up."""
        size = np.sqrt(np.maximum(np.einsum("ij,ij->j", Z, self.rhs - g), 0))
        in_targets = _lengths(self.Y) + factor.condition * np.sqrt(loss)
        added = factor.weighted_sums(Z) + factor.share * in_targets
        left, first = _lengths(g), _lengths(self.rhs)
        by_residual = np.divide(errors * tol * first, left, out=np.full(len(left), np.inf), where=left > 0)
        return np.minimum(np.minimum(tol * size, np.sqrt(tol * loss)), by_residual), _EPS * added


class _Dual(_System):
    """(A A^T + alpha I) Z = Y with M = A^T, from which B = A^T Z."""

    def __init__(self, M, Y, alpha):
        super().__init__(M, Y, alpha)
        self.rhs = Y

    def gradient(self, Z, columns):
        """``(Y - A A^T Z - alpha Z, None)`` for some targets, in one pass."""
        return self.Y[:, columns] - self.outer.normal_matmat(Z) - self.alpha[columns] * Z, None

    def allowed(self, factor, Z, g, errors, loss, tol):
        """``(errors, rounding)``: what `tol` of `ridge` allows, and eps of all that is added up."""
        size = np.sqrt(np.maximum(np.einsum("ij,ij->j", Z, self.rhs - g), 0))
        return tol * size, _EPS * factor.condition * (
            factor.weighted_sums(Z) + factor.weighted_lengths(self.Y)
        )


def _refine(system, factor, Z, tol, correct, budget, solves=False):
    """Correct Z by what the data say is left, until that is small: ``(Z, gradient, accurate, steps)``.

    With P P^T the inverse that `factor` stands for, of the matrix of the system or nearly so, P^T g is as
    long as the error of a solution with gradient g, or nearly so. ``correct(factor, g, goals, left)``
    returns a correction that should leave the part `goals` of it, and the steps it took, at most `left`.
    Where it `solves` the system, as far as that can be told, a first correction is made whenever it would
    show in the coefficients.
    """
    every = np.arange(Z.shape[1])
    g, loss = system.gradient(Z, every)
    errors, steps, rounds = _lengths(factor.half(g)), 0, 0
    stalled = np.zeros(len(every), dtype=bool)
    while True:
        allowed, rounding = system.allowed(factor, Z, g, errors, loss, tol)
        accurate = errors <= np.maximum(allowed, _ROUNDING * rounding)
        allowed = np.maximum(allowed, _NO_ROUNDING * rounding)
        is_due = ~(errors <= allowed)
        columns = every[(is_due | (solves and rounds == 0)) & ~stalled]
        if not columns.size or steps >= budget:
            return Z, g, accurate, steps
        goals = np.divide(allowed[columns], errors[columns], out=np.ones(len(columns)), where=is_due[columns])
        dZ, n_steps = correct(factor.select(columns), g[:, columns], goals, budget - steps)
        rounds += 1
        if solves:
            matters = is_due[columns] | (_lengths(dZ) > _SHOWS * tol * _lengths(Z[:, columns]))
            columns, dZ = columns[matters], dZ[:, matters]
            if not columns.size:
                return Z, g, accurate, steps
        steps += n_steps
        trial = Z[:, columns] + dZ
        new_g, new_loss = system.gradient(trial, columns)
        new_errors = _lengths(factor.select(columns).half(new_g))
        stalled[columns] = ~(new_errors <= _STALLED * errors[columns])
        better = new_errors < errors[columns]
        columns = columns[better]
        Z[:, columns], g[:, columns], errors[columns] = trial[:, better], new_g[:, better], new_errors[better]
        if loss is not None:
            loss[columns] = new_loss[better]


def _conjugate_gradients(system, factor, g, aims, max_steps, note):
    """P w for P^T (M^T M + alpha I) P w = P^T g, to the part `aims` of P^T g, and the steps it took.

    One pass per step for all targets together, each with its own step lengths.
    """
    r = factor.half(g)
    unit = _lengths(r)
    r /= np.where(unit > 0, unit, 1)
    w, p, squares = np.zeros_like(r), r.copy(), np.einsum("ij,ij->j", r, r)
    steps = 0
    while steps < max_steps and np.any(squares > aims**2):
        v = factor.back(p)
        q = factor.half(system.normal(v) + factor.alpha * v)
        curvature = np.einsum("ij,ij->j", p, q)
        moves = (squares > aims**2) & (curvature > 0)
        length = np.divide(squares, curvature, out=np.zeros(len(squares)), where=moves)
        w += length * p
        r -= length * q
        # A target that is done, or whose curvature is rounding, stays where it is.
        now = np.where(moves, np.einsum("ij,ij->j", r, r), 0)
        p = r + np.divide(now, squares, out=np.zeros(len(now)), where=moves) * p
        squares = now
        steps += 1
        note(np.sqrt(squares))
    return factor.back(unit * w), steps


# -- factors --------------------------------------------------------------------------------------------


class _Factor:
    """P with P P^T (nearly) the inverse of M^T M + alpha I, every target with its own alpha.

    ``half(g)`` is P^T g and ``back(w)`` is P w. `condition` estimates the condition number for each target,
    that of `_Triangles` with columns scaled to length one; `column_squares` are the squared lengths of the
    columns of M, without alpha.
    """

    def solve(self, g):
        """P P^T g."""
        return self.back(self.half(g))

    @property
    def share(self):
        """A bound on the norm of P^T M^T: next to nothing where alpha is large."""
        total = self.column_squares.sum()
        return np.sqrt(np.divide(total, total + self.alpha, out=np.zeros(len(self.alpha)), where=total > 0))

    def _column_lengths(self):
        return np.sqrt(self.column_squares[:, None] + self.alpha)

    def weighted_sums(self, Z):
        """A bound on the length of M z, of which rounding takes eps."""
        return np.sum(self._column_lengths() * np.abs(Z), axis=0)

    def weighted_lengths(self, Y):
        """The lengths of targets of the dual form in the units of its scaled solution."""
        lengths = self._column_lengths()
        return _lengths(np.divide(Y, lengths, out=np.zeros(Y.shape), where=lengths > 0))


class _Triangles(_Factor):
    """Cholesky factors L, one for each value of alpha: P = L^-T."""

    def __init__(self, lower, conditions, groups, column_squares, alpha):
        self._lower, self._conditions, self._groups = lower, conditions, groups
        self.column_squares, self.alpha = column_squares, alpha
        self.condition = np.array(conditions)[groups]

    def select(self, columns):
        """The factor of some targets."""
        parts = self._groups[columns], self.column_squares, self.alpha[columns]
        return _Triangles(self._lower, self._conditions, *parts)

    def half(self, g):
        return self._each(g, "N")

    def back(self, w):
        return self._each(w, "T")

    def _each(self, X, trans):
        out = np.empty_like(X)
        for i in np.unique(self._groups):
            mine = self._groups == i
            out[:, mine] = linalg.solve_triangular(
                self._lower[i], X[:, mine], lower=True, trans=trans, check_finite=False
            )
        return out


class _Spectrum(_Factor):
    """Right singular vectors V and squared singular values: P = V (squares + alpha)^(-1/2).

    What is below `smallest` of the largest square is taken for zero, with its vectors.
    """

    def __init__(self, V, squares, alpha, smallest, column_squares=None):
        self._V, self._squares, self._smallest = V, squares, smallest
        self.column_squares = (V**2) @ squares if column_squares is None else column_squares
        self.alpha = alpha
        sums = squares[:, None] + alpha
        self.kept = sums > smallest * squares.max()
        self._inverse_roots = np.divide(1, np.sqrt(sums), out=np.zeros(sums.shape), where=self.kept)
        self.condition = np.sqrt(sums.max(axis=0)) * self._inverse_roots.max(axis=0)

    def select(self, columns):
        """The factor of some targets."""
        return _Spectrum(self._V, self._squares, self.alpha[columns], self._smallest, self.column_squares)

    def solution(self, s, targets):
        """``V diag(s / (squares + alpha)) targets`` for singular values s and targets U^T Y."""
        return self._V @ (self._inverse_roots * (self._inverse_roots * (s[:, None] * targets)))

    def half(self, g):
        return self._inverse_roots * (self._V.T @ g)

    def back(self, w):
        return self._V @ (self._inverse_roots * w)


def _triangles(G, alpha, error, smallest):
    """The Cholesky factors of G + alpha I; refused where errors of G would matter. G is overwritten.

    `error` is that of the entries of G, the columns scaled to length one, as far as it acts on vectors. What
    is refused is tried otherwise, so it matters more that nothing bad passes. Columns that are not longer
    than the part `smallest` of the longest are for solvers that know the rank.
    """
    n = len(G)
    diagonal = np.diag(G).copy()
    values, groups = np.unique(alpha, return_inverse=True)
    lower, conditions = [], []
    for i, value in enumerate(values):
        squares = diagonal + value
        is_zero = squares == 0
        if np.any(squares[~is_zero] <= smallest**2 * squares.max()):
            raise _refusal()
        # A column of zeros, whose coefficient is zero, leaves the matrix singular and nothing else.
        squares[is_zero] = 1
        L = G if i == len(values) - 1 else G.copy()
        L[np.arange(n), np.arange(n)] = squares
        try:
            L = _lower_triangle(L)
        except linalg.LinAlgError:
            raise _refusal() from None
        conditions.append(_scaled_condition(L, np.sqrt(squares)))
        if not error * conditions[-1] ** 2 < 1:
            raise _refusal()
        lower.append(L)
    return _Triangles(lower, conditions, groups, diagonal, alpha)


def _lower_triangle(G):
    """L with L L^T = G, which is overwritten; what L has above the diagonal is not to be looked at.

    By blocks of columns: LAPACK's factor of the diagonal block, the rows below it in parallel, and their
    products subtracted from the rest, tile by tile: the same bits on any number of threads.
    """
    n = len(G)
    if n <= _LAPACK_COLUMNS:
        return linalg.cholesky(G, lower=True, overwrite_a=True, check_finite=False)
    for first in range(0, n, _BLOCK):
        last = min(first + _BLOCK, n)
        done = slice(first, last)
        corner = linalg.cholesky(G[done, done], lower=True, check_finite=False)
        G[done, done] = corner
        strips = [slice(lo, min(lo + _BLOCK, n)) for lo in range(last, n, _BLOCK)]

        def divide(rows, done=done, corner=corner):
            G[rows, done] = linalg.solve_triangular(corner, G[rows, done].T, lower=True, check_finite=False).T

        def subtract(tile, done=done):
            rows, columns = tile
            G[rows, columns] -= G[rows, done] @ G[columns, done].T

        ordered(divide, strips)
        ordered(subtract, [(rows, columns) for i, rows in enumerate(strips) for columns in strips[: i + 1]])
    return G


def _scaled_condition(L, lengths):
    """About the condition number of L^T, its columns scaled to length one: by inverse power iteration."""
    v = as_stream(0).generator("condition").standard_normal(len(L))
    growth = 1.0
    for _ in range(_POWER_STEPS):
        half = linalg.solve_triangular(L, lengths * (v / np.linalg.norm(v)), lower=True, check_finite=False)
        growth = float(np.linalg.norm(half))
        if not np.isfinite(growth):
            return np.inf
        v = lengths * linalg.solve_triangular(L, half, lower=True, trans="T", check_finite=False)
    return growth


def _preconditioner(SA, SY, alpha, smallest):
    """A factor for the sketched matrix, and the solutions of the sketched problem.

    From the Gram matrix of the sketch where that will do, because it is made in parallel, otherwise by QR and
    the SVD of R on one thread. The solutions are where iteration starts: no need for them to be exact.
    """
    d, n = SA.shape
    if len(np.unique(alpha)) <= MANY_ALPHAS:
        sketched = as_operand(SA, name="sketch")
        error = _GRAM_ERROR * np.sqrt(n) * float(np.finfo(SA.dtype).eps)
        try:
            factor = _triangles(sketched.gram(), alpha, error, smallest)
            return factor, factor.solve(sketched.astype(np.float64).rmatmat(SY))
        except (RidgePrecisionError, RangeError):
            pass
    # The targets take part in the factorisation, so that Q is not needed.
    both = np.empty((d, n + SY.shape[1]), order="F")
    both[:, :n], both[:, n:] = SA, SY
    (R,) = linalg.qr(both, mode="r", overwrite_a=True, check_finite=False)
    U, s, Vt = linalg.svd(R[:n, :n], full_matrices=False, check_finite=False)
    factor = _Spectrum(Vt.T, s**2, alpha, smallest**2)
    return factor, factor.solution(s, U.T @ R[:n, n:])


def _smallest(A):
    """Singular values up to this part of the largest are taken for zero where alpha does not lift them."""
    return _RANK_ROUNDING[A.dtype.name] * float(np.finfo(A.dtype).eps)


def _lengths(X):
    return np.sqrt(np.einsum("ij,ij->j", X, X))


# -- checks ---------------------------------------------------------------------------------------------


def _check_targets(Y, m):
    """``(Y in float64, exponents, whether Y had one dimension)``, columns divided by 2**exponents.

    That is exact, and keeps squares in range.
    """
    if sparse.issparse(Y):
        raise TypeError("Y must be an ndarray, got a sparse matrix. Use Y.toarray().")
    Y = np.asarray(Y)
    if Y.dtype.kind not in "biuf":
        raise TypeError(f"Y must hold real numbers, got dtype {Y.dtype}.")
    if Y.ndim not in (1, 2) or Y.shape[0] != m or 0 in Y.shape:
        raise ValueError(f"Y must have shape ({m},) or ({m}, t), a row for each row of A, got {Y.shape}.")
    is_single = Y.ndim == 1
    Y = (Y[:, None] if is_single else Y).astype(np.float64)
    largest = np.abs(Y).max(axis=0)
    if not np.isfinite(largest).all():
        row, column = np.argwhere(~np.isfinite(Y))[0]
        what = "NaN" if np.isnan(Y[row, column]) else "infinity"
        place = f"row {row}" if is_single else f"row {row}, column {column}"
        raise ValueError(f"Y contains {what}: first seen at {place}. Drop such rows of A and Y first.")
    exponents = np.frexp(largest)[1]
    return np.ldexp(Y, -exponents), exponents, is_single


def _check_alpha(alpha, t):
    """Alpha of every target, float64 of shape (t,)."""
    if isinstance(alpha, (bool, np.bool_)) or not (
        isinstance(alpha, Real) or np.asarray(alpha).dtype.kind in "iuf"
    ):
        raise TypeError(f"alpha must be a float or an array of {t} floats, got {alpha!r}.")
    values = np.asarray(alpha, dtype=np.float64)
    if values.ndim and values.shape != (t,):
        raise ValueError(
            f"alpha must be a float or have shape ({t},), one for each column of Y, got shape {values.shape}."
        )
    if not np.all((values >= 0) & np.isfinite(values)):
        wrong = np.atleast_1d(values)[~np.atleast_1d((values >= 0) & np.isfinite(values))][0]
        raise ValueError(f"alpha must be finite and at least 0, got {wrong}. Use 0 for least squares.")
    return np.broadcast_to(values, (t,)).copy()
