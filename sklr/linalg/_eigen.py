"""Leading eigenpairs of a symmetric matrix whose number depends on the eigenvalues."""

import numpy as np
from scipy import linalg

# Below, the tridiagonal form has nothing to reflect.
_SMALLEST = 4
# Panel of LAPACK's blocked reduction, as its workspace is asked for.
_PANEL = 64


def leading_eigenpairs(G, choose):
    """``(w, V)``: the ``choose(all eigenvalues, descending)`` largest eigenvalues and their vectors.

    G = Q T Q^T is reduced to tridiagonal form once (4/3 q^3 flops); the eigenvalues of T cost q^2, and only
    the vectors that are kept are made: 2 q^2 each. A full eigendecomposition costs about 4 q^3 and more.
    """
    if len(G) < _SMALLEST:
        return _all_eigenpairs(G, choose)
    reduce, reflect = linalg.get_lapack_funcs(("sytrd", "ormqr"), (G,))
    # Scaled as LAPACK's drivers do it, so that no square leaves the range.
    unit = np.ldexp(1.0, int(np.frexp(np.max(np.abs(np.diag(G))))[1]) - 1)
    reflectors, d, e, tau, _ = reduce(G / G.dtype.type(unit), lower=1, lwork=_PANEL * len(G))
    w = linalg.eigvalsh_tridiagonal(d, e)
    k = choose(unit * w[::-1].astype(np.float64))
    chosen = (len(G) - k, len(G) - 1)
    try:
        w, Z = linalg.eigh_tridiagonal(d, e, select="i", select_range=chosen, lapack_driver="stemr")
    except linalg.LinAlgError:
        # Robust representations may fail where many eigenvalues are equal; divide and conquer does not.
        return _all_eigenpairs(G, choose)
    # The first row and column of Q are those of the identity; the rest is a product of reflectors as in QR.
    Z[1:], _, _ = reflect("L", "N", reflectors[1:, :-1], tau, Z[1:], lwork=_PANEL * k)
    return unit * w[::-1].astype(np.float64), Z[:, ::-1]


def _all_eigenpairs(G, choose):
    w, V = np.linalg.eigh(G)
    k = choose(w[::-1])
    return w[: -k - 1 : -1], V[:, : -k - 1 : -1]
