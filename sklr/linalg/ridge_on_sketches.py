"""Ridge regression on sketched samples or sketched features."""

import numpy as np

from sklr._backend import as_operand, as_stream, session

from ._checks import check_count
from ._sketched_sizes import SketchedSizes
from .plan import MAX_MEMORY
from .ridge_plan import plan_ridge
from .ridge_solvers import RidgeSolution, ridges

AXES = ("samples", "features")


def sketched_ridge(
    A,
    Y,
    alpha,
    sketch_size,
    *,
    axis="samples",
    sketch="auto",
    n_sketches=1,
    solver="auto",
    tol=1e-8,
    max_iter=1000,
    max_memory=MAX_MEMORY,
    rng=None,
    n_threads=None,
):
    """Average the ridge regressions on independent sketches of the samples or of the features.

    With sketches S_1, ..., S_K of `sketch_size` = d rows and ``E[S^T S] = I``, the coefficients are
    ``(b_1 + ... + b_K) / K`` with, for ``axis="samples"`` (S of shape (d, m)),

        b_i = argmin_b ||S_i (y - A b)||^2 + alpha ||b||^2,

    and for ``axis="features"`` (S of shape (d, n))

        b_i = S_i^T c_i,    c_i = argmin_c ||y - A S_i^T c||^2 + alpha ||c||^2,

    each of least norm where alpha = 0. The sketch is part of what is estimated: it regularises, and the
    result is not close to that of `ridge` unless d is large.

    Parameters
    ----------
    A : matrix or operand of shape (m, n)
        Dense, sparse, memory-mapped or chunked.
    Y : array of shape (m, t) or (m,)
        The targets.
    alpha : float or array of shape (t,)
        Regularisation, at least 0.
    sketch_size : int
        d, from 1 to the length of the axis that is sketched.
    axis : {"samples", "features"}, default="samples"
        What is sketched.
    sketch : str or Distribution, default="auto"
        Distribution of S_i, or its name; see `sklr.sketch.make_sketch`.
    n_sketches : int, default=1
        K.
    solver : {"auto", "cholesky", "eigh", "iterative", "exact"}, default="auto"
        Of the regression on each sketch; see `ridge`.
    tol : float, default=1e-8
        Accuracy of it.
    max_iter : int, default=1000
        Steps of "iterative" at most.
    max_memory : int, default=2147483648
        Bytes that the sketched matrix, and the solver beside it, may take.
    rng : None, int, Generator or Stream, default=None
        Where the sketches come from.
    n_threads : int, default=None
        At most so many threads; None means what this process may use. The bits of the result do not depend
        on it.

    Returns
    -------
    RidgeSolution
        Coefficients of shape (n, t) or (n,); of `residual`, which is that of the sketched equations, the
        largest of the K, and `converged` if all are.

    Raises
    ------
    TypeError, ValueError
        As `ridge`; if `axis` is unknown, `sketch_size` or `n_sketches` is out of range, or the sketched
        matrix exceeds `max_memory`.

    Notes
    -----
    K passes over A for the sketches, and K regressions of size d x n or m x d.

    References
    ----------
    P. Patil and D. LeJeune, "Asymptotically free sketched ridge ensembles: Risks, cross-validation, and
    tuning", 2023, arXiv:2310.04357 (features). X. Chen, Y. Zeng, S. Yang and Q. Sun, "Sketched Ridgeless
    Linear Regression: The Role of Downsampling", 2023, arXiv:2302.01088 (samples).

    Examples
    --------
    >>> import numpy as np
    >>> from sklr.linalg import sketched_ridge
    >>> A = np.random.default_rng(0).standard_normal((500, 10))
    >>> y = A @ np.arange(10.0)
    >>> bool(np.allclose(sketched_ridge(A, y, 0.0, 50, rng=0).coef, np.arange(10.0)))
    True
    """
    regressions = RidgesOnSketches(
        as_operand(A, name="A"),
        Y,
        axis=axis,
        sketch=sketch,
        n_sketches=n_sketches,
        max_memory=max_memory,
        rng=rng,
        solver=solver,
        tol=tol,
        max_iter=max_iter,
    )
    with session(n_threads):
        return regressions.solve(sketch_size, alpha)


