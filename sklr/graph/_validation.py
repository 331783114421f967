"""From what users pass as a graph to a CSR adjacency matrix that algorithms can rely on."""

import warnings

import numpy as np
from scipy import sparse
from sklearn.utils.validation import check_array

from sklr._backend import Operand, RowChunks, Transposed, compute_dtype
from sklr._validation import validate_rows
from sklr.base import level_of_caller
from sklr.linalg._graph import as_adjacency


def validate_adjacency(estimator, X, *, reset, bipartite=False, allow_no_edges=False):
    """Check the adjacency matrix X of an estimator; set or check ``n_features_in_`` and names.

    With ``reset=True`` X is a graph: square, unless `bipartite`, and with edges, unless `allow_no_edges`.
    With ``reset=False`` X holds the connections of any nodes, in rows, with those that were fitted, in
    columns: as many columns as in the fit are asked for, and a row without an entry is fine.

    Two sweeps over the stored entries. Nothing is copied where X is CSR of float32 or float64 with sorted
    indices, no entry twice and no explicit zero; the result then shares its memory, so do not write to it.
    A dense X costs a sweep over all n^2 entries and a CSR copy of those that are not zero.

    Parameters
    ----------
    estimator : estimator
        Whose input it is.
    X : {array-like, sparse matrix or array, DataFrame} of shape (n_nodes, n_nodes) or (n_rows, n_columns)
        X[i, j] is the weight of the edge from node i to node j.
    reset : bool
        True in ``fit``, False in methods of a fitted estimator.
    bipartite : bool, default=False
        Whether rows and columns are nodes of two kinds, so that X need not be square.
    allow_no_edges : bool, default=False
        Whether a graph without edges is accepted.

    Returns
    -------
    csr_array
        float32 (kept) or float64 (from anything else); sorted indices, no entry twice, no explicit zero, all
        weights positive and finite.

    Raises
    ------
    ValueError
        X is not square, has negative weights, NaN or infinity, no edges, or another number of columns than in
        the fit; or it is complex, masked or empty.
    TypeError
        X is an operand, chunks or an iterator.

    Warns
    -----
    UserWarning
        X is a matrix of distances, as `KNeighborsTransformer` stores them; only in ``fit``.
    """
    _refuse_streams(X, "X")
    X = validate_rows(estimator, X, reset=reset)
    return _canonical(X, "X", square=reset and not bipartite, needs_edges=reset and not allow_no_edges)


def check_adjacency(A, name, *, bipartite=False, allow_no_edges=False):
    """`validate_adjacency` of a graph that is not the X of an estimator; `name` is what errors call it."""
    _refuse_streams(A, name)
    if getattr(getattr(A, "dtype", None), "kind", "") == "c":
        compute_dtype(A.dtype, name)  # raises; scikit-learn's message would print the array
    A = check_array(
        A, accept_sparse=("csr", "csc"), dtype="numeric", ensure_all_finite=False, input_name=name
    )
    return _canonical(A, name, square=not bipartite, needs_edges=not allow_no_edges)


def _refuse_streams(X, name):
    if hasattr(X, "adjacency"):
        raise TypeError(f"{name} is a {type(X).__name__}; pass its matrix, `adjacency`.")
    if hasattr(X, "__next__") or isinstance(X, (RowChunks, Operand, Transposed)):
        raise TypeError(
            f"{name} must be an adjacency matrix in memory, got {type(X).__name__}: an embedding multiplies "
            "by it many times. Pass a SciPy sparse matrix."
        )


def _canonical(X, name, *, square, needs_edges):
    n_rows, n_columns = X.shape
    if square and n_rows == n_columns and sparse.issparse(X) and _looks_like_distances(sparse.csr_array(X)):
        warnings.warn(
            f"{name} looks like the distances of KNeighborsTransformer(mode='distance'): every row "
            "starts with its diagonal and ascends. Taken as weights, far neighbours count most. "
            "Turn distances into weights by edge_weights_from_distances, or use mode='connectivity'.",
            UserWarning,
            stacklevel=level_of_caller(),
        )
    return as_adjacency(X, name, square=square, needs_edges=needs_edges)


def _looks_like_distances(X):
    """Whether the entries are stored as scikit-learn's neighbour transformers store distances.

    These put the nodes of a row in the order of their distances, the node itself first (at distance zero, or
    at the rounding error of it), and so not in the order of the indices. No other sign is certain: once
    sorted, symmetrised or summed, distances look like weights.
    """
    if X.nnz == 0 or X.has_sorted_indices or X.dtype.kind != "f":
        return False
    rises = np.diff(X.data) > 0
    falls = np.diff(X.data) < 0
    filled = np.diff(X.indptr) > 0
    starts = X.indptr[:-1][filled]
    within = np.ones(len(X.data) - 1, dtype=bool)
    within[starts[1:] - 1] = False  # from the last entry of a row to the first of the next one
    # Of nodes that are equal any may be first, so half of the rows are enough.
    self_first = np.mean(X.indices[starts] == np.flatnonzero(filled)) > 0.5
    return bool(self_first and not (falls & within).any() and (rises & within).any())
