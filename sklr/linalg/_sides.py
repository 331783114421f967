"""Which side of a matrix an iteration runs on, and the way back from the other one."""

from scipy import linalg

from sklr._backend import as_operand

from .orthogonalize import completed, orthonormalize


def transposes(A):
    """Whether iteration takes A^T, whose rows are shorter: where the data can be swept along columns."""
    return A.shape[0] < A.shape[1] and A.sweeps_columns


def shorter_side(A):
    """A or A^T as an operand tiled by rows; see `transposes`."""
    return A.T.tiled_by_rows() if transposes(A) else A.tiled_by_rows()


def right_from_left(A_T, U):
    """``(V, s)``: right vectors and singular values of A from its left vectors U, in two passes over A^T.

    V spans the range of A^T U, and is rotated to the singular vectors of A V, so that the values belong
    to A V V^T.
    """
    V = completed(orthonormalize(A_T.matmat(U)), U.shape[1])
    _, s, Yt = linalg.svd(A_T.rmatmat(V), full_matrices=False)
    return as_operand(V, name="basis").matmat(Yt.T), s
