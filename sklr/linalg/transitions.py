"""Transition matrices of graphs."""

import numpy as np
from scipy import sparse

from ._graph import as_adjacency, weighted_degrees

TRANSITIONS = ("random_walk", "symmetric")


def transition_matrix(A, transition="random_walk", *, column_degrees=None):
    """The matrix that one step along the edges of a graph multiplies by.

    With D the diagonal of the sums of rows of A and C that of its columns,

        T = D^(-1) A              "random_walk": (T Z)[i] is the mean of Z over the neighbours of i
        T = D^(-1/2) A C^(-1/2)   "symmetric"

    where rows and columns whose sum is zero stay zero.

    Parameters
    ----------
    A : {array-like, sparse matrix} of shape (m, n)
        Weights of edges, from the nodes of rows to those of columns, not negative. The graph may be directed,
        and bipartite, so that m and n differ.
    transition : {"random_walk", "symmetric"}, default="random_walk"
        Which.
    column_degrees : ndarray of shape (n,), default=None
        The diagonal of C, where it is not to be taken from A: for new rows of a graph. Only with "symmetric".

    Returns
    -------
    T : csr_array of shape (m, n)
        float32 where A is, float64 otherwise.

    Raises
    ------
    ValueError
        If A has negative weights, NaN or infinity, or weights whose sum overflows; if `transition` is another
        one, or `column_degrees` has another shape.

    See Also
    --------
    propagate : Multiplies by its powers.

    Notes
    -----
    A sweep over the entries, in float64 whatever the dtype: T does not change with the unit of the weights.
    Memory for an array of nnz entries of the dtype, and a few of float64 for a while.

    Examples
    --------
    >>> import numpy as np
    >>> from sklr.linalg import transition_matrix
    >>> A = np.array([[0.0, 1.0, 3.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    >>> transition_matrix(A).toarray()
    array([[0.  , 0.25, 0.75],
           [1.  , 0.  , 0.  ],
           [0.  , 0.  , 0.  ]])
    """
    if transition not in TRANSITIONS:
        raise ValueError(f"transition must be one of {TRANSITIONS}, got {transition!r}.")
    if column_degrees is not None and transition != "symmetric":
        raise ValueError(f"column_degrees have no part in transition={transition!r}: leave them at None.")
    A = as_adjacency(A, square=False)
    row_degrees = weighted_degrees(A)
    # Division, not multiplication by a reciprocal, which overflows where degrees are tiny.
    if transition == "random_walk":
        data = A.data / np.repeat(row_degrees, np.diff(A.indptr))
    else:
        if column_degrees is None:
            column_degrees = weighted_degrees(A, axis=0)
        column_degrees = np.asarray(column_degrees, dtype=np.float64)
        if column_degrees.shape != (A.shape[1],):
            raise ValueError(
                f"column_degrees must have shape ({A.shape[1]},), one for each column of A, got "
                f"{column_degrees.shape}."
            )
        if not (np.isfinite(column_degrees).all() and column_degrees.min() >= 0):
            raise ValueError("column_degrees must be sums of weights, which are finite and not negative.")
        # A column that had no edge has no degree: edges to it count nothing.
        roots = np.sqrt(np.where(column_degrees > 0, column_degrees, np.inf))
        data = A.data / np.repeat(np.sqrt(row_degrees), np.diff(A.indptr))
        data /= roots[A.indices]
    T = sparse.csr_array((data.astype(A.dtype, copy=False), A.indices, A.indptr), shape=A.shape)
    T.has_canonical_format = True  # as A has; SciPy would look at every entry to know
    return T
