"""The truncated SVD: plan, solve, and fall back where the plan's solver cannot give the answer."""

import numpy as np

from sklr._backend import as_operand, as_stream, session
from sklr.sketch import make_sketch

from ._checks import check_count, check_rank
from .exact import exact_svd
from .gram import GramPrecisionError, gram_svd
from .krylov import krylov_svd
from .plan import plan_low_rank


def truncated_svd(A, k, *, solver="auto", sketch="auto", n_oversamples=10, rng=None, n_threads=None):
    """Leading singular values and right singular vectors, by the cheapest solver that can give them.

    A_hat = A V V^T, where the columns of V are the k leading right singular vectors, exactly
    (`gram_svd`, `exact_svd`) or nearly (`krylov_svd`).

    Parameters
    ----------
    A : matrix or operand of shape (m, n)
        Dense, sparse, memory-mapped or chunked.
    k : int
        Rank, at most min(m, n).
    solver : {"auto", "gram", "krylov", "exact"}, default="auto"
        "auto" is what `plan_low_rank` chooses from shapes; if that is "gram" and the spectrum turns out to
        need more precision, the next in the plan.
    sketch : str or Distribution, default="auto"
        Start block of "krylov". Anything but "auto" restricts the choice to solvers that sketch.
    n_oversamples : int, default=10
        Columns of the Krylov basis beyond k; at least 0.
    rng : None, int, Generator or Stream, default=None
        Where the start block comes from.
    n_threads : int, default=None
        At most so many threads; None means what this process may use. The bits of the result do not depend
        on it.

    Returns
    -------
    LowRank
        `singular_values`, `right_vectors`, `captured`, `n_passes` and `solver`.

    Raises
    ------
    GramPrecisionError
        A ValueError: ``solver="gram"`` was asked for and cannot resolve the spectrum.
    TypeError
        If a parameter is of the wrong type.
    ValueError
        If a parameter is out of range, no family of sketches has the name, `plan_low_rank` finds no solver,
        or A holds NaN or infinity.

    Notes
    -----
    Cost and memory are those of the solver; see `plan_low_rank`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklr.linalg import truncated_svd
    >>> result = truncated_svd(np.diag([3.0, 2.0, 1.0]), 2)
    >>> result.singular_values, result.solver
    (array([3., 2.]), 'gram')
    """
    A = as_operand(A, name="A")
    k = check_rank(k, A.shape)
    n_oversamples = check_count("n_oversamples", n_oversamples, 0)
    sketch_given = not (isinstance(sketch, str) and sketch == "auto")
    if sketch_given:
        sketch = make_sketch(sketch)
    plan = plan_low_rank(A, k, solver=solver, sketch_given=sketch_given, n_oversamples=n_oversamples)
    before = A.n_passes
    with session(n_threads):
        chosen = plan.solver
        if chosen == "gram":
            try:
                return gram_svd(A, k)
            except GramPrecisionError:
                others = [name for name in plan.costs if name != "gram" and np.isfinite(plan.costs[name])]
                if solver != "auto" or not others:
                    raise
                chosen = min(others, key=plan.costs.get)
        if chosen == "exact":
            result = exact_svd(A, k)
        else:
            result = krylov_svd(
                A,
                k,
                sketch=sketch,
                block_size=plan.block_size,
                n_oversamples=n_oversamples,
                rng=as_stream(rng),
            )
    return result._replace(n_passes=A.n_passes - before)
