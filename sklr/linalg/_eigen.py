"""Symmetric matrices by their tridiagonal form: some eigenpairs, and solutions for many shifts."""

from functools import cached_property

import numpy as np
from scipy import linalg

# Below, the tridiagonal form has nothing to reflect.
_SMALLEST = 4
# Panel of LAPACK's blocked reduction, as its workspace is asked for.
_PANEL = 64


class Tridiagonal:
    """G = Q T Q^T with T tridiagonal: 4/3 q^3 flops, a part of what all eigenvectors of G cost.

    Parameters
    ----------
    G : ndarray of shape (q, q), q >= 1
        Symmetric.
    """

    def __init__(self, G):
        reduce, self._reflect = linalg.get_lapack_funcs(("sytrd", "ormqr"), (G,))
        # Scaled as LAPACK's drivers do it, so that no square leaves the range.
        self._unit = np.ldexp(1.0, int(np.frexp(np.max(np.abs(np.diag(G))))[1]) - 1)
        self._reflectors, self._d, self._e, self._tau, _ = reduce(
            G / G.dtype.type(self._unit), lower=1, lwork=_PANEL * len(G)
        )

    @cached_property
    def eigenvalues(self):
        """All of them, ascending, float64; of the order of q^2 flops."""
        return self._unit * linalg.eigvalsh_tridiagonal(self._d, self._e).astype(np.float64)

    def leading_vectors(self, k):
        """``(w, V)``: the k largest eigenvalues, descending, and their vectors; 2 q^2 flops each.

        Raises LinAlgError where many eigenvalues are equal, for which representations that are robust
        otherwise may fail.
        """
        chosen = (len(self._d) - k, len(self._d) - 1)
        w, Z = linalg.eigh_tridiagonal(
            self._d, self._e, select="i", select_range=chosen, lapack_driver="stemr"
        )
        return self._unit * w[::-1].astype(np.float64), self._rotated(Z, "N")[:, ::-1]

    def solve(self, H, shifts):
        """``(G + s I)^-1 H`` for every s in `shifts`, of shape (len(shifts), q, t); 4 q^2 flops a column.

        For G + s I that are positive definite, to working accuracy.
        """
        factor_and_solve = linalg.get_lapack_funcs("ptsv", (self._d,))
        H = self._rotated(np.array(H, dtype=self._d.dtype, order="F"), "T")
        solutions = np.empty((len(self._d), len(shifts), H.shape[1]), order="F")
        e = self._e if len(self._e) else np.zeros(1)  # SciPy asks for one entry at least
        for i, shift in enumerate(shifts):
            _, _, solutions[:, i], info = factor_and_solve(self._d + shift / self._unit, e, H)
            if info:
                raise linalg.LinAlgError(f"G + {shift:.3g} I is not positive definite.")
        flat = solutions.reshape(len(self._d), -1, order="F")
        flat = self._rotated(flat, "N") / self._unit
        return np.moveaxis(flat.reshape(solutions.shape, order="F"), 1, 0)

    def _rotated(self, Z, trans):
        """Q Z or Q^T Z; Z, in Fortran order, is overwritten.

        The first row and column of Q are those of the identity; the rest is a product of reflectors as in QR.
        """
        if len(Z) > 1 and Z.shape[1]:
            Z[1:], _, _ = self._reflect(
                "L", trans, self._reflectors[1:, :-1], self._tau, Z[1:], lwork=_PANEL * Z.shape[1]
            )
        return Z


def leading_eigenpairs(G, choose):
    """``(w, V)``: the ``choose(all eigenvalues, descending)`` largest eigenvalues and their vectors.

    From the tridiagonal form, where a full eigendecomposition costs about 4 q^3 and more.
    """
    if len(G) < _SMALLEST:
        return _all_eigenpairs(G, choose)
    form = Tridiagonal(G)
    k = choose(form.eigenvalues[::-1])
    try:
        return form.leading_vectors(k)
    except linalg.LinAlgError:
        return _all_eigenpairs(G, choose)


def _all_eigenpairs(G, choose):
    w, V = np.linalg.eigh(G)
    k = choose(w[::-1])
    return w[: -k - 1 : -1], V[:, : -k - 1 : -1]
