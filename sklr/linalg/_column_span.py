"""Columns of a matrix, an orthonormal basis of their span, and the matrix projected on it."""

import numpy as np
from scipy import linalg

from sklr._backend import RangeError, as_operand, as_stream

from ._pivots import rounding
from ._selection import ColumnSelection, left, solve_triangle
from .error_estimate import N_PROBES, is_resolved
from .orthogonalize import orthonormalize

# A difference of squared lengths is rounding below so many eps of them.
_DIGITS = 100


class ColumnSpan:
    """Columns of A that are independent, in the order in which they were added.

    Keeps ``A_J = Q R`` with orthonormal Q and upper triangular R, and ``W = Q^T A``, so that the best
    coefficients are ``X = R^-1 W`` and the error of the first r columns is that of the first r rows of W:
    ``||A - Q Q^T A||^2 = ||A||^2 - ||W||^2``. Two passes over A for every batch of columns.

    Parameters
    ----------
    A : Operand or Transposed
        Of shape (m, n).
    max_memory : int
        Bytes that Q, W and their successors may take.
    """

    def __init__(self, A, max_memory):
        m, n = A.shape
        self.A = A
        self._max_memory = max_memory
        self.indices = np.empty(0, dtype=np.intp)
        self.Q = np.empty((m, 0), dtype=A.dtype)
        self.R = np.empty((0, 0), dtype=A.dtype)
        self.W = np.empty((0, n), dtype=A.dtype)
        self._squares = None

    def __len__(self):
        return len(self.indices)

    def add(self, candidates, batch=None, which=None):
        """Add those of the candidates, none of which is in yet, that are independent; return how many.

        `batch` is what `beyond` gives of them, if that is known; with `which`, only these of them are for
        adding, in this order.
        """
        C, lengths, above = self.beyond(candidates) if batch is None else batch
        if which is not None:
            candidates, C, lengths, above = candidates[which], C[:, which], lengths[which], above[:, which]
        nonzero = lengths > 0
        if not nonzero.any():
            return 0
        C = C[:, nonzero] / lengths[nonzero].astype(C.dtype)
        noise = rounding(len(C), C.dtype)
        basis = orthonormalize(C, against=self.Q)
        T = as_operand(basis, name="basis").rmatmat(C) if basis.shape[1] else np.empty((0, C.shape[1]))
        rotation, T, kept = _triangular(T.astype(np.float64), noise)
        if not len(kept):
            return 0
        new = as_operand(basis, name="basis").matmat(rotation.astype(basis.dtype))
        kept_of_all = np.flatnonzero(nonzero)[kept]
        r, old = len(kept), len(self)
        R = np.zeros((old + r, old + r), dtype=self.R.dtype)
        R[:old, :old] = self.R
        R[:old, old:] = above[:, kept_of_all]
        R[old:, old:] = T * lengths[kept_of_all]
        self.R = R
        self.Q = np.hstack([self.Q, new])
        self.W = np.vstack([self.W, self.A.rmatmat(new).T])
        self.indices = np.concatenate([self.indices, candidates[kept_of_all]])
        return r

    def beyond(self, candidates):
        """``(C, lengths, above)``: what columns have beyond the span, and their coordinates in it.

        C is ``A_c - Q above``, and `lengths` are those of the columns of A_c.
        """
        self._check_room(len(self) + len(candidates))
        if not len(candidates):
            return self.Q[:, :0], np.zeros(0), np.zeros((len(self), 0), dtype=self.R.dtype)
        C = self.A.take_columns(candidates)
        panel = as_operand(C, name="columns")
        lengths = np.sqrt(panel.column_squared_norms())
        above = np.zeros((len(self), len(candidates)), dtype=C.dtype)
        if len(self):
            Q = as_operand(self.Q, name="basis")
            for _ in range(2):
                inside = Q.rmatmat(C)
                C = C - Q.matmat(inside)
                above += inside
        return C, lengths, above

    def check_range(self):
        """Raise if A, of which a sweep has been made, is zero or too small to be squared."""
        if self.A.squared_norm() == 0:
            raise ValueError(f"{self.A.name} is zero everywhere: there is no column to choose.")
        if self.A.dtype == np.float64:  # squares of float32 are added up in float64
            self.A.check_squares()

    def _check_room(self, r):
        m, n = self.A.shape
        needed = (5 * m + 2 * n) * r * self.A.dtype.itemsize
        if needed > self._max_memory:
            raise ValueError(
                f"A basis of {r} columns and their coefficients need {needed / 2**20:.3g} MiB, max_memory is "
                f"{self._max_memory / 2**20:.3g} MiB. Use fewer columns or max_memory={needed}."
            )

    def squares_left(self, exact=False):
        """Squared lengths of what is left of all columns beyond the span, float64; 0 for rounding.

        As differences of squares, while these tell some of them; a smaller one is 0. With `exact`, and where
        all others are, from the differences of the columns, in one more pass with ``2 m n r`` flops.
        """
        if self._squares is None:
            self._squares = self.A.column_squared_norms()
        beyond = self._squares - np.einsum("ij,ij->j", self.W, self.W, dtype=np.float64)
        beyond[beyond <= _DIGITS * np.finfo(self.W.dtype).eps * self._squares] = 0
        beyond[self.indices] = 0
        if len(self) and (exact or not beyond.any()):
            beyond = self.A.squares_of_difference(self.Q, self.W)
            beyond[beyond <= rounding(len(self.Q), self.W.dtype) ** 2 * self._squares] = 0
            beyond[self.indices] = 0
        return beyond

    def errors(self):
        """The relative error of the first 1, 2, ... columns; at most one pass, see `relative_error`."""
        total = self.A.squared_norm()
        errors = left(self.W, total)
        small = ~is_resolved(errors**2, np.finfo(self.W.dtype).eps)
        if len(self) and small.any():
            first = int(np.argmax(small))
            errors[first:] = np.minimum(self._probed(first, total), errors[first - 1] if first else 1.0)
        return errors

    def _probed(self, first, total):
        """Errors of the first ``first + 1``, ... columns, by Gaussian vectors."""
        Q, W = self.Q.astype(np.float64, copy=False), self.W.astype(np.float64, copy=False)
        G = as_stream(0).generator("error_estimate").standard_normal((len(Q), N_PROBES))
        # What A^T has of G beyond the first columns: those of the later ones are added back.
        coordinates = Q.T @ G
        beyond = G - Q @ coordinates
        beyond -= Q @ (Q.T @ beyond)
        residual = self.A.rmatmat(beyond).astype(np.float64)
        squares = np.empty(len(Q.T) - first)
        for i in range(len(squares) - 1, -1, -1):
            squares[i] = np.sum(residual**2)
            residual += np.outer(W[first + i], coordinates[first + i])
        return np.maximum(np.sqrt(squares / N_PROBES / total), np.finfo(self.W.dtype).eps)

    def selection(self, r, errors, best_errors, n_passes):
        """The first r columns as a `ColumnSelection`."""
        indices, R = self.indices[:r], self.R[:r, :r]
        X = solve_triangle(R, self.W[:r])
        if np.abs(X).max(initial=0) > np.finfo(self.W.dtype).max:
            raise RangeError(
                f"Coefficients leave the range of {self.W.dtype}: a column of {self.A.name} that was chosen "
                "is so much shorter than others. Scale the columns, or convert to float64."
            )
        X = X.astype(self.W.dtype)
        X[:, indices] = np.eye(r)
        return ColumnSelection(indices, X, errors[:r], best_errors[:r], R, n_passes)


def _triangular(T, noise):
    """``(P, R, kept)`` with ``T[:, kept] = P R``: P orthonormal, R upper triangular; columns that the ones
    before leave less than `noise` of are not kept."""
    r, b = T.shape
    if r == b:
        P, R = linalg.qr(T)
        if b and np.abs(np.diag(R)).min() > noise:
            return P, R, np.arange(b)
    P, kept = np.empty((r, min(r, b)), order="F"), []
    for j in range(b):
        i = len(kept)
        p = T[:, j]
        for _ in range(2):
            p = p - P[:, :i] @ (P[:, :i].T @ p)
        length = linalg.norm(p)
        if length > noise and i < r:
            P[:, i] = p / length
            kept.append(j)
    P = P[:, : len(kept)]
    return P, np.triu(P.T @ T[:, kept]), np.array(kept, dtype=np.intp)