class RidgesOnSketches:
    """`sketched_ridge` for several sketch sizes and values of alpha, which share what they can.

    Parameters
    ----------
    A : operand of shape (m, n)
        The matrix.
    Y, axis, sketch, n_sketches, max_memory, rng
        Of `sketched_ridge`.
    **options : dict
        Of `ridge`.
    """

    def __init__(self, A, Y, *, axis, sketch, n_sketches, max_memory, rng, **options):
        if axis not in AXES:
            raise ValueError(f"axis must be one of {AXES}, got {axis!r}.")
        self._A, self._Y, self._axis = A, np.asarray(Y), axis
        self._sketch, self._stream = sketch, as_stream(rng)
        self._n_sketches = check_count("n_sketches", n_sketches, 1)
        self._max_memory, self._options = max_memory, options | {"max_memory": max_memory}
        self._kept = [None] * self._n_sketches

    def sketch(self, sizes):
        """Make sketches of several sizes together, in a session, and keep them.

        Where `max_memory` has no room for them beside those that are kept, none are.
        """
        for d in sizes:
            self._check(d)
        of_A, _ = self._kept[0] or self._fresh(0)
        if self._n_sketches * of_A.n_numbers(sizes) * self._A.dtype.itemsize > self._max_memory:
            self._kept = [None] * self._n_sketches
            return
        for i in range(self._n_sketches):
            self._kept[i] = self._kept[i] or self._fresh(i)
            _add(self._kept[i], sizes)

    def solve(self, d, alpha):
        """Solve for a sketch size, in a session; sketches that are not kept are made one at a time.

        Parameters
        ----------
        d : int
            Rows of the sketches.
        alpha : float or array of shape (t,) or (a, t)
            In two dimensions one row for each of a regressions.

        Returns
        -------
        RidgeSolution
            As of `ridge`; for alphas of shape (a, t) coefficients of shape (n, a, t) and residuals (a, t).
        """
        self._check(d)
        before, members = self._A.n_passes, []
        for i in range(self._n_sketches):
            members.append(self._member(i, *self._sketched(i, d), d, alpha))
        return RidgeSolution(
            (sum(found.coef for found in members) / len(members)).astype(self._A.dtype),
            np.max([found.residual for found in members], axis=0),
            self._A.n_passes - before,
            members[0].solver,
            all(found.converged for found in members),
            max(found.n_iter for found in members),
        )

    def _sketched(self, i, d):
        """Sketches of A and, where its rows are what is sketched, of Y: those that are kept, or for once."""
        found = self._kept[i]
        if found is None or not found[0].has(d):
            found = self._fresh(i)
            _add(found, [d])
        return found

    def _fresh(self, i):
        stream = self._stream.child(2 * i)
        if self._axis == "features":
            return SketchedSizes(self._A.T, self._sketch, stream), None
        targets = as_operand(self._Y.reshape(len(self._Y), -1))
        of_A = SketchedSizes(self._A, self._sketch, stream)
        return of_A, SketchedSizes(targets, self._sketch, stream, like=self._A)

    def _member(self, i, of_A, of_Y, d, alpha):
        """The regression on one sketch."""
        B, Z, target_shape = of_A.product(d), self._Y, self._Y.shape[1:]
        if of_Y is None:
            B = B.T
        else:
            Z = of_Y.product(d).reshape(d, *target_shape)
        options = self._options | {"rng": self._stream.child(2 * i + 1)}
        if _is_direct(B, Z, alpha, options):
            options["gram"] = of_A.gram(d)
        solution = ridges(B, Z, alpha, **options)
        coef = solution.coef.astype(np.float64)
        if of_Y is None:
            coef = of_A.operator(d).T.apply(coef.reshape(d, -1)).reshape(-1, *coef.shape[1:])
        return solution._replace(coef=coef)

    def _check(self, d):
        length = self._A.shape[AXES.index(self._axis)]
        check_count("sketch_size", d, 1)
        if d > length:
            raise ValueError(f"sketch_size must be at most {length}, the number of {self._axis}; got {d}.")
        other = self._A.shape[1 - AXES.index(self._axis)]
        needed = d * other * self._A.dtype.itemsize
        if needed > self._max_memory:
            raise ValueError(
                f"The sketched matrix of {d} x {other} numbers needs {needed / 2**20:.3g} MiB, max_memory is "
                f"{self._max_memory / 2**20:.3g} MiB. Use a smaller sketch_size or a larger max_memory."
            )


def _add(sketched, sizes):
    for part in sketched:
        if part is not None:
            part.add(sizes)


def _is_direct(B, Z, alpha, options):
    """Whether a Gram matrix would be made."""
    plan = plan_ridge(
        B,
        Z.reshape(len(Z), -1).shape[1] * (len(alpha) if np.ndim(alpha) == 2 else 1),
        len(np.unique(alpha)),
        tol=options["tol"],
        solver=options["solver"],
        max_memory=options["max_memory"],
    )
    return plan.solver in ("cholesky", "eigh")
